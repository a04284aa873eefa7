"""One home's four steps around midnight, as every maker would export them."""

import datetime as dt
import gzip
import io
import json
import zipfile
from collections.abc import Callable

import openpyxl
import pytest

from openwatt.domain.load_curve import LoadCurve
from openwatt.meter.read import read_load_curve
from openwatt.sentences.catalogue import sentence

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
START = dt.datetime(2024, 1, 31, 22, 30, tzinfo=dt.UTC)  # 23:30 in Paris
HEADER = (
    "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;Grandeur metier;"
    "Etape metier;Unite;Pas en minutes\n"
    "14290000000000;Courbe de charge;31/01/2024;01/02/2024;Energie active;Consommation;Comptage Brut;W;\n"
    "Horodate;Valeur\n"
)
#: 23:30-00:00 1800 W, 00:00-00:30 252 W, 00:30-01:00 88 W, 01:00-01:30 0 W
ENERGIES = [54_000, 7_560, 2_640, 0]
HOURLY = HEADER + (
    "2024-02-01T00:00:00+01:00;1800\n2024-02-01T00:30:00+01:00;252\n"
    "2024-02-01T01:00:00+01:00;88\n2024-02-01T01:30:00+01:00;0\n"
)


def sheet() -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["Ma consommation"])
    page.append(["Date début", "Date fin", "Valeur (kW)"])
    page.append(["31/01/2024 23:30:00", "01/02/2024 00:00:00", "1,8"])
    midnight = dt.datetime.fromisoformat("2024-02-01T00:00")  # Sheets hold times of no zone.
    page.append([midnight, midnight + dt.timedelta(minutes=30), 0.252])
    page.append(["01/02/2024 00:30:00", "01/02/2024 01:00:00", "0,088"])
    page.append(["01/02/2024 01:00:00", "01/02/2024 01:30:00", 0])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def zipped(*members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"week {number}.bin", member)
    return stream.getvalue()


SCRIPT = (
    '\ufeff"debut";"fin";"kW"\n'
    '"2024-01-31T23:30:00+01:00";"2024-02-01T00:00:00+01:00";"1,8"\n'
    '"2024-02-01T00:00:00+01:00";"2024-02-01T00:30:00+01:00";"0,252"\n'
    '"2024-02-01T00:30:00+01:00";"2024-02-01T01:00:00+01:00";"0,088"\n'
    '"2024-02-01T01:00:00+01:00";"2024-02-01T01:30:00+01:00";"0,0"\n'
)
SHEET_AS_CSV = (
    "Date début;Date fin;Valeur (kW)\n31/01/2024 23:30:00;01/02/2024 00:00:00;1,8\n"
    "01/02/2024 00:00:00;01/02/2024 00:30:00;0,252\n01/02/2024 00:30:00;01/02/2024 01:00:00;0,088\n"
    "01/02/2024 01:00:00;01/02/2024 01:30:00;0\n"
)
SCRIPT_LOCAL = (
    "debut;kW\n31/01/2024 23:30;1,8\n01/02/2024 00:00;0,252\n01/02/2024 00:30;0,088\n01/02/2024 01:00;0\n"
)
INTERFACE = {
    "meter_reading": {
        "usage_point_id": "14290000000000",
        "reading_type": {"measurement_kind": "power", "unit": "W", "aggregate": "average"},
        "interval_reading": [
            {"value": "1800", "date": "2024-02-01 00:00:00", "interval_length": "PT30M"},
            {"value": "252", "date": "2024-02-01 00:30:00", "interval_length": "PT30M"},
            {"value": "88", "date": "2024-02-01 01:00:00", "interval_length": "PT30M"},
            {"value": "0", "date": "2024-02-01 01:30:00", "interval_length": "PT30M"},
        ],
    }
}
BROWSER = [
    {"dateDebut": "2024-01-31T23:30:00", "dateFin": "2024-02-01T00:00:00", "valeur": "0.9"},
    {"dateDebut": "2024-02-01T00:00:00", "dateFin": "2024-02-01T00:30:00", "valeur": "0.126"},
    {"dateDebut": "2024-02-01T00:30:00", "dateFin": "2024-02-01T01:00:00", "valeur": "0.044"},
    {"dateDebut": "2024-02-01T01:00:00", "dateFin": "2024-02-01T01:30:00", "valeur": "0"},
]
EDF = (
    "Récapitulatif de mes puissances atteintes en W\r\n\r\n"
    "Date et heure de relève par le distributeur;Puissance atteinte (W);Nature de la donnée\r\n"
    "01/02/2024;;\r\n01:30:00;0;Réelle\r\n01:00:00;88;Réelle\r\n00:30:00;252;Réelle\r\n\r\n"
    "31/01/2024;;\r\n00:00:00;1800;Réelle\r\n"
)
BARE = (
    "2024-02-01T00:00:00+01:00;1800\r\n2024-02-01T00:30:00+01:00;252\r\n"
    "2024-02-01T01:00:00+01:00;88\r\n2024-02-01T01:30:00+01:00;0\r\n"
)

FILES: dict[str, Callable[[], bytes]] = {
    "Enedis hourly": HOURLY.encode,
    "Enedis hourly with BOM": lambda: HOURLY.encode("utf-8-sig"),
    "Enedis hourly, UTF-16": lambda: HOURLY.encode("utf-16"),
    "Enedis hourly, gzip": lambda: gzip.compress(HOURLY.encode()),
    "Enedis hourly, zip": lambda: zipped(HOURLY.encode()),
    "Enedis XLSX": sheet,
    "Enedis XLSX saved as CSV": SHEET_AS_CSV.encode,
    "Enedis XLSX in a zip": lambda: zipped(sheet()),
    "script": SCRIPT.encode,
    "script, legal time, no end": SCRIPT_LOCAL.encode,
    "Data Connect": lambda: json.dumps(INTERFACE).encode(),
    "Conso API": lambda: json.dumps(INTERFACE["meter_reading"]).encode(),
    "page": lambda: json.dumps({"data": BROWSER}).encode(),
    "EDF, latin-1": lambda: EDF.encode("latin-1"),
    "stamps with watts": BARE.encode,
    "seconds since 1970 with watts": b"1706742000;1800\n1706743800;252\n1706745600;88\n1706747400;0\n".strip,
}
#: What forms leave open, and is said to be taken for granted.
ASSUMED = {
    "Data Connect": ["finding.assumed_consumption"],
    "Conso API": ["finding.assumed_consumption"],
    "stamps with watts": ["finding.assumed_bare"],
    "seconds since 1970 with watts": ["finding.assumed_bare"],
}


def read(data: bytes) -> LoadCurve:
    return read_load_curve(data, NOW)


@pytest.mark.parametrize("form", FILES)
def test_every_maker_s_form_gives_the_same_curve(form: str) -> None:
    curve = read(FILES[form]())
    assert curve.starts_at[0].item() == START.replace(tzinfo=None)
    assert curve.steps_min.tolist() == [30, 30, 30, 30]
    assert curve.energies.tolist() == ENERGIES
    assert [finding.message.key for finding in curve.findings] == ASSUMED.get(form, [])


def test_1800_w_over_half_an_hour_are_900_wh() -> None:
    assert read(FILES["Data Connect"]()).energies[0] == 900 * 60


def kinds(curve: LoadCurve) -> dict[str, int]:
    return {finding.kind: finding.count for finding in curve.findings}


def hourly(*rows: str) -> bytes:
    return (HEADER + "\n".join(rows)).encode()


def test_a_missing_value_is_never_zero() -> None:
    rows = [
        "2024-02-01T00:30:00+01:00;100",
        "2024-02-01T01:00:00+01:00;",
        "2024-02-01T01:30:00+01:00;null",
        "2024-02-01T02:00:00+01:00;NA",
        "2024-02-01T02:30:00+01:00;100",
    ]
    curve = read(hourly(*rows))
    assert curve.energies.tolist() == [3000, 3000]
    assert kinds(curve) == {"blank": 3, "gap": 1}
    coverage = curve.coverage(curve.start_min, curve.end_min)
    assert (coverage.expected_half_hours, coverage.present_half_hours) == (5, 2)


def test_each_row_has_its_own_step_and_a_gap_stretches_none() -> None:
    rows = [
        *(f"2024-02-01T0{hour}:{minute}:00+01:00;100" for hour in (1, 2) for minute in ("00", "30")),
        *(f"2024-02-01T0{hour}:00:00+01:00;100" for hour in (4, 5, 6)),
        *(f"2024-02-02T0{hour}:00:00+01:00;100" for hour in (4, 5, 6)),
        *(f"2024-02-02T07:{minute}:00+01:00;100" for minute in ("00", "30")),
    ]
    curve = read(hourly(*rows))
    assert curve.steps_min.tolist() == [30, 30, 30, 30, 60, 60, 60, 60, 60, 60, 60, 30]
    # The hour from 02:30 to 03:00 and the night of 1 February were not measured.
    assert kinds(curve) == {"gap": 2, "mixed_step": 2}


def test_one_missing_half_hour_is_a_gap_and_no_step_of_an_hour() -> None:
    stamps = ["00:30", "01:00", "01:30", "02:30", "03:00"]
    curve = read(hourly(*(f"2024-02-01T{stamp}:00+01:00;200" for stamp in stamps)))
    assert curve.steps_min.tolist() == [30] * 5
    assert kinds(curve) == {"gap": 1}
    started = "\n".join(["debut;kW", *(f"2024-02-01T{stamp}:00+01:00;0,2" for stamp in stamps)])
    assert read(started.encode()).steps_min.tolist() == [30] * 5


def test_both_half_hours_of_the_autumn_night_are_kept() -> None:
    aware = ["02:00:00+02:00", "02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00", "03:00:00+01:00"]
    curve = read(hourly(*(f"2024-10-27T{stamp};100" for stamp in aware)))
    rows = [
        {"value": "100", "date": f"2024-10-27 {stamp[:8]}", "interval_length": "PT30M"} for stamp in aware
    ]
    local = read(json.dumps({"interval_reading": rows}).encode())
    assert curve.starts_min.tolist() == local.starts_min.tolist()
    assert curve.steps_min.tolist() == [30] * 5
    newest_first = read(json.dumps({"interval_reading": rows[::-1]}).encode())
    assert newest_first.starts_min.tolist() == curve.starts_min.tolist()


def test_an_autumn_hour_that_comes_once_without_offset_is_summer_time_and_said() -> None:
    rows = [{"value": "100", "date": f"2024-10-27 0{hour}:00:00"} for hour in (1, 2, 3)]
    curve = read(json.dumps({"interval_reading": rows}).encode())
    assert kinds(curve)["ambiguous_hour"] == 1


def test_duplicates_disorder_and_negative_values_are_reported_and_do_not_count_twice() -> None:
    rows = [
        "2024-02-01T01:00:00+01:00;100",
        "2024-02-01T00:30:00+01:00;200",
        "2024-02-01T01:00:00+01:00;100",
        "2024-02-01T01:30:00+01:00;-5",
        "2024-02-01T01:00:00+01:00;999",
        "2024-02-01T02:00:00+01:00;50",
    ]
    curve = read(hourly(*rows))
    assert curve.energies.tolist() == [6000, 3000, 0, 1500]
    assert kinds(curve) == {"disorder": 2, "duplicate": 2, "negative": 1}
    (said,) = (sentence(one.message) for one in curve.findings if one.kind == "duplicate")
    assert "1 of them held another value" in said


def test_a_row_that_was_blank_is_filled_by_its_later_copy() -> None:
    curve = read(
        hourly("2024-02-01T00:30:00+01:00;", "2024-02-01T01:00:00+01:00;10", "2024-02-01T00:30:00+01:00;70")
    )
    assert curve.energies.tolist() == [2100, 300]


def test_stray_stamps_of_edf_are_left_out_and_whole_days_count_once() -> None:
    day = "01/02/2024;;\n01:00:00;88;Réelle\n00:45:12;1;Réelle\n00:30:00;252;Réelle\n"
    curve = read((day + day).encode("latin-1"))
    assert curve.energies.tolist() == [7560, 2640]
    assert kinds(curve) == {"stray": 2, "duplicate": 2, "disorder": 1}


def test_weeks_of_one_home_in_a_zip_make_one_curve() -> None:
    later = HOURLY.replace("2024-02-01T", "2024-02-08T")
    curve = read(zipped(later.encode(), HOURLY.encode()))
    assert curve.energies.tolist() == ENERGIES * 2
    assert kinds(curve) == {"gap": 1}


def test_power_above_the_subscribed_one_is_said_with_its_hours() -> None:
    curve = read(hourly(*(f"2024-02-01T0{hour}:00:00+01:00;7000" for hour in (1, 2, 3))))
    finding = curve.above_power(6)
    assert finding is not None
    assert "above 6 kVA for 3 h" in sentence(finding.message)
    assert curve.above_power(9) is None
    half = read(b"2024-02-01T01:00:00+01:00;100\r\n2024-02-01T01:30:00+01:00;7000\r\n").above_power(6)
    assert half is not None
    assert "pendant 0,5 h" in sentence(half.message, "fr")


def test_energies_finer_than_a_watt_minute_are_rounded_and_said() -> None:
    rows = [{"dateDebut": "2024-02-01T00:00:00", "dateFin": "2024-02-01T00:30:00", "valeur": "0.0000083"}]
    curve = read(json.dumps(rows).encode())
    assert curve.energies.tolist() == [0]
    assert kinds(curve) == {"rounded": 1}


def test_rows_that_overlap_the_one_before_are_left_out_and_said() -> None:
    rows = [
        {"dateDebut": "2024-02-01T00:00:00", "dateFin": "2024-02-01T01:00:00", "valeur": "1"},
        {"dateDebut": "2024-02-01T00:30:00", "dateFin": "2024-02-01T01:00:00", "valeur": "0.5"},
        {"dateDebut": "2024-02-01T01:00:00", "dateFin": "2024-02-01T02:00:00", "valeur": "2"},
    ]
    curve = read(json.dumps(rows).encode())
    assert curve.energies.tolist() == [60_000, 120_000]
    assert kinds(curve) == {"overlap": 1}
