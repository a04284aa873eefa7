"""Every error as a problem document (RFC 9457): what is wrong, where, and what to do about it."""

import contextlib
import re
import socket
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from openwatt.domain.messages import Message
from openwatt.sentences.catalogue import CODES, sentence
from openwatt.store.errors import DatabaseUnavailableError, SchemaError
from openwatt.telemetry import context as contexts
from openwatt.telemetry.context import RequestContext, request_id_from
from openwatt.telemetry.logs.request_record import log_request
from openwatt.telemetry.start import running_telemetry
from openwatt.web.http.content_negotiation import accepted_language

MEDIA_TYPE = "application/problem+json"

#: Faults that a problem lists: a body may hold ten thousand unknown fields.
_MOST_FAULTS = 100


class Fault(NamedTuple):
    """One thing wrong with a request: the parameter's name and what is wrong with it.

    `of_form` is False where the value is what the contract asks for and still
    cannot be used: a file that no reader knows, a span without a day.
    """

    parameter: str
    message: Message | str
    of_form: bool = True


class BadRequestError(Exception):
    """A request that cannot be answered; `faults` names everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.status = 400 if any(fault.of_form for fault in faults) else 422
        super().__init__("; ".join(f"{fault.parameter}: {fault.message}" for fault in faults))


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A problem document; `faults` is there when single parameters are to blame."""

    type: str
    title: str
    status: int
    detail: str
    faults: list[dict[str, str]] = []


#: What to tell where werkzeug's own sentence does not name a remedy.
_DETAILS = {
    404: "There is nothing at this address; /docs lists what there is.",
    405: "This address does not take this method; the Allow header lists those that it takes.",
    413: "The request's body is larger than this address takes.",
    414: "The address is too long; no question to this service needs more than 4,000 characters.",
    500: "The service failed, and has noted it. Trying again may help; reporting it helps everybody.",
    503: "The database does not answer at the moment. Try again in a few seconds.",
}

_FAULTY = {
    400: "The request cannot be understood; each fault is listed.",
    422: "The request is understood and cannot be answered; each reason is listed.",
}


def problem_body(
    status: int, detail: str | None = None, faults: Sequence[Fault] = (), language: str = CODES[0]
) -> bytes:
    """A problem document as bytes; for use where there is no Flask."""
    title = HTTP_STATUS_CODES[status]
    context = contexts.current()
    root = "" if context is None else context.root
    return msgspec.json.encode(
        Problem(
            type=f"{root}/problems/{re.sub('[^a-z]+', '-', title.lower())}",
            title=title,
            status=status,
            detail=detail or _DETAILS.get(status, title),
            faults=[
                {"parameter": fault.parameter, "message": sentence(fault.message, language)}
                for fault in faults[:_MOST_FAULTS]
            ],
        )
    )


def reader_language() -> str:
    """The language of an answer's sentences: the one that the request prefers, else English."""
    return accepted_language(request.environ)


def problem(status: int, detail: str | None = None, faults: Sequence[Fault] = ()) -> Response:
    """The answer to a request that failed. It is never cached. With `faults`, a request must be current."""
    language = reader_language() if faults else CODES[0]
    return Response(
        problem_body(status, detail, faults, language),
        status,
        {"Cache-Control": "no-store"},
        content_type=MEDIA_TYPE,
    )


def register_problems(app: Flask) -> None:
    """Makes every error of an app a problem document.

    There is no handler for Exception: Flask itself turns an unexpected one into an
    InternalServerError, which arrives here, after error reporting has it.
    """

    @app.errorhandler(HTTPException)
    def _http_error(error: HTTPException) -> Response:
        status = error.code or 500
        # werkzeug's own sentences speak to browsers ("If you entered the URL manually …").
        ours = error.description != type(error).description
        answer = problem(status, error.description if ours else None)
        for name, value in error.get_headers():
            if name not in {"Content-Type", "Content-Length"}:
                answer.headers[name] = value
        return answer

    @app.errorhandler(BadRequestError)
    def _bad_request(error: BadRequestError) -> Response:
        return problem(error.status, _FAULTY[error.status], error.faults)

    @app.errorhandler(DatabaseUnavailableError)
    @app.errorhandler(SchemaError)
    def _database_away(error: Exception) -> Response:
        if isinstance(error, SchemaError):  # that the database is away is said once, by the store
            app.logger.error("request failed on another schema: %s", error)
        answer = problem(503)
        answer.headers["Retry-After"] = "2"
        return answer


def write_problem(sock: socket.socket, status: int, reason: str, message: str) -> None:
    """Answers, logs and counts a request that is so broken that it never reaches Flask.

    It takes the place of `gunicorn.util.write_error`, which answers in HTML. The worker
    reads and drops the rest of the request, within bounds, before it closes the socket.
    """
    body = problem_body(status, f"{message[:200] or reason}.")
    context = contexts.begin(RequestContext(request_id=request_id_from(None)))
    try:
        seconds = log_request(context, status, len(body))
        if (telemetry := running_telemetry()) is not None:
            telemetry.metrics.observe_request("", None, status, seconds)
    finally:
        contexts.end(context)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Cache-Control: no-store\r\nX-Request-ID: {context.request_id}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with contextlib.suppress(OSError):  # the client may be gone, which is its good right
        sock.sendall(head.encode("latin-1") + body)
