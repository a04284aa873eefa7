"""Content negotiation: the format and the content coding of a response, by the headers of its request."""

import functools
from collections.abc import Mapping
from typing import Final

from flask import request
from werkzeug.datastructures import LanguageAccept, MIMEAccept
from werkzeug.exceptions import NotAcceptable
from werkzeug.http import parse_accept_header

from openwatt.domain.messages import Message
from openwatt.sentences.catalogue import CODES
from openwatt.web.http.http_errors import any_of, detailed

#: Format of a response (the parameter `format`) by its media type.
FORMATS: Final = {"application/json": "json", "text/csv": "csv"}
#: The end of the address of each calendar, which has this one format whatever the Accept header says.
CALENDAR_SUFFIX: Final = ".ics"
#: Cached answers beside them that have sentences, in the language that the client prefers.
TRANSLATED_PATHS: Final = frozenset({"/v1/prices", "/v1/prices/now"})
#: No client needs more to say what it accepts; parsing 8 kB of it would take 10 ms.
_LONGEST_ACCEPT: Final = 1000
_HTML: Final = "text/html"


def chosen_format(parameter: str | None, *, csv: bool) -> str:
    """Json or csv, by the `format` parameter, then by the Accept header of this request.

    Raises:
        NotAcceptable: the client accepts none that there is.
    """
    chosen = parameter or accepted_formats(request.environ)[1 if csv else 0]
    if not chosen:
        types = any_of(*list(FORMATS)[: 2 if csv else 1])
        raise detailed(NotAcceptable(), Message.of("problem.not_acceptable", types=types))
    return chosen


def accepted_formats(environ: Mapping[str, str]) -> tuple[str, str]:
    """By the Accept header, the format where there is JSON alone, and where there is CSV too; "" for none.

    A header that is too long to be meant is disregarded, as HTTP allows.
    """
    accept = environ.get("HTTP_ACCEPT")
    return _accepted_formats(accept) if accept and len(accept) <= _LONGEST_ACCEPT else ("json", "json")


def accepts_gzip(environ: Mapping[str, str]) -> bool:
    """Whether a client accepts gzip, by its Accept-Encoding header; by one that is too long, it does not."""
    accept = environ.get("HTTP_ACCEPT_ENCODING", "")
    return len(accept) <= _LONGEST_ACCEPT and _accepts_gzip(accept)


def accepted_language(environ: Mapping[str, str]) -> str:
    """The language of sentences that a client prefers by its Accept-Language header, else English."""
    accept = environ.get("HTTP_ACCEPT_LANGUAGE")
    return _accepted_language(accept) if accept and len(accept) <= _LONGEST_ACCEPT else CODES[0]


def prefers_html(environ: Mapping[str, str]) -> bool:
    """Whether a client prefers a page to JSON, as a browser does; one that takes anything does not."""
    accept = environ.get("HTTP_ACCEPT")
    return accept is not None and len(accept) <= _LONGEST_ACCEPT and _prefers_html(accept)


# Clients send few different headers, and parsing one costs 5 to 50 µs.


@functools.lru_cache(maxsize=64)
def _accepted_formats(accept: str) -> tuple[str, str]:
    # A parameter of a media type, as in `application/json; charset=utf-8`, asks for nothing else here.
    given = parse_accept_header(accept, MIMEAccept)
    accepted = MIMEAccept([(media_type.partition(";")[0].strip(), quality) for media_type, quality in given])
    json_only, both = accepted.best_match(["application/json"]), accepted.best_match(list(FORMATS))
    return FORMATS.get(json_only or "", ""), FORMATS.get(both or "", "")


@functools.lru_cache(maxsize=64)
def _prefers_html(accept: str) -> bool:
    accepted = parse_accept_header(accept, MIMEAccept)
    return accepted.best_match(["application/problem+json", "application/json", _HTML]) == _HTML


@functools.lru_cache(maxsize=64)
def _accepts_gzip(accept_encoding: str) -> bool:
    return parse_accept_header(accept_encoding).quality("gzip") > 0


@functools.lru_cache(maxsize=64)
def _accepted_language(accept_language: str) -> str:
    return parse_accept_header(accept_language, LanguageAccept).best_match(CODES, CODES[0])
