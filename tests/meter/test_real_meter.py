"""A real Tempo meter: its half-hourly curve against its own six registers."""

import csv
import datetime as dt
from dataclasses import replace
from functools import cache

import pytest

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import shipped_colours
from openwatt.domain.calendar import Home, lay_out
from openwatt.domain.errors import LoadCurveError
from openwatt.domain.legal_time import day_start_min
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.reconciliation import Indexes, reconcile
from openwatt.domain.usage import energies_by_register
from openwatt.meter.indexes import read_indexes
from openwatt.meter.read import read_load_curve
from tests.meter.refused import refused
from tests.shared_data import SHARED, needs_shared_data

pytestmark = needs_shared_data
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOURLY = "load_curves/Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv"
DAILY = "load_curves/Enedis_Conso_Jour_20240109-20240725_1429xxxxxxxxxx.csv"
TEMPO = calendar_for("TEMPO")
#: The last line of the daily export less its first.
REGISTERS_WH = {
    "BLEU_HC": 18_508_251 - 17_424_711,
    "BLEU_HP": 2_122_932 - 710_732,
    "BLANC_HC": 408_943 - 166_440,
    "BLANC_HP": 480_660 - 174_343,
    "ROUGE_HC": 255_426 - 55_693,
    "ROUGE_HP": 316_835 - 91_908,
}


@cache
def curve() -> LoadCurve:
    return read_load_curve((SHARED / HOURLY).read_bytes(), NOW)


@cache
def indexes() -> Indexes:
    return read_indexes((SHARED / DAILY).read_bytes())


def home() -> Home:
    return Home(colours=shipped_colours())


def misplaced_wh(wrong: LoadCurve, **changes: int) -> int:
    """Wh that lie in another register than the meter's when one thing is read wrongly."""
    start, end = day_start_min(dt.date(2024, 1, 10)), day_start_min(dt.date(2024, 7, 25))
    timeline = lay_out(replace(TEMPO, **changes), home(), start, end)  # type: ignore[arg-type]  # only whole minutes
    energies = energies_by_register(wrong, timeline)
    return sum(abs(energies[register] - wh * 60) for register, wh in REGISTERS_WH.items()) // 60


def test_the_curve_is_read_whole() -> None:
    with (SHARED / HOURLY).open(encoding="utf-8-sig", newline="") as stream:
        watts = [int(row[1]) for row in list(csv.reader(stream, delimiter=";"))[3:]]
    assert len(watts) == 16_848
    assert curve().energy == sum(watts) * 30
    assert curve().findings == ()
    assert curve().coverage(curve().start_min, curve().end_min).is_complete


def test_the_curve_reproduces_the_six_registers_to_the_watt_hour() -> None:
    result = reconcile(curve(), indexes(), TEMPO, home())
    assert result.index_wh == indexes().used_wh == REGISTERS_WH
    assert sum(result.curve_wh.values()) == 3_469_220
    assert set(result.difference_wh.values()) == {0}
    assert result.agrees
    assert result.coverage.expected_half_hours == 197 * 48 - 2  # 31 March 2024 has 46


def test_every_day_agrees_and_not_only_the_whole() -> None:
    shown = indexes()
    days = len(shown.stamps_min)
    assert days == 198
    for day in range(days - 1):
        two = replace(shown, stamps_min=shown.stamps_min[day : day + 2], wh=shown.wh[day : day + 2])
        result = reconcile(curve(), two, TEMPO, home())
        # Half watt-hours are cut at each midnight: an index shows whole Wh.
        assert all(abs(difference) <= 1 for difference in result.difference_wh.values()), day


def test_a_stamp_read_as_the_start_of_its_step_misplaces_energy() -> None:
    real = curve()
    assert misplaced_wh(real) == 0
    shifted = LoadCurve(real.starts_min + 30, real.steps_min.copy(), real.energies.copy())
    assert misplaced_wh(shifted) > 78_000


def test_a_colour_that_changes_at_midnight_misplaces_66900_wh() -> None:
    assert misplaced_wh(curve(), day_starts_min=0) == 66_900


def test_the_home_s_own_off_peak_hours_are_not_tempo_s() -> None:
    own = Home((parse_off_peak_hours("22:30-06:30"),), colours=shipped_colours())
    assert reconcile(curve(), indexes(), TEMPO, own).agrees


def test_an_hourly_file_is_no_index_file_and_the_other_way_round() -> None:
    with refused("not a daily index export"):
        read_indexes((SHARED / HOURLY).read_bytes())
    with refused("holds daily indexes, not a load curve"):
        read_load_curve((SHARED / DAILY).read_bytes(), NOW)


def test_indexes_of_other_years_cannot_be_compared() -> None:
    shown = indexes()
    with pytest.raises(LoadCurveError, match="fewer than two indexes"):
        reconcile(curve(), replace(shown, stamps_min=shown.stamps_min + 525_600), TEMPO, home())


def test_damaged_indexes_are_refused_or_reported() -> None:
    text = (SHARED / DAILY).read_text("utf-8-sig")
    with refused("no header or no footer"):
        read_indexes(text.split("Periode")[0].encode())
    with refused("'17424711x' is no index in Wh"):
        read_indexes(text.replace("17424711;", "17424711x;", 1).encode())
    with refused("are those of no known option"):
        read_indexes(text.replace(";BUHC;", ";XXXX;").encode())
    fallen = read_indexes(text.replace(";2122932;", ";7;").encode())
    assert [finding.kind for finding in fallen.findings] == ["decrease"]


def test_indexes_before_a_change_of_calendar_are_left_out() -> None:
    text = (SHARED / DAILY).read_text("utf-8-sig").replace("Du 2024-01-10T00:00:00", "Du 2024-01-12T00:00:00")
    shown = read_indexes(text.encode())
    assert len(shown.stamps_min) == 196
    assert [(finding.kind, finding.count) for finding in shown.findings] == [("left_out", 2)]
