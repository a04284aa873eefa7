"""How a grid compares with the regulated tariff of its day: near it, equal to it, or beside it as a decoy."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import median

from openwatt.domain.reading import SUBSCRIPTION, Figure, Line, Tax
from openwatt.domain.tariff import OPTIONS, Tariff

#: Market prices as a share of the regulated ones, seen on 21 sheets of 2022-2025 with room to spare.
PRICE_RATIO = (Decimal("0.80"), Decimal("1.25"))
SUBSCRIPTION_RATIO = (Decimal("0.75"), Decimal("2.10"))
BILL_RATIO = (Decimal("0.78"), Decimal("1.30"))
#: A home's yearly use per kVA for the comparison of whole bills, in kWh.
_KWH_PER_KVA = 600

Found = tuple[str, list[Line], str, str]
_SIDES: tuple[Tax, ...] = ("HT", "TTC")


class RegulatedTariffs:
    """The regulated tariff's history, asked by option, power and day."""

    def __init__(self, tariffs: Iterable[Tariff]) -> None:
        self._by_option: dict[str, list[Tariff]] = {}
        for tariff in tariffs:
            self._by_option.setdefault(tariff.option, []).append(tariff)

    def on(self, day: dt.date, option: str, power_kva: int) -> Tariff | None:
        """The tariff in force on a day for exactly this power, or None."""
        for tariff in self._by_option.get(option, ()):
            ended = tariff.applies_to is not None and tariff.applies_to < day
            if tariff.power_kva == power_kva and tariff.applies_from <= day and not ended:
                return tariff
        return None

    def amount(self, day: dt.date, option: str, power_kva: int, meaning: str, tax: Tax) -> Decimal | None:
        """An amount of the tariff; between two usual powers, on the straight line between theirs."""
        low = high = None
        for power in range(power_kva, 0, -1):
            if (low := self.on(day, option, power)) is not None:
                break
        for power in range(power_kva, 37):
            if (high := self.on(day, option, power)) is not None:
                break
        low, high = low or high, high or low
        if low is None or high is None:
            return None
        first, second = _amount(low, meaning, tax), _amount(high, meaning, tax)
        if first is None or second is None or low.power_kva == high.power_kva:
            return first
        share = Decimal(power_kva - low.power_kva) / (high.power_kva - low.power_kva)
        return first + (second - first) * share


def _amount(tariff: Tariff, meaning: str, tax: Tax) -> Decimal | None:
    if meaning == SUBSCRIPTION:
        return tariff.subscription_eur_per_year_ht if tax == "HT" else tariff.subscription_eur_per_year_ttc
    prices = tariff.prices_eur_per_kwh_ht if tax == "HT" else tariff.prices_eur_per_kwh_ttc
    return prices.get(meaning)


def differences(
    lines: Sequence[Line], tariffs: RegulatedTariffs, *, regulated: bool, discounted: bool
) -> Iterator[Found]:
    """Where one option's dated rows are not as near to, or as far from, the regulated tariff as they must be."""
    day = _day(lines[0])
    if regulated:
        yield from _unequal(lines, tariffs, day)
        return
    side: Tax = "TTC" if any((SUBSCRIPTION, "TTC") in line.figures for line in lines) else "HT"
    yield from _far(lines, tariffs, day, side)
    yield from _decoys(lines, tariffs, day, discounted=discounted)
    if {tax for line in lines for _, tax in line.figures} == {"TTC"}:
        yield from _uneven(lines, tariffs, day)


def _day(line: Line) -> dt.date:
    assert line.applies_from is not None
    return line.applies_from.day


def _unequal(lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date) -> Iterator[Found]:
    """A regulated grid must be what the catalogue holds, to the last digit."""
    unknown = []
    for line in lines:
        tariff = tariffs.on(day, line.option, line.power_kva)
        for (meaning, tax), figure in line.figures.items():
            known = None if tariff is None else _amount(tariff, meaning, tax)
            if tariff is None or tariff.applies_from != day or known is None:
                unknown.append(line)
                break
            if known != figure.amount:
                says = f"{meaning} {tax} is {figure.amount}, the regulated tariff of {day} says {known}"
                yield "regulated-unlike", [line], says, figure.where
    if unknown:
        says = f"the catalogue has no regulated tariff that begins on {day}: have two people compare, then add it"
        yield "regulated-unknown", unknown, says, ""


def _far(lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date, side: Tax) -> Iterator[Found]:
    option = lines[0].option
    known = option if tariffs.on(day, option, 9) is not None else "BASE"
    wrong: dict[str, list[tuple[Line, str, Figure]]] = {}
    for line in lines:
        registers = OPTIONS[line.option]
        paid = dict.fromkeys(registers, Decimal(1)) if known != option else _weights(registers)
        prices = [(name, line.figures.get((name, side))) for name in registers]
        subscription = line.figures.get((SUBSCRIPTION, side))
        if subscription is None or any(figure is None for _, figure in prices):
            continue
        base = tariffs.amount(day, known, line.power_kva, SUBSCRIPTION, side)
        references = {
            name: tariffs.amount(day, known, line.power_kva, name if known == option else "BASE", side)
            for name in registers
        }
        if line.power_kva < 3:
            # No regulated power is lower: nothing to compare with.
            continue
        if base is None or any(reference is None for reference in references.values()):
            says = f"no regulated tariff of {day} is known to compare with"
            yield "regulated-unknown", [line], says, ""
            return
        if not _within(subscription.amount / base, SUBSCRIPTION_RATIO):
            says = f"a subscription of {subscription.amount / 12:.2f} EUR a month beside {base / 12:.2f} regulated"
            wrong.setdefault("subscription-unlike", []).append((line, says, subscription))
        kwh = Decimal(_KWH_PER_KVA * line.power_kva)
        bill, reference_bill = subscription.amount, base
        for name, figure in prices:
            reference = references[name]
            if figure is None or reference is None:
                continue
            if known == option and not _within(figure.amount / reference, PRICE_RATIO):
                says = f"{name} at {figure.amount} EUR a kWh {side} beside {reference} regulated"
                wrong.setdefault("price-unlike", []).append((line, says, figure))
            share = paid[name] / sum(paid.values())
            bill += figure.amount * kwh * share
            reference_bill += reference * kwh * share
        if not _within(bill / reference_bill, BILL_RATIO):
            says = f"a yearly bill of {bill:.0f} EUR beside {reference_bill:.0f} at the regulated tariff"
            wrong.setdefault("bill-unlike", []).append((line, says, subscription))
    for rule, found in wrong.items():
        yield rule, [line for line, _, _ in found], found[0][1], found[0][2].where


def _weights(registers: Sequence[str]) -> dict[str, Decimal]:
    """Shares of a year's hours, roughly: enough to compare two bills of the same home."""
    days = {"BLEU": Decimal(300), "BLANC": Decimal(43), "ROUGE": Decimal(22)}
    hours = {"HC": Decimal(8), "HP": Decimal(16), "HSC": Decimal(4), "PM": Decimal(1), "HN": Decimal(20)}
    return {
        name: days.get(name.partition("_")[0], Decimal(1)) * hours.get(name.rpartition("_")[2], Decimal(8))
        for name in registers
    }


def _within(ratio: Decimal, bounds: tuple[Decimal, Decimal]) -> bool:
    return bounds[0] <= ratio <= bounds[1]


def _decoys(
    lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date, *, discounted: bool
) -> Iterator[Found]:
    """Columns said to be the regulated tariff's must be; the offer's must differ where it sells a discount."""
    unlike: list[tuple[Line, str, Figure]] = []
    for line in lines:
        for (meaning, tax), figure in line.decoys.items():
            # HT alone is certain in every source of the regulated tariff; TTC is checked where it is billed.
            known = tariffs.amount(day, line.option, line.power_kva, meaning, tax)
            if known is None or meaning == SUBSCRIPTION:
                continue
            if abs(known - figure.amount) > max(figure.step, Decimal("0.0001")):
                says = f"the regulated {meaning} {tax} is {known} on {day}, the sheet's column says {figure.amount}"
                unlike.append((line, says, figure))
    if unlike:
        yield "decoy-unlike", [line for line, _, _ in unlike], unlike[0][1], unlike[0][2].where
    if discounted:
        equal = [
            line
            for line in lines
            if all(
                (figure := line.figures.get((name, "HT"))) is not None
                and figure.amount == tariffs.amount(day, line.option, line.power_kva, name, "HT")
                for name in OPTIONS[line.option]
            )
        ]
        if equal:
            yield "discount-missing", equal, "a discounted offer's prices equal the regulated tariff's", ""


def _uneven(lines: Sequence[Line], tariffs: RegulatedTariffs, day: dt.date) -> Iterator[Found]:
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
    for line, figure, step in steps:
        if abs(step - usual) > Decimal("0.03"):
            says = f"the subscription's step to {line.power_kva} kVA is {step:.2f} of the regulated one, others {usual:.2f}"
            yield "subscription-uneven", [line], says, figure.where
