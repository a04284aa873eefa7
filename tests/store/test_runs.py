"""What the runs of a source mean together: its last look, its failures, who is to review what."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from openwatt.store.database import Database
from openwatt.store.runs import count_runs
from openwatt.store.source_states import SourceState, declared_source_states

START = dt.datetime(2025, 11, 1, 6, tzinfo=dt.UTC)


class Story:
    """Runs of one source, a day apart, each on the document whose letter is given."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.days = 0

    def run(self, outcome: str, document: str | None = None, origin: str = "address") -> int:
        at = START + dt.timedelta(days=self.days)
        self.days += 1
        if document:
            self.connection.execute(
                "insert into documents (reference, title, kind) values (%s, 'sheet', 'supplier') "
                "on conflict do nothing",
                [document],
            )
        row = self.connection.execute(
            "insert into runs (source, started_at, finished_at, outcome, document_id, origin, detail) "
            "values ('lumiere', %s, %s, %s, (select document_id from documents where reference = %s), %s, "
            "'{\"cadence_days\": 1}') returning run_id",
            [at, at, outcome, document, origin],
        ).fetchone()
        assert row
        return int(row[0])

    def reject(self, run_id: int) -> None:
        self.connection.execute(
            "insert into reviews values (%s, 'rejected', 'A. Dupont', 'another sheet', now())", [run_id]
        )


@pytest.fixture
def tell(empty_url: str, database: Callable[[str], Database]) -> Any:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        story = Story(connection)

        def state() -> SourceState:
            (found,) = declared_source_states(database(empty_url), {"lumiere"})
            return found

        yield story, state


def test_failures_are_counted_since_the_last_success(
    tell: Any, empty_url: str, database: Callable[[str], Database]
) -> None:
    story, state = tell
    for outcome in ("unreachable", "published", "unreachable", "unreadable", "refused"):
        story.run(outcome, "a" if outcome in ("published", "refused") else None)
    found = state()
    assert found.failures_in_a_row == 3
    assert (found.last_look_at - found.last_success_at, found.cadence_days) == (dt.timedelta(days=3), 1)
    assert count_runs(database(empty_url)) == {
        "lumiere": {"unreachable": 2, "published": 1, "unreadable": 1, "refused": 1}
    }
    story.run("unchanged", "a")
    assert state().failures_in_a_row == 0


def test_a_source_that_never_worked_has_only_failures(tell: Any) -> None:
    story, state = tell
    story.run("unreachable")
    assert (state().failures_in_a_row, state().last_success_at) == (1, None)


def test_one_document_refused_each_day_waits_once_until_it_is_decided_on(tell: Any) -> None:
    story, state = tell
    first = story.run("refused", "a")
    story.run("refused", "a")
    assert state().reviews_pending == 1
    story.run("refused", "b")
    assert state().reviews_pending == 2
    story.reject(first)
    story.run("refused", "a")
    assert state().reviews_pending == 1
    story.run("unchanged", "c")
    assert state().reviews_pending == 0


def test_a_wrong_file_that_somebody_rejected_says_nothing_of_the_source(tell: Any) -> None:
    story, state = tell
    story.run("published", "a")
    wrong = story.run("refused", "b", origin="file")
    assert state().failures_in_a_row == 1
    story.reject(wrong)
    assert (state().failures_in_a_row, state().reviews_pending) == (0, 0)
