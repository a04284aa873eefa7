"""The checks of the database: reachable and fast, of this schema, filled, and fed by working sources."""

import datetime as dt
import statistics
import time

from openwatt.bootstrap import connect
from openwatt.catalogue.loader import edition_sha256
from openwatt.catalogue.shipped_facts import shipped_sources
from openwatt.catalogue.source_names import declared_sources
from openwatt.doctor.context import CheckContext
from openwatt.doctor.results import (
    CheckFailedError,
    CheckSkippedError,
    CheckVerdict,
    join_names,
    ok,
    quantity,
)
from openwatt.domain.freshness import BROKEN_AFTER, FRESH_FOR, STALE_AFTER
from openwatt.store import pg_tools
from openwatt.store.editions import edition_is_loaded
from openwatt.store.errors import DatabaseUnavailableError, PoolerError, SchemaError
from openwatt.store.migrate import LEAST_POSTGRESQL, check_schema, newest_schema, read_schema
from openwatt.store.runs import count_runs
from openwatt.store.server import server_of
from openwatt.store.source_states import SourceState, declared_source_states

#: A statement that touches nothing takes less than a millisecond beside the service, 20 in another city.
SLOWEST_ANSWER_S = 0.2
#: The regulated tariff changes each 1 February and 1 August: an older catalogue has missed two changes.
OLDEST_CATALOGUE = dt.timedelta(days=366)


def check_database(context: CheckContext) -> CheckVerdict:
    """Checks that the database answers, and soon."""
    try:
        connect(context.settings, start=False, timeout_s=2).close()
    except DatabaseUnavailableError as error:
        if context.settings.database_url:
            raise
        raise CheckFailedError(
            "the embedded PostgreSQL does not run", "start the service: it starts its PostgreSQL with it"
        ) from error
    except PoolerError as error:
        message, _, remedy = str(error).partition(": ")
        raise CheckFailedError(message, remedy) from error
    with context.database() as database:
        server = server_of(database)
        took = []
        for _ in range(5):
            began = time.monotonic()
            server_of(database)
            took.append(time.monotonic() - began)
    median = statistics.median(took)
    message = f"PostgreSQL {server.version.split()[0]}, answers in {median * 1000:.1f} ms"
    if not pg_tools.supports(server.major):
        raise CheckFailedError(
            f"{message}; it can be neither backed up nor restored",
            f"move to a PostgreSQL from {LEAST_POSTGRESQL} to {pg_tools.NEWEST_POSTGRESQL}, "
            "or to an OpenWatt that supports this one",
        )
    if median > SLOWEST_ANSWER_S:
        raise CheckFailedError(
            message, "bring the database nearer to the service, or relieve its machine: see its load and disk"
        )
    return ok(message)


def check_migrations(context: CheckContext) -> CheckVerdict:
    """Checks that the database has the schema of this code, no older and no newer one."""
    with context.database() as database:
        try:
            check_schema(read_schema(database))
        except SchemaError as error:
            message, _, remedy = str(error).partition(": ")
            raise CheckFailedError(message, remedy) from error
    return ok(f"schema {newest_schema()}, which is this code's")


def check_catalogue(context: CheckContext) -> CheckVerdict:
    """Checks that the catalogue that ships with this code is loaded and not too old."""
    with connect(context.settings, start=False, timeout_s=2) as connection, connection.transaction():
        loaded = edition_is_loaded(connection, edition_sha256())
    if not loaded:
        raise CheckFailedError("the catalogue of this code is not loaded")
    newest = max(source.seen_on for source in shipped_sources())
    age = context.now().date() - newest
    if age > OLDEST_CATALOGUE:
        raise CheckFailedError(
            f"its newest figure was read on {newest}, {age.days} days ago",
            "deploy a newer release: its catalogue has the tariffs published since",
        )
    return ok(f"loaded; its newest figure was read on {newest}, {quantity(age.days, 'day')} ago")


def check_sources(context: CheckContext) -> CheckVerdict:
    """Checks that every declared source that was run was read successfully, and recently enough."""
    with context.database() as database:
        states = declared_source_states(database, declared_sources(), drill=True)
        outcomes = count_runs(database) if any(state.last_success_at is None for state in states) else {}
    if not states:
        raise CheckSkippedError("no source was ever looked at: the shipped catalogue stands alone")
    now = context.now()
    stale = []
    for state in states:
        if state.last_success_at is None:
            stale.append(f"{state.source} (never read: {_outcomes(outcomes[state.source])})")
        elif state.failures_in_a_row >= BROKEN_AFTER:
            stale.append(f"{state.source} ({state.failures_in_a_row} failures in a row)")
        elif (age := now - state.last_success_at) > _oldest(state):
            stale.append(f"{state.source} (read {age / dt.timedelta(days=1):.0f} days ago)")
    if stale:
        raise CheckFailedError(
            f"{len(stale)} of {quantity(len(states), 'source')} stale or broken: {join_names(stale)}"
        )
    fresh = sum(
        state.last_success_at is not None and now - state.last_success_at <= FRESH_FOR for state in states
    )
    waiting = sum(state.reviews_pending for state in states)
    besides = f"; {quantity(waiting, 'refused document')} to be decided on" if waiting else ""
    return ok(f"{fresh} of {quantity(len(states), 'source')} read within {FRESH_FOR.days} days{besides}")


def _oldest(state: SourceState) -> dt.timedelta:
    """The oldest success that is accepted: 14 days, or twice the cadence of the source."""
    return max(STALE_AFTER, dt.timedelta(days=2 * (state.cadence_days or 0)))


def _outcomes(runs: dict[str, int]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(runs.items()))
