"""How findings are shown: a growing list on a terminal, one plain line an item for pipes, JSON."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

import click
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from openwatt.cli.console import Console
from openwatt.doctor.results import CheckResult, Status, join_names
from openwatt.doctor.runner import Item

_STYLES: Final[Mapping[Status, str]] = {"ok": "green", "failed": "bold red", "skipped": "yellow"}


class Report:
    """Takes findings as they come and shows each as soon as those before it in the list are there.

    As it stands it shows nothing: that is for JSON.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = {item.name: item for item in items}
        self.widest = max(len(item.name) for item in items)
        self._ahead = [item.name for item in items]
        self._there: dict[str, CheckResult] = {}
        self._area = ""

    def found(self, finding: CheckResult) -> None:
        """Takes one finding."""
        self._there[finding.item] = finding
        while self._ahead and self._ahead[0] in self._there:
            ready = self._there[self._ahead.pop(0)]
            area = self.items[ready.item].area
            if area != self._area:
                self._area = area
                self.begin_area(area)
            self.show(ready)
        self.wait_for([name for name in self.items if name not in self._there])

    def begin(self, about: Mapping[str, str]) -> None:
        """Says what is examined."""

    def begin_area(self, area: str) -> None:
        """Heads the items of an area."""

    def show(self, finding: CheckResult) -> None:
        """Shows one finding."""

    def wait_for(self, names: Sequence[str]) -> None:
        """Says which items are still looked at."""

    def end(self, findings: Sequence[CheckResult], seconds: float) -> None:
        """Sums up."""


class PlainReport(Report):
    """For pipes and files: one line an item, never broken, so that it can be searched."""

    def show(self, finding: CheckResult) -> None:
        """Shows one finding."""
        fix = f"; fix: {finding.remedy}" if finding.remedy else ""
        click.echo(f"{finding.status:<7}  {finding.item:<{self.widest}}  {finding.says}{fix}")

    def end(self, findings: Sequence[CheckResult], seconds: float) -> None:
        """Sums up."""
        click.echo(_sum(findings, seconds))


class TerminalReport(Report):
    """For people: areas, colours where the terminal has them, and a bar that says what is waited for."""

    def __init__(self, items: Sequence[Item], console: Console, bar: Progress) -> None:
        super().__init__(items)
        self._console = console
        self._bar = bar
        self._task = bar.add_task("", total=len(items))

    def begin(self, about: Mapping[str, str]) -> None:
        """Says what is examined."""
        version, *others = about.values()
        self._console.print(Text(" · ".join([f"OpenWatt {version}", *others]), "bold"))
        self.wait_for(list(self.items))

    def begin_area(self, area: str) -> None:
        """Heads the items of an area."""
        self._console.print(Text(f"\n{area}", "bold"))

    def show(self, finding: CheckResult) -> None:
        """Shows one finding: what it says stays in its column however often it is broken."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=len("skipped"))
        grid.add_column(width=self.widest)
        grid.add_column(ratio=1, overflow="fold")
        says = Text(finding.says, "dim" if finding.status == "skipped" else "")
        grid.add_row(Text(finding.status, _STYLES[finding.status]), finding.item, says)
        if finding.remedy:
            grid.add_row("", "", Text(f"→ {finding.remedy}", "cyan"))
        self._console.print(Padding(grid, (0, 0, 0, 2)))

    def wait_for(self, names: Sequence[str]) -> None:
        """Says which items are still looked at."""
        waiting = f"looking at {join_names(names, 3)}" if names else ""
        self._bar.update(self._task, completed=len(self.items) - len(names), description=waiting)

    def end(self, findings: Sequence[CheckResult], seconds: float) -> None:
        """Sums up."""
        self._bar.stop()
        counts = Counter(finding.status for finding in findings)
        self._console.print(
            Text(f"\n{_sum(findings, seconds)}", _STYLES["failed" if counts["failed"] else "ok"])
        )


def _sum(findings: Sequence[CheckResult], seconds: float) -> str:
    counts = Counter(finding.status for finding in findings)
    told = ", ".join(f"{counts[status]} {status}" for status in _STYLES if counts[status])
    broken = join_names([finding.item for finding in findings if finding.status == "failed"], 8)
    return f"{told} in {seconds:.1f} s" + (f"; to fix: {broken}" if broken else "")


@contextmanager
def reporting(items: Sequence[Item], *, as_json: bool) -> Iterator[Report]:
    """The report that fits where standard output goes."""
    if as_json:
        yield Report(items)
    elif not sys.stdout.isatty():
        yield PlainReport(items)
    else:
        console = Console(highlight=False)
        columns = (BarColumn(16), MofNCompleteColumn(), TextColumn("[dim]{task.description}"))
        with Progress(*columns, console=console, transient=True) as bar:
            yield TerminalReport(items, console, bar)


def as_json(
    about: Mapping[str, str], items: Sequence[Item], findings: Sequence[CheckResult], seconds: float
) -> dict[str, Any]:
    """What was found, for programs."""
    by_name = {item.name: item for item in items}
    counts = Counter(finding.status for finding in findings)
    return {
        **about,
        "seconds": round(seconds, 1),
        **{status: counts[status] for status in _STYLES},
        "findings": [
            asdict(finding) | {"area": by_name[finding.item].area, "guide": by_name[finding.item].guide}
            for finding in findings
        ],
    }


def print_items(items: Sequence[Item]) -> None:
    """The list of items with the lines of the guide's checklist that each makes executable."""
    table = Table("item", "area", "needs", "lines of the operators' guide", box=None)
    for item in items:
        table.add_row(item.name, item.area, ", ".join(item.needs), "; ".join(item.guide))
    Console(highlight=False).print(table)
