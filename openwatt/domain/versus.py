"""Two contracts side by side: what each costs by register, month and hour, and why one costs less."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

import numpy as np

from openwatt.domain.bill import Bill, EnergyLine, rounded, to_kwh
from openwatt.domain.calendar import Home, RegisterCalendar, lay_out
from openwatt.domain.comparison import Comparison, ContractKey, Costed
from openwatt.domain.contract import Contract
from openwatt.domain.heat_map import HOURS
from openwatt.domain.legal_time import MINUTES_PER_DAY, Minutes, local_minutes
from openwatt.domain.load_curve import PER_KWH, LoadCurve
from openwatt.domain.messages import Message

#: Where a contract costs less at every hour, the sentence names the hours together that make the most of it.
_HOURS_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCost:
    """What ran in one register (W × minutes) and what it cost; `price` is the last one of the span."""

    register: str
    energy: int
    amount_ttc: Fraction
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCost:
    """One contract's total with all taxes over the span, in EUR, exact, and how it comes about.

    `hours` are the amounts of energy by legal hour of the day; None where no curve is known.
    """

    contract: Contract
    total_ttc: Fraction
    subscription_ttc: Fraction
    subscription_per_year: Decimal | None
    """The last one of the span."""
    registers: tuple[RegisterCost, ...]
    months: Mapping[dt.date, Fraction]
    """By the first day of each month."""
    hours: tuple[Fraction, ...] | None

    @property
    def energy_ttc(self) -> Fraction:
        """The total without the subscription."""
        return self.total_ttc - self.subscription_ttc


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Two contracts for the same use over the same days, and the energy by legal hour of the day.

    `is_comparable` is False where one total leaves out days or energy that the other has.
    """

    days: int
    energy: int
    first: ContractCost
    second: ContractCost
    hour_energies: tuple[int, ...] | None
    is_comparable: bool

    @property
    def ordered(self) -> tuple[ContractCost, ContractCost]:
        """The two, the one that costs less before the other."""
        first, second = self.first, self.second
        return (first, second) if first.total_ttc <= second.total_ttc else (second, first)

    def reasons(self, names: Mapping[ContractKey, str]) -> tuple[Message, ...]:
        """Three sentences on why one of them costs less, each exact; none where they cannot be compared."""
        if not self.is_comparable:
            return ()
        less, more = self.ordered
        values = {"less": names[less.contract.key], "more": names[more.contract.key]}
        return (
            self._difference(less, more, values),
            *self._hours(less, more, values),
            Message.of("versus.mean", **values, **_means(less, more, self.energy)),
        )

    def _difference(self, less: ContractCost, more: ContractCost, values: Mapping[str, str]) -> Message:
        parts = {
            "energy": _less_or_more("energy", more.energy_ttc - less.energy_ttc),
            "subscription": _less_or_more("subscription", more.subscription_ttc - less.subscription_ttc),
        }
        if less.total_ttc == more.total_ttc:
            return Message.of("versus.same", **values, days=self.days, **parts)
        amount = Message.amount(rounded(more.total_ttc - less.total_ttc, 2))
        return Message.of("versus.difference", **values, days=self.days, amount=amount, **parts)

    def _hours(self, less: ContractCost, more: ContractCost, values: Mapping[str, str]) -> Sequence[Message]:
        if less.hours is None or more.hours is None or self.hour_energies is None:
            return ()
        saved = [dear - cheap for cheap, dear in zip(less.hours, more.hours, strict=True)]
        if not any(saved):
            return (Message.of("versus.hours_same", **values),)
        if max(saved) <= 0:
            amount = Message.amount(rounded(-sum(saved, Fraction(0)), 2))
            return (Message.of("versus.hours_more", **values, amount=amount),)
        mixed = min(saved) < 0
        hours = _best_hours(saved, range(1, HOURS) if mixed else range(_HOURS_NAMED, _HOURS_NAMED + 1))
        inside = sum((saved[hour] for hour in hours), Fraction(0))
        energy = sum(self.hour_energies[hour] for hour in hours)
        named: dict[str, int | str | Message] = {
            **values,
            "start": hours[0],
            "end": hours[-1] + 1,
            "kwh": Message.amount(to_kwh(energy, 0)),
            "amount": Message.amount(rounded(inside, 2)),
        }
        if not mixed:
            return (Message.of("versus.hours_less", **named),)
        others = Message.of(
            "versus.others_less" if sum(saved) >= inside else "versus.others_more",
            kwh=Message.amount(to_kwh(self.energy - energy, 0)),
            amount=Message.amount(rounded(abs(sum(saved, Fraction(0)) - inside), 2)),
        )
        return (Message.of("versus.hours_mixed", **named, others=others),)


def contracts_beside(
    comparison: Comparison,
    pair: tuple[ContractKey, ContractKey],
    calendar_of: Callable[[Contract], RegisterCalendar],
    curve: LoadCurve | None,
    home: Home,
) -> Versus:
    """Two contracts of a comparison side by side; without a curve, without hours.

    Raises:
        KeyError: when one of them was not costed.
    """
    costed = [comparison.costed[key] for key in pair]
    tables = [
        None if curve is None else _energies_by_hour(one, calendar_of(one.contract), curve, home)
        for one in costed
    ]
    first, second = (
        _cost(one, comparison.bill(one.contract), table) for one, table in zip(costed, tables, strict=True)
    )
    return Versus(
        days=comparison.span.days,
        energy=sum(one.energy for one in first.registers),
        first=first,
        second=second,
        hour_energies=None if tables[0] is None else tuple(tables[0].sum(axis=(0, 1)).tolist()),
        is_comparable=costed[0].total.comparable(costed[1].total) is not None,
    )


def _cost(costed: Costed, bill: Bill, energies: Minutes | None) -> ContractCost:
    by_register: dict[str, list[EnergyLine]] = defaultdict(list)
    months: dict[dt.date, Fraction] = defaultdict(Fraction)
    for line in bill.lines:
        months[line.span.start.replace(day=1)] += line.amount_ttc or 0
        if isinstance(line, EnergyLine) and line.price_ttc is not None:
            by_register[line.register].append(line)
    last = next((period for period in reversed(costed.periods) if period.prices_ttc), None)
    prices = (last.prices_ttc if last else None) or {}
    return ContractCost(
        contract=costed.contract,
        total_ttc=costed.total_ttc,
        subscription_ttc=_sum(line.amount_ttc for line in bill.subscription_lines),
        subscription_per_year=last.subscription_ttc if last else None,
        registers=tuple(
            RegisterCost(
                register=register,
                energy=sum(line.energy for line in by_register[register]),
                amount_ttc=_sum(line.amount_ttc for line in by_register[register]),
                price=prices.get(register),
            )
            for register in costed.usage.registers
        ),
        months=dict(sorted(months.items())),
        hours=None if energies is None else _amounts_by_hour(costed, energies),
    )


def _energies_by_hour(costed: Costed, calendar: RegisterCalendar, curve: LoadCurve, home: Home) -> Minutes:
    """The priced energies `[period, register, legal hour]`, in W × minutes; they add up to the bill's."""
    span = costed.usage.span
    timeline = lay_out(calendar, home, span.start_min, span.end_min)
    # An hour of the clock begins on a whole hour of UTC too.
    hours = np.arange(-(-span.start_min // 60) * 60, span.end_min, 60, dtype=np.int64)
    bounds = np.union1d(timeline.bounds_min, hours)
    starts = bounds[:-1]
    registers = timeline.numbers[np.searchsorted(timeline.bounds_min, starts, side="right") - 1]
    edges = np.array([period.span.start_min for period in costed.periods], dtype=np.int64)
    periods = np.searchsorted(edges, starts, side="right") - 1
    table = np.zeros((len(edges), len(timeline.registers) + 1, HOURS), dtype=np.int64)
    clock = local_minutes(starts) % MINUTES_PER_DAY // 60
    # UNKNOWN is -1: the last column, which no price is for.
    np.add.at(table, (periods, registers, clock), np.diff(curve.energies_before(bounds)))
    table[[period.prices_ttc is None for period in costed.periods]] = 0
    priced: Minutes = table[:, :-1]
    return priced


def _amounts_by_hour(costed: Costed, energies: Minutes) -> tuple[Fraction, ...]:
    amounts = [Fraction(0)] * HOURS
    for period, table in zip(costed.periods, energies.tolist(), strict=True):
        for register, by_hour in zip(costed.usage.registers, table, strict=True):
            price = Fraction((period.prices_ttc or {}).get(register, Decimal(0))) / PER_KWH
            amounts = [amount + energy * price for amount, energy in zip(amounts, by_hour, strict=True)]
    return tuple(amounts)


def _best_hours(saved: Sequence[Fraction], lengths: range) -> list[int]:
    """The hours that follow each other, over midnight too, which together save most."""
    before = [Fraction(0), *accumulate([*saved, *saved])]
    places = ((start, length) for length in lengths for start in range(HOURS))
    start, length = max(places, key=lambda place: before[sum(place)] - before[place[0]])
    return [hour % HOURS for hour in range(start, start + length)]


def _less_or_more(what: str, saved: Fraction) -> Message:
    if not saved:
        return Message(f"versus.{what}_same")
    amount = Message.amount(rounded(abs(saved), 2))
    return Message.of(f"versus.{what}_{'less' if saved > 0 else 'more'}", amount=amount)


def _means(less: ContractCost, more: ContractCost, energy: int) -> dict[str, Message]:
    """What a kWh costs in the mean of the use, without the subscription."""
    return {
        name: Message.amount(rounded(cost.energy_ttc * PER_KWH / max(energy, 1), 4))
        for name, cost in (("first", less), ("second", more))
    }


def _sum(amounts: Iterable[Fraction | None]) -> Fraction:
    return sum((amount for amount in amounts if amount is not None), Fraction(0))
