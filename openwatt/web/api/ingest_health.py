"""How each source stands and how the ingestion does as a whole: for the API and for the status page."""

import datetime as dt
from collections import Counter
from collections.abc import Collection
from typing import Annotated

from flask import current_app
from msgspec import Meta, Struct

from openwatt.domain.freshness import (
    SourceStatus,
    next_source_status_change,
    source_status,
)
from openwatt.representations.names import Instant
from openwatt.store.database import Database
from openwatt.store.runs import Outcome
from openwatt.store.source_states import SourceState, declared_source_states
from openwatt.web.http.app_state import app_state
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.views import cached_view

Freshness = Annotated[
    SourceStatus,
    Meta(
        description="`fresh`: its document was seen within 7 days. `verifying`: longer ago, or a newer one "
        "is doubted. `stale`: not for 14 days. `broken`: three looks in a row have failed. `never`: no look "
        "at it went well yet."
    ),
]
#: From the worst to the best; `never` weighs more than what was seen once and is checked again.
_WORST_FIRST: tuple[SourceStatus, ...] = ("broken", "stale", "never", "verifying", "fresh")


class SourceHealth(Struct, frozen=True, kw_only=True):
    """How one source stands."""

    source: str
    supplier: str | None
    freshness: Freshness
    outcome: Annotated[Outcome, Meta(description="What came of the last look.")]
    last_look_at: Instant
    last_success_at: Annotated[
        Instant | None,
        Meta(description="The last look that went well; null before the first."),
    ]
    failures_in_a_row: int
    reviews_pending: Annotated[int, Meta(description="Refused documents that wait for a person.")]
    cadence_days: Annotated[int | None, Meta(description="How often it is to be looked at.")]


class IngestHealth(Struct, frozen=True, kw_only=True):
    """How the ingestion does. It informs: the status is 200 however bad the news."""

    status: Annotated[
        SourceStatus,
        Meta(
            description="That of the source that stands worst: broken, stale, never, verifying, fresh. "
            "`never` too while no source was looked at: the prices are then those of the shipped catalogue."
        ),
    ]
    sources_by_freshness: Annotated[
        dict[SourceStatus, int], Meta(description="How many sources stand so; only what there is.")
    ]
    sources: Annotated[
        list[SourceHealth], Meta(description="Every declared source that was ever looked at, by name.")
    ]


#: For the contract.
EXAMPLE = {
    "status": "verifying",
    "sources_by_freshness": {"verifying": 1, "fresh": 1},
    "sources": [
        {
            "source": "edf_tarif_bleu",
            "supplier": "EDF",
            "freshness": "fresh",
            "outcome": "unchanged",
            "last_look_at": "2026-02-03T05:12:09Z",
            "last_success_at": "2026-02-03T05:12:09Z",
            "failures_in_a_row": 0,
            "reviews_pending": 0,
            "cadence_days": 1,
        },
        {
            "source": "octopus_ecoconso",
            "supplier": "Octopus Energy",
            "freshness": "verifying",
            "outcome": "refused",
            "last_look_at": "2026-02-03T05:12:31Z",
            "last_success_at": "2026-01-30T05:11:58Z",
            "failures_in_a_row": 1,
            "reviews_pending": 1,
            "cadence_days": 7,
        },
    ],
}


@cached_view(page=IngestHealth, example=EXAMPLE)
def health_ingest(params: RequestParams) -> IngestHealth:
    """How the ingestion does.

    Each source's last look, last success, failures since and freshness. The status is 200
    however bad the news is: ask /health/ready whether the service can answer.
    """
    states = declared_source_states(app_state().database, current_app.config["SOURCES"])
    for state in states:
        incident = state.incident
        params.expire_at(
            next_source_status_change(
                last_success_at=state.last_success_at, incident=incident, now=params.now
            )
        )
    return _health_of_all(states, params.now)


def ingest_health(database: Database, declared: Collection[str], now: dt.datetime) -> IngestHealth:
    """What the runs of all declared sources say at an instant."""
    return _health_of_all(declared_source_states(database, declared), now)


def _health_of_all(states: Collection[SourceState], now: dt.datetime) -> IngestHealth:
    sources = [_health(state, now) for state in states]
    counted = Counter(source.freshness for source in sources)
    standing = [status for status in _WORST_FIRST if counted[status]]
    return IngestHealth(
        status=standing[0] if standing else "never",
        sources_by_freshness={status: counted[status] for status in standing},
        sources=sources,
    )


def _health(state: SourceState, now: dt.datetime) -> SourceHealth:
    success = state.last_success_at
    return SourceHealth(
        source=state.source,
        supplier=state.supplier,
        freshness=source_status(last_success_at=success, incident=state.incident, now=now),
        outcome=state.outcome,
        last_look_at=state.last_look_at.astimezone(dt.UTC),
        last_success_at=None if success is None else success.astimezone(dt.UTC),
        failures_in_a_row=state.failures_in_a_row,
        reviews_pending=state.reviews_pending,
        cadence_days=state.cadence_days,
    )
