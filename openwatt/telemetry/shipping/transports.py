"""How log lines reach Logstash: JSON lines over TCP, or acknowledged HTTP posts."""

import base64
import codecs
import contextlib
import http.client
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, Self
from urllib.parse import unquote, urlsplit

# What every look-up of a host's name needs: loaded here, not by a thread while its process forks.
codecs.lookup("idna")

_STEP_SECONDS: Final = 0.2
#: A peer that takes nothing for so long is unavailable.
STALL_SECONDS: Final = 10.0

#: Opens a connection to the peer: `makeSocket` of the logging handler.
MakeSocket = Callable[[], socket.socket]
#: Called while a transport waits; it may raise to give up.
Idle = Callable[[], None]


class RecordsRefusedError(Exception):
    """The peer has read the lines and will never take them as they are: sending them again is no use."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A Logstash address: `tcp://host:port` or `http[s]://[user:password@]host[:8080][/path]`."""

    scheme: str
    host: str
    port: int
    path: str = "/"
    credentials: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """The address that a URL states.

        Raises:
            ValueError: the scheme or the port is missing or unknown.
        """
        parts = urlsplit(url)
        if parts.scheme == "tcp" and parts.hostname and parts.port:
            return cls("tcp", parts.hostname, parts.port)
        if parts.scheme in ("http", "https") and parts.hostname:
            credentials = None
            if parts.username:
                credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            return cls(parts.scheme, parts.hostname, parts.port or 8080, parts.path or "/", credentials)
        raise ValueError(f"a Logstash address is tcp://host:5000 or http://host:8080, not {parts.scheme}://…")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


class Transport(Protocol):
    """One peer, used by the shipping thread alone; OSError and HTTPException mean that it is unavailable."""

    #: Whether the end of `send` proves that the peer has the lines; if not, `confirm` does.
    acknowledges: bool

    def connect(self) -> None:
        """Opens the connection unless it is open."""

    def send(self, lines: bytes, idle: Idle) -> None:
        """Sends whole lines."""

    def confirm(self, idle: Idle) -> None:
        """Returns once the peer has read everything that was sent."""

    def disconnect(self) -> None:
        """Closes the connection at once. Never raises."""


class TcpTransport:
    """JSON lines over TCP.

    TCP says when the peer's machine has our bytes, never that its program has
    read them: those in kernel buffers are lost with the program. There is one
    exception, and `confirm` uses it: a program that reads the end of our stream
    has read all that came before, and closes its own side. What is sent since the last
    such end is sent again after a failure.
    """

    acknowledges = False

    def __init__(self, make_socket: MakeSocket) -> None:
        self._make_socket = make_socket
        self._stream: socket.socket | None = None
        self._used = False  # something was sent on the open connection

    def connect(self) -> None:
        """Opens the connection unless it is open; one that the peer closed unused is opened again."""
        if self._stream is not None and not self._used and _is_closed(self._stream):
            self.disconnect()
        if self._stream is None:
            self._used = False
            self._stream = self._make_socket()
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._stream.settimeout(_STEP_SECONDS)

    def send(self, lines: bytes, idle: Idle) -> None:
        """Sends whole lines; a closed connection is noticed first, for one more send to it would succeed."""
        stream = self._opened()
        if _is_closed(stream):
            raise ConnectionResetError("the peer has closed the connection")
        self._used = True
        rest = memoryview(lines)
        progress = time.monotonic()
        while rest:
            try:
                rest = rest[stream.send(rest) :]
                progress = time.monotonic()
            except TimeoutError:
                if time.monotonic() - progress > STALL_SECONDS:
                    raise
            idle()

    def confirm(self, idle: Idle) -> None:
        """Ends the stream, waits for the peer to end its own, connects again: it has read all, and lives."""
        stream = self._opened()
        if _is_closed(stream):  # its end came before ours: it proves nothing
            raise ConnectionResetError("the peer has closed the connection")
        stream.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + STALL_SECONDS
        while True:
            try:
                if not stream.recv(4096):
                    break
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
            idle()
        self.disconnect()
        self.connect()

    def disconnect(self) -> None:
        """Closes the connection at once."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()

    def _opened(self) -> socket.socket:
        if self._stream is None:
            raise ConnectionError("the connection is not open")
        return self._stream


def _is_closed(stream: socket.socket) -> bool:
    """Whether the peer has ended its stream; what it says is of no interest."""
    stream.setblocking(False)
    try:
        while stream.recv(4096):
            pass
    except BlockingIOError:
        return False
    finally:
        stream.settimeout(_STEP_SECONDS)
    return True


class _HttpConnection(http.client.HTTPConnection):
    """The library's connection over a socket of the logging handler's."""

    def __init__(self, peer: Peer, make_socket: MakeSocket) -> None:
        super().__init__(peer.host, peer.port)
        self._make_socket = make_socket

    def connect(self) -> None:
        """Opens the connection."""
        self.sock = self._make_socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class HttpTransport:
    """Posts to a Logstash `http` input, whose answer acknowledges the records: nothing sent is in doubt."""

    acknowledges = True

    def __init__(self, peer: Peer, make_socket: MakeSocket) -> None:
        self._path = peer.path
        self._headers = {"Content-Type": "application/json"}
        if peer.credentials is not None:
            credentials = base64.b64encode(peer.credentials.encode()).decode()
            self._headers["Authorization"] = f"Basic {credentials}"
        self._connection = _HttpConnection(peer, make_socket)
        self._used = False

    def connect(self) -> None:
        """Opens the connection unless it is open."""
        if self._connection.sock is None:
            self._connection.connect()

    def send(self, lines: bytes, idle: Idle) -> None:
        """Posts lines as one array and reads the answer.

        Raises:
            RecordsRefusedError: the answer says that these very lines are not acceptable.
        """
        idle()
        body = b"[" + b",".join(lines.splitlines()) + b"]"
        try:
            response = self._post(body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not self._used:
                raise
            self.disconnect()  # an idle connection that the peer had closed
            response = self._post(body)
        self._used = True
        if response.status in (400, 413, 415, 422):
            raise RecordsRefusedError(f"{response.status} {response.reason}")
        if not 200 <= response.status < 300:
            raise ConnectionError(f"{response.status} {response.reason}")

    def _post(self, body: bytes) -> http.client.HTTPResponse:
        self.connect()
        self._connection.sock.settimeout(STALL_SECONDS)
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        response.read()
        return response

    def confirm(self, idle: Idle) -> None:
        """Does nothing: the answer to the post is the confirmation."""

    def disconnect(self) -> None:
        """Closes the connection at once."""
        self._used = False
        self._connection.close()


def transport_for(peer: Peer, make_socket: MakeSocket) -> Transport:
    """The transport that a peer's scheme names."""
    return TcpTransport(make_socket) if peer.scheme == "tcp" else HttpTransport(peer, make_socket)
