"""The events of calendars to subscribe to: coloured Tempo days, EJP peak days, changes of a tariff."""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

from openwatt.domain.messages import Message
from openwatt.domain.tariff import Colour, per_month
from openwatt.representations.day_calendar import DayEvent
from openwatt.store.tariffs import PublishedTariff
from openwatt.store.tempo import RevisedColour

#: Identities of events are made in it: it must never change, or every subscriber sees each event twice.
_NAMESPACE: Final = uuid.UUID("4be0d5a0-53c4-5b0f-9d6a-3f1c6a1f5d0e")
_NAMES_OF_CSS: Final[Mapping[Colour, str]] = {"BLEU": "blue", "BLANC": "white", "ROUGE": "red"}
_ONE_DAY: Final = dt.timedelta(days=1)


def tempo_events(days: Iterable[RevisedColour]) -> Iterator[DayEvent]:
    """One event for each Tempo day; a corrected colour is the same event, revised."""
    for found in days:
        yield DayEvent(
            uid=_uid("tempo", found.day),
            day=found.day,
            summary=Message(f"calendar.tempo_{found.colour}"),
            description=Message.of("calendar.tempo_hours", day=Message.day(found.day)),
            revised_at=found.observed_at,
            sequence=found.corrections,
            colour=_NAMES_OF_CSS[found.colour],
            url=found.url,
        )


def ejp_events(days: Iterable[dt.date]) -> Iterator[DayEvent]:
    """One event for each EJP peak day.

    The days have no instant of observation: each is announced on the day before.
    """
    for day in days:
        announced_on = day - _ONE_DAY
        yield DayEvent(
            uid=_uid("ejp", day),
            day=day,
            summary=Message("calendar.ejp_day"),
            description=Message.of("calendar.ejp_hours", day=Message.day(day)),
            revised_at=dt.datetime(announced_on.year, announced_on.month, announced_on.day, tzinfo=dt.UTC),
            colour="red",
        )


def tariff_events(
    tariffs: Sequence[PublishedTariff], corrections: Mapping[dt.date, int]
) -> Iterator[DayEvent]:
    """One event for each tariff of one contract, oldest first, on the day that it applies from."""
    for before, tariff in pairwise([None, *tariffs]):
        assert tariff is not None  # noqa: S101 - only the first is None, and it is before all
        names = (tariff.supplier, tariff.offer, tariff.option, tariff.power_kva)
        yield DayEvent(
            uid=_uid("tariff", *names, tariff.applies_from),
            day=tariff.applies_from,
            summary=Message.of("calendar.new_prices", contract=contract_name(tariff)),
            description=_prices(before, tariff),
            revised_at=tariff.observed_at,
            sequence=corrections.get(tariff.applies_from, 0),
            url=tariff.url,
        )


def contract_name(tariff: PublishedTariff) -> str:
    """The contract of a tariff, for people."""
    return f"{tariff.supplier} {tariff.offer} {tariff.option} {tariff.power_kva} kVA"


def _prices(before: PublishedTariff | None, tariff: PublishedTariff) -> Message:
    """Prices and subscription with all taxes, each beside the one before; or else prices without taxes."""
    key, prices = "calendar.prices_ttc", tariff.prices_eur_per_kwh_ttc
    earlier = {} if before is None else before.prices_eur_per_kwh_ttc
    if not prices:
        key, prices = "calendar.prices_ht", tariff.prices_eur_per_kwh_ht
        earlier = {} if before is None else before.prices_eur_per_kwh_ht
    parts = [
        _change(Message.of("text", text=register), earlier.get(register), price)
        for register, price in prices.items()
    ]
    subscription = per_month(tariff.subscription_eur_per_year_ttc)
    if subscription is not None:
        monthly = None if before is None else per_month(before.subscription_eur_per_year_ttc)
        parts.append(_change(Message("calendar.subscription"), monthly, subscription))
    listed = Message.each(parts)
    return Message("calendar.no_prices") if listed is None else Message.of(key, prices=listed)


def _change(what: Message, before: Decimal | None, after: Decimal) -> Message:
    if before is None or before == after:
        return Message.of("calendar.price", what=what, price=Message.decimal(after))
    return Message.of(
        "calendar.price_change", what=what, before=Message.decimal(before), after=Message.decimal(after)
    )


def _uid(*parts: object) -> str:
    """The identity of an event (RFC 7986, 5.3): the same UUID for the same thing on every server."""
    return str(uuid.uuid5(_NAMESPACE, " ".join(map(str, parts))))
