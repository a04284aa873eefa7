"""Whole days of 46, 48 and 50 half hours in forms that say legal time without its offset."""

import datetime as dt
import io
import json
from collections.abc import Callable
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from openwatt.domain.legal_time import Span
from openwatt.meter.read import read_load_curve

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PARIS = ZoneInfo("Europe/Paris")
DAYS = {dt.date(2025, 3, 30): 46, dt.date(2025, 7, 1): 48, dt.date(2025, 10, 26): 50}
Steps = list[tuple[str, str]]


def steps_of(day: dt.date) -> Steps:
    """The legal time at which each half hour of a day starts and ends, as makers print it."""
    at = dt.datetime.combine(day, dt.time(), PARIS).astimezone(dt.UTC)
    steps = []
    while at.astimezone(PARIS).date() == day:
        following = at + dt.timedelta(minutes=30)
        steps.append(tuple(f"{one.astimezone(PARIS):%Y-%m-%dT%H:%M:%S}" for one in (at, following)))
        at = following
    return [(start, end) for start, end in steps]


def sheet(steps: Steps) -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["Date début", "Date fin", "Valeur (kW)"])
    for step in steps:
        start, end = (f"{dt.datetime.fromisoformat(one):%d/%m/%Y %H:%M:%S}" for one in step)
        page.append([start, end, "0,24"])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def edf(steps: Steps) -> bytes:
    rows = [f"{end[11:]};240;Réelle" for _, end in reversed(steps)]
    day = dt.date.fromisoformat(steps[0][0][:10])
    return "\n".join([f"{day:%d/%m/%Y};;", *rows]).encode("latin-1")


FORMS: dict[str, Callable[[Steps], bytes]] = {
    "XLSX": sheet,
    "EDF": edf,
    "interface": lambda steps: json.dumps(
        {"interval_reading": [{"value": "240", "date": end.replace("T", " ")} for _, end in steps]}
    ).encode(),
    "page": lambda steps: json.dumps(
        [{"dateDebut": start, "dateFin": end, "valeur": "0.12"} for start, end in steps]
    ).encode(),
    "script": lambda steps: "\n".join(["debut;kW", *(f'{start};"0,24"' for start, _ in steps)]).encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("day", DAYS, ids=str)
def test_a_day_of_a_clock_change_is_read_whole(form: str, day: dt.date) -> None:
    steps = steps_of(day)
    assert len(steps) == DAYS[day]
    curve = read_load_curve(FORMS[form](steps), NOW)
    span = Span(day, day + dt.timedelta(days=1))
    assert (curve.start_min, curve.end_min) == (span.start_min, span.end_min)
    assert curve.coverage(span.start_min, span.end_min).is_complete
    assert set(curve.steps_min.tolist()) == {30}
    assert curve.energy == DAYS[day] * 240 * 30
    assert [one.kind for one in curve.findings] == (["assumed"] if form == "interface" else [])
