"""No upload costs a worker more than its budget, whatever is in it; honest files stand beside."""

import datetime as dt
import io
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from openwatt.domain.errors import MeterFileError
from openwatt.meter.sandbox import Cost, MeterSandbox
from openwatt.sentences.catalogue import sentence
from tests.meter.bombs import CELLS, Upload, uploads, workbook
from tests.meter.test_makers import NOW

MB = 1024 * 1024
#: What the process of one file may hold; 400 MB are those of a worker with all that it has started.
MOST_BYTES = 260 * MB
MOST_CPU_SECONDS = 5.0

_sandbox = MeterSandbox()
_seen: list[tuple[Cost, str]] = []


@pytest.fixture(scope="module", autouse=True)
def _end_of_the_sandbox() -> Iterator[None]:
    yield
    _sandbox.close()
    worst = sorted(_seen, reverse=True)[:10] + sorted(_seen, key=lambda one: -one[0].peak_bytes)[:10]
    for cost, name in dict.fromkeys(worst):
        sys.stdout.write(f"{cost.cpu_seconds:6.2f} s {cost.peak_bytes / MB:6.0f} MB  {name}\n")


def cost_of(upload: Upload) -> tuple[Cost, str]:
    """What reading a file has cost, and what came of it."""
    costs: list[Cost] = []
    try:
        outcome = f"{len(_sandbox.read_load_curve(upload.data, NOW, on_cost=costs.append).starts_min):,} rows"
    except MeterFileError as refusal:
        outcome = sentence(refusal)
    assert costs, f"{upload} ended its process: {outcome}"
    _seen.append((costs[0], f"{upload} → {outcome[:60]}"))
    return costs[0], outcome


def within_budget(upload: Upload) -> None:
    cost, outcome = cost_of(upload)
    assert cost.cpu_seconds < MOST_CPU_SECONDS, (upload, cost, outcome)
    assert cost.peak_bytes < MOST_BYTES, (upload, cost, outcome)
    assert len(outcome) <= 500, upload


#: An upload names itself; hypothesis would like to repeat the pieces that it was drawn from as well.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
unhurried = settings(deadline=None, suppress_health_check=[*HealthCheck])


@settings(unhurried, max_examples=25)
@given(uploads)
def test_no_upload_costs_more_than_its_budget(upload: Upload) -> None:
    within_budget(upload)


@pytest.mark.slow
@settings(unhurried, max_examples=400)
@given(uploads)
def test_no_upload_costs_more_than_its_budget_in_the_long_form(upload: Upload) -> None:
    within_budget(upload)


def ten_years() -> bytes:
    """Ten years of a home at 10 minutes."""
    start, out = dt.datetime(2014, 1, 1), io.StringIO()  # noqa: DTZ001 (legal time)
    for step in range(525_600):
        out.write(f"{start + dt.timedelta(minutes=10 * step):%Y-%m-%dT%H:%M};{step % 999}\n")
    return out.getvalue().encode()


def test_ten_years_at_ten_minutes_are_read_within_the_same_budget() -> None:
    upload = Upload("ten years", ten_years())
    cost, outcome = cost_of(upload)
    assert outcome.endswith(" rows")
    assert cost.cpu_seconds < MOST_CPU_SECONDS
    assert cost.peak_bytes < 200 * MB


@pytest.mark.parametrize(
    ("sheet", "bound"),
    [
        (CELLS[0] * 900_000, "values or elements"),
        ('<row><c r="XFD1"><v>1</v></c></row>' * 12_000, "columns"),
        ('<row><c r="IV1"><v>1</v></c></row>' * 30_000, "cells"),
    ],
)
def test_a_sheet_of_62_kb_is_refused_before_its_cells_are_built(sheet: str, bound: str) -> None:
    upload = Upload(bound, workbook(sheet.encode()))
    assert len(upload.data) < 300_000
    cost, outcome = cost_of(upload)
    assert bound in outcome
    assert "bring" in outcome
    assert cost.peak_bytes < 150 * MB
