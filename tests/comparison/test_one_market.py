"""One home at every door: after a publication all of them price and colour alike, by the database."""

import csv
import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.cli import main
from openwatt.domain.legal_time import Span
from openwatt.domain.tariff import OPTIONS, Tariff
from openwatt.settings import Settings
from openwatt.store.tariffs import Observation, SourceDocument, publish
from openwatt.store.tempo import ColourObservation, publish_colours
from tests.conftest import close_app
from tests.portfolio.village import curve, export
from tests.web.api.test_bills import send

#: Days whose Tempo colours the shipped catalogue knows, on both sides of the new tariff's first.
SPAN = Span(dt.date(2026, 1, 10), dt.date(2026, 1, 24))
NEW_FROM = dt.date(2026, 1, 15)
RED_DAYS = [dt.date(2026, 1, 17), dt.date(2026, 1, 18), dt.date(2026, 1, 19)]
SHEET = SourceDocument(reference="a test", kind="supplier", title="a test's sheet")
#: What the grid operator calls the registers of Tempo.
CODES = ("BUHC", "BUHP", "BCHC", "BCHP", "RHC", "RHP")
Totals = dict[tuple[str, str, str], Decimal]


class Doors:
    """One home asked about at every door of one database."""

    def __init__(self, folder: Path, client: FlaskClient) -> None:
        self.folder = folder
        self.client = client
        self.data = export(curve(7, SPAN))
        (folder / "homes").mkdir()
        (folder / "homes" / "home.csv").write_bytes(self.data)
        self.file = str(folder / "homes" / "home.csv")

    def run(self, *arguments: str, status: int = 0) -> Result:
        """A command with this database."""
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == status, done.output
        return done

    def totals(self) -> dict[str, Totals]:
        """Door → contract → total, as each door says it."""
        fields = {"power_kva": 6, "prices": "then", "off_peak_hours": "22:00-06:00"}
        api = send(self.client, "/v1/bills", self.data, **fields)
        assert api.status_code == 200, api.text
        asked = ("--power-kva", "6", "--prices", "then", "--off-peak", "22:00-06:00")
        compared = self.run("compare", self.file, *asked, "--json")
        out = self.folder / "out.csv"
        self.run("portfolio", str(self.folder / "homes"), "--out", str(out), *asked, "--jobs", "1")
        with out.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["total_ttc_eur"]]
        return {
            "api": _ranked(api.get_data(as_text=True)),
            "compare": _ranked(compared.stdout),
            "portfolio": {_contract(row): Decimal(row["total_ttc_eur"]) for row in rows},
        }

    def registers(self) -> dict[str, dict[str, int]]:
        """Door → register of Tempo → Wh."""
        api = send(self.client, "/v1/registers", self.data, option="TEMPO")
        assert api.status_code == 200, api.text
        told = self.run("registers", self.file, "--option", "TEMPO", "--json")
        return {"api": api.get_json()["wh"], "registers": json.loads(told.stdout)["wh"]}

    def reconciled(self, wh: dict[str, int]) -> bool:
        """Whether `reconcile` finds the home's curve equal to indexes that ran by these Wh."""
        columns = [f"EAS F{number}" for number in range(1, 7)]
        first, last = (f"{day}T00:00:00+01:00" for day in (SPAN.start, SPAN.end))
        footer = ";".join(f"{code};{code};{column}" for code, column in zip(CODES, columns, strict=True))
        lines = [
            "Identifiant PRM;Type de donnees",
            "14298765432109;Index",
            ";".join(["Horodate", *columns]),
            ";".join([first, *("1000000" for _ in columns)]),
            ";".join([last, *(str(1_000_000 + wh[register]) for register in OPTIONS["TEMPO"])]),
            "Periode",
            f"du {first} au {last};{footer}",
        ]
        indexes = self.folder / "indexes.csv"
        indexes.write_text("\n".join(lines))
        done = CliRunner().invoke(main, ["reconcile", self.file, str(indexes), "--json"])
        return bool(json.loads(done.stdout)["agrees"])


def _contract(row: Any) -> tuple[str, str, str]:
    return row["supplier"], row["offer"], row["option"]


def _ranked(text: str) -> Totals:
    ranking = json.loads(text, parse_float=Decimal)["ranking"]
    return {_contract(line): Decimal(line["total_ttc_eur"]) for line in ranking}


@pytest.fixture
def doors(filled_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    monkeypatch.setenv("OPENWATT_DATABASE_URL", filled_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)
    app = create_app(Settings(database_url=filled_url, workers=1))
    yield Doors(tmp_path, app.test_client())
    close_app(app)


def publish_news(url: str) -> None:
    """A regulated tariff that is far dearer, and red days in the place of what they were."""
    now = dt.datetime.now(dt.UTC)
    tariff = Tariff(
        supplier="EDF",
        offer="Tarif Bleu",
        option="BASE",
        power_kva=6,
        applies_from=NEW_FROM,
        applies_to=None,
        subscription_eur_per_year_ht=Decimal(200),
        subscription_eur_per_year_ttc=Decimal(300),
        prices_eur_per_kwh_ht={"BASE": Decimal("0.80")},
        prices_eur_per_kwh_ttc={"BASE": Decimal("0.9999")},
    )
    with psycopg.connect(url) as connection:
        assert publish(connection, [Observation(tariff, now, SHEET, None, "test", regulated=True)]) == 1
        days = [ColourObservation(day, now, "ROUGE", SHEET, None) for day in RED_DAYS]
        assert publish_colours(connection, days) == len(days)


def test_every_door_prices_and_colours_by_the_database(doors: Doors, filled_url: str) -> None:
    before, ran_before = doors.totals(), doors.registers()
    publish_news(filled_url)
    after, ran = doors.totals(), doors.registers()

    assert len(after["api"]) >= 3
    assert after["compare"] == after["api"]
    assert after["portfolio"] == after["api"]
    base, tempo = ("EDF", "Tarif Bleu", "BASE"), ("EDF", "Tarif Bleu", "TEMPO")
    assert after["api"][base] > 2 * before["api"][base]
    assert after["api"][tempo] > before["api"][tempo]

    assert ran["registers"] == ran["api"]
    assert ran["api"]["ROUGE_HP"] > ran_before["api"]["ROUGE_HP"]
    assert doors.reconciled(ran["api"])
    assert not doors.reconciled(ran_before["api"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("registers", "FILE", "--option", "TEMPO"),
        ("compare", "FILE", "--power-kva", "6"),
        ("portfolio", "FOLDER", "--out", "out.csv", "--power-kva", "6"),
    ],
)
def test_without_the_database_no_door_answers_from_elsewhere(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OPENWATT_DATABASE_URL", "postgresql:///none?host=/nonexistent")
    places = {"FILE": doors.file, "FOLDER": str(doors.folder / "homes")}
    done = doors.run(*(places.get(word, word) for word in arguments), status=1)
    assert "the database does not answer" in done.stderr
    assert not (doors.folder / "out.csv").exists()


def test_registers_that_need_no_announced_day_need_no_database(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWATT_DATABASE_URL", "postgresql:///none?host=/nonexistent")
    done = doors.run("registers", doors.file, "--option", "BASE", "--json")
    assert json.loads(done.stdout)["wh"]["BASE"] > 0
