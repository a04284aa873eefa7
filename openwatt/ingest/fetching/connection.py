"""The transport of the HTTP client: it connects to checked addresses only, and never beyond a deadline."""

import math
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import httpcore
import httpx

from openwatt.ingest.errors import UnreachableError
from openwatt.ingest.fetching.addresses import Resolve, resolve_checked
from openwatt.ingest.fetching.retry import TransientError

T = TypeVar("T")

#: What some resolvers say of a name without addresses; Python does not name it everywhere.
_EAI_NODATA = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)

#: How long a name may take to be resolved where only the proxy needs to know it.
_NAME_BEHIND_PROXY_SECONDS = 5.0

#: The key of a request's extensions under which its deadline stands, on `time.monotonic`'s clock.
DEADLINE = "openwatt.deadline"

#: Why a connection failed, whichever layer says so.
FAULTS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpx.TransportError,
    OSError,
)


def translate_error(error: Exception, host: str, within_s: float) -> UnreachableError:
    """Translates a failed request: a temporary fault, which is retried, or a lasting one.

    `within_s` is how long the request was given.
    """
    causes = list(_causes(error))

    def first(kind: type[T]) -> T | None:
        return next((cause for cause in causes if isinstance(cause, kind)), None)

    if proxy := first(httpcore.ProxyError):
        return TransientError(f"the proxy does not lead to {host}: {proxy}")
    if untrusted := first(ssl.SSLCertVerificationError):
        return UnreachableError(
            f"the certificate of {host} is not accepted: {untrusted.verify_message}; "
            "SSL_CERT_FILE names further authorities, as a proxy of a company may need"
        )
    unknown = first(socket.gaierror)
    if unknown and unknown.errno in {socket.EAI_NONAME, _EAI_NODATA}:
        return UnreachableError(
            f"no address is known of {host}: see that this machine reaches a name server, "
            "or give the source its new address"
        )
    if first(TimeoutError) or first(httpcore.TimeoutException):
        return TransientError(f"{host} is too slow: no whole answer within {within_s:.1f} s")
    system = first(OSError)
    return TransientError(f"{host} cannot be read: {(system and system.strerror) or error}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name for an address; None for none."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class DeadlineTransport(httpx.BaseTransport):
    """A transport with one connection a request: a host gets one every few seconds, so none is pooled.

    Without a proxy, a name is resolved once, every address it has is checked, and
    the connection goes to one of those: a name that changes its answer between the
    check and the connection changes nothing. With a proxy the proxy resolves: the
    name is then checked with what this machine's resolver knows of it, where it
    knows anything, and the rest is the proxy's own rule.
    """

    def __init__(self, *, tls: ssl.SSLContext, resolve: Resolve, loopback: bool) -> None:
        self._tls = tls
        self._resolve = resolve
        self._loopback = loopback

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; the body of the response is streamed within the same deadline."""
        backend = _Backend(request.extensions[DEADLINE], self._resolve, loopback=self._loopback)
        pool = self._pool(request.url, backend)
        try:
            answer = pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                )
            )
        except BaseException:
            pool.close()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=_ResponseBody(answer, pool))

    def _pool(self, url: httpx.URL, backend: "_Backend") -> httpcore.ConnectionPool:
        address = proxy_for(url)
        if address is None:
            return httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend)
        try:
            proxy = httpx.Proxy(address)
        except (httpx.InvalidURL, ValueError) as error:
            raise UnreachableError("the proxy of the environment has no http or https address") from error
        if proxy.url.scheme not in {"http", "https"}:
            raise UnreachableError(
                f"the proxy of the environment is {proxy.url.scheme}://…: only http and https are known"
            )
        backend.check_behind_proxy(url)
        return httpcore.HTTPProxy(
            proxy_url=httpcore.URL(
                scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=b"/"
            ),
            proxy_auth=proxy.raw_auth,
            ssl_context=self._tls,
            network_backend=backend,
        )


class _ResponseBody(httpx.SyncByteStream):
    """The stream of a response's body, which closes its connection at the end."""

    def __init__(self, answer: httpcore.Response, pool: httpcore.ConnectionPool) -> None:
        self._answer = answer
        self._pool = pool

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
        self._pool.close()


class _Backend(httpcore.NetworkBackend):
    """The network backend of one request."""

    def __init__(self, deadline: float, resolve: Resolve, *, loopback: bool) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._loopback = loopback
        self._plain = httpcore.SyncBackend()
        self._to_proxy = False

    def check_behind_proxy(self, url: httpx.URL) -> None:
        """Connects to the proxy from now on; the name is checked now, as far as it can be resolved."""
        self._to_proxy = True
        try:
            self._checked(url.raw_host.decode("ascii"), url.port or 443, _NAME_BEHIND_PROXY_SECONDS)
        except OSError:
            return  # behind a proxy there is often no resolver for the names of the world

    def _checked(self, host: str, port: int, at_most_s: float = math.inf) -> list[str]:
        within_s = min(remaining(self._deadline), at_most_s)
        return resolve_checked(host, port, resolve=self._resolve, within_s=within_s, loopback=self._loopback)

    def _connected(
        self, host: str, port: int, within_s: float, local_address: str | None, options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        stream = self._plain.connect_tcp(host, port, within_s, local_address, options)
        return _Stream(stream, self._deadline)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline stands for it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to the first of the host's addresses that accepts."""
        if self._to_proxy:
            within_s = remaining(self._deadline)
            try:
                return self._connected(host, port, within_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                raise httpcore.ProxyError(f"it cannot be reached: {error}") from error
        ips = self._checked(host, port)
        fault: Exception = httpcore.ConnectError(f"{host} has no address")
        for tried, ip in enumerate(ips):
            # An address that swallows what it is sent leaves their share of the time to the others.
            within_s = remaining(self._deadline) / (len(ips) - tried)
            try:
                return self._connected(ip, port, within_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault


class _Stream(httpcore.NetworkStream):
    """A connection on which neither one operation nor many small ones together outlast the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline
        return self._stream.read(max_bytes, remaining(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline
        self._stream.write(buffer, remaining(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline stands for it
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, remaining(self._deadline))
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def remaining(deadline: float) -> float:
    """The seconds to a deadline. Raises TimeoutError when none are left."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("its time is over")
    return seconds
