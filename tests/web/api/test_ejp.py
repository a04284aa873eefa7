"""EJP at every door: its peak days are known, and days after the last known one are not guessed."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from openwatt.cli import main
from openwatt.domain.legal_time import Span
from tests.web.api.test_bills import file_of, send

WINTER = Span(dt.date(2026, 1, 1), dt.date(2026, 2, 1))
PEAK_DAYS_OF_JANUARY = 5
#: After the last winter whose peak days are known.
NOVEMBER = Span(dt.date(2026, 11, 2), dt.date(2026, 11, 9))


def ejp(answer: Any) -> Any:
    (line,) = (line for line in answer["ranking"] + answer.get("outdated", []) if line["option"] == "EJP")
    return line


def kwh(answer: Any) -> dict[str, float]:
    return {line["register"]: line["kwh"] for line in ejp(answer)["bill"]["lines"] if line.get("register")}


def test_an_ejp_contract_is_billed_without_its_peak_days(client: FlaskClient) -> None:
    answer = send(
        client, "/v1/bills", file_of(1000, WINTER), power_kva="9", prices="then", details="true"
    ).json
    # 18 hours from 07:00 to 01:00 each.
    assert kwh(answer) == {"PM": 18 * PEAK_DAYS_OF_JANUARY, "HN": 31 * 24 - 18 * PEAK_DAYS_OF_JANUARY}
    assert ejp(answer)["whole"]
    given = send(
        client,
        "/v1/bills",
        file_of(1000, WINTER),
        power_kva="9",
        prices="then",
        details="true",
        peak_days="2026-01-07",
    ).json
    assert kwh(given)["PM"] == 18


def test_yearly_kwh_are_ranked_with_ejp_at_today_s_prices(client: FlaskClient) -> None:
    answer = client.get("/v1/bills?power_kva=9&kwh=6000")
    assert ejp(answer.json)["whole"]
    assert not [line for line in (answer.json or {})["left_out"] if line["option"] == "EJP"]
    assert "EJP" in client.get("/?power_kva=9&kwh=6000&lang=en").text


def test_a_day_after_the_last_known_one_has_no_register_and_the_answer_says_so(client: FlaskClient) -> None:
    answer = send(client, "/v1/bills", file_of(1000, NOVEMBER), power_kva="9", prices="then").json
    line = ejp(answer)
    assert not line["whole"]
    assert line["partial"] == ["168.000 kWh belong to no known register and are not costed"]


def test_the_command_knows_the_peak_days_too(
    filled_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWATT_DATABASE_URL", filled_url)
    file = tmp_path / "home.csv"
    file.write_bytes(file_of(1000, WINTER))
    done = CliRunner().invoke(main, ["registers", str(file), "--option", "EJP", "--json"])
    assert done.exit_code == 0, done.output
    assert json.dumps(json.loads(done.stdout)).count(str(18_000 * PEAK_DAYS_OF_JANUARY)) == 1, done.stdout
