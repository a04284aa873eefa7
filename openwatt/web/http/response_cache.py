"""Responses of the API, cached in a worker's memory while they are true: until other data, or an instant."""

import math
import sys
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openwatt.web.http.content_negotiation import (
    CALENDAR_SUFFIX,
    TRANSLATED_PATHS,
    accepted_formats,
    accepted_language,
    accepts_gzip,
)
from openwatt.web.http.etags import GZIP_SUFFIX, names_etag

#: Everything counts: keys, bodies, headers and the objects that hold them.
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 4096
#: A larger response would push out too many others.
_MAX_ENTRY_BYTES: Final = MAX_BYTES // 4
#: What the table of entries takes for one of them beyond its key and value (measured with tracemalloc).
_SLOT_BYTES: Final = 160
#: Keys that are remembered to have been requested: 64 kB, however many there are. Each hash has a bucket
#: of four places, so that a few keys that fall together do not push each other out turn by turn.
_REMEMBERED_KEYS: Final = 8192
_BUCKET: Final = 4
#: How long a client may keep a response: data may be published at any time.
_MAX_AGE_S: Final = 60

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Representation:
    """A response in one content coding, with every header that goes with it.

    Whole lists, because setting headers one by one cost a request more than all else here.
    """

    body: bytes
    headers: list[tuple[str, str]]
    headers_unchanged: list[tuple[str, str]]
    """Those of a 304, for a client that has the bytes. Both lists begin with `CACHE_CONTROL`."""


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response ready to be sent, plain and compressed."""

    etag: str
    """The tag of the plain bytes; that of the compressed ones ends with `GZIP_SUFFIX`."""
    plain: Representation
    compressed: Representation | None
    served: Sequence[tuple[Callable[[float], None], int]]
    """What adds to a counter and how much; finding the counter each time cost as much as counting."""
    route: str
    endpoint: str
    valid_until: float = math.inf
    """When it may be untrue, in Unix time; other data make it so sooner."""

    def answer_to(self, environ: Mapping[str, str], now: float) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body for a request: a 304 when the client has the bytes already."""
        coded, etag = self.plain, self.etag
        if self.compressed and accepts_gzip(environ):
            coded, etag = self.compressed, self.etag + GZIP_SUFFIX
        status, headers, body = "200 OK", coded.headers, coded.body
        wanted = environ.get("HTTP_IF_NONE_MATCH")
        if wanted and names_etag(wanted, etag):
            status, headers, body = "304 NOT MODIFIED", coded.headers_unchanged, b""
        if now > self.valid_until - _MAX_AGE_S:
            headers = [_cache_control(self.valid_until - now), *headers[1:]]
        return status, headers, body

    def count(self) -> None:
        """Counts the tariffs in a response that is sent."""
        for add, tariffs in self.served:
            add(tariffs)


def _cache_control(seconds: float) -> tuple[str, str]:
    return "Cache-Control", f"public, max-age={max(0, int(seconds))}"


#: The header of a response that is true for a minute and longer.
CACHE_CONTROL: Final = _cache_control(_MAX_AGE_S)


class ResponseCache:
    """The responses of one version of the data, least recently used first, within two bounds.

    A key is admitted when it is requested the second time: a question that no one
    repeats takes no memory and pushes out no response that others ask for. Which keys
    were requested is remembered by their hashes, in a table of fixed size in which
    newer keys overwrite older ones.

    Measured (bench/ladder.py): a response with 100 tariffs served from here takes 3 µs of
    processor time, one that asks the database and encodes again 7 to 18 ms.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[CachedResponse, int]] = OrderedDict()
        self._data_version = -1
        self._bytes = 0
        self._requested = array("q", bytes(8 * _REMEMBERED_KEYS))
        self._hits = self._misses = self._evictions = 0

    def get(self, key: Key, data_version: int, now: float) -> CachedResponse | None:
        """The response to a key, where there is one that is still true."""
        with self._lock:
            if data_version != self._data_version or (entry := self._entries.get(key)) is None:
                return None
            if now >= entry[0].valid_until:
                return None
            self._entries.move_to_end(key)
            self._hits += 1
            return entry[0]

    def admits(self, key: Key) -> bool:
        """Counts a miss; whether the key was requested before, so that its response is worth keeping."""
        digest = hash(key)
        start = digest % (_REMEMBERED_KEYS // _BUCKET) * _BUCKET
        end = start + _BUCKET
        with self._lock:
            self._misses += 1
            recent = self._requested[start:end]
            if digest in recent:
                return True
            recent.insert(0, digest)
            self._requested[start:end] = recent[:_BUCKET]
        return False

    def put(self, key: Key, data_version: int, response: CachedResponse) -> None:
        """Keeps a response and drops the least recently used ones beyond the bounds."""
        size = footprint(key, response) + _SLOT_BYTES
        if size > _MAX_ENTRY_BYTES:
            return
        with self._lock:
            if data_version != self._data_version:  # what there is of another one is never requested again
                self._entries.clear()
                self._bytes, self._data_version = 0, data_version
            if replaced := self._entries.pop(key, None):
                self._bytes -= replaced[1]
            self._entries[key] = response, size
            self._bytes += size
            while self._bytes > MAX_BYTES or len(self._entries) > MAX_ENTRIES:
                self._bytes -= self._entries.popitem(last=False)[1][1]
                self._evictions += 1

    def statistics(self) -> dict[str, int]:
        """Hits, misses and evictions since the last call, and what is cached now."""
        with self._lock:
            found = {
                "hits": self._hits,
                "misses": self._misses,
                "evictions": self._evictions,
                "entries": len(self._entries),
                "bytes": self._bytes,
            }
            self._hits = self._misses = self._evictions = 0
        return found


def key_of(environ: Mapping[str, str]) -> Key:
    """What a response depends on, and no more: sub-path, path, parameters in any order, format.

    A calendar has one format. Where there are sentences they are in the language that the client prefers.
    """
    path = environ["PATH_INFO"]
    is_calendar = path.endswith(CALENDAR_SUFFIX)
    language = (accepted_language(environ),) if is_calendar or path in TRANSLATED_PATHS else ()
    formats = ("", "") if is_calendar else accepted_formats(environ)
    query = environ.get("QUERY_STRING", "")
    if "&" in query:
        query = "&".join(sorted(query.split("&")))
    if "format=" in query and not is_calendar and (query.startswith("format=") or "&format=" in query):
        formats = ("", "")  # then Accept is not looked at
    return environ.get("SCRIPT_NAME", ""), path, query, *formats, *language


def footprint(*objects: Any) -> int:
    """Bytes of some objects and of everything in them; what they share is counted once."""
    total = 0
    seen: set[int] = set()
    waiting = list(objects)
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, tuple | list):
            waiting.extend(one)
        elif isinstance(one, CachedResponse | Representation):
            waiting.extend(getattr(one, name) for name in one.__slots__)
    return total
