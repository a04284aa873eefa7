"""Costs one year of half hours under 300 contracts, then 1,000 homes, beside a plain loop and NREL-PySAM.

Run it from the repository's root: `python -m bench.bills [--pysam PYTHON]`, where PYTHON is the interpreter
of an environment of its own that has NREL-PySAM. Pairs run in turn; only their ratios are worth keeping.
"""

import argparse
import datetime as dt
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from openwatt.catalogue.market import calendar_of, shipped_colours, shipped_market
from openwatt.domain.bill import make_bill
from openwatt.domain.calendar import Home, Timeline, lay_out
from openwatt.domain.contract import Contract, DutyDays, PricePeriod, price_periods
from openwatt.domain.errors import BillError
from openwatt.domain.homes import totals_of_homes
from openwatt.domain.legal_time import PARIS, Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import HourRange, parse_off_peak_hours
from openwatt.domain.price_matrix import PriceMatrix, price_matrix
from openwatt.domain.profiles import profile_curve
from openwatt.domain.usage import measure

YEAR = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))
TODAY = dt.date(2026, 9, 30)
NIGHT = parse_off_peak_hours("22:00-06:00")
HOME = Home((NIGHT,), colours=shipped_colours())
CONTRACTS, HOMES = 300, 1000
BUDGET_ONE_HOME_MS, BUDGET_MANY_HOMES_MS = 5, 200

Group = list[tuple[Contract, tuple[PricePeriod, ...]]]


def main() -> None:
    """Assert that the ways agree, then measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pysam", type=Path, help="an interpreter that has NREL-PySAM")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    curve = profile_curve("night_heater", 7000, YEAR, (NIGHT,))
    groups = priced_groups()
    matrices = [price_matrix(group, calendar_of(group[0][0]).registers) for group in groups]
    ready = lay(groups)

    def from_ready() -> list[tuple[Fraction, ...]]:
        return [m.totals(measure(curve, t, YEAR)) for m, t in zip(matrices, ready, strict=True)]

    def totals() -> list[tuple[Fraction, ...]]:
        return [m.totals(measure(curve, t, YEAR)) for m, t in zip(matrices, lay(groups), strict=True)]

    prices = prices_of_one(groups, curve)
    ours, loop = in_turn(totals, lambda: plain_loop(curve, prices, NIGHT.ranges[0]), options.rounds)
    laid, _ = in_turn(from_ready, lambda: None, options.rounds)
    print(f"one year of {len(curve.starts_min):,} half hours, {CONTRACTS} contracts, {len(groups)} calendars")
    tell("exact totals, calendars laid out each time", ours, f"budget {BUDGET_ONE_HOME_MS} ms")
    tell("exact totals, calendars ready", laid)
    tell("plain loop, one contract", loop, f"{CONTRACTS} cost {loop * CONTRACTS / ours:,.0f} x ours")
    if options.pysam:
        other = pysam_ms(options.pysam, curve, prices)
        tell(
            "PySAM utilityrate5, one contract",
            other,
            f"{CONTRACTS} cost {other * CONTRACTS / ours:,.0f} x ours",
        )
    else:
        print("  PySAM utilityrate5: not measured, --pysam names no interpreter")
    many = many_homes_ms(curve, list(zip(ready, matrices, strict=True)))
    print(f"{HOMES:,} homes, {CONTRACTS} contracts")
    tell("exact totals, calendars ready", many, f"budget {BUDGET_MANY_HOMES_MS} ms")


def tell(what: str, ms: float, beside: str = "") -> None:
    """One line of the result."""
    print(f"  {what:<44}{ms:8.2f} ms  {beside}")


def priced_groups() -> list[Group]:
    """300 contracts of the shipped catalogue, gathered by calendar, at the prices of one day."""
    market = shipped_market()
    duties = DutyDays(market.duties)
    groups: dict[str, Group] = {}
    # Tempo first: of the many contracts, few are of it.
    for contract in sorted(market.contracts, key=lambda one: (one.option != "TEMPO", one.key)):
        try:
            periods = price_periods(contract, YEAR, duties, "now", TODAY)
        except BillError:
            continue
        if sum(map(len, groups.values())) < CONTRACTS:
            groups.setdefault(contract.option, []).append((contract, periods))
    assert sum(map(len, groups.values())) == CONTRACTS
    return list(groups.values())


def lay(groups: list[Group]) -> list[Timeline]:
    """The year's timeline of each group's calendar."""
    return [lay_out(calendar_of(group[0][0]), HOME, YEAR.start_min, YEAR.end_min) for group in groups]


def prices_of_one(groups: list[Group], curve: LoadCurve) -> dict[str, float]:
    """The prices of one HPHC contract, for which the loop and the bill are first held to agree."""
    contract, periods = next(group[0] for group in groups if group[0][0].option == "HPHC")
    prices = {register: float(price) for register, price in (periods[0].prices_ttc or {}).items()}
    usage = measure(curve, lay_out(calendar_of(contract), HOME, YEAR.start_min, YEAR.end_min), YEAR)
    exact = sum(line.amount_ttc or 0 for line in make_bill(contract, usage, periods).energy_lines)
    assert abs(float(exact) - plain_loop(curve, prices, NIGHT.ranges[0])) < 1e-6
    return prices


def plain_loop(curve: LoadCurve, prices: dict[str, float], night: HourRange) -> float:
    """The energy of one HPHC contract as one would first write it: a loop over the half hours."""
    total = 0.0
    for start, energy in zip(curve.starts_min.tolist(), curve.energies.tolist(), strict=True):
        clock = dt.datetime.fromtimestamp(start * 60, tz=PARIS)
        register = "HC" if clock.hour * 60 + clock.minute in night else "HP"
        total += energy / 60_000 * prices[register]
    return total


def pysam_ms(interpreter: Path, curve: LoadCurve, prices: dict[str, float]) -> float:
    """Milliseconds that PySAM takes for one contract, its process started and its inputs set beforehand."""
    kw = (curve.energies / curve.steps_min / 1000).tolist()
    script = Path(__file__).with_name("pysam_bill.py")
    asked = json.dumps({"kw": kw, "prices": prices})
    run = subprocess.run([interpreter, script], input=asked, capture_output=True, text=True, check=True)
    return float(json.loads(run.stdout.splitlines()[-1])["ms"])


def many_homes_ms(grid: LoadCurve, priced: list[tuple[Timeline, PriceMatrix]]) -> float:
    """Milliseconds for 1,000 homes, the first of which is held to the totals of one home."""
    energies = np.random.default_rng(1).integers(
        0, 6000 * 30, size=(HOMES, len(grid.starts_min)), dtype=np.int64
    )
    first = LoadCurve(grid.starts_min.copy(), grid.steps_min.copy(), energies[0].copy())
    for found, (timeline, matrix) in zip(totals_of_homes(grid, energies[:1], priced), priced, strict=True):
        exact = matrix.totals(measure(first, timeline, YEAR))
        assert [int(total) for total in found[0]] == [total * matrix.denominator for total in exact]
    return in_turn(lambda: totals_of_homes(grid, energies, priced), lambda: None, 5)[0]


def in_turn(one: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Medians in ms of two calls that run in turn, after one of each that does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for call, kept in zip((one, other), times, strict=True):
            start = time.perf_counter()
            call()
            if number:
                kept.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
