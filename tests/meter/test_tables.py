"""Tables by the meaning of their columns: every notation, what is ambiguous, several files, bad input."""

import datetime as dt
import io
import json
from collections.abc import Callable, Sequence
from itertools import pairwise

import openpyxl
import pytest

from openwatt.domain.load_curve import LoadCurve
from openwatt.meter.contents import pack
from openwatt.meter.options import FileOptions
from openwatt.meter.read import read_load_curve
from openwatt.meter.vocabulary import header_cell
from tests.meter.refused import refused
from tests.meter.test_makers import HOURLY, INTERFACE, zipped

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
DAY = dt.date(2025, 11, 10)
#: 200 W in the first half hour, 300 in the second, and so on: 4.8 kWh a day and a little.
WATTS = [200 + 100 * (n % 7) for n in range(48)]


def read(data: bytes | str, options: FileOptions | None = None) -> LoadCurve:
    return read_load_curve(data.encode() if isinstance(data, str) else data, NOW, options or FileOptions())


def stamps(pattern: str, first: dt.date = DAY, days: int = 1) -> list[tuple[str, str]]:
    """The start and the end of each half hour."""
    at = dt.datetime.combine(first, dt.time())
    steps = [at + dt.timedelta(minutes=30 * n) for n in range(48 * days + 1)]
    return [(f"{a:{pattern}}", f"{b:{pattern}}") for a, b in pairwise(steps)]


def measured(pattern: str = "%Y-%m-%d %H:%M") -> list[tuple[str, int]]:
    """The start of each half hour and its W."""
    return [(start, watts) for (start, _), watts in zip(stamps(pattern), WATTS, strict=True)]


def table(*columns: str, pattern: str = "%Y-%m-%d %H:%M:%S", delimiter: str = ";", end: bool = False) -> str:
    """A table with a header and one column of stamps."""
    rows = zip((step[end] for step in stamps(pattern)), WATTS, strict=True)
    return "\n".join([delimiter.join(columns), *(f"{at}{delimiter}{watts}" for at, watts in rows)])


def sheet_rows() -> list[list[object]]:
    return [["Début", "W"], *([a, w] for a, w in measured())]


def sheet(rows: Sequence[Sequence[object]], titles: int = 0, sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    for number in range(sheets - 1):
        book.create_sheet(f"empty {number}")
    page = book.create_sheet("values")
    for _ in range(titles):
        page.append([None, "x"])
    for row in rows:
        page.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


SERIAL = (DAY - dt.date(1899, 12, 30)).days
NOTATIONS: dict[str, Callable[[], bytes | str]] = {
    "ISO start, W": lambda: table("start", "power (W)"),
    "ISO end, W": lambda: table("Fin de pas", "Puissance moyenne (W)", end=True),
    "French dates": lambda: table("Date de début", "Valeur en W", pattern="%d/%m/%Y %H:%M"),
    "tabs": lambda: table("Début", "Conso W", delimiter="\t"),
    "dashes": lambda: table("Début", "W", pattern="%d-%m-%Y %H:%M"),
    "unit above": lambda: "Courbe en W\n" + table("Début", "Valeur"),
    "empty columns around": lambda: "\n".join(f";;{line};;" for line in table("Début", "W").split("\n")),
    "quotes": lambda: "\n".join(
        ";".join(f'"{cell}"' for cell in line.split(";")) for line in table("Début", "W").split("\n")
    ),
    "kWh per step": lambda: "\n".join(
        ["debut;Energie (kWh)"] + [f"{a};{w / 2000:.4f}" for a, w in measured()]
    ),
    "Wh per step, narrow spaces": lambda: "\n".join(
        ["debut;Energie (Wh);note"] + [f"{a};{w / 2:.1f};x" for a, w in measured()]
    ),
    "date and time apart": lambda: "\n".join(
        ["Date;Heure de début;W"] + [f"{a[:10]};{a[11:]};{w}" for a, w in measured("%d/%m/%Y %H:%M")]
    ),
    "24:00 for midnight": lambda: table("Fin", "W", end=True).replace(
        "2025-11-11 00:00:00", "2025-11-10 24:00:00"
    ),
    "the last second of a step": lambda: "\n".join(
        ["Début;Fin;W"]
        + [
            f"{a};{dt.datetime.fromisoformat(b) - dt.timedelta(seconds=1)};{w}"
            for (a, b), w in zip(stamps("%Y-%m-%d %H:%M:%S"), WATTS, strict=True)
        ]
    ),
    "serial days in a text": lambda: "\n".join(
        ["Début;W", *(f"{SERIAL + n / 48:.10f};{w}" for n, w in enumerate(WATTS))]
    ),
    "serial days in a sheet": lambda: sheet(
        [["Début", "W"], *([SERIAL + n / 48, w] for n, w in enumerate(WATTS))], titles=15
    ),
    "instants in a sheet": lambda: sheet(
        [["Début", "W"]]
        + [
            [dt.datetime.combine(DAY, dt.time()) + dt.timedelta(minutes=30 * n), w]
            for n, w in enumerate(WATTS)
        ]
    ),
    "backwards": lambda: "\n".join(
        [*table("Début", "W").split("\n")[:1], *table("Début", "W").split("\n")[:0:-1]]
    ),
    "columns swapped": lambda: "\n".join(["W;Début", *(f"{w};{a}" for a, w in measured())]),
    "production beside it": lambda: "\n".join(
        ["Début;Production (W);Consommation (W)"] + [f"{a};9999;{w}" for a, w in measured()]
    ),
    "two headers that are the same": lambda: table("Début", "W").replace(
        "\n2025-11-10 12:00", "\nDébut;W\n2025-11-10 12:00"
    ),
}


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_notation_gives_the_same_curve(notation: str) -> None:
    curve = read(NOTATIONS[notation]())
    assert curve.energies.tolist() == [watts * 30 for watts in WATTS]
    assert curve.start_min == int(dt.datetime(2025, 11, 9, 23, tzinfo=dt.UTC).timestamp()) // 60
    assert {one.kind for one in curve.findings} <= {"production"}


def test_thin_spaces_part_thousands() -> None:
    text = table("Début", "W").replace(";800", ";1\u202f800").replace(";700", ";1 700")
    assert read(text).energy > read(table("Début", "W")).energy + 6 * 1000 * 30


AMBIGUOUS: dict[str, tuple[str, str, FileOptions]] = {
    "starts or ends": (
        table("timestamp", "power (W)"),
        r"'timestamp' may be the starts or the ends of steps.*stamps \(start or end; --stamps",
        FileOptions(stamps="start"),
    ),
    "date and time": (
        "Date;Heure;W\n" + "\n".join(f"{a[:10]};{a[11:]};{w}" for a, w in measured("%d/%m/%Y %H:%M")),
        "may be the starts or the ends",
        FileOptions(stamps="start"),
    ),
    "power or energy": (
        table("Début", "Valeur"),
        r"'Valeur' may be power \(W, kW\) or energy of a step \(Wh, kWh\).*--unit",
        FileOptions(unit="W"),
    ),
    "which column": (
        "Début;Puissance (W);Energie (Wh)\n" + "\n".join(f"{a};{w};7" for a, w in measured()),
        r"\(Puissance \(W\) / Energie \(Wh\)\)",
        FileOptions(unit="W"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_two_meanings_fit_is_refused_with_both_and_read_when_it_is_said(case: str) -> None:
    text, said, options = AMBIGUOUS[case]
    with refused(said):
        read(text)
    assert read(text, options).energies.tolist() == [watts * 30 for watts in WATTS]


@pytest.mark.parametrize("unit", ["W", "Wh"])
def test_a_comma_that_may_part_thousands_is_refused_with_both_meanings(unit: str) -> None:
    text = table("Début", f"Valeur ({unit})").replace(";800", ";1,800")
    with refused(r"1,234 is 1234 or 1\.234"):
        read(text)
    decimals = table("Début", f"Valeur ({unit})").replace(";800", ";800,000").replace(";700", ";700,5")
    assert read(decimals).energies.max() == 800 * (30 if unit == "W" else 60)
    assert read(table("Début", "Valeur (kWh)").replace(";800", ";1,800")).energy > 0


def test_other_options_give_other_energies_and_none_beats_what_the_file_says() -> None:
    ends = read(table("timestamp", "W"), FileOptions(stamps="end"))
    assert ends.start_min == read(table("Début", "W")).start_min - 30
    text = table("Début", "Valeur")
    assert read(text, FileOptions(unit="kWh")).energy == 2000 * read(text, FileOptions(unit="W")).energy
    said = read(table("Début", "W"), FileOptions(stamps="end", unit="kWh"))
    assert said.energies.tolist() == [watts * 30 for watts in WATTS]


def test_a_conso_api_answer_is_taken_for_what_the_customer_says() -> None:
    data = json.dumps(INTERFACE).encode()
    assert [one.kind for one in read(data).findings] == ["assumed"]
    assert read(data, FileOptions(direction="consumption")).findings == ()
    with refused("of production, not of consumption"):
        read(data, FileOptions(direction="production"))


HALF_PAST = "2025-11-10 03:30"
OTHERS: dict[str, tuple[str, str]] = {
    "gas": ("Date de relevé;Volume consommé (m3);Energie gaz (kWh)\n01/11/2025;3;33", "of a gas meter"),
    "water": ("Date;Index eau (m3)\n01/11/2025;3", "of a water meter"),
    "Spain": ("CUPS;Fecha;Hora;Consumo_kWh\nES0;2025/11/10;1;0,2", r"another country's .*Datadis"),
    "Belgium": ("Van (datum);Van (tijdstip);EAN-code;Afname\n1;2;3;4", "another country"),
    "United Kingdom": ("Consumption (kwh), Estimated Carbon, Start, End\n0.1,,2025,", "another country"),
    "months by register": ('"Mois";"HP";"HC"\n"du 12/01/25 au 11/02/25";110;95', "a month.*register_kwh"),
    "months": ("Mois;Consommation (kWh)\n11/2025;43\n10/2025;40", "one value a month"),
    "days": ("Date;Valeur (en kWh)\n10/11/2025;14\n11/11/2025;14", "one value a day.*Consommation horaire"),
    "maxima": ("Date;Puissance max (kVA)\n10/11/2025;4,6", "daily maxima"),
    "production": (table("Début", "Production (W)"), "of production"),
    "injection": ("Type de comptage;Injection\n" + table("Début", "Valeur (W)"), "of production"),
    "a PDF": ("%PDF-1.7\nx", "is a PDF"),
    "a web page": ("<!DOCTYPE html><html></html>", "is a web page"),
    "two headers": (table("Début", "W") + "\nFin;Valeur (kWh)\n2025-11-11 00:00:00;1", "a second header"),
    "1900": (table("Début", "W").replace(HALF_PAST, "1900-11-10 03:30"), "not a time of this century"),
    "2100": (table("Début", "W").replace(HALF_PAST, "2100-11-10 03:30"), "not a time of this century"),
    "a header in row 60,000": ("x;y\n" * 60_000 + table("Début", "W"), "of no known maker"),
    "a formula": (table("Début", "W").replace(";400", ";=1+399", 1), "'=1\\+399' is no number"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_load_curve_is_named(case: str) -> None:
    text, said = OTHERS[case]
    with refused(said):
        read(text)


def test_a_workbook_of_many_sheets_is_read_or_refused_by_a_bound() -> None:
    rows = sheet_rows()
    assert read(sheet(rows, sheets=150)).energy == sum(WATTS) * 30
    with refused("200 at most are read"):
        read(sheet(rows, sheets=1000))


def test_a_formula_in_a_cell_is_its_last_value_or_missing() -> None:
    rows = sheet_rows()
    rows[5][1] = "=A1+1"  # written without a value, as by a program that does not compute
    assert [one.kind for one in read(sheet(rows)).findings] == ["blank", "gap"]


# Several files.


def week(first: dt.date) -> bytes:
    rows = zip(stamps("%d/%m/%Y %H:%M:%S", first, 7), WATTS * 7, strict=True)
    text = "\n".join(
        ["PRM;00112233445566", "Début;Fin;Valeur (en kW)", *(f"{a};{b};{w / 1000:.3f}" for (a, b), w in rows)]
    )
    return text.encode()


def test_weeks_of_one_meter_that_follow_or_overlap_are_one_curve() -> None:
    weeks = [week(DAY + dt.timedelta(days=days)) for days in (14, 0, 7, 4)]
    curve = read(zipped(*weeks))
    assert curve.findings == ()
    assert len(curve.starts_min) == 21 * 48
    assert curve.energy == 21 * sum(WATTS) * 30
    assert read(pack(weeks)).energies.tolist() == curve.energies.tolist()


def test_files_of_several_forms_are_one_curve() -> None:
    curve = read(
        zipped(week(dt.date(2024, 1, 25)), HOURLY.replace("14290000000000", "00112233445566").encode())
    )
    assert curve.steps_min.tolist() == [30] * (7 * 48 + 3)  # of the hourly file's four, one lies in the week


def test_overlaps_that_differ_are_a_finding_and_count_once() -> None:
    other = week(DAY + dt.timedelta(days=6)).replace(b"0.800", b"0.900")
    curve = read(zipped(week(DAY), other))
    (finding,) = curve.findings
    assert (finding.kind, finding.message.key) == ("duplicate", "finding.files_disagree")
    assert finding.count == WATTS.count(800)
    assert len(curve.starts_min) == 13 * 48


def test_two_meters_are_refused_with_the_last_digits_of_both() -> None:
    other = week(DAY).replace(b"00112233445566", b"00112233447788")
    with refused(r"mixes 2 meters \(…5566, …7788\)"):
        read(zipped(week(DAY), other))


@pytest.mark.parametrize(
    ("cell", "role", "unit"),
    [
        ("Début", "start", ""),
        ("Date de fin", "end", ""),
        ("Horodate", "end", ""),
        ("Horodate fin de pas", "end", ""),
        ("Date et heure de relève par le distributeur", "end", ""),
        ("Valeur (en kW)", "value", "kw"),
        ("Puissance moyenne (W)", "value", "w"),
        ("kWh", "value", "kwh"),
        ("Production (kWh)", "production", "kwh"),
        ("Index Heures Creuses (kWh)", "index", "kwh"),
        ("Puissance max (kVA)", "maximum", "kva"),
        ("Pas en minutes", "step", ""),
        ("Unité", "unit", ""),
        ("Grandeur métier", "direction", ""),
        ("Nature", "other", ""),
        ("Prix du kWh", "other", "kwh"),
        ("timestamp", "stamp", ""),
        ("Heure de début", "time_start", ""),
        ("Date", "date", ""),
    ],
)
def test_a_header_cell_names_its_role_and_unit(cell: str, role: str, unit: str) -> None:
    found = header_cell(cell)
    assert (found.role, found.unit) == (role, unit)
