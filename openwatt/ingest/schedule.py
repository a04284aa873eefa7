"""Which sources are looked at, in which order, and when they are due."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace

from openwatt.ingest.declarations import Source
from openwatt.store.database import Connection
from openwatt.store.overrides import address_in_force

#: How much earlier than its cadence a source counts as due: timers come early and late by as much.
EARLY = dt.timedelta(hours=2)
_SEASON_BEGINS = 9


def in_order(sources: Iterable[Source]) -> Iterator[Source]:
    """The sources by name, those first against which the others are held.

    The regulator's data come before the supplier's sheet of the same tariff: the prices
    with all taxes follow from those without.
    """
    yield from sorted(sources, key=lambda one: (not one.regulated, "TTC" in one.taxes, one.name))


def with_addresses(connection: Connection, sources: Iterable[Source], on: dt.date) -> list[Source]:
    """The sources, those without an address of their own with the one that somebody has set for them."""
    return [
        replace(source, address=address_in_force(connection, source.name, on))
        if source.address is None and source.format != "none_yet"
        else source
        for source in sources
    ]


def why_skipped(source: Source) -> str | None:
    """Why a source cannot be looked at by itself; None when it can."""
    if source.format == "none_yet":
        return f"no document of it has been read yet ({source.note})"
    if source.address is None:
        return f"it has no address, its document is handed in with --file ({source.note})"
    return None


def address_on(address: str, day: dt.date) -> str:
    """The address to ask on a day: `{season}` in it stands for the Tempo season of the next day, 2026-2027.

    A season begins on 1 September; the colour of the next day is what is asked for.
    """
    tomorrow = day + dt.timedelta(days=1)
    first = tomorrow.year if tomorrow.month >= _SEASON_BEGINS else tomorrow.year - 1
    return address.replace("{season}", f"{first}-{first + 1}")


def is_due(source: Source, last_look_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a source's cadence asks for a look: one whatever came of the last."""
    return last_look_at is None or now >= last_look_at + dt.timedelta(days=source.cadence_days) - EARLY
