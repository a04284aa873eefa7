"""Responses: a view's answer as bytes, JSON or CSV, plain or compressed, with its headers."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from flask import Response, request

from openwatt.representations.csv_rows import to_csv
from openwatt.web.http.app_state import app_state
from openwatt.web.http.compression import gzipped
from openwatt.web.http.content_negotiation import chosen_format
from openwatt.web.http.etags import GZIP_SUFFIX, etag_of
from openwatt.web.http.response_cache import CACHE_CONTROL, CachedResponse, Representation

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_VARY = ("Vary", "Accept, Accept-Encoding")
_VARY_OF_SENTENCES = ("Vary", "Accept, Accept-Language, Accept-Encoding")
_VARY_OF_CALENDAR = ("Vary", "Accept-Language, Accept-Encoding")
CALENDAR_TYPE = "text/calendar; charset=utf-8"

_encoder = msgspec.json.Encoder(decimal_format="number")


class ReadyResponse(Response):
    """A response of the cache's kind: its headers are a list from the start, and go out as they are.

    Werkzeug's `headers` stay empty: making them of a list, adding the lifecycle's and copying all of
    them to a list again takes 15 µs, a tenth of what the service adds to a Flask view.
    """

    default_mimetype = None  # a 304 has none

    def __init__(self, status: str, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        super().__init__([body], status)
        self.header_list = [*headers]

    def get_wsgi_response(
        self, environ: "WSGIEnvironment"
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """The body, the status and the headers of the list."""
        return self.get_app_iter(environ), self.status, self.header_list


class Collection(NamedTuple):
    """An answer that is a list: the page for JSON, its rows for CSV."""

    page: msgspec.Struct
    rows: Sequence[msgspec.Struct]
    row_type: type[msgspec.Struct]
    next: str | None = None
    """Address of the next page."""
    served: Mapping[str, int] = {}
    """How many tariffs it serves, by option."""


#: What a view returns; a list is a bare array of JSON.
Answer = Collection | msgspec.Struct | Sequence[msgspec.Struct]


def encode_json(page: msgspec.Struct) -> bytes:
    """An answer as JSON, its decimals as numbers written digit for digit."""
    return _encoder.encode(page)


def uncached_response(
    answer: Answer, format_: str | None, row: type[msgspec.Struct] | None, *, language: str | None = None
) -> Response:
    """A response that no cache may store, in the `format` of the request or by its Accept header.

    `language` is that of its sentences; None where it has none.

    Raises:
        NotAcceptable: the client accepts none that there is.
    """
    body, headers = _body(answer, chosen_format(format_, csv=row is not None))
    headers = [("Cache-Control", "no-store"), *_headers_of_language(language), *headers]
    return Response(body, headers=headers)


def cacheable_response(
    answer: Answer, format_: str, valid_until: dt.datetime, *, compress: bool, language: str | None = None
) -> CachedResponse:
    """A response as the response cache holds it, plain and, with `compress`, compressed too."""
    body, headers = _body(answer, format_)
    options = answer.served if isinstance(answer, Collection) else {}
    tariffs_served = app_state().metrics.tariffs_served
    served = [(tariffs_served.labels(option).inc, count) for option, count in options.items()]
    headers = [*_headers_of_language(language), *headers]
    return _cacheable(body, headers, valid_until, compress=compress, served=served)


def cacheable_calendar(
    content: bytes, language: str, valid_until: dt.datetime, *, compress: bool
) -> CachedResponse:
    """The same of a calendar by RFC 5545, whose sentences are in a language."""
    headers = [_VARY_OF_CALENDAR, ("Content-Type", CALENDAR_TYPE), ("Content-Language", language)]
    return _cacheable(content, headers, valid_until, compress=compress)


def _cacheable(
    body: bytes,
    headers: list[tuple[str, str]],
    valid_until: dt.datetime,
    *,
    compress: bool,
    served: Sequence[tuple[Callable[[float], None], int]] = (),
) -> CachedResponse:
    etag = etag_of(body)
    compressed = None
    if compress and (fewer := gzipped(body)) is not None:
        coded = [*headers, ("Content-Encoding", "gzip")]
        compressed = _representation(fewer, f'"{etag}{GZIP_SUFFIX}"', coded)
    plain = _representation(body, f'"{etag}"', headers)
    rule = request.url_rule
    assert rule is not None  # noqa: S101 - a view runs because a rule matched
    return CachedResponse(etag, plain, compressed, served, rule.rule, rule.endpoint, valid_until.timestamp())


def _headers_of_language(language: str | None) -> list[tuple[str, str]]:
    """What says, Vary first, by which headers of the request a response was chosen."""
    return [_VARY] if language is None else [_VARY_OF_SENTENCES, ("Content-Language", language)]


def _body(answer: Answer, format_: str) -> tuple[bytes, list[tuple[str, str]]]:
    """The bytes of an answer in a format, and the headers that describe them."""
    headers = []
    if isinstance(answer, Collection) and answer.next:
        headers.append(("Link", f'<{answer.next}>; rel="next"'))
    if format_ == "csv" and isinstance(answer, Collection):
        name = request.path.rsplit("/", 1)[1]
        headers.append(("Content-Type", "text/csv; charset=utf-8"))
        headers.append(("Content-Disposition", f'attachment; filename="{name}.csv"'))
        return to_csv(answer.rows, answer.row_type), headers
    headers.append(("Content-Type", "application/json"))
    return _encoder.encode(answer.page if isinstance(answer, Collection) else answer), headers


def _representation(body: bytes, etag: str, headers: list[tuple[str, str]]) -> Representation:
    """The bytes with their headers, of which the first, Vary, goes with a 304 too."""
    vary, *others = headers
    unchanged = [CACHE_CONTROL, vary, ("ETag", etag)]
    return Representation(body, [*unchanged, *others, ("Content-Length", str(len(body)))], unchanged)
