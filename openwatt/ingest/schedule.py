"""The schedule of the sources: which are run, in which order, and when they are due."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace

from openwatt.ingest.declarations import SourceDeclaration
from openwatt.store.database import Connection
from openwatt.store.overrides import address_in_force

#: How much earlier than its cadence a source counts as due: timers come early and late by as much.
EARLY = dt.timedelta(hours=2)
_SEASON_BEGINS = 9


def sort_sources(sources: Iterable[SourceDeclaration]) -> Iterator[SourceDeclaration]:
    """Orders the sources: those with which the others are compared come first, then by name.

    The regulator's data come before the supplier's sheet of the same tariff: the prices
    with all taxes follow from those without.
    """
    yield from sorted(sources, key=lambda one: (not one.regulated, "TTC" in one.taxes, one.name))


def with_addresses(
    connection: Connection, sources: Iterable[SourceDeclaration], on: dt.date
) -> list[SourceDeclaration]:
    """The sources, with the address that an operator has set for those that declare none."""
    return [
        replace(source, address=address_in_force(connection, source.name, on))
        if source.address is None and source.format != "none_yet"
        else source
        for source in sources
    ]


def skip_reason(source: SourceDeclaration) -> str | None:
    """The reason why a source cannot be run from its address; None when it can."""
    if source.format == "none_yet":
        return f"no document of it has been read yet ({source.note})"
    if source.address is None:
        return f"it has no address, its document is handed in with --file ({source.note})"
    return None


def fill_in_season(address: str, day: dt.date) -> str:
    """Replaces `{season}` in an address by the Tempo season of the next day, such as 2026-2027.

    A season begins on 1 September; the colour of the next day is what is wanted.
    """
    tomorrow = day + dt.timedelta(days=1)
    first = tomorrow.year if tomorrow.month >= _SEASON_BEGINS else tomorrow.year - 1
    return address.replace("{season}", f"{first}-{first + 1}")


def is_due(source: SourceDeclaration, last_look_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a source is due: its cadence has passed since its last run, whatever came of that."""
    return last_look_at is None or now >= last_look_at + dt.timedelta(days=source.cadence_days) - EARLY
