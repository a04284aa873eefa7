"""The open-data package is valid by Frictionless' own validator, and every form of a table says the same."""

import csv
import datetime as dt
import io
import json
import subprocess
import sys
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from openwatt.catalogue.shipped_facts import shipped_change_days
from openwatt.domain.tariff import Tariff
from openwatt.open_data.package import DESCRIPTOR, write_package
from openwatt.store.tariffs import Observation, SourceDocument, publish
from openwatt.store.tempo import ColourObservation, publish_colours
from tests.conftest import NOW

REGULATOR = SourceDocument(
    reference="cre",
    kind="regulator",
    title="CRE, Option_HPHC.csv",
    url="https://www.data.gouv.fr/datasets/5d31900f8b4c41338237ac8f",
    sha256="ab" * 32,
)
SHEET = SourceDocument(reference="sheet", kind="supplier", title='A "sheet"; with signs,\nand lines')
SECONDARY = SourceDocument(reference="read", kind="secondary", title="Somebody", url="https://example.org/")


def _tariff(offer: str, option: str, prices: dict[str, str], **changed: Any) -> Tariff:
    given: dict[str, Any] = {
        "supplier": "É. & Fils",
        "offer": offer,
        "option": option,
        "power_kva": 6,
        "applies_from": dt.date(2025, 8, 1),
        "applies_to": None,
        "subscription_eur_per_year_ht": Decimal("189.9802924"),
        "subscription_eur_per_year_ttc": None,
        "prices_eur_per_kwh_ht": {},
        "prices_eur_per_kwh_ttc": {register: Decimal(price) for register, price in prices.items()},
    }
    return Tariff(**(given | changed))


TARIFFS = (
    Observation(_tariff("Base", "BASE", {"BASE": "0.1940"}), NOW, REGULATOR, SHEET, "test", regulated=True),
    Observation(
        _tariff("=1+1", "HPHC", {"HP": "0.20", "HC": "0"}, applies_to=dt.date(2025, 12, 31), note="a\nb"),
        NOW - dt.timedelta(days=400),
        SECONDARY,
        None,
        "test",
        sheet_url="https://example.org/sheet.pdf",
        confidence="medium",
    ),
)
COLOURS = [
    ColourObservation(dt.date(2025, 12, 1), NOW, "ROUGE", REGULATOR, None),
    ColourObservation(dt.date(2025, 12, 2), NOW, "BLEU", SECONDARY, "said twice"),
]


@pytest.fixture
def package(empty_url: str, tmp_path: Path) -> Path:
    """A package of a small history, in every form."""
    with psycopg.connect(empty_url) as connection:
        publish(connection, TARIFFS)
        publish_colours(connection, COLOURS)
    with psycopg.connect(empty_url, autocommit=True) as connection, ExitStack() as opened:
        write_package(
            connection,
            lambda name: opened.enter_context((tmp_path / name).open("w+b")),
            now=NOW,
            changes=shipped_change_days(),
            forms=("csv", "jsonl", "parquet"),
        )
    return tmp_path


def _validate(package: Path) -> tuple[bool, Any]:
    frictionless = str(Path(sys.executable).with_name("frictionless"))
    command = [frictionless, "validate", "--json", DESCRIPTOR]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False, timeout=120)
    report = json.loads(done.stdout)
    return report["valid"], report


def test_frictionless_finds_it_valid_and_sees_what_is_not(package: Path) -> None:
    valid, report = _validate(package)
    assert valid, report
    checked = {task["name"]: task["stats"]["rows"] for task in report["tasks"]}
    assert checked == {"tariffs": 2, "tariffs_parquet": 2, "tempo_days": 2, "tempo_days_parquet": 2}

    days = package / "tempo_days.csv"
    days.write_bytes(days.read_bytes().replace(b"ROUGE", b"ROSE ", 1))
    valid, report = _validate(package)
    found = {error["type"] for task in report["tasks"] for error in task["errors"]}
    assert not valid
    assert found == {"constraint-error", "hash-count"}


def test_every_form_says_the_same(package: Path) -> None:
    for name, count in (("tariffs", len(TARIFFS)), ("tempo_days", len(COLOURS))):
        text = (package / f"{name}.csv").read_text("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        arrow = pq.read_table(package / f"{name}.parquet")
        objects = [
            json.loads(line, parse_float=Decimal)
            for line in (package / f"{name}.jsonl").read_text("utf-8").splitlines()
        ]
        assert len(rows) == len(objects) == count
        assert arrow.column_names == list(rows[0])
        for row, values, item in zip(rows, arrow.to_pylist(), objects, strict=True):
            for column, cell in row.items():
                assert _same(cell, values[column]), (column, cell, values[column])
                assert _same(cell, _in_object(item, column)), (column, cell, item)


def _same(cell: str, value: Any) -> bool:
    """Whether a cell of a CSV is a value of another form."""
    if value is None or cell == "":
        return value is None and cell == ""
    if isinstance(value, bool):
        return cell == str(value).lower()
    if isinstance(value, int | Decimal):
        return Decimal(cell) == value
    if isinstance(value, dt.datetime):
        return dt.datetime.fromisoformat(cell) == value
    return cell in {str(value), str(value).replace("Z", "+00:00")}


def _in_object(item: dict[str, Any], column: str) -> Any:
    """The value of a column in a JSON object; a nested one's name is in the beginning of the column's."""
    if column in item:
        return item[column]
    outer = max((name for name in item if column.startswith(f"{name}_")), key=len)
    inner = item[outer]
    return None if inner is None else inner.get(column.removeprefix(f"{outer}_"))


def test_the_descriptor_names_types_sources_and_licences(package: Path) -> None:
    described = json.loads((package / DESCRIPTOR).read_text("utf-8"))
    assert described["created"] == "2026-11-22T12:00:00Z"
    tariffs, arrow, days, _ = described["resources"]
    fields = {field["name"]: field for field in tariffs["schema"]["fields"]}
    assert fields["prices_eur_per_kwh_ttc_BASE"]["type"] == "number"
    assert fields["applies_from"] == {
        "name": "applies_from",
        "type": "date",
        "constraints": {"required": True},
    }
    assert fields["data_status"]["constraints"]["enum"] == ["broken", "fresh", "stale", "verifying"]
    assert arrow["schema"] == tariffs["schema"]
    by_title = {source["title"]: source for source in tariffs["sources"]}
    assert set(by_title) == {REGULATOR.title, SHEET.title, SECONDARY.title}
    assert by_title[REGULATOR.title]["sha256"] == REGULATOR.sha256
    assert by_title[REGULATOR.title]["license"]["title"].startswith("Licence Ouverte")
    assert "license" not in by_title[SECONDARY.title]
    assert [len(resource["licenses"]) for resource in (described, tariffs, days)] == [1, 2, 2]
