"""The HTTP client that fetches documents: politely, within limits, and only from public hosts."""

import datetime as dt
import hashlib
import logging
import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import backoff
import httpx

from openwatt import __version__
from openwatt.domain.reading import MAX_DOCUMENT_BYTES
from openwatt.ingest.errors import UnreachableError, UnreadableDocumentError
from openwatt.ingest.fetching import addresses
from openwatt.ingest.fetching.addresses import Resolve, check_address
from openwatt.ingest.fetching.connection import DEADLINE, FAULTS, DeadlineTransport, translate_error
from openwatt.ingest.fetching.media import MediaKind, looks_complete, media_type_of
from openwatt.ingest.fetching.retry import RETRIED_STATUSES, TransientError, generate_waits, parse_retry_after

logger = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT: Mapping[MediaKind, str] = {
    "pdf": "application/pdf, */*;q=0.1",
    "csv": "text/csv, */*;q=0.1",
    "json": "application/json, */*;q=0.1",
}
#: What a validator may look like: it is stored and sent back, so it is one short line.
_VALIDATOR = re.compile(r"[ -~]{1,500}")

#: What to do about an answer that will not change by asking again.
_REMEDIES: Mapping[int, str] = {
    401: "the document is not for programs: fetch it in a browser and read it with --file",
    403: "the document is not for programs: fetch it in a browser and read it with --file",
    404: "the document has moved: give the source its new address",
    410: "the document is gone: give the source its new address",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How much fetching one document may cost.

    `request_seconds` ends one request, from its name's resolution to its last byte,
    however slowly it comes. After `give_up_seconds`, the turns that were waited for
    included, no attempt begins, and one that runs ends `request_seconds` later at the
    latest. A server that asks to wait longer than `longest_retry_after_seconds`, or
    than is left, is not requested again in this run: before that time would be impolite.
    """

    bytes: int = MAX_DOCUMENT_BYTES
    request_seconds: float = 60.0
    redirects: int = 5
    attempts: int = 5
    give_up_seconds: float = 240.0
    first_wait_seconds: float = 2.0
    longest_wait_seconds: float = 60.0
    longest_retry_after_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedDocument:
    """A fetched document; `address` is that of its last redirect, `seconds` includes every wait."""

    content: bytes
    sha256: str
    media_type: str
    address: str
    etag: str | None
    last_modified: str | None
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """The response 304: the document is the one whose `etag` or `last_modified` was sent."""

    address: str
    etag: str | None
    last_modified: str | None
    attempts: int
    seconds: float


def user_agent(contact: str | None) -> str:
    """The User-Agent: OpenWatt, its version, and the operator's contact where it is set."""
    return f"OpenWatt/{__version__}" + (f" (+{contact})" if contact else "")


class Fetcher:
    """The one HTTP client of the ingestion.

    `wait_turn` is called with a host's name before every request to it, retries and
    redirects included, and returns when the host may be requested. `resolve` and
    `loopback` (ask this machine, over http and any port) exist for tests.
    """

    def __init__(
        self,
        user_agent: str,
        wait_turn: Callable[[str], None],
        limits: FetchLimits | None = None,
        *,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        resolve: Resolve = addresses.resolve,
        tls: ssl.SSLContext | None = None,
        loopback: bool = False,
    ) -> None:
        self._user_agent = user_agent
        self._wait_turn = wait_turn
        self._limits = limits or FetchLimits()
        self._clock = clock
        self._loopback = loopback
        transport = DeadlineTransport(
            tls=tls or httpx.create_ssl_context(), resolve=resolve, loopback=loopback
        )
        self._client = httpx.Client(transport=transport, trust_env=False, timeout=None)  # noqa: S113 - deadline

    def fetch(
        self,
        address: str,
        *,
        expects: MediaKind,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> FetchedDocument | NotModified:
        """Fetches the document of an address, unless the server says that it has not changed.

        Raises:
            UnreachableError: it could not be had; nothing is known of the document.
            UnreadableDocumentError: an answer came that is no such document, or beyond a limit.
        """
        limits = self._limits
        start = time.monotonic()
        ends_at = start + limits.give_up_seconds + limits.request_seconds
        state = _FetchState(expects, etag, last_modified, ends_at)

        def too_long(fault: Exception) -> bool:
            wait_s = (fault.retry_after_s if isinstance(fault, TransientError) else None) or 0.0
            left = start + limits.give_up_seconds - time.monotonic()
            return wait_s > 0 and wait_s > min(limits.longest_retry_after_seconds, left)

        retried = backoff.on_exception(
            generate_waits,
            TransientError,
            jitter=None,
            max_tries=limits.attempts,
            max_time=limits.give_up_seconds,
            giveup=too_long,
            on_backoff=_log_retry,
            logger=None,
            first_s=limits.first_wait_seconds,
            longest_s=limits.longest_wait_seconds,
        )(self._attempt)
        try:
            answer: httpx.Response
            content: bytes | None
            answer, content = retried(address, state)
        except TransientError as fault:
            raise UnreachableError(_describe_failure(fault, state)) from fault
        seconds = time.monotonic() - start
        found_etag = _validator(answer.headers.get("ETag"))
        found_modified = _validator(answer.headers.get("Last-Modified"))
        if content is None:
            return NotModified(
                address=str(answer.request.url),
                etag=found_etag or etag,
                last_modified=found_modified or last_modified,
                attempts=state.attempts,
                seconds=seconds,
            )
        return FetchedDocument(
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
            media_type=media_type_of(content, expects),
            address=str(answer.request.url),
            etag=found_etag,
            last_modified=found_modified,
            attempts=state.attempts,
            seconds=seconds,
        )

    def close(self) -> None:
        """Closes the client."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attempt(self, address: str, state: "_FetchState") -> tuple[httpx.Response, bytes | None]:
        """Requests an address and follows its redirects; None is the content of a 304."""
        state.attempts += 1
        url = check_address(address, loopback=self._loopback)
        for _ in range(self._limits.redirects + 1):
            self._wait_turn(url.host)
            response, content = self._request(url, state)
            if response.status_code not in _REDIRECTS:
                return response, content
            target = response.headers.get("Location")
            if not target:
                raise UnreachableError(
                    f"{url.host} answers {response.status_code} without saying where to go"
                )
            url = check_address(_joined(url, target), loopback=self._loopback)
        raise UnreachableError(
            f"more than {self._limits.redirects} redirects, the last to {url}: "
            "look at the address in a browser and correct it"
        )

    def _request(self, url: httpx.URL, state: "_FetchState") -> tuple[httpx.Response, bytes | None]:
        """Sends one request and reads its response: the content of a 200, None for a redirect or a 304."""
        accept = _ACCEPT[state.expects]
        headers = {"User-Agent": self._user_agent, "Accept": accept, "Accept-Encoding": "gzip"}
        if state.etag:
            headers["If-None-Match"] = state.etag
        if state.last_modified:
            headers["If-Modified-Since"] = state.last_modified
        start = time.monotonic()
        deadline = min(start + self._limits.request_seconds, state.ends_at)
        request = httpx.Request("GET", url, headers=headers, extensions={DEADLINE: deadline})
        try:
            response = self._client.send(request, stream=True)
            try:
                content = self._content(response, state)
            finally:
                response.close()
        except FAULTS as error:
            raise translate_error(error, url.host, deadline - start) from error
        return response, content

    def _content(self, response: httpx.Response, state: "_FetchState") -> bytes | None:
        status, host = response.status_code, response.request.url.host
        if status in _REDIRECTS or (status == 304 and state.conditional):
            return None
        if status in RETRIED_STATUSES:
            wait_s = parse_retry_after(response.headers.get("Retry-After"), self._clock())
            raise TransientError(f"{host} answers {_status(response)}", retry_after_s=wait_s)
        if status != 200:
            remedy = _REMEDIES.get(status, "look at the address in a browser")
            raise UnreachableError(f"{host} answers {_status(response)}: {remedy}")
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > self._limits.bytes:
            raise UnreadableDocumentError(f"{announced} bytes, the limit is {self._limits.bytes}")
        content = b"".join(_parts(response, self._limits.bytes))
        framed = announced or "Transfer-Encoding" in response.headers
        if not framed and _is_cut(content, state.expects):
            raise TransientError(f"{host} does not say where its answer ends, and the document is cut short")
        return content


@dataclass(slots=True)
class _FetchState:
    """The state of one call of `fetch`: what it expects, and how many attempts it has made."""

    expects: MediaKind
    etag: str | None
    last_modified: str | None
    ends_at: float
    attempts: int = 0

    @property
    def conditional(self) -> bool:
        return bool(self.etag or self.last_modified)


def _parts(response: httpx.Response, most: int) -> Iterator[bytes]:
    """Yields the parts of a body, decompressed, of which no more than `most` bytes may come in or out.

    Raises:
        UnreadableDocumentError: more than that, another encoding than was requested, or gzip that is none.
        TransientError: the gzip ends before its end.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        yield from _counted(response.iter_raw(), most)
        return
    if encoding not in {"gzip", "x-gzip"}:
        raise UnreadableDocumentError(f"the answer is encoded as {encoding[:40]!r}, which was not requested")
    unpacker = zlib.decompressobj(wbits=31)

    def unpacked() -> Iterator[bytes]:
        for part in _counted(response.iter_raw(), most):
            # One part may unpack to a thousand times its size: one byte more than allowed is enough to see.
            yield unpacker.decompress(part, most + 1)
            if unpacker.unused_data:
                raise UnreadableDocumentError("the answer goes on behind the end of its gzip")

    try:
        yield from _counted(unpacked(), most)
    except zlib.error as error:
        raise UnreadableDocumentError("the answer says that it is gzip, and is not") from error
    if not unpacker.eof:
        raise TransientError(f"{response.request.url.host} ends its answer before the end of its gzip")


def _counted(parts: Iterator[bytes], most: int) -> Iterator[bytes]:
    count = 0
    for part in parts:
        count += len(part)
        if count > most:
            raise UnreadableDocumentError(f"more than {most} bytes, which is the limit")
        yield part


def _is_cut(content: bytes, expects: MediaKind) -> bool:
    """Whether a body without a declared length is cut off: it begins as expected, and does not end so."""
    try:
        media_type_of(content, expects)
    except UnreadableDocumentError:
        return False  # something else, which is said later
    return not looks_complete(content, expects)


def _joined(url: httpx.URL, target: str) -> httpx.URL | str:
    try:
        return url.join(target)
    except (httpx.InvalidURL, ValueError):
        return target  # no address: the check that follows says so


def _validator(header: str | None) -> str | None:
    return header if header and _VALIDATOR.fullmatch(header) else None


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _describe_failure(fault: TransientError, state: _FetchState) -> str:
    tried = "once" if state.attempts == 1 else f"{state.attempts} times"
    wish = f", and asks to wait {fault.retry_after_s:.0f} s" if fault.retry_after_s else ""
    return f"{fault}{wish}; requested {tried}, the next run tries again"


def _log_retry(details: Any) -> None:
    fault = details["exception"]
    logger.info("fetch tried again", extra={"reason": str(fault)})
