"""The state of each source, which its runs together give."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from psycopg.rows import kwargs_row

from openwatt.domain.freshness import SourceIncident, incident_of
from openwatt.store.database import Connection, Database
from openwatt.store.runs import Outcome
from openwatt.store.sql import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """The state of one source that was looked at.

    `outcome` is that of its newest run; `last_success_at` is None before the first
    success; `failures_in_a_row` counts the runs since then; `cadence_days` is None where
    no run has said it; `reviews_pending` counts documents that were refused and wait for
    a decision.
    """

    source: str
    supplier: str | None
    offers: list[str]
    outcome: Outcome
    last_look_at: dt.datetime
    last_success_at: dt.datetime | None
    failures_in_a_row: int
    cadence_days: int | None
    reviews_pending: int

    @property
    def incident(self) -> SourceIncident | None:
        """The incident of the source, None where its runs say nothing against it."""
        return incident_of(refused=self.outcome == "refused", failures_in_a_row=self.failures_in_a_row)


def source_states(connection: Connection) -> list[SourceState]:
    """The state of every source that was ever looked at, by its name."""
    with connection.cursor(row_factory=kwargs_row(SourceState)) as cursor:
        parameters = {"declared": None, "drill": False}
        return cursor.execute(statement("sources/states"), parameters).fetchall()


def declared_source_states(
    database: Database, declared: Collection[str], *, drill: bool = False
) -> list[SourceState]:
    """The state of every declared source that was ever looked at, by its name.

    With `drill` that of a drill's source too, while it lasts. A source that is declared no
    longer keeps its runs and figures, but nothing looks at it any more: its state would
    alarm for ever.
    """
    return database.read("sources/states", {"declared": list(declared), "drill": drill}, SourceState)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferState:
    """An offer whose source has failed since its last success, and how the newest run ended."""

    supplier: str | None
    offer: str
    outcome: Outcome
    failures_in_a_row: int

    @property
    def incident(self) -> SourceIncident | None:
        """The incident of the offer's source, None where its runs say nothing against it."""
        return incident_of(refused=self.outcome == "refused", failures_in_a_row=self.failures_in_a_row)


def offer_states(database: Database, declared: Collection[str]) -> list[OfferState]:
    """Every offer that has a declared source with failures since its last success."""
    return database.read("sources/offer_states", {"declared": list(declared)}, OfferState)
