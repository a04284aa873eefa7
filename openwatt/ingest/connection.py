"""How a request reaches its server: only to addresses that were checked, and never beyond its deadline."""

import socket
import ssl
import time
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from openwatt.ingest.addresses import Resolve, checked_ips
from openwatt.ingest.retry import PassingError
from openwatt.ingest.unreachable import UnreachableError

#: What some resolvers say of a name without addresses; Python does not name it everywhere.
_EAI_NODATA = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)

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


def fault_of(error: Exception, host: str) -> UnreachableError:
    """What a failed request means: a fault that may pass, or one that asking again cannot cure."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and isinstance(
        cause, Exception
    ):
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, UnreachableError):
            return cause
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UnreachableError(
                f"the certificate of {host} is not accepted: {cause.verify_message}; "
                "SSL_CERT_FILE names further authorities, as a proxy of a company may need"
            )
        if isinstance(cause, socket.gaierror) and cause.errno in {socket.EAI_NONAME, _EAI_NODATA}:
            return UnreachableError(f"there is no host {host}: give the source its new address")
    for cause in causes:
        if isinstance(cause, (TimeoutError, httpcore.TimeoutException)):
            return PassingError(f"{host} is too slow: its time is over")
    for cause in causes:
        if isinstance(cause, httpcore.ProxyError):
            return PassingError(f"the proxy does not lead to {host}: it answers {cause}")
    said = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return PassingError(f"{host} cannot be read: {(said or [str(error) or type(error).__name__])[0]}")


def proxy_for(url: httpx.URL) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name for an address; None for none."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class DeadlineTransport(httpx.BaseTransport):
    """One connection a request: a host is asked every few seconds at most, so none is kept.

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
        """The response, whose body is still to be streamed within the deadline of the request."""
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
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer, pool))

    def _pool(self, url: httpx.URL, backend: "_Backend") -> httpcore.ConnectionPool:
        address = proxy_for(url)
        if address is None:
            return httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend)
        proxy = httpx.Proxy(address)
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


class _Body(httpx.SyncByteStream):
    """A response's bytes as they come, and the end of its connection with them."""

    def __init__(self, answer: httpcore.Response, pool: httpcore.ConnectionPool) -> None:
        self._answer = answer
        self._pool = pool

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
        self._pool.close()


class _Backend(httpcore.NetworkBackend):
    """Sockets of one request."""

    def __init__(self, deadline: float, resolve: Resolve, *, loopback: bool) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._loopback = loopback
        self._plain = httpcore.SyncBackend()
        self._to_proxy = False

    def check_behind_proxy(self, url: httpx.URL) -> None:
        """From here on the proxy is what is connected to; the name is checked now, as far as it is known."""
        self._to_proxy = True
        try:
            self._checked(url.raw_host.decode("ascii"), url.port or 443)
        except OSError:
            return  # behind a proxy there is often no resolver for the names of the world

    def _checked(self, host: str, port: int) -> list[str]:
        within_s = remaining(self._deadline)
        return checked_ips(host, port, resolve=self._resolve, within_s=within_s, loopback=self._loopback)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline stands for it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to one of the host's addresses, the first that takes it."""
        ips = [host] if self._to_proxy else self._checked(host, port)
        fault: Exception = httpcore.ConnectError(f"{host} has no address")
        for ip in ips:
            try:
                stream = self._plain.connect_tcp(
                    ip, port, remaining(self._deadline), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
            else:
                return _Stream(stream, self._deadline)
        raise fault


class _Stream(httpcore.NetworkStream):
    """A connection on which no single operation outlasts the deadline, nor many small ones together."""

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
    """Seconds to a deadline. Raises TimeoutError when none are left."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("its time is over")
    return seconds
