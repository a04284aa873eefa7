"""View decorators: they make a Flask view of a function from parameters to an answer."""

import datetime as dt
import functools
from collections.abc import Callable

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException

from openwatt.domain.errors import OpenWattError, message_of
from openwatt.store.errors import DatabaseUnavailableError, SchemaError
from openwatt.web.http.app_state import app_state
from openwatt.web.http.bodies import LONGEST_FILE_BODY, CustomerDataError, read_body
from openwatt.web.http.content_negotiation import accepts_gzip, chosen_format
from openwatt.web.http.operation_spec import OperationSpec
from openwatt.web.http.params import FORMAT, Parameter, gather_query, read_query
from openwatt.web.http.problems import BadRequestError, Fault, reader_language
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.response_cache import CachedResponse, key_of
from openwatt.web.http.responses import (
    Answer,
    ReadyResponse,
    cacheable_response,
    encode_json,
    uncached_response,
)

Build = Callable[[RequestParams], Answer]
View = Callable[[], Response]
#: Makes a response for the cache of an answer that stands: compressed too, when called with True.
MakeResponse = Callable[[bool], CachedResponse]


def through_cache(make: Callable[[dt.datetime], MakeResponse]) -> Response:
    """The response to the present request: the cached one, or one made of what `make` finds at an instant."""
    state = app_state()
    cache, key = state.response_cache, key_of(request.environ)
    now, version = state.clock(), state.data_version.current()
    response = cache.get(key, version, now.timestamp())
    if response is None:
        make_response = make(now)
        keep = cache.admits(key)
        response = make_response(keep or accepts_gzip(request.environ))
        if keep:
            cache.put(key, version, response)
    response.count()
    status, headers, body = response.answer_to(request.environ, now.timestamp())
    return ReadyResponse(status, headers, body)


def cached_view(
    *parameters: Parameter,
    page: type[msgspec.Struct],
    row: type[msgspec.Struct] | None = None,
    problems: tuple[int, ...] = (),
    example: object = None,
    array: type[msgspec.Struct] | None = None,
    takes_faults: bool = False,
    translated: bool = False,
) -> Callable[[Build], View]:
    """Makes a view whose responses are stored in the response cache, with an ETag.

    `page` is the type of its JSON; with `row`, its items can be had as CSV too, and with `array`, its
    JSON may be a bare array of these. `problems` are statuses that it may answer beyond those of every
    view; the OpenAPI document shows `example`. With `takes_faults`, its function is called with the
    faults of its parameters too, and raises them with its own. One that is `translated` has sentences in
    the language of the request.
    """
    if row is not None and FORMAT.name not in {parameter.name for parameter in parameters}:
        parameters = (*parameters, FORMAT)

    def decorate(build: Build) -> View:
        @functools.wraps(build)
        def view() -> Response:
            return through_cache(make)

        def make(now: dt.datetime) -> MakeResponse:
            values, faults = gather_query(request.query_string, parameters)
            if faults and not takes_faults:
                raise BadRequestError(faults)
            format_ = chosen_format(values.get(FORMAT.name), csv=row is not None)
            params = RequestParams(values, now, tuple(faults))
            answer = build(params)
            language = reader_language() if translated else None
            return lambda compress: cacheable_response(
                answer, format_, params.valid_until, compress=compress, language=language
            )

        spec = OperationSpec(
            parameters, page, row, problems, example=example, array=array, translated=translated
        )
        return spec.attach(view)

    return decorate


def uncached_view(
    *, page: type[msgspec.Struct], problems: tuple[int, ...] = ()
) -> Callable[[Callable[[], msgspec.Struct]], View]:
    """Makes a view without parameters whose response is made at each request, as JSON to every client."""

    def decorate(build: Callable[[], msgspec.Struct]) -> View:
        @functools.wraps(build)
        def view() -> Response:
            read_query(request.query_string, ())
            headers = {"Cache-Control": "no-store"}
            return Response(encode_json(build()), headers=headers, content_type="application/json")

        return OperationSpec((), page, problems=problems, cacheable=False).attach(view)

    return decorate


def private_view(
    *parameters: Parameter,
    page: type[msgspec.Struct],
    row: type[msgspec.Struct] | None = None,
    problems: tuple[int, ...] = (),
) -> Callable[[Build], View]:
    """Makes a view whose responses are one household's own: no cache may keep them.

    Its function is called with the faults of its parameters too, and raises them with its own.
    """
    if row is not None:
        parameters = (*parameters, FORMAT)

    def decorate(build: Build) -> View:
        @functools.wraps(build)
        def view() -> Response:
            values, faults = gather_query(request.query_string, parameters)
            format_ = chosen_format(values.get(FORMAT.name), csv=row is not None)
            params = RequestParams(values, app_state().clock(), tuple(faults))
            return uncached_response(build(params), format_, row, language=reader_language())

        return OperationSpec(parameters, page, row, problems, cacheable=False, translated=True).attach(view)

    return decorate


def post_view(
    *fields: Parameter,
    page: type[msgspec.Struct],
    row: type[msgspec.Struct] | None = None,
) -> Callable[[Build], View]:
    """Makes a view of a POST with a body of fields, in JSON or in a form with a file.

    Its function is called with the fields' faults too, and raises them with its own. Neither the
    request nor the response is stored, and no error that reaches a log repeats what was sent.
    """
    parameters = (FORMAT,) if row is not None else ()

    def decorate(build: Build) -> View:
        @functools.wraps(build)
        def view() -> Response:
            request.max_content_length = LONGEST_FILE_BODY
            query, faults = gather_query(request.query_string, parameters)
            try:
                values, faults_of_body = read_body(fields)
                answer = build(RequestParams(values, app_state().clock(), (*faults, *faults_of_body)))
            except (HTTPException, BadRequestError, DatabaseUnavailableError, SchemaError):
                raise
            except OpenWattError as error:
                raise BadRequestError([Fault("body", message_of(error), of_form=False)]) from None
            except Exception as error:  # noqa: BLE001  its message may quote the file, so that it may not be logged
                raise CustomerDataError(error) from None
            return uncached_response(answer, query.get(FORMAT.name), row, language=reader_language())

        return OperationSpec(
            parameters, page, row, (413, 415, 422), cacheable=False, body=fields, translated=True
        ).attach(view)

    return decorate
