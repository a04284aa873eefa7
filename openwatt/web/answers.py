"""Answers as bytes: negotiated, tagged, compressed and kept while the published data stays the same."""

import datetime as dt
import functools
import gzip
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec
from flask import Response, current_app, request
from werkzeug.exceptions import NotAcceptable
from werkzeug.http import parse_accept_header

from openwatt.domain.legal_time import PARIS
from openwatt.store.database import Database
from openwatt.telemetry.metrics import Metrics
from openwatt.web.params import FORMAT, Parameter, gather_query, read_query
from openwatt.web.problems import BadRequestError, Fault
from openwatt.web.tables import to_csv

#: How old the knowledge of the data's version may be; within it nothing asks the database.
VERSION_FOR_S = 1.0
MOST_KEPT_BYTES = 8 * 1024 * 1024
#: A client may keep an answer as long as the freshness inside it is not computed again.
CACHE_CONTROL = "public, max-age=60"
_GZIP_FROM_BYTES = 500

_encoder = msgspec.json.Encoder(decimal_format="number")


class Listing(NamedTuple):
    """An answer that is a list: the page for JSON, its rows for CSV, how many of what it serves."""

    page: msgspec.Struct
    rows: Sequence[msgspec.Struct]
    row_type: type[msgspec.Struct]
    next: str | None = None
    served: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class _Coded:
    """The bytes of an answer in one content coding, with every header that goes with them.

    Whole lists, because setting headers one by one cost a request more than all else here.
    """

    body: bytes
    headers: list[tuple[str, str]]
    headers_unchanged: list[tuple[str, str]]
    """Those of a 304, for a client that has the bytes."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer ready to be sent, plain and compressed."""

    version: int
    minute: int
    etag: str
    plain: _Coded
    compressed: _Coded | None
    served: Sequence[tuple[Callable[[float], None], int]]
    """What adds to a counter and how much; finding the counter each time cost as much as counting."""
    route: str
    endpoint: str

    def answer_to(self, environ: Mapping[str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body for a request: a 304 when the client has the bytes already."""
        coded = self.plain
        if self.compressed and _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
            coded = self.compressed
        wanted = environ.get("HTTP_IF_NONE_MATCH")
        if wanted and (wanted.strip() == "*" or self.etag in wanted):
            return "304 NOT MODIFIED", coded.headers_unchanged, b""
        return "200 OK", coded.headers, coded.body

    @property
    def size(self) -> int:
        return len(self.plain.body) + (len(self.compressed.body) if self.compressed else 0)


class Answers:
    """The answers of one process, least recently used first, never more than `MOST_KEPT_BYTES`.

    Measured (bench/ladder.py): an answer of 100 tariffs served from here takes 3 µs of
    processor time, one that asks the database and encodes again 7 to 18 ms.
    """

    def __init__(self, database: Database, clock: Callable[[], dt.datetime], metrics: Metrics) -> None:
        self.database = database
        self.clock = clock
        self.metrics = metrics
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._version = 0
        self._version_until = 0.0

    def data_version(self) -> int:
        """The version of the published data, at most `VERSION_FOR_S` old.

        Raises:
            DatabaseAwayError: when it has to be asked for and the database does not answer.
        """
        if time.monotonic() >= self._version_until:
            version = self.database.read_number("data_version")
            self._version, self._version_until = version, time.monotonic() + VERSION_FOR_S
        return self._version

    def at_hand(self, environ: Mapping[str, str]) -> _Kept | None:
        """The kept answer to a request, while neither the database nor anything else need be asked."""
        if time.monotonic() >= self._version_until:
            return None
        return self.find(_key(environ), self._version, self.minute())

    def minute(self) -> int:
        """The minute that answers given now are true for."""
        return int(self.clock().timestamp()) // 60

    def count(self, kept: _Kept) -> None:
        """Counts the tariffs in an answer that is given."""
        for add, tariffs in kept.served:
            add(tariffs)

    def find(self, key: tuple[str, ...], version: int, minute: int) -> _Kept | None:
        """A kept answer that is still true."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.version != version or kept.minute != minute:
                return None
            self._kept.move_to_end(key)
            return kept

    def keep(self, key: tuple[str, ...], kept: _Kept) -> None:
        """Keeps an answer and lets go of the least recently used ones beyond the bound."""
        with self._lock:
            if replaced := self._kept.pop(key, None):
                self._kept_bytes -= replaced.size
            self._kept[key] = kept
            self._kept_bytes += kept.size
            while self._kept_bytes > MOST_KEPT_BYTES:
                self._kept_bytes -= self._kept.popitem(last=False)[1].size


def answers() -> Answers:
    """The answers of the app that handles this request."""
    return current_app.extensions["openwatt.answers"]  # type: ignore[no-any-return]  # flask types it as Any


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks: its parameters as values, and when it asks.

    `faults` are those of the parameters, for a view that raises them with its own;
    every other one is only called without.
    """

    values: Mapping[str, Any]
    now: dt.datetime
    faults: tuple[Fault, ...] = ()

    def get(self, parameter: Parameter, default: Any = None) -> Any:
        """The value of a parameter, or `default` where the request leaves it out."""
        return self.values.get(parameter.name, default)

    @property
    def today(self) -> dt.date:
        """The legal day in France."""
        return self.now.astimezone(PARIS).date()

    def address(self, **changed: object) -> str:
        """This request's own address with some parameters changed."""
        query = dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))
        return f"{request.path}?{urlencode(query | {name: str(value) for name, value in changed.items()})}"


@dataclass(frozen=True, slots=True)
class Described:
    """What the OpenAPI contract says of a view: it is read from here, so that it cannot differ."""

    parameters: tuple[Parameter, ...]
    page: type[msgspec.Struct]
    row: type[msgspec.Struct] | None = None
    problems: tuple[int, ...] = ()
    kept: bool = True
    body: tuple[Parameter, ...] = ()
    """Fields of a body, in JSON or in a form; a view without any is asked by GET."""
    whole_body: Mapping[str, Any] | None = None
    """A body that is not told by fields, as OpenAPI says it."""
    guarded: bool = False
    """Whether the admin token is asked for."""
    example: Any = None
    """An answer, as an example."""

    @property
    def posted(self) -> bool:
        """Whether the view is asked by POST."""
        return bool(self.body or self.whole_body)


def answered(
    *parameters: Parameter,
    page: type[msgspec.Struct],
    row: type[msgspec.Struct] | None = None,
    problems: tuple[int, ...] = (),
    raises_faults: bool = False,
    example: Any = None,
) -> Callable[[Callable[[Question], Listing | msgspec.Struct]], Callable[[], Response]]:
    """Makes a view of a function that says what to answer: asks, encodes, tags, keeps.

    `page` is the JSON answer; with `row`, its items can be had as CSV too.
    `problems` are statuses that the view may answer beyond those of every view.
    With `raises_faults` the function is called with the faults of its parameters too.
    The contract shows `example`.
    """
    if row is not None:
        parameters = (*parameters, FORMAT)

    def decorate(build: Callable[[Question], Listing | msgspec.Struct]) -> Callable[[], Response]:
        @functools.wraps(build)
        def view() -> Response:
            ours = answers()
            key = _key(request.environ)
            minute = ours.minute()
            version = ours.data_version()
            kept = ours.find(key, version, minute)
            if kept is None:
                values, faults = gather_query(request.query_string, parameters)
                if faults and not raises_faults:
                    raise BadRequestError(faults)
                form = _form(values.get(FORMAT.name), row)
                question = Question(values, dt.datetime.fromtimestamp(minute * 60, dt.UTC), tuple(faults))
                kept = _encoded(build(question), form, version, minute)
                ours.keep(key, kept)
            ours.count(kept)
            status, headers, body = kept.answer_to(request.environ)
            return Response(body, status, headers)

        view.described = Described(parameters, page, row, problems, example=example)  # type: ignore[attr-defined]  # for openapi.py
        return view

    return decorate


def asked_anew(
    *, page: type[msgspec.Struct], problems: tuple[int, ...] = ()
) -> Callable[[Callable[[], msgspec.Struct]], Callable[[], Response]]:
    """Makes a view of a function that takes no parameters and whose answer may not be kept by anybody."""

    def decorate(build: Callable[[], msgspec.Struct]) -> Callable[[], Response]:
        @functools.wraps(build)
        def view() -> Response:
            read_query(request.query_string, ())
            body = _encoder.encode(build())
            return Response(body, headers={"Cache-Control": "no-store"}, content_type="application/json")

        view.described = Described((), page, None, problems, kept=False)  # type: ignore[attr-defined]  # for openapi.py
        return view

    return decorate


def _key(environ: Mapping[str, str]) -> tuple[str, ...]:
    return environ["PATH_INFO"], environ.get("QUERY_STRING", ""), environ.get("HTTP_ACCEPT", "")


def _form(asked: str | None, row: type[msgspec.Struct] | None) -> str:
    """Json or csv, by the `format` parameter, then by the Accept header.

    Raises:
        NotAcceptable: when the client takes neither.
    """
    if asked or not request.environ.get("HTTP_ACCEPT"):
        return asked or "json"
    offered = {"application/json": "json"} | ({"text/csv": "csv"} if row else {})
    best = request.accept_mimetypes.best_match(list(offered))
    if best is None:
        raise NotAcceptable(f"This address answers as {' or '.join(offered)}.")
    return offered[best]


def sent_once(
    answer: Listing | msgspec.Struct, asked: str | None, row: type[msgspec.Struct] | None
) -> Response:
    """A response that nobody may keep, in the form that is asked for.

    Raises:
        NotAcceptable: when the client takes none that there is.
    """
    body, headers = _body(answer, _form(asked, row))
    headers += [("Cache-Control", "no-store"), ("Vary", "Accept, Accept-Encoding")]
    if len(body) >= _GZIP_FROM_BYTES and _takes_gzip(request.environ.get("HTTP_ACCEPT_ENCODING", "")):
        body = gzip.compress(body, 6, mtime=0)
        headers.append(("Content-Encoding", "gzip"))
    return Response(body, headers=headers)


def _body(answer: Listing | msgspec.Struct, form: str) -> tuple[bytes, list[tuple[str, str]]]:
    """The bytes of an answer in a form, and the headers that say what they are."""
    headers = []
    page = answer
    if isinstance(answer, Listing):
        page = answer.page
        if answer.next:
            headers.append(("Link", f'<{answer.next}>; rel="next"'))
    if form == "csv" and isinstance(answer, Listing):
        name = request.path.rsplit("/", 1)[1]
        headers.append(("Content-Type", "text/csv; charset=utf-8"))
        headers.append(("Content-Disposition", f'attachment; filename="{name}.csv"'))
        return to_csv(answer.rows, answer.row_type), headers
    headers.append(("Content-Type", "application/json"))
    return _encoder.encode(page), headers


def _encoded(answer: Listing | msgspec.Struct, form: str, version: int, minute: int) -> _Kept:
    body, headers = _body(answer, form)
    etag = hashlib.sha256(body).hexdigest()[:32]
    compressed = None
    if len(body) >= _GZIP_FROM_BYTES:
        coded = [*headers, ("Content-Encoding", "gzip")]
        compressed = _coded(gzip.compress(body, 6, mtime=0), f'"{etag}-gzip"', coded)
    options = answer.served if isinstance(answer, Listing) else {}
    served = [
        (answers().metrics.tariffs_served.labels(option).inc, count) for option, count in options.items()
    ]
    plain = _coded(body, f'"{etag}"', headers)
    rule = request.url_rule
    assert rule is not None  # noqa: S101 - a view runs because a rule matched
    return _Kept(version, minute, etag, plain, compressed, served, rule.rule, rule.endpoint)


def _coded(body: bytes, etag: str, headers: list[tuple[str, str]]) -> _Coded:
    always = [("Cache-Control", CACHE_CONTROL), ("Vary", "Accept, Accept-Encoding"), ("ETag", etag)]
    return _Coded(body, [*always, *headers, ("Content-Length", str(len(body)))], always)


@functools.lru_cache(maxsize=64)  # clients send few different ones, and parsing costs 5 µs
def _takes_gzip(accept_encoding: str) -> bool:
    return parse_accept_header(accept_encoding).quality("gzip") > 0
