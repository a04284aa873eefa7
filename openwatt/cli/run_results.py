"""The output of the results of runs: lines for a terminal, or JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from openwatt.cli.console import Console
from openwatt.ingest.declarations import SourceDeclaration
from openwatt.ingest.pipeline import RunResult

_COLOURS = {"published": "green", "unchanged": "dim", "unreadable": "red", "unreachable": "red"}
_DOUBTS_SHOWN = 3


def as_json(result: RunResult) -> dict[str, Any]:
    """Gives the result of a run the shape of its JSON."""
    return {
        "source": result.source.name,
        "outcome": result.outcome or "held",
        "message": result.message,
        "doubts": [{"rule": one.rule, "message": one.message, "where": one.where} for one in result.doubts],
        "tariffs": result.tariffs,
        "published": result.published,
        "document_sha256": result.sha256,
        "run": result.run_id,
        "seconds": round(result.seconds, 3),
    }


def print_result(result: RunResult, console: Console) -> None:
    """Prints a line for a source, and one for each of its first doubts."""
    outcome = result.outcome or "held"
    line = Text(f"{result.source.name}: ").append(outcome, _COLOURS.get(outcome, "yellow"))
    if result.outcome == "published":
        line.append(f", {result.published} of {result.tariffs} read are new")
    elif result.message:
        line.append(f", {result.message}")
    console.print(line)
    for doubt in result.doubts[:_DOUBTS_SHOWN]:
        console.print(Text(f"  {doubt.rule} – {doubt.where}: {doubt.message}"))
    if len(result.doubts) > _DOUBTS_SHOWN:
        console.print(f"  and {len(result.doubts) - _DOUBTS_SHOWN} more doubts: `openwatt review` shows them")


def print_summary(
    results: Sequence[RunResult], skipped: Sequence[SourceDeclaration], not_due: int, console: Console
) -> None:
    """Prints how many runs ended in each outcome, and how many sources were not run."""
    counted = Counter(result.outcome or "held" for result in results)
    parts = [f"{count} {outcome}" for outcome, count in counted.most_common()]
    if not_due:
        parts.append(f"{not_due} not due")
    unread = sum(source.format == "none_yet" for source in skipped)
    if unread:
        parts.append(f"{unread} without a document yet")
    if len(skipped) > unread:
        parts.append(f"{len(skipped) - unread} handed in by hand")
    console.print(", ".join(parts) or "nothing to do")
