"""The rows of homes that have the same contracts and the same span, from their exact energies."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from openwatt.domain.bill import DAYS_PER_YEAR
from openwatt.domain.comparison import PricedContract
from openwatt.domain.contract import Contract, PriceBasis
from openwatt.domain.homes import Flags, TotalsOfHomes
from openwatt.domain.legal_time import Minutes, Span
from openwatt.domain.load_curve import Coverage
from openwatt.domain.messages import Message
from openwatt.domain.part_of_year import stands_for_a_year
from openwatt.domain.usage import whole_wh
from openwatt.domain.whole_arrays import Whole, rounded_products, times
from openwatt.portfolio.billing.prepared import CalendarPrices, PricedSpan, partial_text
from openwatt.portfolio.billing.rows import CodedColumn, ExactColumn, HomeRows, ResultColumn
from openwatt.sentences.catalogue import sentence

#: What a calendar is for a home: the registers that ran at no measured moment, or why that is not known.
CalendarOutcome = tuple[str, ...] | Message
_NAMES = ("supplier", "offer", "option", "power_kva")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HomeGroup:
    """Homes of one power, span and outcome of each calendar.

    `energies` has an array `[home, cell]` for each calendar that is known; `numbers`
    are for the caller, to find the homes again.
    """

    numbers: Sequence[int]
    homes: Sequence[str]
    power_kva: int | None
    span: Span
    coverages: Sequence[Coverage]
    priced: PricedSpan
    outcomes: Sequence[CalendarOutcome]
    energies: Sequence[Minutes]


def rows_of_group(group: HomeGroup, prices: PriceBasis, top: int | None) -> HomeRows:
    """The rows of a group's homes, as many for each: whole totals come first, from the cheapest.

    Then, where all are wanted, outdated prices in the same order and what could not be costed.
    """
    left_out = [*group.priced.left_out]
    for one, outcome in zip(group.priced.calendars, group.outcomes, strict=True):
        if isinstance(outcome, Message):
            left_out += [(each.contract, outcome) for each in one.priced.contracts]
    left_out.sort(key=lambda one: group.priced.places[one[0].key])
    if not group.energies:
        reasons = Message.each(reason for _, reason in left_out) or Message("left_out.there_is_none")
        reason = sentence(Message.of("left_out.every_contract", reason=reasons))
        return failed_rows(group.homes, [reason] * len(group.homes), group.power_kva)
    return _GroupRows(group, left_out, prices).rows(top)


def failed_rows(homes: Sequence[str], reasons: Sequence[str], power_kva: int | None = None) -> HomeRows:
    """A row for each home that could not be billed, with its reason."""
    places = np.arange(len(homes))
    columns: dict[str, ResultColumn] = {
        "home": CodedColumn(homes, places),
        "power_kva": CodedColumn([power_kva], np.zeros_like(places)),
        "reason": CodedColumn(reasons, places),
    }
    return HomeRows(len(homes), columns)


class _GroupRows:
    """Turns the energies of a group's homes into exact totals, and those into rows."""

    def __init__(
        self, group: HomeGroup, left_out: Sequence[tuple[Contract, Message]], prices: PriceBasis
    ) -> None:
        self.group, self.left_out, self.prices = group, left_out, prices
        calendars = [
            one
            for one, outcome in zip(group.priced.calendars, group.outcomes, strict=True)
            if not isinstance(outcome, Message)
        ]
        self.partial = [text for one in calendars for text in one.partial]
        self.knows_ht = np.array([known for one in calendars for known in one.knows_ht], dtype=np.bool_)
        self.totals, self.ht = _totals(group, calendars)
        self.contracts = self.totals.contracts
        self.order = self.totals.order()

    def rows(self, top: int | None) -> HomeRows:
        """The rows of all homes; at least one each."""
        wanted = self._wanted(top)
        if not wanted.shape[1]:
            return self._without_price()
        costed = (wanted < len(self.contracts)).ravel()
        homes = np.repeat(np.arange(len(wanted)), wanted.shape[1])
        cells = homes, np.where(costed, wanted.ravel(), 0)
        columns = {
            **self._of_homes(homes),
            **self._of_contracts(wanted.ravel()),
            **self._amounts(cells, costed),
            "whole": CodedColumn([False, True, None], np.where(costed, self.totals.whole[cells], 2)),
            "reason": self._reasons(wanted),
        }
        return HomeRows(wanted.size, columns)

    def _wanted(self, top: int | None) -> Minutes:
        """The contracts of each home's rows by their numbers; what was left out follows what was costed."""
        if top is not None:
            return self.order[:, : min(top, sum(one.is_ranked for one in self.contracts))]
        left_out = len(self.contracts) + np.arange(len(self.left_out))
        return np.hstack([self.order, np.tile(left_out, (len(self.order), 1))])

    def _without_price(self) -> HomeRows:
        """The rows of homes whose cheapest contracts are wanted and whose prices are all outdated."""
        reasons = []
        for order in self.order.tolist():
            outdated = [one for one in (self.contracts[number].outdated for number in order) if one]
            newest = max(outdated, key=lambda one: one.seen_on)
            reasons.append(sentence(newest.message_of_newest))
        return failed_rows(self.group.homes, reasons, self.group.power_kva)

    def _of_homes(self, codes: Minutes) -> dict[str, ResultColumn]:
        energies = self.group.energies[0].sum(axis=1).tolist()
        days: dict[str, ResultColumn] = {
            name: CodedColumn([day], np.zeros_like(codes))
            for name, day in (("start", self.group.span.start), ("end", self.group.span.end))
        }
        coverages = self.group.coverages
        return {
            **days,
            "home": CodedColumn(self.group.homes, codes),
            "kwh": CodedColumn([Decimal(whole_wh(energy)).scaleb(-3) for energy in energies], codes),
            "expected_half_hours": CodedColumn([one.expected_half_hours for one in coverages], codes),
            "present_half_hours": CodedColumn([one.present_half_hours for one in coverages], codes),
        }

    def _of_contracts(self, codes: Minutes) -> dict[str, ResultColumn]:
        facts = [
            self._facts(one, unseen) for one, unseen in zip(self.contracts, self.totals.unseen, strict=True)
        ]
        facts += [dict(zip(_NAMES, contract.key, strict=True)) for contract, _ in self.left_out]
        return {name: CodedColumn([one.get(name) for one in facts], codes) for name in facts[0]}

    def _facts(self, priced: PricedContract, unseen: Sequence[str]) -> dict[str, object]:
        """What the rows of one contract have in common, by column."""
        common = {
            **dict(zip(_NAMES, priced.contract.key, strict=True)),
            "closed_to_new_customers": priced.closed_to_new_customers,
            "unseen_registers": " ".join(unseen) or None,
        }
        if self.prices == "then":
            return common
        return {
            **common,
            "outdated": priced.outdated is not None,
            "last_seen_on": priced.last_seen_on,
            "overtaken_on": priced.outdated.changed_on if priced.outdated else None,
            "source_kind": priced.source_kind,
        }

    def _amounts(self, cells: tuple[Minutes, Minutes], costed: Flags) -> dict[str, ResultColumn]:
        """The columns in EUR of some cells `[home, contract]`; what is not costed has none."""
        totals, span = self.totals, self.group.span
        ranked = np.array([one.is_ranked for one in self.contracts], dtype=np.bool_)[cells[1]]
        baseline = np.full(totals.ttc.shape, totals.baseline(), dtype=np.int64)
        amounts = {"total_ttc_eur": (totals.ttc[cells], costed)}
        for name, other in (("regulated", totals.regulated(self.order)), ("baseline", baseline)):
            savings, comparable = totals.savings(other)
            amounts[f"saving_against_{name}_eur"] = savings[cells], costed & ranked & comparable[cells]
        years = np.array([stands_for_a_year(span, one) for one in self.group.coverages], dtype=np.bool_)
        has_year = totals.whole[cells] & years[cells[0]]
        cents = Fraction(100, self.group.priced.denominator)
        per_year = cents * Fraction(DAYS_PER_YEAR, span.days)
        columns: dict[str, ResultColumn] = {
            "total_ht_eur": ExactColumn(
                rounded_products(self.ht[cells], cents), costed & self.knows_ht[cells[1]]
            )
        }
        for name, (exact, known) in amounts.items():
            columns[name] = ExactColumn(rounded_products(exact, cents), known)
            columns[f"{name}_per_year"] = ExactColumn(rounded_products(exact, per_year), known & has_year)
        return columns

    def _reasons(self, wanted: Minutes) -> CodedColumn:
        """What each total leaves out, or why a contract has none."""
        of_contracts = self.partial
        texts = [*of_contracts, *(sentence(reason) for _, reason in self.left_out)]
        codes = wanted.copy()
        known: dict[tuple[str, int], int] = {}
        has_unknown = [bool(unknown.any()) for unknown in self.totals.unknown]
        for home, coverage in enumerate(self.group.coverages):
            if coverage.is_complete and not has_unknown[home]:
                continue
            of_home: dict[int, str | None] = {}
            for place, number in enumerate(wanted[home].tolist()):
                if number >= len(of_contracts):
                    continue
                unknown = int(self.totals.unknown[home, number])
                if unknown not in of_home:
                    of_home[unknown] = partial_text((), coverage, unknown)
                key = of_home[unknown] or "", number
                if key not in known:
                    known[key] = len(texts)
                    texts.append("; ".join(filter(None, (of_home[unknown], of_contracts[number]))) or None)
                codes[home, place] = known[key]
        return CodedColumn(texts, codes.ravel())


def _totals(group: HomeGroup, calendars: Sequence[CalendarPrices]) -> tuple[TotalsOfHomes, Whole]:
    """The exact totals with all taxes and those without, over the denominator of the priced span."""
    outcomes = [outcome for outcome in group.outcomes if not isinstance(outcome, Message)]
    contracts: list[PricedContract] = []
    unseen: list[tuple[str, ...]] = []
    ttc, ht, unknown = [], [], []
    for one, outcome, energies in zip(calendars, outcomes, group.energies, strict=True):
        size = len(one.priced.contracts)
        contracts += one.priced.contracts
        unseen += [outcome] * size
        factor = group.priced.denominator // one.matrix.denominator
        numerators = times(one.matrix.numerators(energies[:, :-1]), factor)
        ttc.append(numerators[:, :size])
        ht.append(numerators[:, size:])
        unknown.append(np.repeat(energies[:, -1:], size, axis=1))
    totals = TotalsOfHomes(
        contracts=contracts,
        unseen=unseen,
        ttc=np.concatenate(ttc, axis=1),
        unknown=np.concatenate(unknown, axis=1),
    )
    return totals, np.concatenate(ht, axis=1)
