"""Every error as a problem document (RFC 9457): what is wrong, where, and what to do about it."""

import contextlib
import re
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, NamedTuple

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from openwatt.domain.messages import Message
from openwatt.sentences.catalogue import CODES, sentence
from openwatt.store.errors import DatabaseUnavailableError, SchemaError
from openwatt.telemetry import context as contexts
from openwatt.telemetry.context import RequestContext, request_id_from
from openwatt.telemetry.logs.request_record import log_request
from openwatt.telemetry.start import running_telemetry
from openwatt.web.http.content_negotiation import accepted_language, prefers_html
from openwatt.web.http.fault_codes import FaultCode, code_of
from openwatt.web.http.http_errors import detail_of

_MB = 1024 * 1024
MEDIA_TYPE = "application/problem+json"
_PAGE = "openwatt.problem_page"

#: Faults that a problem lists: a body may hold ten thousand unknown fields.
_MOST_FAULTS = 100

#: Statuses of which a problem has a type of its own.
_STATUSES = (400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415, 416, 417, 422, 429, 431, 500, 501, 503)
#: Each type by its status: the end of its address, and the name of its sentences.
PROBLEM_TYPES = MappingProxyType(
    {status: re.sub("[^a-z]+", "-", HTTP_STATUS_CODES[status].lower()) for status in _STATUSES}
)


class Fault(NamedTuple):
    """One thing wrong with a request: the parameter's name and what is wrong with it.

    `of_form` is False where the value is what the contract asks for and still
    cannot be used: a file that no reader knows, a span without a day. `given` is
    the text that was sent, where the sentence repeats it.
    """

    parameter: str
    message: Message
    of_form: bool = True
    given: str | None = None

    def sentence(self, language: str, *, on_page: bool = False) -> str:
        """What is wrong, in a language."""
        message = self.message
        if self.given is not None:
            message = Message.of("parameter.given", what=message, given=self.given)
        return sentence(message, language, on_page=on_page)


class BadRequestError(Exception):
    """A request that cannot be answered; `faults` names everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.status = 400 if any(fault.of_form for fault in faults) else 422
        super().__init__("; ".join(f"{fault.parameter}: {fault.message}" for fault in faults))


class FaultItem(msgspec.Struct, kw_only=True):
    """One fault of a request."""

    parameter: Annotated[str, msgspec.Meta(description="The parameter or field at fault.")]
    code: FaultCode
    message: Annotated[str, msgspec.Meta(description="What is wrong, in the language of the request.")]


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A problem document (RFC 9457); `faults` is there when single parameters are to blame."""

    type: Annotated[str, msgspec.Meta(description="Address of the page that explains problems of this type.")]
    title: Annotated[str, msgspec.Meta(description="The type in words, in the language of the request.")]
    status: Annotated[int, msgspec.Meta(description="The HTTP status.")]
    detail: Annotated[str, msgspec.Meta(description="What is wrong this time, and what helps.")]
    faults: Annotated[list[FaultItem], msgspec.Meta(description="At most 100 of them.")] = []

    @classmethod
    def of(cls, status: int, detail: Message | None, faults: Sequence[Fault], language: str) -> "Problem":
        """The problem of a status, its sentences in a language."""
        context = contexts.current()
        root = "" if context is None else context.root
        title = HTTP_STATUS_CODES[status]
        if name := PROBLEM_TYPES.get(status):
            title = sentence(Message(f"problem_type.{name}.title"), language)
        if detail is None and faults:
            detail = Message("problem.faults" if status == HTTPStatus.BAD_REQUEST else "problem.reasons")
        if detail is None and name:
            detail = Message(f"problem_type.{name}.detail")
        return cls(
            type=f"{root}/problems/{name}" if name else "about:blank",
            title=title,
            status=status,
            detail=sentence(detail, language) if detail else title,
            faults=[
                FaultItem(parameter=one.parameter, code=code_of(one.message), message=one.sentence(language))
                for one in faults[:_MOST_FAULTS]
            ],
        )


def reader_language() -> str:
    """The language of an answer's sentences: the one that the request prefers, else English."""
    return accepted_language(request.environ)


def problem(status: int, detail: Message | None = None, faults: Sequence[Fault] = ()) -> Response:
    """The answer to the present request, which failed: a page for a browser. It is never cached."""
    show: ShowProblem | None = current_app.extensions.get(_PAGE)
    if show is not None and prefers_html(request.environ):
        page = show(status, detail, faults)
        page.vary.add("Accept")
        return page
    language = reader_language()
    return Response(
        msgspec.json.encode(Problem.of(status, detail, faults, language)),
        status,
        {"Cache-Control": "no-store", "Content-Language": language, "Vary": "Accept, Accept-Language"},
        content_type=MEDIA_TYPE,
    )


#: Makes the answer to a request that failed, of its status, what is to be said of it, and its faults.
ShowProblem = Callable[[int, Message | None, Sequence[Fault]], Response]


def register_problems(app: Flask, problem_page: ShowProblem) -> None:
    """Makes every error of an app a problem, for browsers as `problem_page`."""
    app.extensions[_PAGE] = problem_page
    register_error_handlers(app, problem)


def register_error_handlers(part: Flask | Blueprint, show: ShowProblem) -> None:
    """Makes every error of an app or a part of it a problem as `show` does it.

    There is no handler for Exception: Flask itself turns an unexpected one into an
    InternalServerError, which arrives here, after error reporting has it.
    """

    def http_error(error: HTTPException) -> Response:
        answer = show(error.code or 500, _detail_of(error), ())
        for name, value in error.get_headers():
            if name not in {"Content-Type", "Content-Length"}:
                answer.headers[name] = value
        return answer

    def bad_request(error: BadRequestError) -> Response:
        return show(error.status, None, error.faults)

    def database_away(error: Exception) -> Response:
        if isinstance(error, SchemaError):  # that the database is away is said once, by the store
            current_app.logger.error("request failed on another schema: %s", error)
        answer = show(503, None, ())
        answer.headers["Retry-After"] = "2"
        return answer

    part.register_error_handler(HTTPException, http_error)
    part.register_error_handler(BadRequestError, bad_request)
    part.register_error_handler(DatabaseUnavailableError, database_away)
    part.register_error_handler(SchemaError, database_away)


def _detail_of(error: HTTPException) -> Message | None:
    """What is to be said of an error; werkzeug's own sentences speak to browsers, in English."""
    if isinstance(error, RequestEntityTooLarge) and (most := request.max_content_length):
        if most >= _MB:
            return Message.of("problem.too_large_mb", most=most // _MB)
        return Message.of("problem.too_large_kb", most=most // 1024)
    return detail_of(error)


def write_problem(sock: socket.socket, status: int, reason: str, message: str) -> None:
    """Answers, logs and counts a request that is so broken that it never reaches Flask.

    It takes the place of `gunicorn.util.write_error`, which answers in HTML. The worker
    reads and drops the rest of the request, within bounds, before it closes the socket.
    """
    context = contexts.begin(RequestContext(request_id=request_id_from(None)))
    # Of so broken a request no header is known: it has English, and JSON.
    detail = Message.of("problem.broken_request", text=message[:200] or reason)
    body = msgspec.json.encode(Problem.of(status, detail, (), CODES[0]))
    try:
        seconds = log_request(context, status, len(body))
        if (telemetry := running_telemetry()) is not None:
            telemetry.metrics.observe_request("", None, status, seconds)
    finally:
        contexts.end(context)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Language: {CODES[0]}\r\nCache-Control: no-store\r\nX-Request-ID: {context.request_id}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with contextlib.suppress(OSError):  # the client may be gone, which is its good right
        sock.sendall(head.encode("latin-1") + body)
