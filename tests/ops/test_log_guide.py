"""The two guides on logs, whose blocks are the same: what they tell an operator to type works."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.ops.test_datadog import request_line
from tests.programs import needs_program

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "journaux.md").read_text()
ENGLISH = (ROOT / "docs" / "logs.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    return [str(block) for block in found]


@pytest.mark.parametrize("page", [GUIDE, ENGLISH], ids=["journaux", "logs"])
def test_every_file_that_it_names_is_there(page: str) -> None:
    named = set(re.findall(r"(?<![\w/])(?:ops|openwatt)/[\w./-]*\w", page))
    assert len(named) > 12
    for name in named:
        assert (ROOT / name).exists(), name


def test_its_shell_lines_can_be_read_by_a_shell() -> None:
    for block in blocks("sh"):
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)


@needs_program("jq")
def test_its_queries_for_jq_find_what_they_say() -> None:
    records = [json.loads(request_line("/v1/tariffs", status, quiet=False)) for status in (200, 500)]
    records[0] |= {"request_id": "f47ac10b-58cc-4372-a567-0e02b2c3d479"}
    records[1] |= {"duration_ms": 1000.5, "db_ms": 2}
    lines = "".join(json.dumps(record) + "\n" for record in records)
    one, errors, slow = (
        subprocess.run(
            ["jq", "-cr", query], input=lines, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for query in blocks("jq")[0].splitlines()
    )
    assert [json.loads(line) for line in one] == records[:1]
    assert json.loads(errors[0]) == {"path": "/v1/tariffs", "status": 500, "error": None, "exc_info": None}
    assert slow == ["1000.5\t2\t/v1/tariffs"]


def test_a_requests_line_is_as_heavy_as_it_says() -> None:
    length = len(request_line("/v1/tariffs", 200, quiet=False)) + len(',"request_id":""') + 36
    assert 380 < length < 480
    assert "environ 430 octets" in GUIDE
    assert "about 430 bytes" in ENGLISH
