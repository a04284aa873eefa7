"""Clients that generators make of the contract call the running service and understand what it answers."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from tests.conftest import serve_app

HERE = Path(__file__).resolve().parent
#: Where `make test` puts the generators.
PROGRAMS = HERE.parents[1] / ".venv-generators" / "bin"


@pytest.fixture
def served(shared_app: Flask) -> Iterator[str]:
    """The address of the app on a real socket."""
    with serve_app(shared_app) as address:
        yield address


def run(*command: str | Path, folder: Path) -> str:
    """What a command prints, which has to end well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


GENERATORS = {
    "call_openapi_python_client.py": (
        "openapi-python-client",
        *("generate", "--path=openapi.json", "--output-path=generated_client", "--meta=none"),
    ),
    "call_datamodel_code_generator.py": (
        "datamodel-codegen",
        *("--input=openapi.json", "--input-file-type=openapi", "--output=generated_models.py"),
        *("--output-model-type=pydantic_v2.BaseModel", "--target-python-version=3.11"),
    ),
}


def expected(address: str) -> dict[str, Any]:
    """What the calls of every generated client bring, read without one."""
    bills: Any = httpx.get(f"{address}/v1/bills?kwh=5000&power_kva=6").json()
    return {
        "tariffs": ["HPHC"],
        "bills": [bills["span"]["start"], len(bills["ranking"]), bills["ranking"][0]["option"]],
        "prices": ["HC", "HP", "HC"],
        "price_now": ["Tarif Bleu", "BASE", True],
        "problem": [400, "parameter.cursor"],
    }


@pytest.mark.parametrize("script", GENERATORS)
def test_a_generated_client_makes_four_calls(served: str, tmp_path: Path, script: str) -> None:
    program, *options = GENERATORS[script]
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{served}/openapi.json").content)
    run(PROGRAMS / program, *options, folder=tmp_path)
    (tmp_path / script).write_text((HERE / script).read_text("utf-8"), "utf-8")
    assert json.loads(run(PROGRAMS / "python", script, served, folder=tmp_path)) == expected(served)
