"""Files as people have them, each with its right value, which was computed without the product's code."""

import datetime as dt
from typing import NamedTuple

import pytest

from openwatt.catalogue.calendars import calendar_for
from openwatt.domain.calendar import Home
from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.usage import register_totals
from openwatt.meter.indexes import read_indexes
from openwatt.meter.read import read_load_curve
from openwatt.meter.refusals import reason_of
from openwatt.sentences.catalogue import CODES, sentence
from tests.shared_data import SHARED, needs_shared_data

pytestmark = needs_shared_data
NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
FILES = SHARED / "meter_files"
NIGHT = (parse_off_peak_hours("22:00-06:00"),)


def read(name: str) -> LoadCurve:
    return read_load_curve((FILES / name).read_bytes(), NOW)


class Right(NamedTuple):
    """What a file holds, in Wh; of which HP and HC at 22:00-06:00; and the keys of what is said of it."""

    wh: float
    hp: float | None = None
    hc: float | None = None
    said: tuple[str, ...] = ()


LEFT_OUT = ("finding.left_out_file",) * 4
RIGHT = {
    "01-enedis-account.xlsx": Right(46_200, 24_000, 22_200),
    "14-enedis-account-spring.xlsx": Right(3_419),
    "03-enedis-r63.csv": Right(47_550, 24_000, 23_550),
    "03b-enedis-r63-cons-prod.csv": Right(47_550, 24_000, 23_550, ("finding.production",)),
    "04-table-semicolon.csv": Right(47_550, 24_000, 23_550),
    "04b-table-ends-2330.csv": Right(46_200, 24_000, 22_200),
    "05-table-comma-quoted.csv": Right(47_550, 24_000, 23_550),
    "06-sheet-saved-as-csv.csv": Right(47_550, 24_000, 23_550),
    "07-enedis-resaved-commas.csv": Right(47_550, 24_000, 23_550),
    "08-enedis-resaved-excel.csv": Right(47_550, 24_000, 23_550),
    "09-console-script-2026.csv": Right(47_550, 24_000, 23_550),
    "09b-horodate-valeur.csv": Right(47_550, 24_000, 23_550),
    "10-edf-account.zip": Right(47_550, 24_000, 23_550, LEFT_OUT),
    "12-enedis-30-15.csv": Right(15_347.5, 10_240, 5_107.5, ("finding.mixed_step",)),
    "20-solar-consumption.csv": Right(63_000),
    "20c-conso-api-production.json": Right(59_400, said=("finding.assumed_consumption",)),
    "20d-net-power-no-header.csv": Right(27_000, said=("finding.assumed_bare", "finding.negative")),
    "21-ha-energy.csv": Right(20_160, said=("finding.left_out_meters",)),
    "22-curve.csv": Right(64_800),
}
#: Files that are no load curve: what each is, and what to bring instead.
REFUSED = {
    "02-enedis-account-daily.xlsx": ("refused.daily", "bring.enedis"),
    "10b-edf-ma-conso-quotidienne.csv": ("refused.daily", "bring.edf"),
    "10c-edf-mes-index-elec.csv": ("refused.index", "bring.edf"),
    "11-mint-months.csv": ("refused.monthly", "bring.registers"),
    "21b-ha-history.csv": ("refused.sensor", "bring.enedis"),
    "21c-shelly.csv": ("refused.shelly", "bring.enedis"),
    "21d-evcc-sessions.csv": ("refused.sessions", "bring.enedis"),
    "22b-indexes.csv": ("refused.index", "bring.enedis"),
}


def test_every_file_has_its_case() -> None:
    names = {path.name for path in FILES.iterdir()} - {"README.md"}
    assert len(names) == 27
    assert names == {*RIGHT, *REFUSED}


@pytest.mark.parametrize("name", RIGHT)
def test_a_file_gives_the_right_energy_and_says_what_was_decided(name: str) -> None:
    curve, right = read(name), RIGHT[name]
    assert curve.energy == right.wh * 60
    assert tuple(one.message.key for one in curve.findings) == right.said
    if right.hp is not None and right.hc is not None:
        totals = register_totals(curve, calendar_for("HPHC"), Home(NIGHT), curve.start_min, curve.end_min)
        found = (totals.wh["HP"], totals.wh["HC"])
        assert found == pytest.approx((right.hp, right.hc), abs=0.5)  # an index shows whole Wh


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_load_curve_is_named_with_what_to_bring_instead(name: str) -> None:
    with pytest.raises(MeterFileError) as refusal:
        read(name)
    what, bring = REFUSED[name]
    assert reason_of(refusal.value).key == what
    assert refusal.value.message.values["bring"].key == bring  # type: ignore[union-attr]  # a message
    assert len({sentence(refusal.value, code) for code in CODES}) == len(CODES)
    assert "0011223344" not in sentence(refusal.value)


def test_a_file_that_ends_at_2330_loses_half_an_hour_and_not_a_day() -> None:
    for name in ("01-enedis-account.xlsx", "04b-table-ends-2330.csv"):
        curve = read(name)
        span = curve.span()
        assert (span.start, span.days) == (dt.date(2025, 11, 10), 3)
        coverage = curve.coverage(span.start_min, span.end_min)
        assert coverage.expected_half_hours - coverage.present_half_hours == 1
        assert curve.cut_days(span) is None


def test_the_spring_day_has_46_half_hours_and_all_are_there() -> None:
    curve = read("14-enedis-account-spring.xlsx")
    span = curve.span()
    assert span.days == 1
    assert curve.coverage(span.start_min, span.end_min).is_complete


def test_exported_half_hours_are_measured_as_0() -> None:
    curve = read("20d-net-power-no-header.csv")
    assert curve.coverage(curve.start_min, curve.end_min).is_complete
    assert (curve.energies == 0).sum() == 54


def test_off_peak_hours_that_cut_half_hours_agree_with_the_indexes_to_the_wh() -> None:
    home = Home((parse_off_peak_hours("02:26-07:56;12:56-15:26"),))
    curve, shown = read("22-curve.csv"), read_indexes((FILES / "22b-indexes.csv").read_bytes())
    totals = register_totals(curve, calendar_for("HPHC"), home, curve.start_min, curve.end_min)
    assert totals.wh == dict(shown.used_wh) == {"HP": 3 * 14_400, "HC": 3 * 7_200}
