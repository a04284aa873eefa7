"""The output of check results: a growing list on a terminal, a plain line an item for pipes, or JSON."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from openwatt.cli.console import Console
from openwatt.doctor.results import CheckResult, CheckStatus, join_names
from openwatt.doctor.runner import Item

_STYLES: Final[Mapping[CheckStatus, str]] = {"ok": "green", "failed": "bold red", "skipped": "yellow"}


class ResultPrinter:
    """Takes results as they come and shows each as soon as those before it in the list are there.

    As it stands it shows nothing: that is for JSON.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = {item.name: item for item in items}
        self.widest = max(len(item.name) for item in items)
        self._ahead = [item.name for item in items]
        self._there: dict[str, CheckResult] = {}
        self._area = ""

    def add(self, result: CheckResult) -> None:
        """Takes one result."""
        self._there[result.item] = result
        while self._ahead and self._ahead[0] in self._there:
            ready = self._there[self._ahead.pop(0)]
            area = self.items[ready.item].area
            if area != self._area:
                self._area = area
                self.begin_area(area)
            self.show(ready)
        self.wait_for([name for name in self.items if name not in self._there])

    def begin(self, about: Mapping[str, str]) -> None:
        """Names the installation that is checked."""

    def begin_area(self, area: str) -> None:
        """Prints the heading of an area."""

    def show(self, result: CheckResult) -> None:
        """Shows one result."""

    def wait_for(self, names: Sequence[str]) -> None:
        """Names the checks that still run."""

    def end(self, results: Sequence[CheckResult], seconds: float) -> None:
        """Prints the summary."""


class PlainPrinter(ResultPrinter):
    """Writes one unbroken line an item, for pipes and files that are searched."""

    def show(self, result: CheckResult) -> None:
        """Shows one result."""
        fix = f"; fix: {result.remedy}" if result.remedy else ""
        click.echo(f"{result.status:<7}  {result.item:<{self.widest}}  {result.message}{fix}")

    def end(self, results: Sequence[CheckResult], seconds: float) -> None:
        """Prints the summary."""
        click.echo(_sum(results, seconds))


class TerminalPrinter(ResultPrinter):
    """Writes for a terminal: areas, colours, and a bar that names the checks that still run."""

    def __init__(self, items: Sequence[Item], console: Console, bar: Progress) -> None:
        super().__init__(items)
        self._console = console
        self._bar = bar
        self._task = bar.add_task("", total=len(items))

    def begin(self, about: Mapping[str, str]) -> None:
        """Names the installation that is checked."""
        version, *others = about.values()
        self._console.print(Text(" · ".join([f"OpenWatt {version}", *others]), "bold"))
        self.wait_for(list(self.items))

    def begin_area(self, area: str) -> None:
        """Prints the heading of an area."""
        self._console.print(Text(f"\n{area}", "bold"))

    def show(self, result: CheckResult) -> None:
        """Shows one result: its text stays in its column however often it wraps."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=len("skipped"))
        grid.add_column(width=self.widest)
        grid.add_column(ratio=1, overflow="fold")
        message = Text(result.message, "dim" if result.status == "skipped" else "")
        grid.add_row(Text(result.status, _STYLES[result.status]), result.item, message)
        if result.remedy:
            grid.add_row("", "", Text(f"→ {result.remedy}", "cyan"))
        self._console.print(Padding(grid, (0, 0, 0, 2)))

    def wait_for(self, names: Sequence[str]) -> None:
        """Names the checks that still run."""
        waiting = f"looking at {join_names(names, 3)}" if names else ""
        self._bar.update(self._task, completed=len(self.items) - len(names), description=waiting)

    def end(self, results: Sequence[CheckResult], seconds: float) -> None:
        """Prints the summary."""
        self._bar.stop()
        counts = Counter(result.status for result in results)
        self._console.print(
            Text(f"\n{_sum(results, seconds)}", _STYLES["failed" if counts["failed"] else "ok"])
        )


def _sum(results: Sequence[CheckResult], seconds: float) -> str:
    counts = Counter(result.status for result in results)
    counted = ", ".join(f"{counts[status]} {status}" for status in _STYLES if counts[status])
    broken = join_names([result.item for result in results if result.status == "failed"], 8)
    return f"{counted} in {seconds:.1f} s" + (f"; to fix: {broken}" if broken else "")


@contextmanager
def open_printer(items: Sequence[Item], *, as_json: bool) -> Iterator[ResultPrinter]:
    """Gives the printer that fits where standard output goes."""
    if as_json:
        yield ResultPrinter(items)
    elif not sys.stdout.isatty():
        yield PlainPrinter(items)
    else:
        console = Console(highlight=False)
        columns = (BarColumn(16), MofNCompleteColumn(), TextColumn("[dim]{task.description}"))
        with Progress(*columns, console=console, transient=True) as bar:
            yield TerminalPrinter(items, console, bar)


def as_json(
    about: Mapping[str, str], items: Sequence[Item], results: Sequence[CheckResult], seconds: float
) -> dict[str, Any]:
    """Gives the results the shape of their JSON."""
    by_name = {item.name: item for item in items}
    counts = Counter(result.status for result in results)
    return {
        **about,
        "seconds": round(seconds, 1),
        **{status: counts[status] for status in _STYLES},
        "findings": [
            {
                "item": result.item,
                "status": result.status,
                "says": result.message,
                "remedy": result.remedy,
                "seconds": result.seconds,
                "area": by_name[result.item].area,
                "guide": by_name[result.item].guide,
            }
            for result in results
        ],
    }


def print_items(items: Sequence[Item]) -> None:
    """Prints the items with the lines of the guide's checklist that each implements."""
    table = Table("item", "area", "needs", "lines of the operators' guide", box=None)
    for item in items:
        table.add_row(item.name, item.area, ", ".join(item.needs), "; ".join(item.guide))
    Console(highlight=False).print(table)
