"""The checks of a regulated period that the catalogue does not hold: its own sums, and the period before."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from statistics import median

from openwatt.domain.contract import TURPE_FORMULA
from openwatt.domain.duties import Duties, price_eur_per_kwh_ttc, subscription_eur_per_month_ttc
from openwatt.domain.errors import UnknownDutyError
from openwatt.domain.likeness import RegulatedTariffs, amount_of
from openwatt.domain.reading import SUBSCRIPTION, Disagreement, Figure, Line
from openwatt.domain.tariff import OPTIONS, Tariff
from openwatt.domain.tax_identity import FORMULAS, network_fixed_part

#: The regulator sets subscriptions by whole cents a month: all 470 since 2012 are such.
_MONTHLY_CENT = Decimal("0.12")
#: How far a subscription's change may be from the line through those of the other powers, EUR a month.
#: Both ends of a change are rounded to the cent; a rebuilt ladder is for a person to compare.
_UNEVEN = Decimal("0.03")
#: How far the regulator's weight of the network's formulas may be from that at the next power.
_WEIGHT_OFF = Decimal("0.03")
#: Fewer changes than that make no line to compare one with.
_ENOUGH = 4


@dataclass(frozen=True, slots=True)
class _Row:
    """A row without taxes of which the catalogue does not hold everything."""

    line: Line
    known: Tariff | None
    before: Tariff | None

    @property
    def subscription(self) -> Figure:
        """The subscription without taxes."""
        return self.line.figures[SUBSCRIPTION, "HT"]


def unproven(lines: Sequence[Line], tariffs: RegulatedTariffs, duties: Duties) -> Iterator[Disagreement]:
    """What speaks against one option's dated rows of which the catalogue does not hold every figure.

    The regulator publishes each figure without taxes beside its own one with taxes. The price of
    a kWh must lead to the latter by the duties of the day, a subscription leave a CTA on one of
    the network's formulas, and change evenly with the power since the period before. What is
    billed, where it is known, must follow too. A row without such sums cannot be proven.
    """
    day = lines[0].first_day
    eve = day - dt.timedelta(days=1)
    every = [
        _Row(
            line,
            tariffs.begun_on(day, line.option, line.power_kva),
            tariffs.on(eve, line.option, line.power_kva),
        )
        for line in lines
    ]
    rows = [row for row in every if not _is_held(row)]
    if not rows:
        return
    alone = [row.line for row in rows if not _has_sums(row)]
    if alone:
        message = f"the catalogue has no regulated tariff that begins on {day}: compare by eye, then add it"
        yield "regulated-unknown", alone, message, ""
        return
    try:
        yield from _prices(rows, day, duties)
        yield from _subscriptions(rows, day, duties)
    except UnknownDutyError:
        message = (
            f"the catalogue has no regulated tariff that begins on {day}, and no rate of "
            f"{', '.join(duties.unknown_on(day)) or 'the network'} to check it: add them, then read again"
        )
        yield "regulated-unknown", [row.line for row in rows], message, ""
    yield from _uneven(rows, every)


def _is_held(row: _Row) -> bool:
    """Whether the catalogue holds every figure of a row, so that it was compared digit for digit."""
    return row.known is not None and all(
        amount_of(row.known, meaning, tax) is not None for meaning, tax in row.line.figures
    )


def _has_sums(row: _Row) -> bool:
    """Whether a row has each figure without taxes, and only that, with the regulator's sum beside it."""
    meanings = (SUBSCRIPTION, *OPTIONS[row.line.option])
    return set(row.line.figures) == {(meaning, "HT") for meaning in meanings} and all(
        (meaning, "TTC") in row.line.sums for meaning in meanings
    )


def _prices(rows: Sequence[_Row], day: dt.date, duties: Duties) -> Iterator[Disagreement]:
    for register in OPTIONS[rows[0].line.option]:
        wrong: list[tuple[_Row, Decimal]] = []
        for row in rows:
            due = price_eur_per_kwh_ttc(row.line.figures[register, "HT"].amount, day, duties)
            billed = amount_of(row.known, register, "TTC") if row.known else None
            if due != row.line.sums[register, "TTC"].amount or billed not in (None, due):
                wrong.append((row, due))
        if wrong:
            row, due = wrong[0]
            message = (
                f"{register}: {row.line.figures[register, 'HT'].amount} HT with the accise and TVA of {day} "
                f"is {due} TTC, the file says {row.line.sums[register, 'TTC'].amount}"
            )
            yield (
                "price-taxes",
                [row.line for row, _ in wrong],
                message,
                row.line.figures[register, "HT"].where,
            )


def _subscriptions(rows: Sequence[_Row], day: dt.date, duties: Duties) -> Iterator[Disagreement]:
    left = {row.line.power_kva: _left_for_cta(row.line, day, duties) for row in rows}
    for row in rows:
        for message in (
            _against_the_bill(row, day, duties),
            _against_the_network(row.line, left, day, duties, is_new_power=row.before is None),
        ):
            if message:
                yield "subscription-taxes", [row.line], message, row.subscription.where


def _against_the_bill(row: _Row, day: dt.date, duties: Duties) -> str | None:
    amount = row.subscription.amount
    if amount % _MONTHLY_CENT:
        return f"{amount} EUR a year HT is no whole number of cents a month"
    billed = row.known.subscription_eur_per_year_ttc if row.known else None
    if billed is None:
        return None
    due = 12 * subscription_eur_per_month_ttc(
        amount, row.line.power_kva, day, duties, turpe_formula=TURPE_FORMULA
    )
    return None if due == billed else f"{amount} EUR a year HT is {due} with all taxes, {billed} is billed"


def _left_for_cta(line: Line, day: dt.date, duties: Duties) -> Decimal:
    """The network's fixed part on which a subscription and its sum leave the CTA of the day, EUR a year."""
    before_tva = line.sums[SUBSCRIPTION, "TTC"].amount / (1 + duties.rate("tva_subscription", day) / 100)
    return (before_tva - line.figures[SUBSCRIPTION, "HT"].amount) * 100 / duties.rate("cta", day)


def _against_the_network(
    line: Line, left: Mapping[int, Decimal], day: dt.date, duties: Duties, *, is_new_power: bool
) -> str | None:
    """The regulator weighs the network's formulas, at each power much as at the next."""
    power = line.power_kva
    parts = [network_fixed_part(duties, formula, power, day) for formula in FORMULAS]
    # Amounts with taxes to the cent: that much of the fixed part is hidden by the rounding.
    slack = line.sums[SUBSCRIPTION, "TTC"].step * 100 / duties.rate("cta", day)
    low, high = min(parts) - slack, max(parts) + slack
    others = [one for one in left if one != power]
    if is_new_power and others:
        next_power = min(others, key=lambda one: abs(one - power))
        next_part = network_fixed_part(duties, TURPE_FORMULA, next_power, day)
        usual = left[next_power] / next_part * network_fixed_part(duties, TURPE_FORMULA, power, day)
        low, high = max(low, usual * (1 - _WEIGHT_OFF)), min(high, usual * (1 + _WEIGHT_OFF))
    if low <= left[power] <= high:
        return None
    subscription = line.figures[SUBSCRIPTION, "HT"]
    return (
        f"{subscription.printed} HT and {line.sums[SUBSCRIPTION, 'TTC'].printed} TTC leave a CTA on "
        f"{left[power]:.2f} EUR, the network's fixed part is {low:.2f} to {high:.2f}"
    )


def _uneven(rows: Sequence[_Row], every: Sequence[_Row]) -> Iterator[Disagreement]:
    """The change of each subscription since the period before must lie on the line through the others'."""
    changes = {
        row.line.power_kva: (row.subscription.amount - row.before.subscription_eur_per_year_ht) / 12
        for row in every
        if row.before is not None and row.before.subscription_eur_per_year_ht is not None
    }
    if len(changes) < _ENOUGH:
        return
    slope = median(
        (later - sooner) / (high - low)
        for (low, sooner), (high, later) in combinations(sorted(changes.items()), 2)
    )
    offset = median(change - slope * power for power, change in changes.items())
    for row in rows:
        power = row.line.power_kva
        if power in changes and abs(changes[power] - slope * power - offset) > _UNEVEN:
            message = (
                f"the subscription changes by {changes[power]:.2f} EUR a month HT, the line through the "
                f"other powers gives {slope * power + offset:.2f}"
            )
            yield "subscription-uneven", [row.line], message, row.subscription.where
