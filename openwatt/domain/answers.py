"""Usages, bills and comparisons as plain mappings, the same for every door, in the field's words."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from openwatt.domain.advice import (
    OffPeakAdvice,
    PowerAdvice,
    RedDayAdvice,
    advise_off_peak,
    advise_power,
    advise_red_days,
)
from openwatt.domain.bill import Bill, EnergyLine, SubscriptionLine, rounded, to_cents, to_kwh
from openwatt.domain.comparison import Comparison, Market, Question, Ranked
from openwatt.domain.contract import Contract, Source
from openwatt.domain.legal_time import Span, instant_of
from openwatt.domain.load_curve import Coverage, Finding, LoadCurve
from openwatt.domain.reconciliation import Reconciliation
from openwatt.domain.usage import Use

Answer = dict[str, Any]


def span_answer(start_min: int, end_min: int) -> Answer:
    """Two instants in legal time, the end excluded."""
    return {"start": instant_of(start_min).isoformat(), "end": instant_of(end_min).isoformat()}


def days_answer(span: Span) -> Answer:
    """Two legal days, the end excluded."""
    return {"start": span.start.isoformat(), "end": span.end.isoformat()}


def coverage_answer(coverage: Coverage) -> Answer:
    """Expected and present half hours, and whether none is missing."""
    return {
        "expected_half_hours": coverage.expected_half_hours,
        "present_half_hours": coverage.present_half_hours,
        "complete": coverage.is_complete,
    }


def findings_answer(findings: Sequence[Finding]) -> list[Answer]:
    """What is odd about the measurements."""
    return [
        {
            "kind": finding.kind,
            "count": finding.count,
            "first_at": finding.first_at.isoformat() if finding.first_at else None,
            "message": finding.message,
        }
        for finding in findings
    ]


def reconciliation_answer(result: Reconciliation) -> Answer:
    """Per register, index and curve in whole Wh, and their difference."""
    return {
        "option": result.option,
        "agrees": result.agrees,
        "index_wh": dict(result.index_wh),
        "curve_wh": dict(result.curve_wh),
        "difference_wh": dict(result.difference_wh),
        "span": span_answer(result.start_min, result.end_min),
        "coverage": coverage_answer(result.coverage),
        "findings": findings_answer(result.findings),
    }


def bill_answer(bill: Bill) -> Answer:
    """A bill line by line: kWh, unit price, amount, and the documents of each price."""
    return {
        "contract": contract_answer(bill.contract),
        "span": days_answer(bill.span),
        "ht_eur": _cents(bill.ht),
        "duties_eur": _cents(bill.duties),
        "accise_eur_ht": _cents(bill.accise),
        "ttc_eur": _cents(bill.ttc),
        "kwh": to_kwh(bill.energy),
        "uncosted_kwh": to_kwh(bill.unpriced_energy),
        "lines": [_line(line) for line in bill.lines],
        "coverage": coverage_answer(bill.coverage),
        "partial": list(bill.partial),
        "notes": list(bill.notes),
    }


def comparison_answer(comparison: Comparison, *, details: bool = False) -> Answer:
    """The ranking, and what was left out of it; with `details`, the bill of each."""
    return {
        "span": days_answer(comparison.span),
        "prices": comparison.prices,
        "coverage": coverage_answer(comparison.coverage),
        "ranking": [
            ranked_answer(ranked, comparison)
            | ({"bill": bill_answer(comparison.bill(ranked.contract))} if details else {})
            for ranked in comparison.ranking
        ],
        "left_out": [
            contract_answer(contract) | {"reason": reason} for contract, reason in comparison.left_out
        ],
        "findings": findings_answer(comparison.findings),
    }


def ranked_answer(ranked: Ranked, comparison: Comparison) -> Answer:
    """One contract of a ranking, its total and what it saves, over the span and for 365 days."""
    saving = ranked.saving_against_regulated
    costed = comparison.costed[ranked.contract.key]
    total_ht = costed.total_ht
    return {
        **contract_answer(ranked.contract),
        "total_ttc_eur": to_cents(ranked.total_ttc),
        "total_ttc_eur_per_year": to_cents(comparison.per_year(ranked.total_ttc)),
        "total_ht_eur": _cents(total_ht),
        "duties_eur": None if total_ht is None else to_cents(ranked.total_ttc - total_ht),
        "saving_against_regulated_eur": _cents(saving),
        "saving_against_regulated_eur_per_year": None
        if saving is None
        else to_cents(comparison.per_year(saving)),
        "saving_against_regulated_percent": _percent(saving, ranked.regulated_ttc),
        "saving_against_present_eur": _cents(ranked.saving_against_present),
        "saving_against_present_percent": _percent(ranked.saving_against_present, ranked.present_ttc),
        "closed_to_new_customers": ranked.closed_to_new_customers,
        "whole": ranked.whole,
        "partial": list(ranked.partial),
        "notes": list(ranked.notes),
        "sources": _sources(
            source for period in costed.periods if period.tariff for source in period.tariff.sources
        ),
    }


def power_answer(advice: PowerAdvice) -> Answer:
    """The highest power against the subscribed one."""
    return {
        "power_kva": advice.power_kva,
        "highest_w": advice.highest_w,
        "highest_at": instant_of(advice.highest_at_min).isoformat(),
        "mean_over_min": advice.step_min,
        "lower_power_kva": advice.lower_kva,
        "saving_ttc_eur": _cents(advice.saving_ttc),
    }


def off_peak_answer(advice: OffPeakAdvice) -> Answer:
    """The off-peak share, and the share from which HPHC pays."""
    even = advice.break_even_share
    return {
        "share_percent": _percent(advice.share, Fraction(1)),
        "break_even_percent": None if even is None else _percent(even, Fraction(1)),
        "pays": advice.pays,
    }


def red_days_answer(advice: RedDayAdvice) -> Answer:
    """What red days cost, and what moving their peak hours saves."""
    return {
        "days": advice.days,
        "kwh": to_kwh(advice.energy),
        "cost_ttc_eur": to_cents(advice.cost_ttc),
        "cost_ttc_eur_per_day": to_cents(advice.cost_ttc / advice.days),
        "saving_eur_per_kwh_moved_to_the_night": rounded(advice.saving_per_kwh_to_night, 4),
        "saving_eur_per_kwh_moved_to_a_blue_day": rounded(advice.saving_per_kwh_to_blue, 4),
    }


def advice_answer(
    curve: LoadCurve | None, use: Use, market: Market, question: Question, result: Comparison
) -> Answer:
    """What a home could change: power, off-peak share, red days; what cannot be told is absent."""
    regulated = {
        one.contract.option: one.contract
        for one in result.ranking
        if one.contract.key[:2] in market.regulated
    }
    advice: Answer = {}
    held = next((one.contract for one in result.ranking if one.contract.key == question.present), None)
    subject = held or regulated.get("BASE") or next(iter(regulated.values()), None)
    if curve is not None and subject is not None:
        advice["power"] = power_answer(advise_power(curve, use, subject, market, question))
    used = any(one.usage.energies.any() for one in result.costed.values())
    if used and "BASE" in regulated and "HPHC" in regulated:
        advice["off_peak"] = off_peak_answer(advise_off_peak(regulated["BASE"], regulated["HPHC"], result))
    if "TEMPO" in regulated and (red_days := advise_red_days(result, regulated["TEMPO"])):
        advice["red_days"] = red_days_answer(red_days)
    return advice


def contract_answer(contract: Contract) -> Answer:
    """What a contract is called."""
    return {
        "supplier": contract.supplier,
        "offer": contract.offer,
        "option": contract.option,
        "power_kva": contract.power_kva,
    }


def _line(line: EnergyLine | SubscriptionLine) -> Mapping[str, Any]:
    if isinstance(line, EnergyLine):
        what: Answer = {
            "register": line.register,
            "kwh": to_kwh(line.energy),
            "price_eur_per_kwh_ht": line.price_ht,
            "price_eur_per_kwh_ttc": line.price_ttc,
        }
    else:
        what = {
            "days": line.span.days,
            "subscription_eur_per_year_ht": line.per_year_ht,
            "subscription_eur_per_year_ttc": line.per_year_ttc,
        }
    return {
        "month": f"{line.span.start:%Y-%m}",
        **days_answer(line.span),
        **what,
        "amount_eur_ht": _cents(line.amount_ht),
        "amount_eur_ttc": _cents(line.amount_ttc),
        "sources": _sources(line.tariff.sources),
    }


def _sources(sources: Iterable[Source]) -> list[Answer]:
    """Each document once."""
    return [
        {"title": one.title, "url": one.url, "document_sha256": one.document_sha256, "page": one.page}
        for one in dict.fromkeys(sources)
    ]


def _cents(amount: Fraction | None) -> Decimal | None:
    return None if amount is None else to_cents(amount)


def _percent(part: Fraction | None, whole: Fraction | None) -> Decimal | None:
    return None if part is None or not whole else rounded(100 * part / whole, 1)
