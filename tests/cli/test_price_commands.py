"""`openwatt prices`: the prices of a contract over time and now, as the API gives them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from openwatt.cli import main
from openwatt.domain.legal_time import minutes_of
from openwatt.prices.instants import parse_instant
from tests.prices.worked import WORKED

Openwatt = Callable[..., Result]


@pytest.fixture
def openwatt(filled_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Openwatt:
    """The command with a database of the test's own, in a folder without a .env."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        environment = {"OPENWATT_DATABASE_URL": filled_url, "COLUMNS": "80"}
        return CliRunner().invoke(main, ["prices", *arguments], env=environment)

    return run


TEMPO = ("--option", "tempo", "--power-kva", "9")
TWO_DAYS = (*TEMPO, "--from", "2025-02-01", "--to", "2025-02-03")


def test_prices_are_shown_as_a_table(openwatt: Openwatt) -> None:
    done = openwatt(*TWO_DAYS)
    assert done.exit_code == 0, done.output
    assert "EDF Tarif Bleu TEMPO 9 kVA" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "BLANC_HP" in line)
    assert line.split() == [
        *("2025-02-01", "06:00", "02-01", "22:00", "BLANC_HP", "0.1792", "0.1156", "2025-02-01")
    ]
    assert "known until 2025-02-03 00:00" in done.stdout


@pytest.mark.parametrize("worked", WORKED[:5], ids=lambda worked: worked["title"])
def test_prices_as_json_are_those_that_were_worked_out(openwatt: Openwatt, worked: dict[str, Any]) -> None:
    option, power_kva = worked["contract"]
    hours = ["--off-peak-hours", str(worked["off_peak"])] if "off_peak" in worked else []
    span = ["--from", str(worked["from"]), "--to", str(worked["to"])]
    done = openwatt("--option", option, "--power-kva", str(power_kva), *hours, *span, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout, parse_float=str)["prices"]
    for item, (start, end, register, what, *_) in zip(found, worked["prices"], strict=True):
        for name, text in (("start", start), ("end", end)):
            assert minutes_of(parse_instant(item[name])) == minutes_of(parse_instant(text))
        assert item["register"] == register
        assert what in {item["price_eur_per_kwh_ttc"], (item["reason"] or {}).get("code")}


def test_prices_as_csv_are_cut_into_slices(openwatt: Openwatt) -> None:
    done = openwatt(*TWO_DAYS, "--slice", "60", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 48
    assert rows[6]["register"] == "BLANC_HP"
    assert rows[6]["price_eur_per_kwh_ht"] == "0.1156"


def test_the_price_of_now_says_what_comes_next(openwatt: Openwatt) -> None:
    shown = openwatt("now", *TEMPO, "--at", "2026-01-05T05:59")
    assert shown.exit_code == 0, shown.output
    for text in ("BLEU_HC", "0.1232 €/kWh", "ROUGE_HP", "0.6468 €/kWh", "19.49 €/month", "19 red"):
        assert text in shown.stdout
    item = json.loads(openwatt("now", *TEMPO, "--at", "2026-01-05T06:00", "--json").stdout, parse_float=str)
    assert (item["register"], item["price_eur_per_kwh_ttc"]) == ("ROUGE_HP", "0.6468")
    (row,) = csv.DictReader(io.StringIO(openwatt("now", *TEMPO, "--at", "2026-10-04T07:00", "--csv").stdout))
    assert (row["register"], row["reason_code"]) == ("", "colour_not_announced")


def test_now_is_now_where_no_instant_is_given(openwatt: Openwatt) -> None:
    item = json.loads(openwatt("now", "--option", "BASE", "--power-kva", "6", "--json").stdout)
    assert item["register"] == "BASE"
    assert parse_instant(item["at"]) >= parse_instant("2026-11-28")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), ["--option: is missing", "--power-kva: is missing"]),
        (("now",), ["--option: is missing", "--power-kva: is missing"]),
        (
            ("--option", "HPHC", "--power-kva", "6", "--from", "soon", "--to", "2011-01-01"),
            ["--from: must be a day like", "--off-peak-hours: is missing", "--to: lies before 2012-01-01"],
        ),
        (
            ("now", "--option", "HPHC", "--power-kva", "6", "--off-peak-hours", "at night"),
            ["--off-peak-hours: 'at night'"],
        ),
        (("--option", "BASE", "--power-kva", "6", "--supplier", "EDFF"), ["--supplier:", "is EDF or"]),
        ((*TEMPO, "--from", "2026-03-29T02:30"), ["--from: does not exist"]),
        ((*TEMPO, "--from", "2026-02-01T00:10", "--slice", "15"), ["--from: does not lie on a slice of 15"]),
        ((*TEMPO, "--slice", "45"), ["'45' is not one of"]),
        ((*TEMPO, "now"), ["give every option after `now`"]),
    ],
)
def test_every_fault_is_named(openwatt: Openwatt, arguments: tuple[str, ...], said: list[str]) -> None:
    done = openwatt(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    for text in said:
        assert text in done.stderr
