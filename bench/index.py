"""Seconds and memory that the process that starts a run needs for its index of many homes.

Run it from the repository's root: `python -m bench.index --homes 37000000`. The hashes are made up; what is
done with them is what a run does: find homes that lie in two pieces, count them, cut partitions.
"""

import argparse
import resource
import time

import numpy as np

from openwatt.portfolio.sources.source import Batch, Piece, PieceIndex, count_homes, partitions_of

_HOMES_PER_PIECE = 10_000
_HOMES_PER_BATCH = 59
_HOMES_PER_PARTITION = 1024


def main() -> None:
    """Assert that the index is right, then print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=1_000_000)
    homes = parser.parse_args().homes
    before = peak_mb()
    indexes = [piece_index(number, homes) for number in range(-(-homes // _HOMES_PER_PIECE))]
    pieces = [Piece(f"part-{index.number:05}.parquet", "1") for index in indexes]
    held, start = peak_mb(), time.process_time()
    found = count_homes(indexes)
    partitions = partitions_of(pieces, indexes, _HOMES_PER_PARTITION)
    core_s = time.process_time() - start
    assert homes * 0.999 < found <= homes
    assert sum(batch.homes for partition in partitions for _, batch in partition.work) == homes
    print(f"{homes:,} homes in {len(pieces):,} pieces, {len(partitions):,} partitions: {core_s:.1f} core s")
    print(f"  {before:,.0f} MB before, {held:,.0f} MB with all indexes, {peak_mb():,.0f} MB at most")


def piece_index(number: int, homes: int) -> PieceIndex:
    """The index of a piece, with hashes that are made up."""
    size = min(_HOMES_PER_PIECE, homes - number * _HOMES_PER_PIECE)
    hashes = np.random.default_rng(number).integers(0, 2**64, size, dtype=np.uint64)
    firsts = range(0, size, _HOMES_PER_BATCH)
    batches = [Batch(min(_HOMES_PER_BATCH, size - first), (first, first)) for first in firsts]
    return PieceIndex(number, batches, hashes, "", 0)


def peak_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
