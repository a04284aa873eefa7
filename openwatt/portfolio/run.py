"""A run bills the homes of a source on any engine, partition by partition, and joins the parts at the end."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from openwatt import __version__
from openwatt.portfolio.engine import Engine, Runner
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.kernel import MeteredHome, PortfolioTerms, Unreadable, bill_batch
from openwatt.portfolio.parts_folder import FinishedPart, PartsFolder, locked_parts_folder, write_whole
from openwatt.portfolio.results import Results, results_for
from openwatt.portfolio.rows import HomeRows, columns_of, joined
from openwatt.portfolio.source import (
    HomeSettings,
    HomeSource,
    Partition,
    Piece,
    PieceIndex,
    count_homes,
    home_hash,
    partitions_of,
)

_MOST_HOMES_PER_PARTITION = 64
#: Each worker has some partitions to do, so that none is idle long at the end.
_PARTITIONS_PER_WORKER = 8
#: Called at each partition with the homes done of all, and how many of them failed.
ReportProgress = Callable[[int, int, int], None]
_IN_SEVERAL_PIECES = "its rows lie in several files: put the rows of one home into one file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Homes, what their meters are set to, and the terms of their bills."""

    source: HomeSource
    terms: PortfolioTerms
    settings: HomeSettings


class PortfolioResult(NamedTuple):
    """How a run ended; `resumed` homes were an earlier one's, `unknown_homes` have settings only."""

    homes: int
    failed: int
    rows: int
    resumed: int
    unknown_homes: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Job:
    """What every task of a run needs; it goes to each process once."""

    portfolio: Portfolio
    results: Results
    folder: Path


def bill_portfolio(
    portfolio: Portfolio, out: Path, engine: Engine, *, resume: bool, report: ReportProgress
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
        manifest = _manifest_to_resume(parts_folder, resume=resume)
        if manifest is not None:
            today = date.fromisoformat(manifest["today"])
            portfolio = replace(portfolio, terms=replace(portfolio.terms, today=today))
        pieces = portfolio.source.pieces()
        with engine.start(Job(portfolio=portfolio, results=results, folder=parts_folder.folder)) as runner:
            indexes = _indexes(runner, pieces)
            homes = count_homes(indexes)
            if not homes:
                raise PortfolioError("there is no home to bill")
            conditions = _conditions(portfolio, pieces, indexes)
            if manifest is None:
                size = max(
                    1, min(_MOST_HOMES_PER_PARTITION, homes // (engine.workers * _PARTITIONS_PER_WORKER))
                )
                today = portfolio.terms.today
                manifest = {**conditions, "homes_per_partition": size, "today": str(today)}
                parts_folder.start(manifest)
            else:
                _refuse_other_conditions(parts_folder, manifest, conditions)
            partitions = partitions_of(pieces, indexes, manifest["homes_per_partition"])
            done = parts_folder.done()
            left = (partition for partition in partitions if partition.number not in done)
            total = _count(done.values(), runner.run(bill_partition, left), homes, report)
        parts_folder.join(results.join, len(partitions))
    unknown = len(portfolio.settings.by_home) - sum(index.settings for index in indexes)
    return PortfolioResult(*total, sum(part.homes for part in done.values()), unknown)


def index_piece(job: Job, task: tuple[int, Piece]) -> PieceIndex:
    """The task that finds the homes of one piece."""
    return job.portfolio.source.index(*task, job.portfolio.settings)


def bill_partition(job: Job, partition: Partition) -> FinishedPart:
    """The task that bills one partition and stores its rows."""
    homes, parts = 0, list[HomeRows]()
    for piece, batch in partition.work:
        measured = job.portfolio.source.read(piece, batch, job.portfolio.settings)
        once = list(_each_once(measured, piece, partition))
        homes += len(once)
        parts.append(bill_batch(once, job.portfolio.terms))
    rows = joined(parts)
    part = FinishedPart(partition.number, homes, rows.failed(), len(rows))
    write_whole(job.folder / part.name, job.results.part(rows))
    return part


def _each_once(homes: Iterable[MeteredHome], piece: Piece, partition: Partition) -> Iterator[MeteredHome]:
    """The homes of a piece, without those that an earlier piece has; the first place says why they fail."""
    for home in homes:
        first = partition.again.get(home_hash(home.home)) if partition.again else None
        if first is None:
            yield home
        elif first == piece.name:
            yield home._replace(measured=Unreadable(_IN_SEVERAL_PIECES))


def _indexes(runner: Runner, pieces: Sequence[Piece]) -> Sequence[PieceIndex]:
    """The index of every piece, in the order of the pieces."""
    return sorted(runner.run(index_piece, enumerate(pieces)), key=lambda index: index.number)


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


def _conditions(
    portfolio: Portfolio, pieces: Sequence[Piece], indexes: Sequence[PieceIndex]
) -> dict[str, Any]:
    """What must be the same for a run to go on from another's parts."""
    terms = portfolio.terms
    source = hashlib.sha256()
    for piece, index in zip(pieces, indexes, strict=True):
        source.update(repr((tuple(piece), index.fingerprint)).encode())
    return {
        "openwatt": __version__,
        "market": terms.market.edition,
        "homes": count_homes(indexes),
        "homes_sha256": source.hexdigest(),
        "settings_sha256": portfolio.settings.sha256,
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


def _manifest_to_resume(parts_folder: PartsFolder, *, resume: bool) -> dict[str, Any] | None:
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
    return manifest


def _refuse_other_conditions(
    parts_folder: PartsFolder, manifest: Mapping[str, Any], conditions: Mapping[str, Any]
) -> None:
    """Refuses to go on from parts of other homes or on other terms.

    Raises:
        PortfolioError: naming what differs.
    """
    others = [words for key, words in _WORDS.items() if manifest.get(key) != conditions[key]]
    if others:
        raise PortfolioError(
            f"the unfinished run in {parts_folder.folder} was of {', '.join(others)}: "
            "ask the same again, or delete that folder to start again"
        )
