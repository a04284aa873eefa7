"""What a worker may hold, and the memory limits of everything that starts one: two files, one test."""

import re

import pytest
import yaml

from openwatt.meter.sandbox import SandboxLimits
from openwatt.settings import MAX_DEFAULT_WORKERS, read_settings
from openwatt.web.http import uploads
from openwatt.web.http.bodies import LONGEST_FILE_BODY
from tests.ops.dockerfile import REPOSITORY
from tests.ops.rule_files import alerts
from tests.ops.units import setting

MB = 1024 * 1024
WORKER_MB = 400
#: The master, and what is mapped once for all.
REST_MB = 200
#: An interpreter with its libraries: that of a worker, of what reads files for it, and of its child.
WORKER_ITSELF_MB, READER_MB = 60, 31
UNITS = {"M": 1, "G": 1024, "Mi": 1, "Gi": 1024, "m": 1, "g": 1024}


def megabytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)(\w+)", text)
    assert found, text
    return int(found[1]) * UNITS[found[2]]


def limits() -> dict[str, tuple[int, int]]:
    """The memory limit and the most workers of each way to start the service."""
    (unit,) = setting("openwatt.service", "MemoryMax")
    compose = yaml.safe_load((REPOSITORY / "ops/docker-compose.yaml").read_text())["services"]["api"]
    deployment = yaml.safe_load((REPOSITORY / "ops/kubernetes/deployment.yaml").read_text().split("\n---")[0])
    (api,) = [one for one in deployment["spec"]["template"]["spec"]["containers"] if one["name"] == "api"]
    configmap = yaml.safe_load((REPOSITORY / "ops/kubernetes/configmap.yaml").read_text())["data"]
    assert "OPENWATT_WORKERS" not in compose["environment"]
    return {
        "systemd": (megabytes(unit), MAX_DEFAULT_WORKERS),
        "compose": (megabytes(compose["mem_limit"]), MAX_DEFAULT_WORKERS),
        "Kubernetes": (
            megabytes(api["resources"]["limits"]["memory"]),
            int(configmap["OPENWATT_WORKERS"]),
        ),
    }


@pytest.mark.parametrize("way", ["systemd", "compose", "Kubernetes"])
def test_a_memory_limit_holds_every_worker_at_its_most(way: str) -> None:
    limit, workers = limits()[way]
    assert limit >= workers * WORKER_MB + REST_MB
    assert limit < 2 * (workers * WORKER_MB + REST_MB), "it would bound nothing"


def test_what_a_worker_may_hold_adds_up_to_its_share() -> None:
    threads = read_settings({}).threads
    bodies = (uploads.MOST_HELD_BYTES + LONGEST_FILE_BODY) // MB + threads
    sandbox = READER_MB + READER_MB + SandboxLimits().memory_mb
    assert WORKER_ITSELF_MB + bodies + sandbox <= WORKER_MB + 8  # shared pages are counted three times here


def test_one_process_that_is_killed_for_its_memory_does_not_end_the_service() -> None:
    assert setting("openwatt.service", "OOMPolicy") == ["continue"]


def test_the_alert_on_memory_is_at_the_same_figure() -> None:
    assert "WorkerMemoryHigh" in alerts()
    rules = (REPOSITORY / "ops/prometheus/rules/service.yaml").read_text()
    assert f"max(openwatt_worker_resident_bytes) > {WORKER_MB} * 1024 * 1024" in rules
