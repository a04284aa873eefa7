"""The view decorator of calendars: cached like other responses, in the language of the client."""

import functools
from collections.abc import Callable

from flask import Response, request

from openwatt.sentences.catalogue import CODES
from openwatt.web.http.app_state import app_state
from openwatt.web.http.content_negotiation import accepted_language, accepts_gzip
from openwatt.web.http.operation_spec import OperationSpec
from openwatt.web.http.parameter_types import choice
from openwatt.web.http.params import Parameter, read_query
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.response_cache import key_of
from openwatt.web.http.responses import ReadyResponse, cacheable_calendar

LANG = Parameter(
    "lang",
    "Language of the sentences; without it the Accept-Language header decides, English when that says "
    "nothing.",
    choice(*CODES),
    "fr",
)
BuildCalendar = Callable[[RequestParams, str], bytes]


def calendar_view(
    *parameters: Parameter, problems: tuple[int, ...] = ()
) -> Callable[[BuildCalendar], Callable[[], Response]]:
    """Makes a view of a function from parameters and a language to a calendar by RFC 5545."""
    parameters = (*parameters, LANG)

    def decorate(build: BuildCalendar) -> Callable[[], Response]:
        @functools.wraps(build)
        def view() -> Response:
            state = app_state()
            cache, key = state.response_cache, key_of(request.environ)
            now, version = state.clock(), state.data_version.current()
            response = cache.get(key, version, now.timestamp())
            if response is None:
                params = RequestParams(read_query(request.query_string, parameters), now)
                language = params.get(LANG) or accepted_language(request.environ)
                content = build(params, language)
                keep = cache.admits(key)
                compress = keep or accepts_gzip(request.environ)
                response = cacheable_calendar(content, language, params.valid_until, compress=compress)
                if keep:
                    cache.put(key, version, response)
            status, headers, body = response.answer_to(request.environ, now.timestamp())
            return ReadyResponse(status, headers, body)

        return OperationSpec(parameters, None, problems=problems).attach(view)

    return decorate
