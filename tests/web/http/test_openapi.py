"""The contract is true: what is served is what it says, and it says everything that is served."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.conftest import serve_app

#: Served, but not part of the contract: for eyes, or the contract itself.
PAGES = {"/", "/docs", "/history", "/now", "/problems/<name>", "/status", "/tariffs"}
NOT_IN_CONTRACT = {*PAGES, "/metrics", "/openapi.json", "/static/<path:filename>"}


@pytest.fixture
def served(shared_app: Flask) -> Iterator[str]:
    """The address of the app on a real socket."""
    with serve_app(shared_app) as address:
        yield address


def test_schemathesis_finds_nothing_with_all_its_checks(served: str, tmp_path: Path) -> None:
    arguments = ["--checks=all", "--max-examples=40", "--generation-database=none", "--no-color"]
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    config = str(Path(__file__).with_name("schemathesis.toml"))
    command = [schemathesis, "--config-file", config, "run", f"{served}/openapi.json", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "27 selected / 27 total" in done.stdout
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
    assert {"type": "number"} in subscription["anyOf"]
