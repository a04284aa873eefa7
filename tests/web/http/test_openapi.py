"""The contract is true: what is served is what it says, and it says everything that is served."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.web.http.openapi_schemas import NAMED_VALUES
from tests.conftest import close_app, serve_app

#: Served, but not part of the contract: for eyes, or the contract itself.
FILES = {"/robots.txt", "/favicon.ico", "/sitemap.xml", "/.well-known/security.txt"}
PAGES = {"/", "/docs", "/history", "/now", "/problems/<name>", "/status", "/tariffs"}
NOT_IN_CONTRACT = {*PAGES, *FILES, "/metrics", "/openapi.json", "/static/<path:filename>"}


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The contract of a service with the admin API."""
    app = create_app(Settings(database_url="postgresql://unused/unused", admin_token="a" * 32))
    found: Any = app.test_client().get("/openapi.json").json
    close_app(app)
    return dict(found)


@pytest.fixture
def served(shared_app: Flask) -> Iterator[str]:
    """The address of the app on a real socket."""
    with serve_app(shared_app) as address:
        yield address


@pytest.mark.timeout(300)  # two of its phases grow with every operation
def test_schemathesis_finds_nothing_with_all_its_checks(served: str, tmp_path: Path) -> None:
    arguments = ["--checks=all", "--max-examples=40", "--generation-database=none", "--no-color"]
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    config = str(Path(__file__).with_name("schemathesis.toml"))
    command = [schemathesis, "--config-file", config, "run", f"{served}/openapi.json", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "29 selected / 29 total" in done.stdout
    assert "No issues found" in done.stdout


def test_the_contract_is_valid_openapi_31(client: FlaskClient) -> None:
    document: Any = client.get("/openapi.json").json
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["openapi"].startswith("3.1")


def test_every_route_is_in_the_contract(shared_app: Flask, client: FlaskClient) -> None:
    paths = set(client.get("/openapi.json").json["paths"])  # type: ignore[index]  # the contract
    routes = {rule.rule for rule in shared_app.url_map.iter_rules()}
    assert paths
    assert routes - NOT_IN_CONTRACT == paths


def test_every_operation_is_explained(client: FlaskClient) -> None:
    tags = {tag["name"] for tag in client.get("/openapi.json").json["tags"]}  # type: ignore[index]
    paths = client.get("/openapi.json").json["paths"]  # type: ignore[index]
    operations = [operation for path in paths.values() for operation in path.values()]
    assert operations
    for operation in operations:
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
        assert operation["description"].endswith(".")
        assert all(parameter["description"] for parameter in operation["parameters"])


def test_amounts_are_numbers_in_the_contract(client: FlaskClient) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]  # type: ignore[index]  # the contract
    subscription = schemas["TariffItem"]["properties"]["subscription_eur_per_year_ttc"]
    assert {"type": "number", "format": "decimal"} in subscription["anyOf"]
    assert schemas["TariffItem"]["properties"]["applies_from"] == {"type": "string", "format": "date"}
    assert schemas["TariffItem"]["properties"]["observed_at"] == {"type": "string", "format": "date-time"}


def inline_words(schema: Any, path: str = "") -> Iterator[str]:
    """Where a set of several words stands in place of a reference to it."""
    if isinstance(schema, dict):
        if len(schema.get("enum", ())) > 1 and path.rpartition("/")[0] != "/components/schemas":
            yield path
        for key, value in schema.items():
            yield from inline_words(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from inline_words(value, f"{path}/{number}")


def test_every_set_of_words_is_named_once_and_used_in_answers_too(whole: dict[str, Any]) -> None:
    # The language of an answer is said by a header, of which there is one.
    assert [*inline_words(whole)] == ["/components/headers/Content-Language/schema"]
    text = json.dumps([whole["paths"], whole["components"]])
    assert [name for name in NAMED_VALUES if f'/schemas/{name}"' not in text] == []
    option = {"$ref": "#/components/schemas/Option"}
    assert whole["components"]["schemas"]["TariffItem"]["properties"]["option"] == option
    prices = whole["components"]["schemas"]["TariffItem"]["properties"]["prices_eur_per_kwh_ttc"]
    assert prices["propertyNames"] == {"$ref": "#/components/schemas/Register"}


def test_every_operation_has_a_true_example(whole: dict[str, Any]) -> None:
    checked = 0
    for path in whole["paths"].values():
        for operation in path.values():
            (media_type, answer), *_ = operation["responses"]["200"]["content"].items()
            if media_type == "application/zip":
                continue
            schema = answer["schema"] | {"components": whole["components"]}
            Draft202012Validator(schema).validate(answer["example"])
            checked += 1
    assert checked > 25


def test_no_operation_changes_its_id_silently(whole: dict[str, Any]) -> None:
    listed = Path(__file__).with_name("operation_ids.txt").read_text("utf-8").split()
    assert sorted(one["operationId"] for path in whole["paths"].values() for one in path.values()) == listed


def test_security_is_said(whole: dict[str, Any]) -> None:
    assert whole["security"] == []
    needs = {name for name, path in whole["paths"].items() for one in path.values() if one.get("security")}
    assert needs == {name for name in whole["paths"] if name.startswith("/v1/admin/")}
    assert whole["components"]["securitySchemes"]["adminToken"]["scheme"] == "bearer"


@pytest.mark.parametrize(
    "operation_id", ["tariffs", "price_now", "compare_kwh", "tempo", "version", "tempo_calendar"]
)
def test_the_documented_headers_come(client: FlaskClient, whole: dict[str, Any], operation_id: str) -> None:
    query = {
        "tariffs": "?limit=1&format=csv",
        "price_now": "?option=BASE&power_kva=6",
        "compare_kwh": "?kwh=5000&power_kva=6&format=csv",
        "tempo": "?limit=1&format=csv",
    }
    paths = {one["operationId"]: (path, one) for path, of in whole["paths"].items() for one in of.values()}
    name, operation = paths[operation_id]
    answer = client.get(name + query.get(operation_id, ""))
    assert answer.status_code == 200
    documented = set(operation["responses"]["200"]["headers"])
    assert documented - set(answer.headers.keys()) - {"Link"} == set()


def test_the_last_day_of_tempo_has_two_names_and_one_meaning(client: FlaskClient) -> None:
    new, old = (
        client.get(f"/v1/tempo?from=2026-01-05&{name}=2026-01-07&limit=2") for name in ("until", "to")
    )
    assert new.json
    assert old.json
    assert new.json["days"] == old.json["days"]
    assert (new.json["until"], new.json["to"]) == ("2026-01-07", "2026-01-07")
    assert "until=2026-01-07" in new.json["next"]
    assert "to=2026-01-07" in old.json["next"]
    both = client.get("/v1/tempo?to=2026-01-08&until=2026-01-07")
    assert both.json is not None
    assert both.json["until"] == "2026-01-07"
