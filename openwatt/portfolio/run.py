"""A run bills the homes of a source on any engine, partition by partition, and joins the parts at the end."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, NamedTuple

from openwatt import __version__
from openwatt.domain.load_curve import LoadCurve
from openwatt.portfolio.billing.kernel import MeteredHome, PortfolioTerms, Unreadable, bill_batch
from openwatt.portfolio.billing.rows import HomeRows, columns_of, joined
from openwatt.portfolio.engines.engine import Engine, Runner, TaskResult
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.market_file import decode_market, encode_market, market_sha256
from openwatt.portfolio.results.output import MARKET, FinishedPart, Output
from openwatt.portfolio.results.results import Results, results_for
from openwatt.portfolio.sources.source import (
    MOST_STEPS_PER_BATCH,
    HomeSettings,
    HomeSource,
    Partition,
    Piece,
    PieceFault,
    PieceIndex,
    count_homes,
    home_hash,
    partitions_of,
)

#: A part of one file is written once more when the parts are joined; one of a dataset stays as it is.
_MOST_HOMES_PER_PARTITION = {"file": 128, "dataset": 1024}
#: Homes that are costed at once: what they share is computed once, and one home more is an array's row more.
_MOST_HOMES_TOGETHER = 128
_MOST_STEPS_TOGETHER = 2 * MOST_STEPS_PER_BATCH
_BYTES_PER_STEP = 16
_PARTITIONS_PER_WORKER = 8
_MOST_FAULTS = 10
_IN_SEVERAL_PIECES = "its rows lie in several files: put the rows of one home into one file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Homes, what their meters are set to, and the terms of their bills."""

    source: HomeSource
    terms: PortfolioTerms
    settings: HomeSettings


class PartitionRecord(NamedTuple):
    """How one partition was billed, without anything of its homes."""

    partition: int
    homes: int
    failed: int
    rows: int
    seconds: float
    worker: str
    attempts: int


#: Called at the start and at each partition: homes done, of how many, failed, and the partition.
ReportProgress = Callable[[int, int, int, PartitionRecord | None], None]


class PortfolioResult(NamedTuple):
    """How a run ended, and by which market.

    `resumed` homes were an earlier run's, `unknown_homes` have settings only.
    """

    homes: int
    failed: int
    rows: int
    resumed: int
    unknown_homes: int
    market_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BillingJob:
    """What every task of a run needs; it goes to each process once."""

    portfolio: Portfolio
    pieces: Sequence[Piece]
    results: Results
    output: Output

    def check_source(self) -> None:
        """Looks whether this process sees the same pieces.

        Raises:
            PortfolioError: when it does not.
        """
        try:
            pieces = self.portfolio.source.pieces()
        except OSError as error:
            raise PortfolioError(f"it cannot read the homes: {error.strerror}") from None
        if pieces != self.pieces:
            raise PortfolioError(
                "it sees other homes: they must lie in a folder or at an address that all workers share"
            )

    def probe(self, worker: str) -> None:
        """Writes an empty file to the output."""
        self.output.probe(worker)

    def take_probes(self, workers: Iterable[str]) -> None:
        """Looks for what each worker wrote.

        Raises:
            PortfolioError: when a worker writes to another folder of that name.
        """
        unseen = sorted(set(workers) - self.output.take_probes())
        if unseen:
            raise PortfolioError(
                f"what worker {unseen[0]} writes to {self.output.shown} is not there: it must be in a "
                "folder or at an address that all workers share"
            )


def bill_portfolio(
    portfolio: Portfolio,
    output: Output,
    engine: Engine,
    *,
    resume: bool,
    report: ReportProgress,
    homes_per_partition: int | None = None,
) -> PortfolioResult:
    """Bills every home and writes all rows to the output.

    Ended in any way before that, it leaves the parts that are done, and `resume` goes on
    from them with the same day for today and the same market. With `resume` and nothing to go on
    from, it starts at the beginning. A resumed run has the partitions of the earlier one.

    Raises:
        PortfolioError: when the output cannot be written or another run writes it, when
            parts of an earlier run lie there and `resume` is not said, or when they
            are of other homes or on other terms.
    """
    results = results_for(output.form, columns_of(portfolio.terms.prices))
    with output.locked():
        earlier = _conditions_to_resume(output, resume=resume)
        if earlier is not None:
            portfolio = replace(portfolio, terms=_terms_to_resume(output, earlier, portfolio.terms))
        pieces = portfolio.source.pieces()
        job = BillingJob(portfolio=portfolio, pieces=pieces, results=results, output=output)
        with engine.start(job) as runner:
            indexes = _indexes(runner, pieces)
            homes = count_homes(indexes)
            if not homes:
                raise PortfolioError("there is no home to bill")
            conditions = _conditions(portfolio, pieces, indexes)
            if earlier is None:
                size = homes_per_partition or _partition_size(output, homes, engine.workers)
                conditions |= {"homes_per_partition": size, "today": str(portfolio.terms.today)}
                conditions["run"] = hashlib.sha256(repr(conditions).encode()).hexdigest()
                output.start(conditions, encode_market(portfolio.terms.market), resume=resume)
            else:
                _refuse_other_conditions(output, earlier, conditions)
                conditions = earlier
            partitions = partitions_of(pieces, indexes, conditions["homes_per_partition"])
            done = output.done()
            run = str(conditions["run"])
            left = (PartitionTask(run, partition) for partition in partitions if partition.number not in done)
            total = _count(done.values(), runner.run(bill_partition, left), homes, report)
        sums = dict(zip(("homes", "failed", "rows"), total, strict=True))
        checksum = market_sha256(portfolio.terms.market)
        manifest = {**conditions, "market_sha256": checksum, "partitions": len(partitions), **sums}
        output.finish(results, len(partitions), manifest)
    unknown = len(portfolio.settings.by_home) - sum(index.settings for index in indexes)
    resumed = sum(part.homes for part in done.values())
    return PortfolioResult(*total, resumed, unknown, checksum)


def _partition_size(output: Output, homes: int, workers: int) -> int:
    """How many homes one partition holds: each worker has several, so that none is idle long at the end."""
    most = _MOST_HOMES_PER_PARTITION["dataset" if output.file is None else "file"]
    return max(1, min(most, homes // (workers * _PARTITIONS_PER_WORKER)))


def index_piece(job: BillingJob, task: tuple[int, Piece]) -> PieceIndex | PieceFault:
    """The task that finds the homes of one piece, or why it cannot be billed."""
    number, piece = task
    try:
        return job.portfolio.source.index(number, piece, job.portfolio.settings)
    except PortfolioError as error:
        return PieceFault(number, str(error))


class PartitionTask(NamedTuple):
    """A partition, and the run for which it is billed."""

    run: str
    partition: Partition

    def __str__(self) -> str:
        return str(self.partition)


def bill_partition(job: BillingJob, task: PartitionTask) -> tuple[FinishedPart, float]:
    """The task that bills one partition and stores its rows, and how many seconds it took.

    Raises:
        PortfolioError: when the output is another run's by now.
    """
    start, partition = time.perf_counter(), task.partition
    homes, parts = 0, list[HomeRows]()
    for some in costed_together(_homes_of(job, partition)):
        homes += len(some)
        parts.append(bill_batch(some, job.portfolio.terms))
    rows = joined(parts)
    part = FinishedPart(partition.number, homes, rows.failed(), len(rows))
    if job.output.run() != task.run:  # A cluster ends tasks of a run that was stopped.
        raise PortfolioError(f"{job.output.shown} is not this run's any more")
    job.output.write(part, job.results.part(rows))
    return part, time.perf_counter() - start


def _homes_of(job: BillingJob, partition: Partition) -> Iterator[MeteredHome]:
    """The homes of a partition, batch by batch."""
    for piece, batch in partition.work:
        measured = job.portfolio.source.read(piece, batch, job.portfolio.settings)
        yield from _each_once(measured, piece, partition)


def costed_together(homes: Iterable[MeteredHome]) -> Iterator[Sequence[MeteredHome]]:
    """Homes in batches, whatever those were in which they were read: larger ones are costed faster."""
    some: list[MeteredHome] = []
    room = _MOST_STEPS_TOGETHER
    for home in homes:
        size = _steps_of(home.measured)
        if some and (len(some) == _MOST_HOMES_TOGETHER or size > room):
            yield some
            some, room = [], _MOST_STEPS_TOGETHER
        some.append(home)
        room -= size
    if some:
        yield some


def _steps_of(measured: bytes | LoadCurve | Unreadable) -> int:
    """How many steps a home has; of a file, what takes as much memory."""
    if isinstance(measured, LoadCurve):
        return len(measured.starts_min)
    return len(measured) // _BYTES_PER_STEP if isinstance(measured, bytes) else 0


def _each_once(homes: Iterable[MeteredHome], piece: Piece, partition: Partition) -> Iterator[MeteredHome]:
    """The homes of a piece, without those that an earlier piece has; the first place says why they fail."""
    for home in homes:
        first = partition.again.get(home_hash(home.home)) if partition.again else None
        if first is None:
            yield home
        elif first == piece.name:
            yield home._replace(measured=Unreadable(_IN_SEVERAL_PIECES))


def _indexes(runner: Runner, pieces: Sequence[Piece]) -> Sequence[PieceIndex]:
    """The index of every piece, in the order of the pieces.

    Raises:
        PortfolioError: naming the pieces that cannot be billed.
    """
    found = [result.value for result in runner.run(index_piece, enumerate(pieces))]
    faults = sorted(one for one in found if isinstance(one, PieceFault))
    if faults:
        more = len(faults) - _MOST_FAULTS
        reasons = [one.reason for one in faults[:_MOST_FAULTS]]
        raise PortfolioError("; ".join([*reasons, f"and {more} more"] if more > 0 else reasons))
    return sorted((one for one in found if isinstance(one, PieceIndex)), key=lambda index: index.number)


def _count(
    done: Iterable[FinishedPart],
    coming: Iterable[TaskResult[tuple[FinishedPart, float]]],
    homes: int,
    report: ReportProgress,
) -> tuple[int, int, int]:
    """Homes, failed homes and rows of all parts, reported at every part."""
    total = [sum(numbers) for numbers in zip((0, 0, 0), *(part[1:] for part in done), strict=True)]
    report(total[0], homes, total[1], None)
    for (part, seconds), worker, attempts in coming:
        total = [before + more for before, more in zip(total, part[1:], strict=True)]
        report(total[0], homes, total[1], PartitionRecord(*part, seconds, worker, attempts))
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
        "file_options": asdict(terms.file_options),
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
    "file_options": "other stamps, units or directions of files",
}


def _conditions_to_resume(output: Output, *, resume: bool) -> dict[str, Any] | None:
    """The conditions to go on with, None when there is nothing to go on from."""
    earlier = output.conditions()
    if earlier is not None and not resume:
        homes = sum(part.homes for part in output.done().values())
        raise PortfolioError(
            f"{homes} homes of an unfinished run lie in {output.folder}: "
            "add --resume to go on from them, or delete that folder to start again"
        )
    return earlier


def _terms_to_resume(output: Output, earlier: Mapping[str, Any], terms: PortfolioTerms) -> PortfolioTerms:
    """The terms with the earlier run's day for today, and its market where prices and days are the same.

    A new look at a price makes no other market, but is written in the rows.
    """
    terms = replace(terms, today=date.fromisoformat(earlier["today"]))
    market = output.market() if earlier["market"] == terms.market.edition else None
    if market is None:
        return terms
    return replace(terms, market=decode_market(market, f"{MARKET} in {output.folder}"))


def _refuse_other_conditions(
    output: Output, earlier: Mapping[str, Any], conditions: Mapping[str, Any]
) -> None:
    """Refuses to go on from parts of other homes or on other terms.

    Raises:
        PortfolioError: naming what differs.
    """
    others = {key: words for key, words in _WORDS.items() if earlier.get(key) != conditions[key]}
    if others:
        market = f" (--market {output.folder}/{MARKET} has its tariffs)" if "market" in others else ""
        raise PortfolioError(
            f"the unfinished run in {output.folder} was of {', '.join(others.values())}: "
            f"ask the same again{market}, or delete that folder to start again"
        )
