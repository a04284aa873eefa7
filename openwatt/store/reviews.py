"""What people decided on the documents that were refused."""

import datetime as dt

from psycopg.rows import kwargs_row

from openwatt.store.database import Connection
from openwatt.store.errors import DecisionError, UnknownRunError
from openwatt.store.runs import Decision, StoredRun, find_run
from openwatt.store.sql import statement


def undecided_run(connection: Connection, run_id: int) -> StoredRun:
    """A refused run to decide on, inside the caller's transaction, whose end others wait for.

    Raises:
        UnknownRunError: there is no such run.
        DecisionError: it was not refused, or its document was decided on already.
    """
    connection.execute(statement("reviews/lock"))
    run = find_run(connection, run_id)
    if run is None:
        raise UnknownRunError(f"there is no run {run_id}: `openwatt review --all` lists those there are")
    check_undecided(run)
    return run


def check_undecided(run: StoredRun) -> None:
    """Checks that a run waits for a decision.

    Raises:
        DecisionError: saying what it is instead, or who decided.
    """
    if run.outcome != "refused":
        raise DecisionError(f"run {run.run_id} is {run.outcome}: only a refused run is decided on")
    if run.decision is not None:
        was = run.decision
        which = "it" if was.run_id == run.run_id else f"the same document, as run {was.run_id},"
        raise DecisionError(
            f"run {run.run_id} is decided on already: {which} was {was.decision} by {was.reviewer} "
            f"on {was.decided_at:%Y-%m-%d} ({was.reason})"
        )


def record_decision(connection: Connection, decision: Decision) -> None:
    """Stores a decision, in the transaction in which `undecided_run` gave its run."""
    parameters = {name: getattr(decision, name) for name in Decision.__dataclass_fields__}
    connection.execute(statement("reviews/insert"), parameters)


def decision_on(connection: Connection, source: str, sha256: str | None) -> Decision | None:
    """The decision on a document of a source; the same bytes need no second one."""
    with connection.cursor(row_factory=kwargs_row(Decision)) as cursor:
        return cursor.execute(
            statement("reviews/of_document"), {"source": source, "sha256": sha256}
        ).fetchone()


def periods_published_since(
    connection: Connection, supplier: str, since: dt.datetime
) -> set[tuple[str, str, int, dt.date]]:
    """(offer, option, power, first day) of the tariffs that a supplier's documents gave after an instant."""
    rows = connection.execute(statement("tariffs/published_since"), {"supplier": supplier, "since": since})
    return {tuple(row) for row in rows}
