"""A real Home Assistant with the package reads a real service: states, units, and a change of the price."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.chaos.running import REPOSITORY, Service, new_home
from tests.integrations.home_assistant import HomeAssistant, wait_for_state
from tests.log_receivers import wait_until
from tests.programs import needs_program

PACKAGE = REPOSITORY / "integrations" / "home_assistant" / "openwatt.yaml"
PARIS = ZoneInfo("Europe/Paris")
#: 06:00 of a red Tempo day after a blue one.
BOUNDARY = dt.datetime(2026, 1, 5, 6, tzinfo=PARIS)
#: How long before it both clocks begin: Home Assistant starts and is read within.
LEAD = dt.timedelta(seconds=90)
pytestmark = [needs_program("faketime"), pytest.mark.timeout(300)]


def package_for(address: str) -> str:
    """The package with another address of OpenWatt, as its user puts in his own."""
    text, places = re.subn(r"http://127\.0\.0\.1:8000", address, PACKAGE.read_text("utf-8"))
    assert places == 1
    return text


class ShiftedService(Service):
    """A service whose clock is ahead of the machine's, or behind it."""

    application = "tests.integrations.shifted:app"


@pytest.fixture
def ahead_s() -> int:
    """By how many seconds both clocks are shifted, so that the boundary comes soon."""
    return round((BOUNDARY - LEAD - dt.datetime.now(dt.UTC)).total_seconds())


@pytest.fixture
def service(filled_url: str, ahead_s: int) -> Iterator[Service]:
    """The service over the shipped catalogue."""
    with new_home() as home:
        settings = {
            "OPENWATT_DATABASE_URL": filled_url,
            "OPENWATT_WORKERS": "1",
            "CLOCK_AHEAD_S": str(ahead_s),
        }
        started = ShiftedService(home, settings)
        home.services.append(started)
        yield started.ready()
        assert started.end() == 0, started.said()


def test_home_assistant_shows_the_price_and_changes_it_on_the_hour(
    service: Service, ahead_s: int, tmp_path: Path
) -> None:
    package = package_for(f"http://127.0.0.1:{service.port}")
    shifted = ("faketime", "-f", f"{ahead_s:+}s")
    with HomeAssistant(tmp_path / "hass", {"openwatt": package}, shifted) as home:
        wait_for_state(home, "sensor.openwatt_price", "0.1232", 30)
        states = {
            name: home.state(name)[0]
            for name in (entity["entity_id"] for entity in home.get("/api/states"))
            if "openwatt" in name
        }
        assert states == {
            "sensor.openwatt_register": "BLEU_HC",
            "sensor.openwatt_price": "0.1232",
            "sensor.openwatt_next_price": "0.6468",
            "sensor.openwatt_next_change": "2026-01-05T05:00:00+00:00",
            "sensor.openwatt_subscription": "15.5",
            "binary_sensor.openwatt_off_peak": "on",
            "sensor.openwatt_tempo_today": "ROUGE",
            "sensor.openwatt_tempo_tomorrow": "ROUGE",
            "sensor.openwatt_tempo_red_days_left": "19",
            "sensor.openwatt_tempo_white_days_left": "26",
            "sensor.openwatt_tempo_blue_days_left": "193",
            "automation.openwatt_read_the_price_when_it_changes": "on",
        }
        _check_classes(home)
        _check_energy_dashboard(home)
        wait_for_state(home, "sensor.openwatt_price", "0.6468", LEAD.total_seconds())
        assert home.state("sensor.openwatt_register")[0] == "ROUGE_HP"
        assert home.state("binary_sensor.openwatt_off_peak")[0] == "off"
        assert home.state("sensor.openwatt_next_change")[0] == "2026-01-05T21:00:00+00:00"
        changed = dt.datetime.fromisoformat(home.get("/api/states/sensor.openwatt_price")["last_changed"])
        assert dt.timedelta(0) <= changed - BOUNDARY < dt.timedelta(seconds=10)
        faults = [
            line for line in home.log().splitlines() if "openwatt" in line.lower() and " ERROR " in line
        ]
        assert faults == []


def _check_classes(home: HomeAssistant) -> None:
    """Units and classes are those that Home Assistant's documentation wants of each kind of figure."""
    wanted = {
        "sensor.openwatt_price": {"unit_of_measurement": "EUR/kWh", "state_class": "measurement"},
        "sensor.openwatt_next_change": {"device_class": "timestamp"},
        "sensor.openwatt_subscription": {"unit_of_measurement": "EUR", "device_class": "monetary"},
        "sensor.openwatt_tempo_red_days_left": {"unit_of_measurement": "d"},
        "binary_sensor.openwatt_off_peak": {"next_change": "2026-01-05T06:00:00+01:00"},
    }
    for entity, attributes in wanted.items():
        assert attributes.items() <= home.state(entity)[1].items(), entity


def _check_history(home: HomeAssistant) -> None:
    """The history that TeslaMateAgile costs a charge by has both prices, each with its instant."""
    query = f"?filter_entity_id=sensor.openwatt_price&end_time={_stamp(BOUNDARY + LEAD)}"
    path = f"/api/history/period/{_stamp(BOUNDARY - LEAD)}{query}"

    def prices() -> list[str]:
        (states,) = home.get(path) or [[]]
        return [state["state"] for state in states if state["state"] != "unavailable"]

    assert wait_until(lambda: prices()[-2:] == ["0.1232", "0.6468"], 30), prices()


def _stamp(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_energy_dashboard(home: HomeAssistant) -> None:
    """The Energy dashboard takes the price for a meter, and finds nothing wrong with it."""
    attributes = {"unit_of_measurement": "kWh", "device_class": "energy", "state_class": "total_increasing"}
    home.post("/api/states/sensor.linky", {"state": "1234.5", "attributes": attributes})
    flow = {
        "stat_energy_from": "sensor.linky",
        "stat_cost": None,
        "entity_energy_price": "sensor.openwatt_price",
        "number_energy_price": None,
    }
    unified = (
        int(home.get("/api/config")["version"].partition(".")[0]) >= 2026
    )  # one meter a source since then
    grid: dict[str, object] = {"type": "grid", "cost_adjustment_day": 0}
    grid |= flow if unified else {"flow_from": [flow], "flow_to": []}
    saved, issues = home.websocket(
        {"type": "energy/save_prefs", "energy_sources": [grid], "device_consumption": []},
        {"type": "energy/validate"},
    )
    (source,) = saved["energy_sources"]
    meter = source if unified else source["flow_from"][0]
    assert meter["entity_energy_price"] == "sensor.openwatt_price"
    (faults,) = issues["energy_sources"]
    found = faults if isinstance(faults, list) else faults["issues"]
    assert [fault for fault in found if "price" in str(fault)] == [], found
