"""A source says where homes come from, in pieces that any process can index and read.

A piece is cut into batches, which the kernel costs at once; a partition is a run of
batches that one task bills and writes as one file.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from openwatt.portfolio.billing.kernel import HomeSetting, MeteredHome

#: What one batch may hold: 2^20 steps are sixty homes of a year at 30 minutes.
MOST_HOMES_PER_BATCH = 64
MOST_STEPS_PER_BATCH = 1 << 20
#: A small source is cut into so many batches at least, so that every process has some.
_FEWEST_BATCHES = 64

#: One 64-bit hash a home.
Hashes = npt.NDArray[np.uint64]


class Piece(NamedTuple):
    """A part of a source that one process can index alone: a Parquet file, or a whole folder of meter files.

    `version` changes when the piece does, as far as a listing shows it.
    """

    name: str
    version: str

    def __repr__(self) -> str:
        """Without the name, which may be a home's."""
        return "<piece>"


class Batch(NamedTuple):
    """Some homes of one piece; `place` says to their source where they lie."""

    homes: int
    place: Any

    def __repr__(self) -> str:
        """Without the place, which may name homes."""
        return f"<batch of {self.homes} homes>"


class PieceIndex(NamedTuple):
    """The homes of a piece: its batches, the hash of each home's name, and what changes when a home does.

    `settings` counts the homes that the file of settings names.
    """

    number: int
    batches: Sequence[Batch]
    hashes: Hashes
    fingerprint: str
    settings: int

    def __repr__(self) -> str:
        """Without its batches."""
        return f"<index of piece {self.number}>"


class PieceFault(NamedTuple):
    """Why a piece cannot be billed; it is a result, for what a task raises is logged where it runs."""

    number: int
    reason: str

    def __repr__(self) -> str:
        """Without the reason, which names the file."""
        return f"<fault of piece {self.number}>"


@dataclass(frozen=True, slots=True, repr=False)
class HomeSettings:
    """What the meters are set to: `by_home` says what differs from the `default`."""

    default: HomeSetting
    by_home: Mapping[str, HomeSetting]

    def of(self, home: str) -> HomeSetting:
        """The setting of one home."""
        return self.by_home.get(home, self.default)

    def count(self, homes: Iterable[str]) -> int:
        """How many of some homes are named."""
        return sum(home in self.by_home for home in homes) if self.by_home else 0

    @property
    def sha256(self) -> str:
        """What changes when a setting does."""
        return hashlib.sha256(repr((self.default, sorted(self.by_home.items()))).encode()).hexdigest()


class HomeSource(Protocol):
    """Where homes come from; it goes to other processes, so it is small and holds no open file."""

    def pieces(self) -> Sequence[Piece]:
        """Every piece, in an order that a second look gives again; nothing of a home is read.

        Raises:
            PortfolioError: when there is nothing to read.
        """

    def has_powers(self) -> bool:
        """Whether the source itself says the subscribed power of its homes."""

    def index(self, number: int, piece: Piece, settings: HomeSettings) -> PieceIndex:
        """The homes of the piece of this number, in their order.

        Raises:
            PortfolioError: when it cannot be read, or is of another form.
        """

    def read(self, piece: Piece, batch: Batch, settings: HomeSettings) -> Iterator[MeteredHome]:
        """The homes of one batch; what is wrong with one is said in the place of its measurements."""


@dataclass(frozen=True, slots=True, repr=False)
class Partition:
    """A run of batches that one task bills; `again` are the homes, by hash, that lie in several pieces.

    Such a home has one row, its reason, where its first piece stands, whose name `again` gives.
    """

    number: int
    work: Sequence[tuple[Piece, Batch]]
    again: Mapping[int, str]

    def __repr__(self) -> str:
        """Its number: what it holds names homes."""
        return f"<partition {self.number}>"

    def __str__(self) -> str:
        """Its number, and its piece where that has a name."""
        piece = self.work[0][0].name
        return f"partition {self.number}" + (f" of {piece}" if piece else "")


def batch_size(homes: int) -> int:
    """How many homes one batch of so many holds."""
    return max(1, min(MOST_HOMES_PER_BATCH, homes // _FEWEST_BATCHES))


def home_hash(home: str) -> int:
    """The 64-bit hash of a home's name; of 37 million homes, two have one in common once in 27,000 runs."""
    return int.from_bytes(hashlib.blake2b(home.encode(), digest_size=8).digest(), "little")


def hashes_of(homes: Iterable[str]) -> Hashes:
    """The hashes of some homes' names."""
    return np.fromiter((home_hash(home) for home in homes), dtype=np.uint64)


def count_homes(indexes: Sequence[PieceIndex]) -> int:
    """How many homes there are, those of several pieces once."""
    every = _sorted_hashes(indexes)
    return len(every) - int(np.count_nonzero(every[1:] == every[:-1]))


def _sorted_hashes(indexes: Sequence[PieceIndex]) -> Hashes:
    """The hash of every home of every piece, sorted: of 37 million, `np.unique` takes ten times as long."""
    every: Hashes = np.concatenate([index.hashes for index in indexes])
    every.sort()
    return every


def partitions_of(pieces: Sequence[Piece], indexes: Sequence[PieceIndex], homes: int) -> Sequence[Partition]:
    """The partitions of a source, of at most so many homes each unless one batch alone holds more."""
    first_piece = _in_several_pieces(pieces, indexes)
    partitions: list[Partition] = []
    work: list[tuple[Piece, Batch]] = []
    again: dict[int, str] = {}
    held = 0
    for piece, index in zip(pieces, indexes, strict=True):
        end = 0
        for batch in index.batches:
            if work and held + batch.homes > homes:
                partitions.append(Partition(len(partitions), work, again))
                work, again, held = [], {}, 0
            start, end = end, end + batch.homes
            work.append((piece, batch))
            held += batch.homes
            if first_piece:
                several = set(index.hashes[start:end].tolist()) & first_piece.keys()
                again |= {hashed: first_piece[hashed] for hashed in several}
    return [*partitions, Partition(len(partitions), work, again)] if work else partitions


def _in_several_pieces(pieces: Sequence[Piece], indexes: Sequence[PieceIndex]) -> Mapping[int, str]:
    """The name of the first piece of each home that lies in several, by the home's hash."""
    if len(indexes) < 2:
        return {}
    every = _sorted_hashes(indexes)
    several = np.unique(every[1:][every[1:] == every[:-1]])
    first: dict[int, str] = {}
    for piece, index in zip(pieces, indexes, strict=True):
        for hashed in np.intersect1d(index.hashes, several).tolist() if len(several) else ():
            first.setdefault(hashed, piece.name)
    return first
