"""The files and expressions for other tools, run by the tools themselves where a registry has them."""

import datetime as dt
import json
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.chaos.running import REPOSITORY
from tests.conftest import Server, close_app, serve_app
from tests.programs import needs_program

INTEGRATIONS = REPOSITORY / "integrations"
PAGES = [REPOSITORY / "docs" / name for name in ("home-automation.md", "domotique.md")]
#: Where every file and page says that OpenWatt is.
ADDRESS = "http://127.0.0.1:8000"
#: Ten seconds before 06:00 of a red Tempo day: what the pages show was answered then.
NOW = dt.datetime(2026, 1, 5, 4, 59, 50, tzinfo=dt.UTC)
#: evcc's rates by its documentation of `type: custom`: begin, end and value of each, in order.
EVCC_RATES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["start", "end", "value"],
        "additionalProperties": False,
        "properties": {
            "start": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
            "end": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
            "value": {"type": "number"},
        },
    },
}
#: What openHAB's JSONPath transformation stands on, as Debian packages it, run from its source by Java.
JAYWAY = [Path("/usr/share/java") / f"{name}.jar" for name in ("json-path", "json-smart", "accessors-smart")]
JAYWAY += [Path("/usr/share/java") / f"{name}.jar" for name in ("slf4j-api", "asm")]
TRANSFORM = """
import com.jayway.jsonpath.JsonPath;
class Transform {
    public static void main(String[] paths) throws Exception {
        String json = new String(System.in.readAllBytes(), "UTF-8");
        for (String path : paths) System.out.println(path + " " + JsonPath.read(json, path));
    }
}
"""


@pytest.fixture(scope="module")
def app(server: Server, filled: str) -> Iterator[Flask]:
    """The app over the shipped catalogue on that morning."""
    app = create_app(Settings(database_url=server.url(server.create(filled)), workers=1), clock=lambda: NOW)
    yield app
    close_app(app)


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def answer(client: FlaskClient, address: str) -> Any:
    """The JSON at the address that a file names."""
    assert address.startswith(ADDRESS)
    response = client.get(address.removeprefix(ADDRESS))
    assert response.status_code == 200, response.text
    return response.json


def test_evcc_gets_rates_in_the_form_that_it_documents(client: FlaskClient) -> None:
    tariffs = yaml.safe_load((INTEGRATIONS / "evcc" / "openwatt.yaml").read_text("utf-8"))["tariffs"]
    assert tariffs["currency"] == "EUR"
    assert tariffs["grid"].keys() == {"type", "forecast"}
    assert (tariffs["grid"]["type"], tariffs["grid"]["forecast"]["source"]) == ("custom", "http")
    rates = answer(client, tariffs["grid"]["forecast"]["uri"])
    jsonschema.validate(rates, EVCC_RATES)
    # It searches them by halves: they must be in order and may not overlap.
    assert all(before["end"] == after["start"] for before, after in pairwise(rates))
    assert all(rate["start"] < rate["end"] for rate in rates)
    assert rates[0]["start"] <= "2026-01-05T05:00:00Z"
    assert len(rates) >= 48
    assert {rate["value"] for rate in rates} == {0.1635, 0.2081}


@needs_program("java", "javac")
@pytest.mark.skipif(not JAYWAY[0].exists(), reason="apt-get install libjsonpath-java")
def test_the_paths_of_openhab_find_what_their_channels_say(client: FlaskClient, tmp_path: Path) -> None:
    things = (INTEGRATIONS / "openhab" / "openwatt.things").read_text("utf-8")
    (address,) = re.findall(r'baseURL="([^"]+)"', things)
    paths = dict(re.findall(r'Type \w+ : (\w+) .*"JSONPATH:([^"]+)"', things))
    page = answer(client, address)
    (tmp_path / "Transform.java").write_text(TRANSFORM)
    done = subprocess.run(
        ["java", "-cp", ":".join(map(str, JAYWAY)), tmp_path / "Transform.java", *paths.values()],
        input=json.dumps(page),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert {name: found[path] for name, path in paths.items()} == {
        "price": str(page["price_eur_per_kwh_ttc"]),
        "next_price": str(page["next"]["price_eur_per_kwh_ttc"]),
        "subscription": str(page["subscription_eur_per_month_ttc"]),
        "register": "HC",
        "off_peak": "true",
        "next_change": "2026-01-05T06:30:00+01:00",
    }
    items = (INTEGRATIONS / "openhab" / "openwatt.items").read_text("utf-8")
    assert set(re.findall(r'channel="http:url:openwatt:(\w+)"', items)) == set(paths)


def test_teslamateagile_takes_the_price_of_the_package_for_home_assistant() -> None:
    compose = yaml.safe_load((INTEGRATIONS / "teslamate" / "docker-compose.yaml").read_text("utf-8"))
    environment = compose["services"]["teslamateagile"]["environment"]
    assert environment["TeslaMate__EnergyProvider"] == "HomeAssistant"
    domain, _, name = environment["HomeAssistant__EntityId"].partition(".")
    package = yaml.safe_load((INTEGRATIONS / "home_assistant" / "openwatt.yaml").read_text("utf-8"))
    names = [sensor["name"] for block in package["template"] for sensor in block.get("sensor", [])]
    assert domain == "sensor"
    assert name in {name.lower().replace(" ", "_") for name in names}


@needs_program("curl", "jq")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_pages_show_is_what_curl_and_jq_print(app: Flask, page: Path) -> None:
    text = page.read_text("utf-8")
    shown = re.findall(r"^```console\n\$ (curl .*?)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(shown) >= 5
    with serve_app(app) as address:
        for command, printed in shown:
            here = ["sh", "-c", command.replace(ADDRESS, address)]
            done = subprocess.run(here, capture_output=True, text=True, check=True, timeout=30)
            assert done.stdout == printed, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_show_the_files_as_they_are(page: Path) -> None:
    text = page.read_text("utf-8")
    for path in sorted(INTEGRATIONS.rglob("openwatt.*")):
        assert str(path.relative_to(REPOSITORY)) in text
    evcc = (INTEGRATIONS / "evcc" / "openwatt.yaml").read_text("utf-8")
    assert re.sub(r"^#.*\n", "", evcc, flags=re.MULTILINE) in text
