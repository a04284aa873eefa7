"""Damaged readings of the corpus that pass without a doubt: `python -m bench.mutations [EACH] [SEED]`."""

import sys
import time

from tests.ingest.corpus import SHEETS
from tests.ingest.measure import Tally, count_unseen, reason_unseen

#: Damages of each kind per sheet, and the seed, unless the command says otherwise.
EACH, SEED = 25, 1


def main() -> None:
    """Damage every sheet, print the table, and list what no rule saw."""
    each = int(sys.argv[1]) if len(sys.argv) > 1 else EACH
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    start = time.perf_counter()
    tally = Tally()
    for sheet in SHEETS:
        count_unseen(sheet, tally, seed=seed, each=each)
    print(f"{'damage':22} {'changed':>8} {'unseen':>7} {'harmless':>9}")
    for kind, changed, unseen, harmless in tally.rows():
        print(f"{kind:22} {changed:8} {unseen:7} {harmless:9}")
    share = 100 * len(tally.unseen) / tally.changed
    print(
        f"{len(tally.unseen)} of {tally.changed} unseen ({share:.2f} %), {time.perf_counter() - start:.0f} s"
    )
    for sheet, kind, says in tally.unseen:
        print(f"  {sheet}: {kind}: {says} ({reason_unseen(sheet)})")


if __name__ == "__main__":
    main()
