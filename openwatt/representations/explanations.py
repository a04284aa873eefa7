"""The JSON types of what explains a ranking: two contracts side by side, a changed home, past years."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Self

from msgspec import Meta, Struct

from openwatt.comparison.past_years import PastYear, YearCost, past_year_assumptions
from openwatt.comparison.question import CustomerQuestion
from openwatt.comparison.what_if import WhatIf, best_of
from openwatt.domain.bill import to_cents, to_kwh
from openwatt.domain.contract import Contract
from openwatt.domain.messages import Message
from openwatt.domain.versus import ContractCost, Versus
from openwatt.representations.bills import ContractItem, Days, Privacy, RankedContract, sentences
from openwatt.representations.figures import Eur, cents
from openwatt.sentences.catalogue import sentence


class RegisterCostItem(Struct, frozen=True, kw_only=True):
    """What ran in one register over the span, and what it cost."""

    register: str
    kwh: Decimal
    price_eur_per_kwh_ttc: Annotated[Decimal | None, Meta(description="The last one of the span.")]
    amount_eur_ttc: Decimal


class MonthCostItem(Struct, frozen=True, kw_only=True):
    """What a contract costs in one month of the span, its subscription included."""

    month: str
    amount_eur_ttc: Decimal


class HourCostItem(Struct, frozen=True, kw_only=True):
    """What ran in one legal hour of all days, and what it cost, without the subscription."""

    hour: int
    kwh: Decimal
    amount_eur_ttc: Decimal


class ContractCostItem(ContractItem, frozen=True, kw_only=True):
    """A contract's total over the span and how it comes about."""

    total_ttc_eur: Decimal
    energy_ttc_eur: Decimal
    subscription_ttc_eur: Decimal
    registers: list[RegisterCostItem]
    months: list[MonthCostItem]
    hours: Annotated[list[HourCostItem] | None, Meta(description="Null for kWh by register.")]

    @classmethod
    def of(cls, cost: ContractCost, hour_energies: Sequence[int] | None) -> Self:
        """The item of one of two contracts."""
        hours = None
        if cost.hours is not None and hour_energies is not None:
            hours = [
                HourCostItem(hour=hour, kwh=to_kwh(energy), amount_eur_ttc=to_cents(amount))
                for hour, (energy, amount) in enumerate(zip(hour_energies, cost.hours, strict=True))
            ]
        supplier, offer, option, power_kva = cost.contract.key
        return cls(
            supplier=supplier,
            offer=offer,
            option=option,
            power_kva=power_kva,
            total_ttc_eur=to_cents(cost.total_ttc),
            energy_ttc_eur=to_cents(cost.energy_ttc),
            subscription_ttc_eur=to_cents(cost.subscription_ttc),
            registers=[
                RegisterCostItem(
                    register=one.register,
                    kwh=to_kwh(one.energy),
                    price_eur_per_kwh_ttc=one.price,
                    amount_eur_ttc=to_cents(one.amount_ttc),
                )
                for one in cost.registers
            ],
            months=[
                MonthCostItem(month=f"{month:%Y-%m}", amount_eur_ttc=to_cents(amount))
                for month, amount in cost.months.items()
            ],
            hours=hours,
        )


class VersusItem(Struct, frozen=True, kw_only=True):
    """Two contracts for the same use over the same days."""

    first: ContractCostItem
    second: ContractCostItem
    difference_ttc_eur: Annotated[
        Eur,
        Meta(description="What the first costs less; null where their totals are of other days or energy."),
    ]
    reasons: Annotated[list[str], Meta(description="Why one of them costs less.")]

    @classmethod
    def of(cls, versus: Versus, language: str) -> Self:
        """The item of two contracts side by side."""
        first, second = versus.first, versus.second
        names = {one.contract.key: _name(one.contract) for one in (first, second)}
        return cls(
            first=ContractCostItem.of(first, versus.hour_energies),
            second=ContractCostItem.of(second, versus.hour_energies),
            difference_ttc_eur=cents(second.total_ttc - first.total_ttc) if versus.is_comparable else None,
            reasons=sentences(versus.reasons(names), language),
        )


class WhatIfItem(Struct, frozen=True, kw_only=True):
    """The ranking of a changed home beside that of today; amounts are of the same span."""

    power_kva: int
    moved_kwh: Decimal
    car_kwh: Decimal
    heat_pump_kwh: Decimal
    best_before: Annotated[RankedContract | None, Meta(description="The best contract of today, as today.")]
    best_before_after: Annotated[
        RankedContract | None, Meta(description="The same offer and option after the change.")
    ]
    best_after: Annotated[RankedContract | None, Meta(description="The best contract after the change.")]
    present_after: Annotated[
        RankedContract | None, Meta(description="The present offer and option after the change.")
    ]
    ranking: list[RankedContract]
    assumptions: list[str]

    @classmethod
    def of(cls, found: WhatIf, language: str) -> Self:
        """The item of the answer to "what if"."""
        used, before = found.used, best_of(found.before)
        then = None if before is None else found.after_of(before.contract.key)
        after = best_of(found.after)
        present = None if found.before.present is None else found.after_of(found.before.present)
        in_after = [
            None if one is None else RankedContract.of(one, found.after, language)
            for one in (then, after, present)
        ]
        return cls(
            power_kva=found.power_kva,
            moved_kwh=to_kwh(used.moved if used else 0),
            car_kwh=to_kwh(used.car if used else 0),
            heat_pump_kwh=to_kwh(used.heat_pump if used else 0),
            best_before=None if before is None else RankedContract.of(before, found.before, language),
            best_before_after=in_after[0],
            best_after=in_after[1],
            present_after=in_after[2],
            ranking=[RankedContract.of(one, found.after, language) for one in found.after.ranking],
            assumptions=sentences(found.assumptions(), language),
        )


class YearCostItem(ContractItem, frozen=True, kw_only=True):
    """What a contract would have cost over one year."""

    total_ttc_eur: Annotated[Eur, Meta(description="Null where the year cannot be computed whole.")]
    missing: Annotated[list[str], Meta(description="Why it is null.")]

    @classmethod
    def of(cls, contract: Contract, cost: YearCost, language: str) -> Self:
        """The item of one contract in one year."""
        supplier, offer, option, power_kva = contract.key
        return cls(
            supplier=supplier,
            offer=offer,
            option=option,
            power_kva=power_kva,
            total_ttc_eur=cents(cost.total_ttc),
            missing=sentences(cost.missing, language),
        )


class PastYearItem(Struct, frozen=True, kw_only=True):
    """One year at the prices of each of its days."""

    span: Days
    contracts: list[YearCostItem]


class PastYearsItem(Struct, frozen=True, kw_only=True):
    """The best contract, the present one and the regulated tariff in BASE over the last years."""

    years: Annotated[list[PastYearItem], Meta(description="The newest first.")]
    assumptions: list[str]

    @classmethod
    def of(
        cls,
        years: Sequence[PastYear],
        contracts: Sequence[Contract],
        question: CustomerQuestion,
        language: str,
    ) -> Self:
        """The item of some past years."""
        return cls(
            years=[
                PastYearItem(
                    span=Days.of(year.span),
                    contracts=[YearCostItem.of(one, year.costs[one.key], language) for one in contracts],
                )
                for year in years
            ],
            assumptions=sentences(past_year_assumptions(question), language),
        )


class ExplanationPage(Struct, frozen=True, kw_only=True):
    """What explains a ranking; a part that was not requested is null."""

    span: Days
    versus: VersusItem | None
    what_if: WhatIfItem | None
    past_years: PastYearsItem | None
    privacy: Privacy

    @classmethod
    def of(
        cls,
        question: CustomerQuestion,
        parts: tuple[VersusItem | None, WhatIfItem | None, PastYearsItem | None],
        privacy: Message,
        language: str,
    ) -> Self:
        """The page of the parts."""
        versus, changed, years = parts
        return cls(
            span=Days.of(question.terms.span),
            versus=versus,
            what_if=changed,
            past_years=years,
            privacy=sentence(privacy, language),
        )


def _name(contract: Contract) -> str:
    return f"{contract.supplier} {contract.offer} {contract.option}"
