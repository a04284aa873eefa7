"""Views that answer with bytes: negotiated, tagged, compressed, cached while the published data stays."""

import datetime as dt
import functools
import gzip
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import msgspec
from flask import Response, current_app, request
from werkzeug.exceptions import NotAcceptable

from openwatt.domain.legal_time import PARIS
from openwatt.representations.csv_rows import to_csv
from openwatt.store.database import Database
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.web.http.params import FORMAT, Parameter, gather_query, read_query
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.response_cache import (
    FORMS,
    CachedResponse,
    Representation,
    ResponseCache,
    accepted_forms,
    key_of,
    takes_gzip,
)
from openwatt.web.http.sub_path import address

#: How old the knowledge of the data's version may be; within it nothing asks the database.
VERSION_FOR_S = 1.0
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


class Answers:
    """What the views of one app answer from: the database, the clock, the metrics and the response cache."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime], metrics: Metrics) -> None:
        self.database = database
        self.clock = clock
        self.metrics = metrics
        self.cache = ResponseCache()
        self._version = 0
        self._version_until = 0.0

    def data_version(self) -> int:
        """The version of the published data, at most `VERSION_FOR_S` old.

        Raises:
            DatabaseUnavailableError: when it has to be asked for and the database does not answer.
        """
        if time.monotonic() >= self._version_until:
            version = self.database.read_number("database/data_version")
            self._version, self._version_until = version, time.monotonic() + VERSION_FOR_S
        return self._version

    def cached(self, environ: Mapping[str, str]) -> CachedResponse | None:
        """The cached response to a request, while neither the database nor anything else need be asked."""
        if time.monotonic() >= self._version_until:
            return None
        return self.cache.get(key_of(environ), (self._version, self.minute()))

    def minute(self) -> int:
        """The minute that responses made now are true for."""
        return int(self.clock().timestamp()) // 60

    def report_cache(self) -> None:
        """Shows in the metrics what the response cache holds and did."""
        self.metrics.response_cache.report(self.cache.statistics())


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
        query |= {name: str(value) for name, value in changed.items()}
        # In one order, because the response is cached for every order of the parameters.
        return f"{address(request.path)}?{urlencode(sorted(query.items()))}"


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
    private: bool = False,
    example: Any = None,
) -> Callable[[Callable[[Question], Listing | msgspec.Struct]], Callable[[], Response]]:
    """Makes a view of a function that says what to answer: asks, encodes, tags, keeps.

    `page` is the JSON answer; with `row`, its items can be had as CSV too.
    `problems` are statuses that the view may answer beyond those of every view.
    With `raises_faults` the function is called with the faults of its parameters too.
    The response to a `private` question is made anew each time and kept by nobody.
    The contract shows `example`.
    """
    if row is not None:
        parameters = (*parameters, FORMAT)

    def decorate(build: Callable[[Question], Listing | msgspec.Struct]) -> Callable[[], Response]:
        @functools.wraps(build)
        def view() -> Response:
            ours = answers()
            key = key_of(request.environ)
            minute = ours.minute()
            generation = (ours.data_version(), minute)
            response = None if private else ours.cache.get(key, generation)
            if response is None:
                values, faults = gather_query(request.query_string, parameters)
                if faults and not raises_faults:
                    raise BadRequestError(faults)
                form = _form(values.get(FORMAT.name), row)
                question = Question(values, dt.datetime.fromtimestamp(minute * 60, dt.UTC), tuple(faults))
                if private:
                    return sent_once(build(question), form, row)
                response = _encoded(build(question), form)
                if ours.cache.admits(key):
                    ours.cache.put(key, generation, response)
            response.count()
            status, headers, body = response.answer_to(request.environ)
            return Response(body, status, headers)

        view.described = Described(parameters, page, row, problems, kept=not private, example=example)  # type: ignore[attr-defined]  # for openapi.py
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


def _form(asked: str | None, row: type[msgspec.Struct] | None) -> str:
    """Json or csv, by the `format` parameter, then by the Accept header.

    Raises:
        NotAcceptable: when the client takes neither.
    """
    form = asked or accepted_forms(request.environ)[1 if row else 0]
    if not form:
        raise NotAcceptable(f"This address answers as {' or '.join(FORMS if row else list(FORMS)[:1])}.")
    return form


def sent_once(
    answer: Listing | msgspec.Struct, asked: str | None, row: type[msgspec.Struct] | None
) -> Response:
    """A response that nobody may keep, in the form that is asked for.

    Raises:
        NotAcceptable: when the client takes none that there is.
    """
    body, headers = _body(answer, _form(asked, row))
    headers += [("Cache-Control", "no-store"), ("Vary", "Accept, Accept-Encoding")]
    if len(body) >= _GZIP_FROM_BYTES and takes_gzip(request.environ):
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


def _encoded(answer: Listing | msgspec.Struct, form: str) -> CachedResponse:
    """An answer as bytes in a form, plain and compressed, with its headers."""
    body, headers = _body(answer, form)
    etag = hashlib.sha256(body).hexdigest()[:32]
    compressed = None
    if len(body) >= _GZIP_FROM_BYTES:
        coded = [*headers, ("Content-Encoding", "gzip")]
        compressed = _represented(gzip.compress(body, 6, mtime=0), f'"{etag}-gzip"', coded)
    options = answer.served if isinstance(answer, Listing) else {}
    served = [
        (answers().metrics.tariffs_served.labels(option).inc, count) for option, count in options.items()
    ]
    plain = _represented(body, f'"{etag}"', headers)
    rule = request.url_rule
    assert rule is not None  # noqa: S101 - a view runs because a rule matched
    return CachedResponse(etag, plain, compressed, served, rule.rule, rule.endpoint)


def _represented(body: bytes, etag: str, headers: list[tuple[str, str]]) -> Representation:
    always = [("Cache-Control", CACHE_CONTROL), ("Vary", "Accept, Accept-Encoding"), ("ETag", etag)]
    return Representation(body, [*always, *headers, ("Content-Length", str(len(body)))], always)
