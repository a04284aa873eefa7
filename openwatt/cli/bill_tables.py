"""What the bill commands print for people: tables, advice and findings."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from openwatt.cli.streams import Console
from openwatt.domain.answers import comparison_answer
from openwatt.domain.comparison import Comparison
from openwatt.domain.legal_time import instant_of
from openwatt.domain.load_curve import Coverage, Finding
from openwatt.domain.reconciliation import Reconciliation

_FIGURES = ("total_ttc_eur", "saving_against_regulated_eur", "saving_against_regulated_percent")


def print_registers(
    wh: Mapping[str, int], span_min: tuple[int, int], coverage: Coverage, findings: Sequence[Finding]
) -> None:
    """Whole Wh by register over a span of minutes UTC."""
    start, end = (f"{instant_of(minute):%Y-%m-%d %H:%M}" for minute in span_min)
    table = Table("register", title=f"{start} to {end}")
    table.add_column("Wh", justify="right")
    for register, amount in wh.items():
        table.add_row(register, f"{amount:,}")
    table.add_row("all", f"{sum(wh.values()):,}", style="bold")
    console = Console()
    console.print(table)
    console.print(f"{coverage.present_half_hours:,} of {coverage.expected_half_hours:,} half hours measured")
    _print_findings(console, findings)


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


def print_comparison(result: Comparison, advice: Mapping[str, Any], assumptions: Sequence[str]) -> None:
    """The ranking, the advice, and everything that it rests on."""
    console = Console()
    answer = comparison_answer(result)
    title = f"{result.span.start} to {result.span.end} (excluded), prices {result.prices}, all taxes"
    beside_present = any(line["saving_against_present_eur"] is not None for line in answer["ranking"])
    figures = (*_FIGURES, "saving_against_present_eur") if beside_present else _FIGURES
    table = Table("", "contract", "option", title=title)
    for column in ("EUR", "saving", "%", "beside present")[: len(figures)]:
        table.add_column(column, justify="right")
    for place, line in enumerate(answer["ranking"], start=1):
        marks = ("" if line["whole"] else "*") + ("†" if line["closed_to_new_customers"] else "")
        amounts = ["" if line[name] is None else str(line[name]) for name in figures]
        table.add_row(f"{place}{marks}", f"{line['supplier']} {line['offer']}", line["option"], *amounts)
    console.print(table)
    console.print(
        "saving: against the regulated tariff of the same option; * not whole, † closed to new customers"
    )
    for reason in dict.fromkeys(reason for line in result.ranking for reason in line.partial):
        console.print(f"* {reason}")
    for note in dict.fromkeys(note for line in result.ranking for note in line.notes):
        console.print(f"note: {note}")
    if result.left_out:
        console.print(f"{len(result.left_out)} contracts could not be costed (reasons with --json)")
    _print_advice(console, advice)
    for assumption in assumptions:
        console.print(f"assumed: {assumption}")
    _print_findings(console, result.findings)


def _print_advice(console: Console, advice: Mapping[str, Any]) -> None:
    if power := advice.get("power"):
        console.print(
            f"highest measured power {power['highest_w']:,} W (mean over {power['mean_over_min']} min) "
            f"of {power['power_kva']} kVA subscribed"
        )
        if power["lower_power_kva"]:
            console.print(
                f"  {power['lower_power_kva']} kVA would do: {power['saving_ttc_eur']} EUR less over the span"
            )
    if share := advice.get("off_peak"):
        even = share["break_even_percent"]
        told = "off-peak hours never pay at these prices" if even is None else f"HPHC pays from {even} %"
        console.print(f"off-peak share {share['share_percent']} %: {told}")

    if red := advice.get("red_days"):
        console.print(
            f"{red['days']} red days used {red['kwh']} kWh for {red['cost_ttc_eur']} EUR in Tempo; "
            f"a kWh of their day saves {red['saving_eur_per_kwh_moved_to_the_night']} EUR at night, "
            f"{red['saving_eur_per_kwh_moved_to_a_blue_day']} on a blue day"
        )


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings:
        since = f" (first {finding.first_at:%Y-%m-%d %H:%M})" if finding.first_at else ""
        console.print(f"{finding.kind} × {finding.count}: {finding.message}{since}", highlight=False)
