"""The comparison of a read grid with the regulated tariff of its day: near it, equal to it, or a decoy."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import pairwise
from statistics import median

from openwatt.domain.reading import SUBSCRIPTION, Disagreement, Figure, Line, Tax
from openwatt.domain.tariff import OPTIONS, Tariff

#: Market prices as a share of the regulated ones, seen on 21 sheets of 2022-2025 with room to spare.
PRICE_RATIO = (Decimal("0.80"), Decimal("1.25"))
SUBSCRIPTION_RATIO = (Decimal("0.75"), Decimal("2.10"))
BILL_RATIO = (Decimal("0.78"), Decimal("1.30"))
#: How far a step of the subscription may be from the others, as a share of the regulated step.
_STEP_OFF, _STEP_OFF_AT_AN_END = Decimal("0.045"), Decimal("0.08")
#: Hours of a year per register of options that are compared with Base and whose registers differ in length.
_HOURS_OF_YEAR = {
    "SAISON_SUPER_CREUSES": {
        "HIVER_HP": 151 * 8,
        "HIVER_HC": 151 * 7,
        "HIVER_HSC": 151 * 9,
        "ETE_HP": 214 * 8,
        "ETE_HC": 214 * 9,
        "ETE_HSC": 214 * 7,
    },
    "ZEN_FLEX": {"ECO_HP": 345 * 7, "ECO_HC": 345 * 17, "SOBRIETE_HP": 20 * 7, "SOBRIETE_HC": 20 * 17},
    "OCTOTEMPO": {
        "ROUGE_HC": 22 * 10,
        "ROUGE_HP": 22 * 14,
        "HIVER_HC": 129 * 10,
        "HIVER_HP": 129 * 14,
        "ETE_HC": 214 * 16,
        "ETE_HP": 214 * 8,
    },
}
#: A home's yearly use per kVA for the comparison of whole bills, in kWh.
_KWH_PER_KVA = 600


class RegulatedTariffs:
    """The regulated tariff's history, looked up by option, power and day."""

    def __init__(self, tariffs: Iterable[Tariff]) -> None:
        self._history: dict[tuple[str, int], list[Tariff]] = {}
        for tariff in tariffs:
            self._history.setdefault((tariff.option, tariff.power_kva), []).append(tariff)

    def on(self, day: dt.date, option: str, power_kva: int) -> Tariff | None:
        """The tariff in force on a day for exactly this power, or None."""
        for tariff in self._history.get((option, power_kva), ()):
            if tariff.applies_from <= day and (tariff.applies_to is None or day <= tariff.applies_to):
                return tariff
        return None

    def begun_on(self, day: dt.date, option: str, power_kva: int) -> Tariff | None:
        """The tariff that begins on a day for exactly this power, or None."""
        tariff = self.on(day, option, power_kva)
        return tariff if tariff is not None and tariff.applies_from == day else None

    def lately(self, day: dt.date, option: str, power_kva: int, tax: Tax | None = None) -> Tariff | None:
        """The tariff in force, or while it is not known yet for this power, the one of the year before.

        With `tax`, one that is known on that side: a new grid is known without taxes first.
        """
        current = self.on(day, option, power_kva)
        if current is not None and _is_known(current, tax):
            return current
        past = [
            tariff
            for tariff in self._history.get((option, power_kva), ())
            if tariff.applies_to is not None
            and _is_known(tariff, tax)
            and tariff.applies_to < day <= tariff.applies_to + dt.timedelta(days=366)
        ]
        return max(past, key=lambda tariff: tariff.applies_from, default=None)

    def amount(self, day: dt.date, option: str, power_kva: int, meaning: str, tax: Tax) -> Decimal | None:
        """An amount to compare with, as lately known; between two usual powers, on the line of theirs."""
        return _between(partial(self.lately, day, option, tax=tax), power_kva, meaning, tax)

    def price(self, day: dt.date, option: str, power_kva: int, register: str, tax: Tax) -> Decimal | None:
        """A price in force on a day at the nearest powers that are regulated; None when none is known."""
        return _between(partial(self.on, day, option), power_kva, register, tax)


def _is_known(tariff: Tariff, tax: Tax | None) -> bool:
    """Whether a tariff has a side; without one, whatever it has is enough."""
    if tax is None:
        return True
    return bool(tariff.prices_eur_per_kwh_ht if tax == "HT" else tariff.prices_eur_per_kwh_ttc)


def _between(find: Callable[[int], Tariff | None], power_kva: int, meaning: str, tax: Tax) -> Decimal | None:
    """An amount at a power, on the straight line between the nearest powers that have one."""
    low = next((tariff for power in range(power_kva, 0, -1) if (tariff := find(power)) is not None), None)
    high = next((tariff for power in range(power_kva, 37) if (tariff := find(power)) is not None), None)
    low, high = low or high, high or low
    if low is None or high is None:
        return None
    first, second = amount_of(low, meaning, tax), amount_of(high, meaning, tax)
    if first is None or second is None or low.power_kva == high.power_kva:
        return first
    share = Decimal(power_kva - low.power_kva) / (high.power_kva - low.power_kva)
    return first + (second - first) * share


def amount_of(tariff: Tariff, meaning: str, tax: Tax) -> Decimal | None:
    """An amount of a tariff by the meaning and tax side of a figure; None where it is not known."""
    if meaning == SUBSCRIPTION:
        return tariff.subscription_eur_per_year_ht if tax == "HT" else tariff.subscription_eur_per_year_ttc
    prices = tariff.prices_eur_per_kwh_ht if tax == "HT" else tariff.prices_eur_per_kwh_ttc
    return prices.get(meaning)


def differences(
    lines: Sequence[Line], tariffs: RegulatedTariffs, *, regulated: bool, discounted: bool
) -> Iterator[Disagreement]:
    """Where one option's dated rows are too far from the regulated tariff, or too near to it."""
    day = lines[0].first_day
    if regulated:
        yield from _unequal(lines, tariffs, day)
        return
    side: Tax = "TTC" if any((SUBSCRIPTION, "TTC") in line.figures for line in lines) else "HT"
    yield from _far(lines, tariffs, day, side)
    yield from _decoys(lines, tariffs, day, discounted=discounted)
    if {tax for line in lines for _, tax in line.figures} == {"TTC"}:
        yield from _uneven(lines, tariffs, day)


def _unequal(lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date) -> Iterator[Disagreement]:
    """What the catalogue holds of a regulated grid must be in it, to the last digit."""
    for line in lines:
        tariff = tariffs.begun_on(day, line.option, line.power_kva)
        if tariff is None:
            continue
        for (meaning, tax), figure in line.figures.items():
            known = amount_of(tariff, meaning, tax)
            if known not in (None, figure.amount):
                message = f"{meaning} {tax} is {figure.amount}, the regulated tariff of {day} says {known}"
                yield "regulated-unlike", [line], message, figure.where


@dataclass(frozen=True)
class _Compared:
    """A row beside the regulated tariff; a price is its register, its figure and the regulated one."""

    line: Line
    subscription: Figure
    regulated_subscription: Decimal
    prices: list[tuple[str, Figure, Decimal]]


def _far(lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date, side: Tax) -> Iterator[Disagreement]:
    """Rows whose subscription, prices or whole bill no offer has ever had beside the regulated tariff."""
    option = lines[0].option
    same = tariffs.lately(day, option, 9) is not None
    if tariffs.lately(day, "BASE", 6) is None:
        yield "regulated-unknown", list(lines), f"no regulated tariff of {day} is known to compare with", ""
        return
    # An option that the regulated tariff does not have is compared with Base, by its whole bill only.
    known = option if same else "BASE"
    wrong: dict[str, list[tuple[Line, str, Figure]]] = {}
    for line in lines:
        row = _compared(line, tariffs, day, side, known)
        for rule, message, figure in _unlike(row, side, each_price=same) if row else ():
            wrong.setdefault(rule, []).append((line, message, figure))
    for rule, found in wrong.items():
        yield rule, [line for line, _, _ in found], found[0][1], found[0][2].where


def _compared(line: Line, tariffs: RegulatedTariffs, day: dt.date, side: Tax, known: str) -> _Compared | None:
    """A complete row with its regulated amounts; None below 3 kVA, where no power is regulated."""
    subscription = line.figures.get((SUBSCRIPTION, side))
    base = tariffs.amount(day, known, line.power_kva, SUBSCRIPTION, side)
    if subscription is None or base is None or line.power_kva < 3:
        return None
    prices = []
    for name in OPTIONS[line.option]:
        figure = line.figures.get((name, side))
        reference = tariffs.amount(day, known, line.power_kva, name if known == line.option else "BASE", side)
        if figure is None or reference is None:
            return None
        prices.append((name, figure, reference))
    return _Compared(line, subscription, base, prices)


def _unlike(row: _Compared, side: Tax, *, each_price: bool) -> Iterator[tuple[str, str, Figure]]:
    own, base = row.subscription.amount, row.regulated_subscription
    if not _within(own / base, SUBSCRIPTION_RATIO):
        message = f"a subscription of {own / 12:.2f} EUR a month {side} beside {base / 12:.2f} regulated"
        yield "subscription-unlike", message, row.subscription
    shares = (
        _weights([name for name, _, _ in row.prices])
        if each_price
        else _HOURS_OF_YEAR.get(row.line.option) or dict.fromkeys(OPTIONS[row.line.option], 1)
    )
    kwh = Decimal(_KWH_PER_KVA * row.line.power_kva)
    bill, regulated_bill = own, base
    for name, figure, reference in row.prices:
        if each_price and not _within(figure.amount / reference, PRICE_RATIO):
            message = f"{name} at {figure.amount} EUR a kWh {side} beside {reference} regulated"
            yield "price-unlike", message, figure
        share = kwh * shares[name] / sum(shares.values())
        bill += figure.amount * share
        regulated_bill += reference * share
    if not _within(bill / regulated_bill, BILL_RATIO):
        message = f"a yearly bill of {bill:.0f} EUR beside {regulated_bill:.0f} at the regulated tariff"
        yield "bill-unlike", message, row.subscription


def _weights(registers: Sequence[str]) -> dict[str, int]:
    """Shares of a year's hours, roughly: enough to compare two bills of the same home."""
    days = {"BLEU": 300, "BLANC": 43, "ROUGE": 22}
    hours = {"HC": 8, "HP": 16, "HSC": 4, "PM": 1, "HN": 20}
    return {
        name: days.get(name.partition("_")[0], 1) * hours.get(name.rpartition("_")[2], 8)
        for name in registers
    }


def _within(ratio: Decimal, bounds: tuple[Decimal, Decimal]) -> bool:
    return bounds[0] <= ratio <= bounds[1]


def _decoys(
    lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date, *, discounted: bool
) -> Iterator[Disagreement]:
    """Columns said to be the regulated tariff's must be; a discounted offer's must not."""
    unlike: list[tuple[Line, str, Figure]] = []
    for line in lines:
        for (meaning, tax), figure in line.decoys.items():
            # HT alone is certain in every source of the regulated tariff; TTC is checked where it is billed.
            if meaning == SUBSCRIPTION:
                continue
            known = tariffs.price(day, line.option, line.power_kva, meaning, tax)
            if known is None:
                continue
            if abs(known - figure.amount) > max(figure.step, Decimal("0.0001")):
                message = (
                    f"the regulated {meaning} {tax} is {known} on {day}, its column says {figure.amount}"
                )
                unlike.append((line, message, figure))
    if unlike:
        yield "decoy-unlike", [line for line, _, _ in unlike], unlike[0][1], unlike[0][2].where
    if discounted:
        equal = [
            line
            for line in lines
            if all(
                (own := line.amount(name, "HT")) is not None
                and own == tariffs.price(day, line.option, line.power_kva, name, "HT")
                for name in OPTIONS[line.option]
            )
        ]
        if equal:
            yield "discount-missing", equal, "a discounted offer's prices equal the regulated tariff's", ""


def _uneven(lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date) -> Iterator[Disagreement]:
    """With one tax side alone, a subscription's steps must keep their proportion to the regulated ones."""
    rows = []
    for line in lines:
        figure = line.figures.get((SUBSCRIPTION, "TTC"))
        known = tariffs.on(day, line.option, line.power_kva)
        if figure is not None and known is not None and known.subscription_eur_per_year_ttc is not None:
            rows.append((line, figure, known.subscription_eur_per_year_ttc))
    if len(rows) < 4:
        return
    steps = [
        (line, figure, (figure.amount - before.amount) / (regulated - regulated_before))
        for (_, before, regulated_before), (line, figure, regulated) in pairwise(rows)
        if regulated > regulated_before
    ]
    usual = median(step for _, _, step in steps)
    off = [step - usual for _, _, step in steps]
    for i, (line, figure, step) in enumerate(steps):
        # One wrong amount lengthens the step to it and shortens the next; a supplier's own ladder does not.
        following = off[i + 1] if i + 1 < len(off) else None
        alone = abs(off[i]) > _STEP_OFF_AT_AN_END and (i == 0 or following is None)
        turned = (
            following is not None and min(abs(off[i]), abs(following)) > _STEP_OFF and off[i] * following < 0
        )
        if alone or turned:
            message = (
                f"the subscription's step to {line.power_kva} kVA is {step:.2f} of the regulated one, "
                f"the others are {usual:.2f}"
            )
            yield "subscription-uneven", [line], message, figure.where
