"""Responses of the API, kept in a worker's memory while the published data and the minute stay the same."""

import functools
import sys
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

#: Everything counts: keys, bodies, headers and the objects that hold them.
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 4096
#: A larger response would push out too many others.
_MAX_ENTRY_BYTES: Final = MAX_BYTES // 4
#: What the table of entries takes for one of them beyond its key and value (measured with tracemalloc).
_SLOT_BYTES: Final = 160
#: Keys that are remembered to have been asked for: 64 kB, however many there are. Each hash has a bucket
#: of four places, so that a few keys that fall together do not push each other out turn by turn.
_REMEMBERED_KEYS: Final = 8192
_BUCKET: Final = 4
#: No client needs more to say what it takes; reading 8 kB of it would take 10 ms.
_LONGEST_ACCEPT: Final = 1000

#: Form of a response (the parameter `format`) by its media type.
FORMS: Final = {"application/json": "json", "text/csv": "csv"}

Key = tuple[str, ...]


#: What every cached response depends on: the version of the published data, and the minute. A bare
#: tuple, because making one with names costs each request a microsecond.
Generation = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Representation:
    """A response in one content coding, with every header that goes with it.

    Whole lists, because setting headers one by one cost a request more than all else here.
    """

    body: bytes
    headers: list[tuple[str, str]]
    headers_unchanged: list[tuple[str, str]]
    """Those of a 304, for a client that has the bytes."""


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response ready to be sent, plain and compressed."""

    etag: str
    plain: Representation
    compressed: Representation | None
    served: Sequence[tuple[Callable[[float], None], int]]
    """What adds to a counter and how much; finding the counter each time cost as much as counting."""
    route: str
    endpoint: str

    def answer_to(self, environ: Mapping[str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body for a request: a 304 when the client has the bytes already."""
        coded = self.plain
        if self.compressed and takes_gzip(environ):
            coded = self.compressed
        wanted = environ.get("HTTP_IF_NONE_MATCH")
        if wanted and (wanted.strip() == "*" or self.etag in wanted):
            return "304 NOT MODIFIED", coded.headers_unchanged, b""
        return "200 OK", coded.headers, coded.body

    def count(self) -> None:
        """Counts the tariffs in a response that is sent."""
        for add, tariffs in self.served:
            add(tariffs)


class ResponseCache:
    """The responses of one generation, least recently used first, within `MAX_BYTES` and `MAX_ENTRIES`.

    A key is admitted when it is asked for the second time: a question that nobody
    repeats takes no memory and pushes out no response that others ask for. Which keys
    were asked for is remembered by their hashes, in a table of fixed size in which
    newer keys overwrite older ones.

    Measured (bench/ladder.py): a response with 100 tariffs served from here takes 3 µs of
    processor time, one that asks the database and encodes again 7 to 18 ms.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, tuple[CachedResponse, int]] = OrderedDict()
        self._generation: Generation = (-1, -1)
        self._bytes = 0
        self._asked = array("q", bytes(8 * _REMEMBERED_KEYS))
        self._hits = self._misses = self._evictions = 0

    def get(self, key: Key, generation: Generation) -> CachedResponse | None:
        """The response to a key, where there is one of this generation."""
        with self._lock:
            if generation != self._generation or (entry := self._entries.get(key)) is None:
                return None
            self._entries.move_to_end(key)
            self._hits += 1
            return entry[0]

    def admits(self, key: Key) -> bool:
        """Counts a miss; whether the key was asked for before, so that its response is worth keeping."""
        digest = hash(key)
        start = digest % (_REMEMBERED_KEYS // _BUCKET) * _BUCKET
        end = start + _BUCKET
        with self._lock:
            self._misses += 1
            recent = self._asked[start:end]
            if digest in recent:
                return True
            recent.insert(0, digest)
            self._asked[start:end] = recent[:_BUCKET]
        return False

    def put(self, key: Key, generation: Generation, response: CachedResponse) -> None:
        """Keeps a response and drops the least recently used ones beyond the bounds."""
        size = footprint(key, response) + _SLOT_BYTES
        if size > _MAX_ENTRY_BYTES:
            return
        with self._lock:
            if generation != self._generation:  # what there is of another one is never asked for again
                self._entries.clear()
                self._bytes, self._generation = 0, generation
            if replaced := self._entries.pop(key, None):
                self._bytes -= replaced[1]
            self._entries[key] = response, size
            self._bytes += size
            while self._bytes > MAX_BYTES or len(self._entries) > MAX_ENTRIES:
                self._bytes -= self._entries.popitem(last=False)[1][1]
                self._evictions += 1

    def statistics(self) -> dict[str, int]:
        """Hits, misses and evictions since the last call, and what is kept now."""
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
    """What a response depends on, and no more: sub-path, path, parameters in any order, form."""
    forms = accepted_forms(environ)
    query = environ.get("QUERY_STRING", "")
    if "&" in query:
        query = "&".join(sorted(query.split("&")))
    if "format=" in query and (query.startswith("format=") or "&format=" in query):
        forms = ("", "")  # then Accept is not looked at
    return environ.get("SCRIPT_NAME", ""), environ["PATH_INFO"], query, *forms


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


def accepted_forms(environ: Mapping[str, str]) -> tuple[str, str]:
    """By the Accept header, the form where there is JSON alone, and where there is CSV too; "" for none.

    A header that nobody could have meant so long is disregarded, as HTTP allows.
    """
    accept = environ.get("HTTP_ACCEPT")
    return _accepted_forms(accept) if accept and len(accept) <= _LONGEST_ACCEPT else ("json", "json")


def takes_gzip(environ: Mapping[str, str]) -> bool:
    """Whether a client takes gzip, by its Accept-Encoding header; by one that is too long, it does not."""
    accept = environ.get("HTTP_ACCEPT_ENCODING", "")
    return len(accept) <= _LONGEST_ACCEPT and _takes_gzip(accept)


# Clients send few different headers, and parsing one costs 5 to 50 µs.


@functools.lru_cache(maxsize=64)
def _accepted_forms(accept: str) -> tuple[str, str]:
    accepted = parse_accept_header(accept, MIMEAccept)
    alone, both = accepted.best_match(["application/json"]), accepted.best_match(list(FORMS))
    return FORMS.get(alone or "", ""), FORMS.get(both or "", "")


@functools.lru_cache(maxsize=64)
def _takes_gzip(accept_encoding: str) -> bool:
    return parse_accept_header(accept_encoding).quality("gzip") > 0
