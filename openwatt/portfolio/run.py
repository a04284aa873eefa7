"""The local run bills parts of the homes in processes, and joins the parts at its end."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

from openwatt import __version__
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.folder import Entry, HomeSource, cut, fingerprint, printable
from openwatt.portfolio.kernel import HomeSetting, MeteredHome, PortfolioTerms, bill_homes, columns_of
from openwatt.portfolio.parts_folder import FinishedPart, PartsFolder, locked_parts_folder, write_whole
from openwatt.portfolio.results import Results, results_for

_MOST_HOMES_PER_PART = 64
#: Each process has some parts to do, so that none is idle long at the end.
_PARTS_PER_JOB = 8
#: Parts handed out beyond those in work; the rest wait unread.
_AHEAD = 2
#: Called at each part with the homes done of all, and how many of them failed.
ReportProgress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Homes and the terms of their bills; `settings` says what differs from the `default` setting."""

    source: HomeSource
    terms: PortfolioTerms
    default: HomeSetting
    settings: Mapping[str, HomeSetting]


class PortfolioResult(NamedTuple):
    """How a run ended; `resumed` homes were an earlier one's, `unknown_homes` have settings only."""

    homes: int
    failed: int
    rows: int
    resumed: int
    unknown_homes: int


class _Task(NamedTuple):
    """All that a process needs for one part."""

    number: int
    source: HomeSource
    entries: Sequence[Entry]
    settings: Sequence[HomeSetting]
    terms: PortfolioTerms
    results: Results
    folder: Path


def bill_portfolio(
    portfolio: Portfolio, out: Path, *, jobs: int, resume: bool, report: ReportProgress
) -> PortfolioResult:
    """Bills every home and writes all rows to `out`, whose ending says the form.

    Ended in any way before that, it leaves the parts that are done beside `out`,
    and `resume` goes on from them with the same day for today. With `resume` and
    nothing to go on from, it starts at the beginning.

    Raises:
        PortfolioError: when `out` cannot be written or another run writes it, when
            parts of an earlier run lie there and `resume` is not said, or when they
            are of other homes or on other terms.
    """
    results = results_for(out, columns_of(portfolio.terms.prices))
    with locked_parts_folder(out) as parts_folder:
        entries = portfolio.source.entries()
        if not entries:
            raise PortfolioError("there is no home to bill")
        conditions = _conditions(portfolio, entries)
        manifest = _manifest_to_resume(parts_folder, conditions, resume=resume)
        if manifest is None:
            per_part = max(1, min(_MOST_HOMES_PER_PART, len(entries) // (jobs * _PARTS_PER_JOB)))
            manifest = {**conditions, "homes_per_part": per_part, "today": str(portfolio.terms.today)}
            parts_folder.start(manifest)
        terms = replace(portfolio.terms, today=date.fromisoformat(manifest["today"]))
        parts = cut(entries, manifest["homes_per_part"], portfolio.source.part_size)
        done = parts_folder.done()
        resumed = sum(part.homes for part in done.values())
        tasks = (
            _Task(
                number,
                portfolio.source,
                part,
                [portfolio.settings.get(printable(entry.home), portfolio.default) for entry in part],
                terms,
                results,
                parts_folder.folder,
            )
            for number, part in enumerate(parts)
            if number not in done
        )
        total = _count(done.values(), _billed(tasks, jobs), len(entries), report)
        parts_folder.join(results.join, len(parts))
    unknown_homes = len(portfolio.settings.keys() - {printable(entry.home) for entry in entries})
    return PortfolioResult(*total, resumed, unknown_homes)


def _count(
    done: Iterable[FinishedPart], coming: Iterable[FinishedPart], homes: int, report: ReportProgress
) -> tuple[int, int, int]:
    """Homes, failed homes and rows of all parts, reported at every part."""
    total = [sum(numbers) for numbers in zip((0, 0, 0), *(part[1:] for part in done), strict=True)]
    report(total[0], homes, total[1])
    for part in coming:
        total = [before + more for before, more in zip(total, part[1:], strict=True)]
        report(total[0], homes, total[1])
    return total[0], total[1], total[2]


def _conditions(portfolio: Portfolio, entries: Sequence[Entry]) -> dict[str, Any]:
    """What must be the same for a run to go on from another's parts."""
    terms = portfolio.terms
    settings = hashlib.sha256(repr((portfolio.default, sorted(portfolio.settings.items()))).encode())
    return {
        "openwatt": __version__,
        "market": terms.market.edition,
        "homes": len(entries),
        "homes_sha256": fingerprint(entries, portfolio.source.version),
        "settings_sha256": settings.hexdigest(),
        "prices": terms.prices,
        "start": None if terms.start is None else str(terms.start),
        "end": None if terms.end is None else str(terms.end),
        "top": terms.top,
        "include_outdated": terms.include_outdated,
    }


_WORDS = {
    "openwatt": "another version of OpenWatt",
    "market": "other tariffs or Tempo colours, for newer ones were published",
    "homes": "another number of homes",
    "homes_sha256": "other homes or changed files",
    "settings_sha256": "other powers or off-peak hours",
    "prices": "other prices",
    "start": "another first day",
    "end": "another last day",
    "top": "another number of contracts",
    "include_outdated": "prices that are outdated, or without them",
}


def _manifest_to_resume(
    parts_folder: PartsFolder, conditions: Mapping[str, Any], *, resume: bool
) -> dict[str, Any] | None:
    """The manifest to go on with, None when there is nothing to go on from."""
    manifest = parts_folder.manifest()
    done = parts_folder.done()
    if manifest is None or not done:
        return None
    if not resume:
        homes = sum(part.homes for part in done.values())
        raise PortfolioError(
            f"{homes} homes of an unfinished run lie in {parts_folder.folder}: "
            "add --resume to go on from them, or delete that folder to start again"
        )
    others = [words for key, words in _WORDS.items() if manifest.get(key) != conditions[key]]
    if others:
        raise PortfolioError(
            f"the unfinished run in {parts_folder.folder} was of {', '.join(others)}: "
            "ask the same again, or delete that folder to start again"
        )
    return manifest


def _billed(tasks: Iterator[_Task], jobs: int) -> Iterator[FinishedPart]:
    """Each part as it is done; the caller's end cancels what has not begun and waits for what has."""
    if jobs == 1:
        yield from map(_bill_part, tasks)
        return
    # Processes that are not copies of this one hold neither its lock nor its threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "openwatt.portfolio.kernel"])
    _start_deaf_to_ctrl_c()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_become_worker)
    try:
        # The first tasks start the processes: half started, they would miss what they share with the pool.
        with _ctrl_c_later():
            waiting = {pool.submit(_bill_part, task) for task in islice(tasks, jobs * _AHEAD)}
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(_bill_part, task) for task in islice(tasks, len(ready))}
            for future in ready:
                yield future.result()
    except BrokenProcessPool:
        raise PortfolioError(
            "a process ended unasked (was there too little memory?): add --resume to go on, "
            "with fewer --jobs if it comes again"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_deaf_to_ctrl_c() -> None:
    """Starts the process that workers come from: from their first instant, Ctrl-C does not reach them.

    It is for the parent alone, who lets the parts in work end.
    """
    resource_tracker.ensure_running()  # It lets signals through again, so it comes first.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Lets Ctrl-C have its effect at the end of the block, not within it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python tells only the main thread of signals
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _become_worker() -> None:
    """A worker ends with its parent, however that ends: there is no caller left."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _bill_part(task: _Task) -> FinishedPart:
    """Bills one part and keeps its rows."""
    measured = task.source.read(task.entries)
    homes = (
        MeteredHome(printable(entry.home), setting, one)
        for entry, setting, one in zip(task.entries, task.settings, measured, strict=True)
    )
    rows = bill_homes(homes, task.terms)
    part = FinishedPart(task.number, len(task.entries), sum(row.failed for row in rows), len(rows))
    write_whole(task.folder / part.name, task.results.part(rows))
    return part
