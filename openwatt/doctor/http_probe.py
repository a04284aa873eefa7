"""The HTTP client of the checks, with short timeouts and error messages without secrets."""

import functools
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, unquote

import httpx
import msgspec

from openwatt.addresses import AddressError, parse_address
from openwatt.doctor.results import CheckFailedError

T = TypeVar("T")

CONNECT_S, RESPONSE_S = 2.0, 5.0
_POLL_S = 0.25
_SOCKET = "http+unix://"
_LONGEST_REASON = 200


class ProbeError(CheckFailedError):
    """Raised when a server gives no usable response; `status` is set where it gave one at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


def socket_url(path: str) -> str:
    """The address of an HTTP server that listens on a unix socket, as an `HttpProbe` takes it."""
    return f"{_SOCKET}{quote(path, safe='')}"


def safe_url(url: str) -> str:
    """An address without the name and password that may stand in it, nor its query."""
    try:
        base = parse_address(url).base
    except AddressError:
        return "what should be an address"
    return f"unix:{unquote(base.removeprefix(_SOCKET))}" if base.startswith(_SOCKET) else base


def poll(probe: Callable[[], T | None], timeout_s: float, every_s: float = _POLL_S) -> T | None:
    """Calls a probe until it returns something; None when it does not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while (found := probe()) is None and time.monotonic() + every_s < deadline:
        time.sleep(every_s)
    return found


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """The TLS context that trusts the machine's authorities (a private one too) and the public ones."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


class HttpProbe:
    """A client of HTTP servers that many threads may use together."""

    def __init__(self) -> None:
        self._client = self._new_client(verify=_tls_context())
        self._of_sockets: dict[str, httpx.Client] = {}
        self._lock = threading.Lock()

    @staticmethod
    def _new_client(**how: Any) -> httpx.Client:
        timeout = httpx.Timeout(RESPONSE_S, connect=CONNECT_S)
        return httpx.Client(timeout=timeout, headers={"User-Agent": "openwatt-doctor"}, **how)

    def _route(self, url: str) -> tuple[httpx.Client, str]:
        """Returns the client that reaches an address, and the address as it takes it."""
        if not url.startswith(_SOCKET):
            return self._client, url
        socket, slash, path = url.removeprefix(_SOCKET).partition("/")
        with self._lock:
            if socket not in self._of_sockets:
                transport = httpx.HTTPTransport(uds=unquote(socket))
                self._of_sockets[socket] = self._new_client(transport=transport)
            return self._of_sockets[socket], f"http://localhost{slash}{path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for client in (self._client, *self._of_sockets.values()):
            client.close()

    def request(
        self,
        url: str,
        path: str = "",
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        """Sends a request and returns the response, whatever its status; a login in the address is used.

        With `body` (sent as JSON) or `content` it is a POST, else a GET.

        Raises:
            ProbeError: nothing listens there, or it does not answer in time.
        """
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        try:
            client, address = self._route((url.rstrip("/") if path else url) + path)
            return client.request(
                "GET" if body is None and content is None else "POST",
                address,
                params=query,
                json=body,
                content=content,
                headers=sent,
            )
        except httpx.HTTPError as error:
            raise ProbeError(f"{safe_url(url)} {_describe(error)}") from error
        except httpx.InvalidURL as error:
            raise ProbeError(f"{safe_url(url)} is no address of an HTTP server") from error

    def request_json(self, url: str, path: str = "", **how: Any) -> Any:
        """Sends a request and decodes the JSON of the response.

        Raises:
            ProbeError: it does not answer, or not with a 200 and JSON.
        """
        answer = self.request(url, path, **how)
        where = f"{safe_url(url)}{path.partition('?')[0]}"
        if not answer.is_success:
            raise ProbeError(f"{where} answers {answer.status_code}{_reason(answer)}", answer.status_code)
        try:
            return answer.json()
        except ValueError:
            raise ProbeError(f"{where} answers with something else than JSON") from None

    def request_as(self, shape: type[T], url: str, path: str = "", **how: Any) -> T:
        """Sends a request and converts the JSON of the response to a type that tells the program.

        Raises:
            ProbeError: it does not answer, or not with a 200 and JSON of that shape.
        """
        return decode_as(
            self.request_json(url, path, **how), shape, f"{safe_url(url)}{path.partition('?')[0]}"
        )


def decode_as(value: object, shape: type[T], where: str) -> T:
    """Converts decoded JSON to the type that it must have.

    Raises:
        ProbeError: it has another one: another program listens there.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        message = f"{where} answers as another program would: {str(error)[0].lower()}{str(error)[1:]}"
        raise ProbeError(message, 200) from None


def _describe(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"cannot be reached within {CONNECT_S:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"does not answer within {RESPONSE_S:g} s"
    detail = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in detail:
        why = detail.partition("verify failed: ")[2].partition(" (_ssl")[0] or "it cannot be verified"
        return f"has a certificate that is not trusted: {why}"
    if isinstance(error, httpx.ConnectError):
        return "refuses connections" if "refused" in detail else f"cannot be reached: {detail}"
    return f"breaks off: {detail or type(error).__name__}"


def _reason(answer: httpx.Response) -> str:
    """The reason in a server's error response, under the keys that the servers of the stack use."""
    if answer.status_code in {401, 403}:
        return " (the name, password or token is missing or wrong)"
    try:
        body = answer.json()
    except ValueError:
        return ""
    for key in ("error", "message", "detail"):
        if isinstance(body, dict) and isinstance(body.get(key), str):
            return f": {body[key][:_LONGEST_REASON]}"
    return ""
