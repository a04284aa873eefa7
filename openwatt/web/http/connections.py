"""A client's connection: what has arrived of a request, and what has not been read of an answer."""

import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
import time
from collections import deque
from enum import Enum
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import TConn

from openwatt.web.http.client_address import client_key

#: A request's head is at most this long; Gunicorn's own bound would be 800 kB for each connection.
MOST_HEAD_BYTES = 64 * 1024
#: A body up to this length is received before a thread is taken: what every address but those of files takes.
SMALL_BODY_BYTES = 64 * 1024
#: A client that reads less than this of an answer, in so many seconds, is not waited for: 1 kB/s.
LEAST_READ_BYTES, READ_WINDOW_S = 30 * 1024, 30.0
#: The kernel, which still sends when we have closed, ends a connection that acknowledges nothing for so long.
_UNACKNOWLEDGED_MS = 60_000
_RECEIVE_BYTES = 16 * 1024
#: How much of a file is read at once, and how many parts are sent before others have their turn.
_FILE_BYTES, _MOST_SENDS = 64 * 1024, 16
_MOST_DIGITS = 20
#: Requests for which a thread is reserved; their addresses may stand below a prefix.
_PROBED_BY, _PROBES = {b"get", b"head"}, (b"/health", b"/health/ready")


class Arrival(Enum):
    """What has arrived on a connection."""

    PART = "part"
    REQUEST = "request"
    """A whole request, or what the parser will refuse."""
    PROBE = "probe"
    UPLOAD = "upload"
    """The head of a request whose body a thread has to read."""
    LONG_HEAD = "long head"


def counted_address(client: object) -> str:
    """Whose a connection is: the client's address or its IPv6 network; empty where it has none."""
    return client_key(client[0].removeprefix("::ffff:")) if isinstance(client, tuple) else ""


class FilePart:
    """What is unsent of a file. It is read as the client reads, so that its length takes no memory."""

    def __init__(self, file: Any, offset: int, count: int) -> None:
        self._descriptor = os.dup(file.fileno())
        self._offset = offset
        self.left = count

    def next_bytes(self) -> bytes:
        """The bytes to send next.

        Raises:
            OSError: the file is shorter than it was.
        """
        data = os.pread(self._descriptor, min(_FILE_BYTES, self.left), self._offset)
        if not data:
            raise OSError(errno.EIO, "the file has become shorter")
        return data

    def advance(self, sent: int) -> None:
        """Counts bytes as sent."""
        self._offset += sent
        self.left -= sent

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


class ClientSocket(socket.socket):
    """The socket of a client: sending never waits. `send_unsent` sends what the kernel does not take at once.

    Answers are made whole in memory or lie in files, so that what is unsent is a reference and no copy.
    """

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self._unsent: deque[memoryview | FilePart] = deque()
        self.unsent_bytes = 0
        if self.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends what the kernel takes now, and keeps the rest."""
        if not self.unsent_bytes:
            try:
                sent = super().send(data, flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
        self._unsent.append(memoryview(data))
        self.unsent_bytes += len(data)

    def send(self, data: Any, flags: int = 0) -> int:
        """Like `sendall`: Gunicorn sends a 100 Continue in this way."""
        self.sendall(data, flags)
        return len(data)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Sends a file as the client reads it; whoever has opened it may close it at once."""
        length = os.fstat(file.fileno()).st_size - offset if count is None else count
        if length:
            self._unsent.append(FilePart(file, offset, length))
            self.unsent_bytes += length
            self.send_unsent()
        return length

    @property
    def held_bytes(self) -> int:
        """What is unsent in memory."""
        return self.unsent_bytes - sum(part.left for part in self._unsent if isinstance(part, FilePart))

    def send_unsent(self) -> bool:
        """Sends what the client takes now of what is buffered; whether that was all.

        Of a file it sends a few parts, because others wait meanwhile.

        Raises:
            OSError: the client is gone.
        """
        for _part in range(_MOST_SENDS):
            if not self._unsent:
                return True
            first = self._unsent[0]
            data = first.next_bytes() if isinstance(first, FilePart) else first
            try:
                sent = super().send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            self.unsent_bytes -= sent
            self._drop_sent(first, sent)
        return not self._unsent

    def _drop_sent(self, first: memoryview | FilePart, sent: int) -> None:
        """Forgets what was sent of the first part."""
        if isinstance(first, FilePart):
            first.advance(sent)
            if not first.left:
                first.close()
                self._unsent.popleft()
        elif sent == len(first):
            self._unsent.popleft()
        else:
            self._unsent[0] = first[sent:]

    def close(self) -> None:
        """Closes the connection and the files that were not sent to their end."""
        while self._unsent:
            part = self._unsent.popleft()
            if isinstance(part, FilePart):
                part.close()
        super().close()

    def unread_bytes(self) -> int:
        """What the client has not acknowledged: what is unsent, and what the kernel holds (on Linux)."""
        with contextlib.suppress(OSError):
            (held,) = struct.unpack("i", fcntl.ioctl(self, termios.TIOCOUTQ, bytes(4)))
            return self.unsent_bytes + int(held)
        return self.unsent_bytes


class ClientConnection(TConn):  # type: ignore[misc]  # Gunicorn ships no types
    """A connection as the worker's main loop sees it."""

    sock: ClientSocket

    def __init__(self, cfg: Any, accepted: socket.socket, client: Any, server: Any, address: str) -> None:
        super().__init__(cfg, ClientSocket(accepted), client, server)
        self.address = address
        """The client address among whose connections it counts; empty where addresses are not counted."""
        self.peer = counted_address(client)
        """Who has connected: the client, or a proxy."""
        self.received = bytearray()
        self.since = time.monotonic()
        """When the wait for the present request, or for the reading of its answer, began."""
        self.arrival = Arrival.PART
        self.closed_by_client = False
        self.result: Any = None
        """The future of the request that a thread answers or has answered."""
        self._searched = 0
        self._whole = 0
        self._unread_bytes = 0

    @property
    def awaits_body(self) -> bool:
        """Whether the head of the request is there and its small body is not."""
        return self._whole > 0

    def expect_request(self, received: bytes) -> None:
        """Begins to wait for a request, of which this much has been received already."""
        self.since = time.monotonic()
        self.received += received
        self._searched = self._whole = 0

    def receive(self) -> Arrival:
        """Takes what has arrived.

        Raises:
            OSError: the client is gone.
        """
        try:
            data = self.sock.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return Arrival.PART
        self.received += data
        self.closed_by_client = not data
        return self.arrived()

    def arrived(self) -> Arrival:
        """What has arrived so far."""
        if not self._whole:
            self.arrival = self._look_for_head()
        elif self.closed_by_client or len(self.received) >= self._whole:
            self.arrival = Arrival.REQUEST  # of a body that ends too soon, the application says so
        return self.arrival

    def _look_for_head(self) -> Arrival:
        received, searched = self.received, self._searched
        end = received.find(b"\r\n\r\n", max(0, searched - 3))
        if end >= 0:
            return self._look_at_head(bytes(received[:end]).lower())
        since = searched - received.endswith(b"\r", 0, searched)
        self._searched = len(received)
        if received.count(b"\n", since) != received.count(b"\r\n", since):
            return Arrival.REQUEST  # no head can come of this; the parser says why
        return Arrival.LONG_HEAD if len(received) > MOST_HEAD_BYTES else Arrival.PART

    def _look_at_head(self, head: bytes) -> Arrival:
        length = 0  # also where the parser will refuse the head
        if head.count(b"\r\ncontent-length:") == 1:
            at = head.index(b"\r\ncontent-length:")
            text = head[at + 17 :].partition(b"\r\n")[0].strip()
            if text.isdigit():
                length = int(text) if len(text) < _MOST_DIGITS else SMALL_BODY_BYTES + 1
        if length > SMALL_BODY_BYTES or b"\r\ntransfer-encoding" in head or b"\r\nexpect" in head:
            return Arrival.UPLOAD
        if length and len(self.received) < len(head) + 4 + length and not self.closed_by_client:
            self._whole = len(head) + 4 + length
            return Arrival.PART
        method, _, target = head.partition(b"\r\n")[0].partition(b" ")
        if method in _PROBED_BY and target.partition(b" ")[0].partition(b"?")[0].endswith(_PROBES):
            return Arrival.PROBE
        return Arrival.REQUEST

    def long_head_error(self) -> ParseException:
        """What is wrong with a head that is longer than any may be."""
        head, most = self.parser.unreader.take_buffered(), self.cfg.limit_request_line
        line_bytes = head.find(b"\r\n") if b"\r\n" in head else len(head)
        if line_bytes > most:
            return LimitRequestLine(line_bytes, most)
        return LimitRequestHeaders(f"a request has at most {MOST_HEAD_BYTES} bytes of headers")

    def hand_over(self) -> None:
        """Gives the parser what was received: the connection goes to a thread."""
        self.init()
        self.parser.unreader.unread(bytes(self.received))
        self.received.clear()

    def end_receiving(self) -> None:
        """Receives no more of a request: what came of it is answered, as if its client had left."""
        self.closed_by_client = True
        with contextlib.suppress(OSError):  # it has just left by itself
            self.sock.shutdown(socket.SHUT_RD)

    def expect_reading(self) -> None:
        """Begins to wait until the client has read its answer."""
        self.since = time.monotonic()
        self._unread_bytes = self.sock.unread_bytes()

    def reads_too_slowly(self, now: float) -> bool:
        """Whether the client has read next to nothing of its answer for a while."""
        if now < self.since + READ_WINDOW_S:
            return False
        self.since, before, self._unread_bytes = now, self._unread_bytes, self.sock.unread_bytes()
        return before - self._unread_bytes < LEAST_READ_BYTES

    def reset(self) -> None:
        """Ends the connection at once; the kernel forgets what it held for the client."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()
