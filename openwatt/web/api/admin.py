"""The admin API: the runs, what a person decides on them, another address, a look at a document.

Whoever has the token may publish prices, so that the routes exist only where a token is set,
no cache stores anything of them, and what reads or publishes a document runs in a process of its own.
"""

import functools
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import NotFound

from openwatt.domain.messages import Message
from openwatt.domain.reading import MAX_DOCUMENT_BYTES
from openwatt.representations.runs import InspectionItem, OverrideDone, RunDetail, RunItem, RunPage
from openwatt.store.errors import DecisionError
from openwatt.store.reviews import check_undecided
from openwatt.store.runs import RunFilter, StoredRun, find_run, list_runs
from openwatt.web.api.admin_params import (
    AFTER,
    DOCUMENT_TYPES,
    FILE,
    INSPECT_BODY,
    MOST_RUN_ID,
    OUTCOME,
    OVERRIDE_BODY,
    RUN_PARAMETERS,
    SOURCE,
    UNDECIDED,
    read_override,
    unknown_source,
)
from openwatt.web.api.command_runs import BusyError, Commands, Done, OvertimeError
from openwatt.web.http.app_state import app_state
from openwatt.web.http.bearer import Bearer
from openwatt.web.http.bodies import read_body
from openwatt.web.http.http_errors import detailed, unsupported_media_type
from openwatt.web.http.operation_spec import OperationSpec
from openwatt.web.http.params import LIMIT, USUAL_ROWS, Parameter, gather_query
from openwatt.web.http.problems import BadRequestError, Fault, problem
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import uncached_response

T = TypeVar("T", bound=msgspec.Struct)

_INVALID = re.compile(r"Invalid value for '?(?:--)?(?P<name>\w+)'?: (?P<message>.*)")

_logger = logging.getLogger(__name__)

admin = Blueprint("admin", __name__, url_prefix="/v1/admin")

#: Requests of one address: no one guesses a token at this pace, and no person needs more.
ADMIN_LIMIT = "60/minute"
#: What a form adds around a document.
_FORM_BYTES = 64 * 1024
#: Statuses by which the command says that something is refused in the present state, or called wrongly.
_REFUSED, _WRONG = 3, 2


@dataclass(frozen=True, slots=True)
class Admin:
    """What the routes need: the token, the commands of this worker, the names of sources."""

    bearer: Bearer
    commands: Commands
    sources: frozenset[str]


def _ours() -> Admin:
    return current_app.extensions["openwatt.admin"]  # type: ignore[no-any-return]  # flask types it as Any


@admin.before_request
def _admit() -> Response | None:
    """Nothing of a request is read before its token was; one answer for whatever is wrong with it."""
    if _ours().bearer.admits(request.headers.get("Authorization", "")):
        return None
    answer = problem(401, Message("problem.admin_token"))
    answer.headers["WWW-Authenticate"] = 'Bearer realm="openwatt admin"'
    return answer


@admin.errorhandler(BusyError)
@admin.errorhandler(OvertimeError)
def _later(error: Exception) -> Response:
    detail = Message("problem.document_busy")
    if isinstance(error, OvertimeError):
        detail = Message("problem.overtime")
    answer = problem(503, detail)
    answer.headers["Retry-After"] = "10"
    return answer


@admin.errorhandler(DecisionError)
def _conflict(error: Exception) -> Response:
    return problem(409, Message.of("problem.conflict", text=str(error)))


def _guarded(
    *parameters: Parameter,
    page: type[msgspec.Struct],
    problems: tuple[int, ...] = (),
    body: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., msgspec.Struct]], Callable[..., Response]]:
    """Makes a view for the holder of the token, whose response no cache stores."""

    def decorate(build: Callable[..., msgspec.Struct]) -> Callable[..., Response]:
        @functools.wraps(build)
        def view(**place: Any) -> Response:
            values, faults = gather_query(request.query_string, parameters)
            if faults:
                raise BadRequestError(faults)
            return uncached_response(build(RequestParams(values, app_state().clock()), **place), None, None)

        return OperationSpec(
            parameters, page, None, (401, *problems), cacheable=False, whole_body=body, needs_token=True
        ).attach(view)

    return decorate


@admin.get("/runs")
@_guarded(*RUN_PARAMETERS, page=RunPage)
def runs(params: RequestParams) -> RunPage:
    """Runs of the ingestion.

    What came of each look at a source, the newest first. With `undecided`, the refused
    documents that wait for a person.
    """
    limit = params.get(LIMIT, USUAL_ROWS)
    wanted = RunFilter(params.get(SOURCE), params.get(OUTCOME), params.get(UNDECIDED, False))
    found = list_runs(app_state().database, wanted, after=params.get(AFTER), limit=limit + 1)
    following = params.address(after=found[limit - 1].run_id) if len(found) > limit else None
    return RunPage(runs=[RunItem.of(run) for run in found[:limit]], next=following)


@admin.get(f"/runs/<int(min=1,max={MOST_RUN_ID}):run_id>")
@_guarded(page=RunDetail, problems=(404,))
def run(_params: RequestParams, run_id: int) -> RunDetail:
    """One run.

    Everything that it read and doubted, and what was decided.
    """
    return RunDetail.of(_run(run_id))


def _run(run_id: int) -> StoredRun:
    found = find_run(app_state().database, run_id)
    if found is None:
        raise detailed(NotFound(), Message.of("problem.no_run", run_id=str(run_id)))
    return found


@admin.post("/overrides")
@_guarded(page=OverrideDone, problems=(404, 409, 415, 422), body=OVERRIDE_BODY)
def override(params: RequestParams) -> OverrideDone:
    """Override what ingestion did.

    `approve` publishes what a refused run has read, after the stored document was read again;
    `reject` leaves it unpublished for good; `address` asks a source elsewhere until a day,
    and with a null address at its own again. Each is stored with a name and a reason.
    """
    if request.mimetype != "application/json":
        raise unsupported_media_type("application/json")
    values = read_override(request.get_data(cache=False), params.today, _ours().sources)
    action, reason = values["action"], f"--reason={values['reason']}"
    # A database that is unavailable is a 503, not a broken command.
    app_state().database.read_number("database/data_version")
    if action == "address":
        where = [values["address"], f"--until={values['until']}"] if "address" in values else ["--undo"]
        arguments = ["address", values["source"], *where, f"--as={values['author']}", reason]
    else:
        check_undecided(_run(values["run_id"]))
        arguments = [action, str(values["run_id"]), f"--as={values['reviewer']}", reason]
    done = _ours().commands.run(["review", *arguments, "--json"], uses_database=True)
    if done.status == _REFUSED:
        raise DecisionError(done.complaint)
    if done.status == _WRONG:
        raise BadRequestError([_fault(done.complaint)])
    result = _decode_output(done, OverrideDone)
    extra = {"action": action, "source": values.get("source"), "run": str(values.get("run_id", ""))}
    _logger.warning("ingestion overridden by hand", extra={k: v for k, v in extra.items() if v})
    return result


@admin.post("/inspect")
@_guarded(SOURCE, page=InspectionItem, problems=(413, 415, 422), body=INSPECT_BODY)
def inspect(params: RequestParams) -> InspectionItem:
    """Inspect a document.

    What a run would read in it and every reason not to publish it, within a run's limits and
    against the regulated tariff that a run knows. Without `source` it is recognised by its own
    words. Nothing is stored.
    """
    request.max_content_length = MAX_DOCUMENT_BYTES + _FORM_BYTES
    document, source = _document(params.get(SOURCE))
    named = [] if source is None else [f"--source={source}"]
    app_state().database.read_number("schema/number")  # away: that is a 503 and no fault of the document
    done = _ours().commands.run(
        ["inspect", "/dev/stdin", "--as-run", "--json", *named], given=document, uses_database=True
    )
    if done.status == _WRONG and not done.output:
        raise BadRequestError([_fault(done.complaint)])
    return _decode_output(done, InspectionItem)


def _document(source: str | None) -> tuple[bytes, str | None]:
    """The document that was sent, alone or in a form, and its source where one is named."""
    faults: list[Fault] = []
    if request.mimetype == "multipart/form-data":
        values, faults = read_body((FILE, SOURCE))
        document = values.get("file") or b""
        if source is not None and "source" in values:
            faults.append(Fault("source", Message("parameter.twice")))
        source = values.get("source", source)
    elif request.mimetype in DOCUMENT_TYPES:
        document = request.get_data(cache=False)
    else:
        raise unsupported_media_type(*DOCUMENT_TYPES, "multipart/form-data")
    if not document and not any(fault.parameter == "file" for fault in faults):
        faults.append(Fault("file", Message("file.empty"), of_form=False))
    if len(document) > MAX_DOCUMENT_BYTES:
        faults.append(Fault("file", Message.of("body.too_long", most=str(MAX_DOCUMENT_BYTES)), of_form=False))
    if source is not None and (fault := unknown_source(source, _ours().sources)):
        faults.append(fault)
    if faults:
        raise BadRequestError(faults)
    return document, source


def _fault(complaint: str) -> Fault:
    """What the command says of an argument, as a fault of the field that it came from."""
    if found := _INVALID.fullmatch(complaint):
        return Fault(
            found["name"].lower(), Message.of("command.refused", text=found["message"]), of_form=False
        )
    return Fault("body", Message.of("command.refused", text=complaint), of_form=False)


def _decode_output(done: Done, page: type[T]) -> T:
    """What a command printed; one that printed nothing of the kind has failed."""
    try:
        return msgspec.json.decode(done.output, type=page)
    except msgspec.DecodeError as error:
        raise RuntimeError(f"the command ended with status {done.status}: {done.complaint[:500]}") from error
