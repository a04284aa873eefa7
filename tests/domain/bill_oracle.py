"""The slow and obvious bill: every minute of every measurement, one after the other, with Decimal."""

import datetime as dt
from collections import defaultdict
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from zoneinfo import ZoneInfo

from openwatt.domain.calendar import Home, RegisterCalendar, RegisterRule
from openwatt.domain.contract import Contract
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import HourRange

PARIS = ZoneInfo("Europe/Paris")


def total_of(
    curve: LoadCurve, calendar: RegisterCalendar, home: Home, contract: Contract, span: Span
) -> Fraction:
    """The cost with all taxes of the minutes that lie in the span and have a register and a price."""
    rows = zip(curve.starts_min.tolist(), curve.steps_min.tolist(), curve.energies.tolist(), strict=True)
    by_price: dict[Decimal, Decimal] = defaultdict(Decimal)
    with localcontext(Context(prec=60)):
        for start, step, energy in rows:
            for minute in range(step):
                instant = dt.datetime.fromtimestamp((start + minute) * 60, tz=PARIS)
                if not span.start <= instant.date() < span.end:
                    continue
                register = register_of(calendar, home, instant.replace(tzinfo=None))
                price = price_on(contract, instant.date(), register)
                by_price[price] += energy * (minute + 1) // step - energy * minute // step
        energy_eur_60000 = sum((price * used for price, used in by_price.items()), Decimal(0))
        days = [span.start + dt.timedelta(days=n) for n in range(span.days)]
        subscription_eur_365 = sum((subscription_on(contract, day) for day in days), Decimal(0))
    return Fraction(energy_eur_60000) / 60000 + Fraction(subscription_eur_365) / 365


def register_of(calendar: RegisterCalendar, home: Home, clock: dt.datetime) -> str | None:
    """The register at what the clock shows, by the first rule that fits."""
    day = (clock - dt.timedelta(minutes=calendar.day_starts_min)).date()
    minute = clock.hour * 60 + clock.minute
    if not during(day, calendar.applies_from, calendar.applies_to):
        return None
    for rule in calendar.rules:
        if fits(rule, home, calendar.option, day) and hours_fit(rule, home, day, minute):
            return rule.register
    return None


def fits(rule: RegisterRule, home: Home, option: str, day: dt.date) -> bool:
    weekdays = set(rule.weekdays) | ({home.chosen_weekday} if rule.chosen_weekday else set())
    if weekdays and day.weekday() not in weekdays:
        return False
    if rule.months and day.month not in rule.months:
        return False
    if rule.colours and home.colours[option].get(day) not in rule.colours:
        return False
    return during(day, rule.applies_from, rule.applies_to)


def hours_fit(rule: RegisterRule, home: Home, day: dt.date, minute: int) -> bool:
    if not rule.off_peak:
        return not rule.hours or inside(rule.hours, minute)
    hours = None
    for entry in home.off_peak_hours:
        if during(day, entry.applies_from, entry.applies_to) and (
            not entry.months or day.month in entry.months
        ):
            hours = entry
    return hours is not None and inside(hours.ranges, minute)


def inside(ranges: tuple[HourRange, ...], minute: int) -> bool:
    for one in ranges:
        if one.start_min < one.end_min and one.start_min <= minute < one.end_min:
            return True
        if one.start_min >= one.end_min and (minute >= one.start_min or minute < one.end_min):
            return True
    return False


def during(day: dt.date, applies_from: dt.date | None, applies_to: dt.date | None) -> bool:
    return (applies_from is None or day >= applies_from) and (applies_to is None or day <= applies_to)


def price_on(contract: Contract, day: dt.date, register: str | None) -> Decimal:
    held = [
        one.tariff for one in contract.tariffs if during(day, one.tariff.applies_from, one.tariff.applies_to)
    ]
    if not held or register is None:
        return Decimal(0)
    return held[-1].prices_eur_per_kwh_ttc[register]


def subscription_on(contract: Contract, day: dt.date) -> Decimal:
    held = [
        one.tariff for one in contract.tariffs if during(day, one.tariff.applies_from, one.tariff.applies_to)
    ]
    return held[-1].subscription_eur_per_year_ttc or Decimal(0) if held else Decimal(0)
