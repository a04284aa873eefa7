"""Advice to a home on its subscribed power, its off-peak share and its red days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from openwatt.domain.bill import total
from openwatt.domain.comparison import Comparison, ComparisonTerms, Market, compare
from openwatt.domain.contract import Contract
from openwatt.domain.errors import BillError
from openwatt.domain.load_curve import PER_KWH, LoadCurve
from openwatt.domain.price_matrix import price_matrix
from openwatt.domain.tariff import Tariff
from openwatt.domain.usage import Use

#: `lower`: a lower power would do and costs less; `costs_more`: it would do and costs as much or more;
#: `no_price`: it would do and its price is not known; `keep`: none lower would do; `lowest`: none is sold.
PowerVerdict = Literal["lower", "costs_more", "no_price", "keep", "lowest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerAdvice:
    """The highest measured power against the subscribed one, and what a lower one saves over the span.

    `lower_kva` is the highest lower power that would do and has a price; where none has a
    price, the highest that would do, without a saving; None when none would do. A step's
    mean hides shorter peaks, and `step_min` says how long the steps are.
    """

    highest_w: int
    highest_at_min: int
    step_min: int
    power_kva: int
    lower_kva: int | None
    saving_ttc: Fraction | None
    sold_lower: bool
    """Whether the offer is sold at any lower power."""

    @property
    def verdict(self) -> PowerVerdict:
        """What the figures come to."""
        if self.lower_kva is None:
            return "keep" if self.sold_lower else "lowest"
        if self.saving_ttc is None:
            return "no_price"
        return "lower" if self.saving_ttc > 0 else "costs_more"


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPeakAdvice:
    """The share of energy in off-peak hours, and the share from which HPHC costs less than BASE."""

    share: Fraction
    break_even_share: Fraction | None

    @property
    def pays(self) -> bool | None:
        """Whether off-peak hours pay for this home; None when no share would make it so."""
        return None if self.break_even_share is None else self.share >= self.break_even_share


@dataclass(frozen=True, slots=True, kw_only=True)
class RedDayAdvice:
    """What red days used (W × minutes) and cost (EUR, exact), and what moving 1 kWh of their HP saves."""

    days: int
    energy: int
    cost_ttc: Fraction
    saving_per_kwh_to_night: Fraction
    saving_per_kwh_to_blue: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a home could change; None where it cannot be computed."""

    power: PowerAdvice | None = None
    off_peak: OffPeakAdvice | None = None
    red_days: RedDayAdvice | None = None


def advise(
    curve: LoadCurve | None, use: Use, market: Market, terms: ComparisonTerms, comparison: Comparison
) -> Advice:
    """All advice that a comparison allows; that on the power needs a measured curve.

    The market holds the other powers of the present contract's offer, or of the regulated one.
    No amount of it rests on an outdated price.

    Raises:
        BillError: when the contract that the advice is on cannot be costed.
    """
    costed = (*comparison.ranking, *comparison.outdated)
    regulated = {one.contract.option: one.contract for one in comparison.ranking if one.is_regulated}
    present = next((one.contract for one in costed if one.contract.key == terms.present), None)
    subject = (
        present
        or _usual_contract(regulated)
        or _usual_contract(
            {one.contract.option: one.contract for one in comparison.outdated if one.is_regulated}
        )
    )
    power = off_peak = red_days = None
    if curve is not None and subject is not None:
        power = advise_power(curve, use, subject, market, terms)
    used = any(one.usage.energies.any() for one in comparison.costed.values())
    if used and "BASE" in regulated and "HPHC" in regulated:
        off_peak = advise_off_peak(regulated["BASE"], regulated["HPHC"], comparison)
    if "TEMPO" in regulated:
        red_days = advise_red_days(comparison, regulated["TEMPO"])
    return Advice(power=power, off_peak=off_peak, red_days=red_days)


def _usual_contract(regulated: Mapping[str, Contract]) -> Contract | None:
    """The contract by option that the advice on the power is on, where the customer names none."""
    return regulated.get("BASE") or next(iter(regulated.values()), None)


def advise_power(
    curve: LoadCurve, use: Use, contract: Contract, market: Market, terms: ComparisonTerms
) -> PowerAdvice:
    """Compares a contract's power with the highest measured one, and costs the same offer at a lower one.

    The market holds the offer's other powers.

    Raises:
        BillError: when the contract itself cannot be costed.
    """
    highest, at = curve.highest_power_w()
    lower = sorted(
        (
            one
            for one in market.contracts
            if one.key[:3] == contract.key[:3] and one.power_kva < contract.power_kva
        ),
        key=lambda one: one.power_kva,
        reverse=True,
    )
    would_do = [one for one in lower if highest <= one.power_kva * 1000]
    savings = _savings_at(would_do, use, contract, market, terms)
    lower_kva = next(iter(savings), would_do[0].power_kva if would_do else None)
    return PowerAdvice(
        highest_w=highest,
        highest_at_min=at,
        step_min=int(curve.steps_min[int((curve.starts_min == at).argmax())]),
        power_kva=contract.power_kva,
        lower_kva=lower_kva,
        saving_ttc=None if lower_kva is None else savings.get(lower_kva),
        sold_lower=bool(lower),
    )


def _savings_at(
    powers: Sequence[Contract], use: Use, contract: Contract, market: Market, terms: ComparisonTerms
) -> dict[int, Fraction]:
    """What a contract at other powers saves over the span, by power in their order; none without a price."""
    if not powers:
        return {}
    compared = compare(use, replace(market, contracts=(contract, *powers)), terms)
    totals = {one.contract.key: one.total_ttc for one in compared.ranking if one.whole}
    return {
        one.power_kva: totals[contract.key] - totals[one.key]
        for one in powers
        if one.key in totals and contract.key in totals
    }


def advise_off_peak(base: Contract, hphc: Contract, comparison: Comparison) -> OffPeakAdvice:
    """Where a home stands against the off-peak share from which HPHC pays, at the prices compared.

    The break-even share moves the span's whole energy between HP and HC in every
    price period alike; it is None when HC is never cheaper than HP.

    Raises:
        BillError: when one of the two was not costed, or nothing was used.
    """
    try:
        plain, split = comparison.costed[base.key], comparison.costed[hphc.key]
    except KeyError as error:
        raise BillError(f"{error.args[0]} was not costed") from None
    used = split.usage.energies[:, :-1].sum(axis=0)
    energy = int(used.sum())
    if not energy:
        raise BillError("nothing was used in the span")
    share = Fraction(int(used[split.usage.registers.index("HC")]), energy)
    all_at = {register: _total_with_all_in(hphc, comparison, register) for register in ("HP", "HC")}
    gain = all_at["HP"] - all_at["HC"]
    break_even = (all_at["HP"] - plain.total_ttc) / gain if gain > 0 else None
    return OffPeakAdvice(share=share, break_even_share=break_even)


def _total_with_all_in(contract: Contract, comparison: Comparison, register: str) -> Fraction:
    """What the contract would cost if each day's energy ran in one register."""
    costed = comparison.costed[contract.key]
    registers = costed.usage.registers
    matrix = price_matrix([(contract, costed.periods)], registers)
    before = costed.usage.before[matrix.edges, :-1].sum(axis=1)
    used = before[1:] - before[:-1]
    placed = (used[:, None] * [name == register for name in registers]).reshape(1, -1)
    return Fraction(int(matrix.numerators(placed)[0][0]), matrix.denominator)


def cost_of(energies: Mapping[str, int], tariff: Tariff) -> Fraction:
    """What energies by register (W × minutes) cost with all taxes, without subscription, in EUR, exact.

    Raises:
        BillError: when the tariff has no price with all taxes for a register.
    """
    prices = tariff.prices_eur_per_kwh_ttc
    if missing := [register for register in energies if register not in prices]:
        raise BillError(f"{tariff} has no price with all taxes for {', '.join(missing)}")
    return sum(
        (Fraction(energy, PER_KWH) * Fraction(prices[register]) for register, energy in energies.items()),
        Fraction(0),
    )


def shifting_saves(energy: int, from_register: str, to_register: str, tariff: Tariff) -> Fraction:
    """What moving an energy (W × minutes) from one register to another saves, in EUR, exact.

    Raises:
        BillError: when the tariff has no price with all taxes for one of them.
    """
    return cost_of({from_register: energy}, tariff) - cost_of({to_register: energy}, tariff)


def advise_red_days(comparison: Comparison, contract: Contract) -> RedDayAdvice | None:
    """What red days cost in a Tempo contract at the prices compared; None when the span has none.

    Raises:
        BillError: when the contract was not costed.
    """
    if contract.key not in comparison.costed:
        raise BillError(f"{contract} was not costed")
    bill = comparison.bill(contract)
    lines = [line for line in bill.energy_lines if line.register.startswith("ROUGE_")]
    costed = comparison.costed[contract.key]
    peak = costed.usage.registers.index("ROUGE_HP")
    days = int((costed.usage.energies[:, peak] > 0).sum())
    cost = total([line.amount_ttc for line in lines])
    if not days or cost is None:
        return None
    tariff = lines[-1].tariff.tariff
    return RedDayAdvice(
        days=days,
        energy=sum(line.energy for line in lines),
        cost_ttc=cost,
        saving_per_kwh_to_night=shifting_saves(PER_KWH, "ROUGE_HP", "ROUGE_HC", tariff),
        saving_per_kwh_to_blue=shifting_saves(PER_KWH, "ROUGE_HP", "BLEU_HP", tariff),
    )
