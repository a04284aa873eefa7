"""What the product says on days after the end of every duty that its texts give."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.conftest import close_app

AFTER_ACCISE = dt.datetime(2027, 3, 1, 10, tzinfo=dt.UTC)
AFTER_TURPE = dt.datetime(2027, 8, 15, 10, tzinfo=dt.UTC)
QUESTION = "power_kva=6&kwh=5000&option=BASE"


@pytest.fixture(params=[AFTER_ACCISE, AFTER_TURPE], ids=["accise", "turpe"])
def late(request: pytest.FixtureRequest, filled_url: str) -> Iterator[tuple[dt.datetime, FlaskClient]]:
    """A client of a service whose clock is past an end."""
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: request.param)
    yield request.param, app.test_client()
    close_app(app)


def ranked(answer: Any) -> list[Any]:
    """Every contract of an answer; at today's prices those seen before the end can be none of today's."""
    return [*answer["ranking"], *answer.get("outdated", [])]


def test_a_bill_after_the_end_of_a_duty_says_what_is_not_known(late: tuple[dt.datetime, FlaskClient]) -> None:
    now, client = late
    day = now.date()
    answer = client.get(f"/v1/bills?{QUESTION}")
    assert answer.status_code == 200, answer.text
    ranking = ranked(answer.json)
    assert len(ranking) >= 10
    for line in ranking:
        assert any("accise" in note or f"duties of {day}" in note for note in line["notes"]), line
        turpe = any("no TURPE fixed part of CU4" in note for note in line["notes"])
        known_ht = not any("whose subscription" in note for note in line["notes"])
        assert turpe == (now == AFTER_TURPE and known_ht), line


def test_no_page_or_list_fails_after_the_end_of_a_duty(late: tuple[dt.datetime, FlaskClient]) -> None:
    _, client = late
    for address in (
        "/",
        "/tariffs",
        "/status",
        "/history?option=BASE&power_kva=6",
        "/v1/tariffs?power_kva=6",
    ):
        assert client.get(address).status_code == 200, address
    french = client.get(f"/?{QUESTION}", headers={"Accept-Language": "fr"}).text
    assert "le taux « accise » n’est pas connu" in french.replace("\N{NO-BREAK SPACE}", " ")


def test_a_past_year_is_priced_up_to_the_end_and_says_from_when_it_is_not(
    late: tuple[dt.datetime, FlaskClient],
) -> None:
    _, client = late
    answer = client.get(f"/v1/bills?{QUESTION}&prices=then&from=2026-02-01&to=2027-02-01")
    assert answer.status_code == 200, answer.text
    assert "accise" not in " ".join(note for line in ranked(answer.json) for note in line["notes"])
    later = client.get(f"/v1/bills?{QUESTION}&prices=then&from=2026-08-01&to=2027-08-01")
    wanted = ("Tarif Bleu", "BASE")
    (base,) = (line for line in ranked(later.json) if (line["offer"], line["option"]) == wanted)
    assert any("2027-02-01" in note for note in base["notes"]), base["notes"]
