"""The price of the moment as a metric: of the contracts of a setting, the same from every process."""

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from openwatt.app import create_app
from openwatt.observability import collectors
from openwatt.settings import Settings, SettingsError, read_settings
from openwatt.store.database import Database
from openwatt.telemetry.metrics.collectors import PriceCollector, PriceState
from openwatt.telemetry.metrics.scrape import Sample, read_scrape
from openwatt.telemetry.metrics.server import MetricsServer
from tests.conftest import close_app

NAME = "openwatt_price_eur_per_kwh"
HPHC = "option=HPHC&power_kva=6&off_peak_hours=22:30-06:30"
BASE = "supplier=edf&offer=Tarif+Bleu&option=BASE&power_kva=6"
#: It has no such contract, and nobody has announced the colour of today.
UNKNOWN = "supplier=Nobody&option=BASE&power_kva=6 option=TEMPO&power_kva=6"

MakeApp = Callable[..., Flask]


@pytest.fixture
def app_with(filled_url: str) -> Iterator[MakeApp]:
    """Makes an app with a value of the setting."""
    made = []

    def of(value: str | None) -> Flask:
        made.append(create_app(Settings(database_url=filled_url, workers=1, price_metrics=value)))
        return made[-1]

    yield of
    for app in made:
        close_app(app)


def scraped(text: str) -> list[Sample]:
    return read_scrape(text).get(NAME, [])


def test_without_the_setting_there_is_no_such_metric(app_with: MakeApp) -> None:
    assert NAME not in app_with(None).test_client().get("/metrics").text


def test_each_contract_has_the_price_that_the_api_says(app_with: MakeApp) -> None:
    client = app_with(f"{HPHC} {BASE} {UNKNOWN} {HPHC}").test_client()
    samples = scraped(client.get("/metrics").text)
    assert len(samples) == 2
    for sample, query in zip(samples, (HPHC, BASE), strict=True):
        now: Any = client.get(f"/v1/prices/now?{query}").json
        assert sample.value == now["price_eur_per_kwh_ttc"]
        contract = {name: str(value) for name, value in now["contract"].items()}
        assert sample.labels == {**contract, "register": now["register"]}


def test_a_contract_that_is_not_known_is_reported_once(
    app_with: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    client = app_with(UNKNOWN).test_client()
    for _ in range(2):
        assert scraped(client.get("/metrics").text) == []
    (record,) = (r for r in caplog.records if r.name == "openwatt.price_metrics")
    assert "no contract Nobody" in record.__dict__["reason"]


def test_the_metrics_server_gives_the_same_as_the_application(
    app_with: MakeApp, filled_url: str, database: Callable[[str], Database], tmp_path: Path
) -> None:
    settings = Settings(database_url=filled_url, workers=1, price_metrics=BASE)
    server = MetricsServer(0, tmp_path, collectors(settings, database(filled_url)))
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as response:
            samples = scraped(response.read().decode())
    finally:
        server.close()
    assert samples
    assert samples == scraped(app_with(BASE).test_client().get("/metrics").text)


def test_a_scrape_goes_on_without_prices_when_they_cannot_be_read() -> None:
    def read() -> Iterator[PriceState]:
        yield PriceState("EDF", "Tarif Bleu", "BASE", "6", "BASE", 0.2)
        raise RuntimeError("the database is down")

    (family,) = PriceCollector(read).collect()
    assert family.samples == []


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("option=TEMPO", "option and power_kva at least"),
        ("option=TEMPO&power_kva=6&power_kva=9", "each once"),
        ("option=TEMPO&power_kva=6&colour=red", "must name contracts by supplier, offer"),
        ("option=GREEN&power_kva=6", "option must be one of BASE"),
        ("option=TEMPO&power_kva=0", "power_kva must be a whole number from 1 to 36"),
        ("option=HPHC&power_kva=6&off_peak_hours=soon", "off_peak_hours must be hours like"),
        ("option=HPHC&power_kva=6&chosen_weekday=pluvius", "chosen_weekday must be one of monday"),
        ("option=TEMPO&power_kva=6 " * 21, "must name 1 to 20 contracts"),
    ],
)
def test_what_is_wrong_with_the_setting_is_said_at_the_start(value: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"OPENWATT_PRICE_METRICS": value})
    assert "OPENWATT_PRICE_METRICS " in str(caught.value)
    assert fault in str(caught.value)
