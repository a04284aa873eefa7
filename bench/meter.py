"""Milliseconds of processor time from a meter's file to its curve and bills: columns beside cell by cell."""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from bench.portfolio import ASKED, NOW, SETTING, export_of, home_of, workbook_of
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import ComparisonTerms, compare
from openwatt.domain.legal_time import Minutes
from openwatt.domain.usage import use_of_curve
from openwatt.meter import columns, sheets
from openwatt.meter.columns import Mask, RegularStamps, Spans
from openwatt.meter.read import read_load_curve

BUDGET_MS = 12
HOME = Home(SETTING.off_peak_hours, colours=shipped_colours())
_MARKET = shipped_market()
AT_POWER = replace(
    _MARKET, contracts=[one for one in _MARKET.contracts if one.power_kva == SETTING.power_kva]
)


def main() -> None:
    """Assert that the ways agree, then measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    curve = home_of(1)
    files = {"the operator's CSV": export_of(curve), "the account's XLSX": workbook_of(curve)}
    print(f"a year of {len(curve.starts_min):,} half hours, processor time, medians of {rounds}")
    for name, data in files.items():
        assert read_load_curve(data, NOW).energies.tolist() == curve.energies.tolist()
        with cell_by_cell():
            assert read_load_curve(data, NOW).energies.tolist() == curve.energies.tolist()
        ours, plain = in_turn(data, rounds)
        print(f"  {name:<22} by column {ours:7.2f} ms   cell by cell {plain:7.2f} ms   {plain / ours:5.1f} x")
    bills = statistics.median(ms(lambda: to_bills(files["the operator's CSV"])) for _ in range(rounds))
    print(f"  CSV to ranked bills    {bills:17.2f} ms   budget {BUDGET_MS} ms")


def to_bills(data: bytes) -> int:
    """The file of one home to the ranking of every contract of its power, as the service does it."""
    curve = read_load_curve(data, NOW)
    span = curve.span()
    use = use_of_curve(curve, HOME, span)
    terms = ComparisonTerms(span=span, prices="now", today=ASKED.today)
    return len(compare(use, AT_POWER, terms).costed)


def in_turn(data: bytes, rounds: int) -> tuple[float, float]:
    """Medians of both ways, measured in turn."""
    ours, plain = [], []
    for _ in range(rounds):
        ours.append(ms(lambda: read_load_curve(data, NOW)))
        with cell_by_cell():
            plain.append(ms(lambda: read_load_curve(data, NOW)))
    return statistics.median(ours), statistics.median(plain)


def ms(call: Callable[[], object]) -> float:
    """What a call takes of the processor."""
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1000


@contextmanager
def cell_by_cell() -> Iterator[None]:
    """Nothing is regular: every cell is read by itself, and every event of a sheet by a call."""
    before = columns.regular_stamps, columns.regular_numbers, sheets.LARGEST_PLAIN

    def no_stamps(spans: Spans) -> RegularStamps:
        none = np.zeros(len(spans.begin), dtype=np.bool_)
        return RegularStamps(np.zeros(len(none), dtype=np.int64), none.copy(), none.copy())

    def no_numbers(spans: Spans, milli_per_unit: int) -> tuple[Minutes, Mask]:
        assert milli_per_unit
        return np.zeros(len(spans.begin), dtype=np.int64), np.zeros(len(spans.begin), dtype=np.bool_)

    columns.regular_stamps, columns.regular_numbers, sheets.LARGEST_PLAIN = no_stamps, no_numbers, -1
    try:
        yield
    finally:
        columns.regular_stamps, columns.regular_numbers, sheets.LARGEST_PLAIN = before


if __name__ == "__main__":
    main()
