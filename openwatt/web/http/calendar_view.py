"""The view decorator of calendars: cached like other responses, in the language of the client."""

import datetime as dt
import functools
from collections.abc import Callable

from flask import Response, request

from openwatt.sentences.catalogue import CODES
from openwatt.web.http.content_negotiation import accepted_language
from openwatt.web.http.operation_spec import OperationSpec
from openwatt.web.http.parameter_types import choice
from openwatt.web.http.params import Parameter, read_query
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import cacheable_calendar
from openwatt.web.http.views import MakeResponse, through_cache

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
            return through_cache(make)

        def make(now: dt.datetime) -> MakeResponse:
            params = RequestParams(read_query(request.query_string, parameters), now)
            language = params.get(LANG) or accepted_language(request.environ)
            content = build(params, language)
            return lambda compress: cacheable_calendar(
                content, language, params.valid_until, compress=compress
            )

        return OperationSpec(parameters, None, problems=problems).attach(view)

    return decorate
