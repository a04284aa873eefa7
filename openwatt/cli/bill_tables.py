"""The tables, advice and findings that the bill commands print for people."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from openwatt.cli.console import Console
from openwatt.comparison.answer import CustomerAnswer
from openwatt.domain.advice import PowerVerdict
from openwatt.domain.comparison import Comparison
from openwatt.domain.contract import PriceBasis
from openwatt.domain.legal_time import instant_of
from openwatt.domain.load_curve import Finding
from openwatt.domain.reconciliation import Reconciliation
from openwatt.domain.usage import RegisterTotals
from openwatt.representations.advice import AdviceItem, PowerAdviceItem
from openwatt.representations.bills import RankedContract, sentence_of_part
from openwatt.sentences.catalogue import sentence

_NO_MARKET_OFFER = (
    "no market offer has a price that can be today's: one of them may cost less than the regulated tariff; "
    "`openwatt ingest` reads the suppliers' sheets again"
)


def print_registers(totals: RegisterTotals) -> None:
    """Whole Wh by register over a span."""
    start, end = (f"{instant_of(minute):%Y-%m-%d %H:%M}" for minute in (totals.start_min, totals.end_min))
    table = Table("register", title=f"{start} to {end}")
    table.add_column("Wh", justify="right")
    for register, amount in totals.wh.items():
        table.add_row(register, f"{amount:,}")
    table.add_row("all", f"{sum(totals.wh.values()):,}", style="bold")
    coverage = totals.coverage
    console = Console()
    console.print(table)
    console.print(f"{coverage.present_half_hours:,} of {coverage.expected_half_hours:,} half hours measured")
    _print_findings(console, totals.findings)


def print_reconciliation(result: Reconciliation) -> None:
    """Index, curve and difference by register."""
    start, end = (f"{instant_of(minute):%Y-%m-%d}" for minute in (result.start_min, result.end_min))
    table = Table("register", title=f"{result.option}, {start} to {end}")
    for column in ("index Wh", "curve Wh", "difference"):
        table.add_column(column, justify="right")
    for register, amount in result.index_wh.items():
        difference = f"{result.difference_wh[register]:+,}"
        table.add_row(register, f"{amount:,}", f"{result.curve_wh[register]:,}", difference)
    console = Console()
    console.print(table)
    console.print("every register agrees to the Wh" if result.agrees else "the curve and the indexes differ")
    _print_findings(console, result.findings)


def print_answer(answer: CustomerAnswer, assumptions: Sequence[str]) -> None:
    """The ranking, the advice, and everything that it rests on."""
    console = Console()
    result = answer.comparison
    items = [RankedContract.of(ranked, result) for ranked in result.ranking]
    outdated = [RankedContract.of(ranked, result) for ranked in result.outdated]
    if items:
        _print_ranking(console, items, result)
    if outdated:
        _print_outdated(console, outdated)
    if present := result.outdated_present:
        console.print(
            f"the present contract counts at its price last seen on {present.seen_on}, which cannot be "
            "today's: what stands beside it is an indication"
        )
    if result.lacks_market_offers:
        console.print(_NO_MARKET_OFFER)
    if part := result.part_of_year:
        console.print(sentence_of_part(part))
    for reason in dict.fromkeys(reason for item in items for reason in item.partial):
        console.print(f"* {reason}")
    for note in dict.fromkeys(note for item in items or outdated for note in item.notes):
        console.print(f"note: {note}")
    if result.left_out:
        console.print(f"{len(result.left_out)} contracts could not be costed (reasons with --json)")
    _print_advice(console, AdviceItem.of(answer.advice), result.prices)
    for assumption in assumptions:
        console.print(f"assumed: {assumption}")
    _print_findings(console, result.findings)


def _print_ranking(console: Console, items: Sequence[RankedContract], result: Comparison) -> None:
    """The contracts from the cheapest, and what the marks at their places mean."""
    title = f"{result.span.start} to {result.span.end} (excluded), prices {result.prices}, all taxes"
    beside_present = any(item.saving_against_present_eur is not None for item in items)
    table = Table("", "contract", "option", title=title)
    for column in ("EUR", "saving", "%", *(["beside present"] if beside_present else [])):
        table.add_column(column, justify="right")
    for place, item in enumerate(items, start=1):
        figures = [
            item.total_ttc_eur,
            item.saving_against_regulated_eur,
            item.saving_against_regulated_percent,
            *([item.saving_against_present_eur] if beside_present else []),
        ]
        amounts = ["" if figure is None else str(figure) for figure in figures]
        table.add_row(f"{place}{_marks(item)}", f"{item.supplier} {item.offer}", item.option, *amounts)
    console.print(table)
    console.print(
        "saving: against the regulated tariff of the same option; * not whole, † closed to new customers"
    )
    if any(item.outdated is True for item in items):
        console.print("° last seen before duties or the network tariff changed: it cannot be today's price")
    if any(item.source_kind == "secondary" for item in items):
        console.print("§ read from the sheet by a third party: compare it with the supplier's own")
    for registers in dict.fromkeys(tuple(item.unseen_registers) for item in items if item.unseen_registers):
        console.print(f"‡ {', '.join(registers)} did not run on these days: no rank of a year")


def _marks(item: RankedContract) -> str:
    marks = {
        "*": not item.whole,
        "†": item.closed_to_new_customers,
        "‡": bool(item.unseen_registers),
        "°": item.outdated is True,
        "§": item.source_kind == "secondary",
    }
    return "".join(mark for mark, holds in marks.items() if holds)


def _print_outdated(console: Console, items: Sequence[RankedContract]) -> None:
    """The contracts whose price cannot be today's, each with the day on which it was last seen."""
    table = Table("contract", "option", title="Not ranked: prices that cannot be today's")
    for column in ("EUR", "last seen", "overtaken"):
        table.add_column(column, justify="right")
    for item in items:
        days = (str(day or "") for day in (item.last_seen_on, item.overtaken_on))
        table.add_row(f"{item.supplier} {item.offer}", item.option, str(item.total_ttc_eur), *days)
    console.print(table)
    console.print(
        "overtaken: when duties or the network tariff changed after the price was last seen; "
        "--include-outdated ranks these contracts among the others"
    )


def _print_advice(console: Console, advice: AdviceItem, prices: PriceBasis) -> None:
    if power := advice.power:
        console.print(
            f"highest measured power {power.highest_w:,} W (mean over {power.mean_over_min} min) "
            f"of {power.power_kva} kVA subscribed"
        )
        console.print(f"  {_power_verdict(power, prices)}")
    if share := advice.off_peak:
        even = share.break_even_percent
        pays = "off-peak hours never pay at these prices" if even is None else f"HPHC pays from {even} %"
        console.print(f"off-peak share {share.share_percent} %: {pays}")

    if red := advice.red_days:
        console.print(
            f"{red.days} red days used {red.kwh} kWh for {red.cost_ttc_eur} EUR in Tempo; "
            f"a kWh of their day saves {red.saving_eur_per_kwh_moved_to_the_night} EUR at night, "
            f"{red.saving_eur_per_kwh_moved_to_a_blue_day} on a blue day"
        )


def _power_verdict(power: PowerAdviceItem, prices: PriceBasis) -> str:
    """What a lower power would have changed."""
    would_do = f"{power.lower_power_kva} kVA would do"
    unknown = "no price of today is known for it" if prices == "now" else "its price is not known on all days"
    sentences: Mapping[PowerVerdict, str] = {
        "lower": f"{would_do}: {power.saving_ttc_eur} EUR less over the span",
        "costs_more": f"{would_do}, and save nothing",
        "no_price": f"{would_do}; {unknown}",
        "keep": "no lower power would do",
        "lowest": "no lower power of this offer is known",
    }
    return sentences[power.verdict]


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings:
        since = f" (first {finding.first_at:%Y-%m-%d %H:%M})" if finding.first_at else ""
        console.print(
            f"{finding.kind} × {finding.count}: {sentence(finding.message)}{since}", highlight=False
        )
