"""The commands as a person runs them, on files as they are dropped."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from openwatt.cli import main
from tests.meter.test_makers import HEADER, HOURLY
from tests.shared_data import SHARED, needs_shared_data

REAL = SHARED / "load_curves/Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv"
INDEXES = SHARED / "load_curves/Enedis_Conso_Jour_20240109-20240725_1429xxxxxxxxxx.csv"


@pytest.fixture(autouse=True)
def _database(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `compare` asks."""
    monkeypatch.setenv("OPENWATT_DATABASE_URL", filled_url)


def run(name: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, [name, *map(str, arguments)])


def answer(name: str, *arguments: object) -> Any:
    result = run(name, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@needs_shared_data
def test_registers_of_the_real_meter_are_its_indexes_to_the_watt_hour() -> None:
    told = answer("registers", REAL, "--option", "TEMPO", "--from", "2024-01-10", "--to", "2024-07-25")
    assert told == {
        "wh": {
            "BLEU_HC": 1083540,
            "BLEU_HP": 1412200,
            "BLANC_HC": 242503,
            "BLANC_HP": 306317,
            "ROUGE_HC": 199733,
            "ROUGE_HP": 224927,
        },
        "span": {"start": "2024-01-10T00:00:00+01:00", "end": "2024-07-25T00:00:00+02:00"},
        "coverage": {"expected_half_hours": 9454, "present_half_hours": 9454, "complete": True},
        "findings": [],
    }


@needs_shared_data
def test_reconcile_agrees_with_status_0_and_differs_with_status_1(tmp_path: Path) -> None:
    assert run("reconcile", REAL, INDEXES).exit_code == 0
    wrong = tmp_path / "curve.csv"
    wrong.write_text(
        REAL.read_text("utf-8-sig").replace("2024-03-10T12:00:00+01:00;", "2024-03-10T12:00:00+01:00;1")
    )
    result = run("reconcile", wrong, INDEXES, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["agrees"] is False
    assert [register for register, wh in told["difference_wh"].items() if wh] == ["BLEU_HP"]


@needs_shared_data
def test_compare_tells_what_the_regulated_options_would_have_cost_then() -> None:
    told = answer("compare", REAL, "--power-kva", 6, "--prices", "then", "--option", "BASE", "--details")
    # Tempo: 5,830 kWh by register and price are checked by hand elsewhere; here their order and their sums.
    assert [line["option"] for line in told["ranking"]] == ["TEMPO", "HPHC", "BASE"]
    for line in told["ranking"]:
        assert sum(one["amount_eur_ttc"] for one in line["bill"]["lines"]) == pytest.approx(
            line["total_ttc_eur"], abs=0.5
        )
        assert all(one["sources"][0]["title"] for one in line["bill"]["lines"])
    assert told["ranking"][2]["saving_against_present_eur"] == 0
    assert told["advice"]["power"]["highest_w"] == 6048
    assert told["assumptions"] == ["off-peak hours 22:00-06:00: say yours with --off-peak"]
    assert "above_power" in {finding["kind"] for finding in told["findings"]}


@needs_shared_data
def test_compare_prints_a_table_for_people() -> None:
    result = run("compare", REAL, "--power-kva", 9, "--off-peak", "HC (22H30-6H30)")
    assert result.exit_code == 0
    assert "La Bellenergie" in result.stdout
    assert "highest measured power 6,048 W" in result.stdout
    assert "red days used" in result.stdout


def test_compare_ranks_a_changed_home_beside_that_of_today() -> None:
    changed = answer("compare", "--power-kva", 6, "--kwh", 5000, "--other-power-kva", 9)["what_if"]
    at_nine = answer("compare", "--power-kva", 9, "--kwh", 5000)["ranking"]
    totals = [(one["offer"], one["option"], one["total_ttc_eur"]) for one in at_nine]
    assert [(one["offer"], one["option"], one["total_ttc_eur"]) for one in changed["ranking"]] == totals
    table = run("compare", "--power-kva", 6, "--kwh", 5000, "--car-km-per-week", 210, "--car-hours", "23h-7h")
    assert table.exit_code == 0
    assert "with this change, 6 kVA" in table.stdout
    assert "adds 1,971 kWh" in " ".join(table.stdout.split())  # 210 × 18 / 100 × 365 / 7
    assert "what_if" not in answer("compare", "--power-kva", 6, "--kwh", 5000)


@pytest.mark.parametrize(
    ("use", "assumptions"),
    [
        (("--kwh", 5000, "--profile", "electric_car"), 2),
        (("--register-kwh", "HP=3000", "--register-kwh", "HC=2000.5"), 1),  # on which no hours bear
        (("--register-kwh", "BASE=5000"), 1),
    ],
)
def test_compare_answers_without_a_file_and_prints_what_it_assumes(
    use: tuple[object, ...], assumptions: int
) -> None:
    told = answer("compare", "--power-kva", 6, *use)
    every = told["ranking"] + told["outdated"]
    assert len(told["ranking"]) >= 8
    assert len(every) > 15
    assert len(told["assumptions"]) == assumptions
    assert all(line["whole"] for line in every)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("compare", "--power-kva", 6),
            "FILE: is missing, and so are kwh and register_kwh; one of them is needed",
        ),
        (("compare", "--power-kva", 6, "--register-kwh", "HC"), "'HC' is not a register and its kWh"),
        (
            ("compare", "--power-kva", 6, "--kwh", 1, "--off-peak", "night"),
            "'night' in 'night' is not a range",
        ),
        (("compare", "FILE", "--power-kva", 6), "holds no day"),
        (("registers", "FILE", "--option", "HPHC"), "needs the home's off-peak hours"),
        (("registers", "FILE", "--option", "BASE", "--from", "now"), "'now' is no instant"),
        (
            ("registers", "FILE", "--option", "BASE", "--to", "2020-01-01"),
            "a timeline needs an end after its start",
        ),
        (("registers", "BAD", "--option", "BASE"), "the file holds no measurement"),
        (("reconcile", "FILE", "FILE"), "not a daily index export"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_status_1(
    tmp_path: Path, arguments: tuple[object, ...], reason: str
) -> None:
    assert refused(tmp_path, arguments, 1).count(reason) == 1


@pytest.mark.parametrize(
    ("arguments", "reasons"),
    [
        (
            ("compare", "FILE", "--power-kva", 6, "--kwh", 1, "--supplier", "EDF", "--from", "2024-02-01"),
            [
                "--kwh: is given beside file; they exclude each other",
                "--to: the span from 2024-02-01 to 2024-02-01 (excluded) holds no day",
                "--supplier: is of the present contract, whose option is missing",
            ],
        ),
        (
            (
                "compare",
                "--power-kva",
                6,
                "--profile",
                "base",
                "--register-kwh",
                "HC=1",
                "--to",
                "2026-01-01",
            ),
            [
                "--profile: says how kwh spread over a year, and no kwh are given",
                "--register-kwh: HC are not the registers of one option, each once",
            ],
        ),
        (
            ("compare", "--power-kva", 6, "--kwh", 1, "--from", "2025-01-01", "--to", "2025-02-01"),
            ["--to: without a file the span is one year"],
        ),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error_with_all_faults(
    tmp_path: Path, arguments: tuple[object, ...], reasons: list[str]
) -> None:
    output = refused(tmp_path, arguments, 2)
    assert output.rpartition("Error: ")[2].splitlines() == reasons


def refused(tmp_path: Path, arguments: tuple[object, ...], status: int) -> str:
    """What a command says that ends with a status other than 0."""
    (tmp_path / "FILE").write_text(HOURLY)
    (tmp_path / "BAD").write_text(HEADER)
    places = [tmp_path / str(one) if one in {"FILE", "BAD"} else one for one in arguments[1:]]
    result = run(str(arguments[0]), *places)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result.output


def test_registers_between_two_instants_of_any_offset(tmp_path: Path) -> None:
    file = tmp_path / "any name at all.txt"
    file.write_text(HOURLY)
    told = answer(
        "registers", file, "--option", "BASE", "--from", "2024-01-31T23:00Z", "--to", "2024-02-01T00:30"
    )
    assert told["wh"] == {"BASE": 126}


def test_a_folder_of_one_meters_files_is_one_curve(tmp_path: Path) -> None:
    weeks = tmp_path / "weeks"
    weeks.mkdir()
    (weeks / "a.csv").write_text(HOURLY)
    (weeks / "b.csv").write_text(HOURLY.replace("2024-02-01T", "2024-02-08T"))
    (weeks / ".hidden").write_text("nothing of a meter")
    one = answer("registers", weeks / "a.csv", "--option", "BASE")["wh"]["BASE"]
    assert answer("registers", weeks, "--option", "BASE")["wh"] == {"BASE": 2 * one}
    (weeks / "c.csv").write_text(HOURLY.replace("14290000000000", "14290000000001"))
    result = run("registers", weeks, "--option", "BASE")
    assert result.exit_code == 1
    assert "mixes 2 meters (…0000, …0001)" in result.output


def test_what_a_file_leaves_open_is_said_by_an_option(tmp_path: Path) -> None:
    file = tmp_path / "sensor.csv"
    file.write_text("timestamp;Valeur\n2025-11-10 00:00;1,2\n2025-11-10 00:30;1,2\n")
    result = run("registers", file, "--option", "BASE")
    assert result.exit_code == 1
    assert "say which with stamps (start or end; --stamps in the command)" in result.output
    said = ("--option", "BASE", "--stamps", "start", "--unit")
    assert answer("registers", file, *said, "kW")["wh"] == {"BASE": 1200}
    assert answer("registers", file, *said, "kWh")["wh"] == {"BASE": 2400}
    assert answer("registers", file, *said, "kWh")["span"]["start"] == "2025-11-10T00:00:00+01:00"
