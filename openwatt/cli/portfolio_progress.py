"""The progress of a portfolio: a bar on a terminal, and one log record a partition."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from openwatt.cli.console import Console
from openwatt.portfolio.run import PartitionRecord, ReportProgress

logger = logging.getLogger("openwatt.portfolio")


class _Rate(ProgressColumn):
    """Homes per second."""

    def render(self, task: Task) -> Text:
        """The rate, as soon as there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} homes/s", style="progress.data.speed")


@contextmanager
def shown_progress(console: Console, workers: Callable[[], int]) -> Iterator[ReportProgress]:
    """A bar where the console is a terminal; each partition is logged in any case."""
    with Progress(
        TextColumn("billing"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[more]}"),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=None, more="")

        def report(done: int, of: int, failed: int, record: PartitionRecord | None) -> None:
            more = f"{workers()} workers" + (f", {failed:,} failed" if failed else "")
            progress.update(bar, completed=done, total=of, more=more)
            if record is not None:
                fields = {**record._asdict(), "seconds": round(record.seconds, 3)}
                logger.info("partition billed", extra=fields)

        yield report
