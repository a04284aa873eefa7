"""The fault of a stopped ingestion: for a time the database has a source that is not read any more."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from openwatt.bootstrap import connect
from openwatt.settings import Settings
from openwatt.store.runs import Outcome, Run, record_run

#: No source that is declared has this name, so public health never tells of it. The metrics that feed the
#: alerts do, while a drill lasts, and never longer than an hour.
SOURCE = "drill"
_LAST_READ = dt.timedelta(days=30)
_CADENCE_DAYS = 1


@contextmanager
def stopped_ingestion(settings: Settings) -> Iterator[None]:
    """Records, while the block runs, a daily source `drill` that was last read a month ago.

    The history is insert-only: what a drill writes down stays, and says that it was one.

    Raises:
        DatabaseUnavailableError: with the server's own words.
    """
    now = dt.datetime.now(dt.UTC)
    with connect(settings) as connection:

        def note(outcome: Outcome, at: dt.datetime, message: str) -> None:
            detail = {"message": message, "cadence_days": _CADENCE_DAYS}
            record_run(
                connection,
                Run(source=SOURCE, outcome=outcome, started_at=at, finished_at=at, detail=detail),
            )

        with connection.transaction():
            note("published", now - _LAST_READ, "a drill: nothing was read")
            note("unreachable", now, "a drill: the ingestion has stopped")
        try:
            yield
        finally:
            note("unchanged", dt.datetime.now(dt.UTC), "a drill: it is over")
