"""The doctor on a healthy installation, and with each part of it broken in turn."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from openwatt.doctor.checklist import ITEMS
from tests.chaos.running import wait_until
from tests.doctor.breaks import ALERTING, BREAKS, PROMETHEUS, SERVICE
from tests.doctor.whole_stack import GRAFANA_PASSWORD, WholeStack
from tests.ops.monitoring import needs_monitoring
from tests.redis_server import PASSWORD, needs_redis

pytestmark = [needs_redis, needs_monitoring]


def test_a_healthy_installation_is_well(stack: WholeStack) -> None:
    found = stack.examined()
    assert {finding.item: finding.message for finding in found.values() if finding.status == "failed"} == {}
    # Its address is plain http; all else is looked at.
    assert [finding.item for finding in found.values() if finding.status == "skipped"] == ["tls"]
    assert list(found) == [item.name for item in ITEMS]


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_broken_fails_alone_and_names_its_remedy(
    stack: WholeStack, tmp_path: Path, what: str
) -> None:
    case = BREAKS[what]
    with case.broken(stack, tmp_path) as changes:
        found = stack.examined(**changes)
    failed = {finding.item: finding.message for finding in found.values() if finding.status == "failed"}
    assert list(failed) == [case.fails], failed
    assert case.message in found[case.fails].message
    assert case.fix in found[case.fails].remedy
    skipped = {finding.item for finding in found.values() if finding.status == "skipped"} - {"tls"}
    assert skipped == case.skips & found.keys()
    assert {found[name].message for name in skipped} <= {f"because {case.fails} failed"}
    assert_discreet(found.values())


def assert_discreet(findings: Any) -> None:
    shown = json.dumps([[finding.message, finding.remedy] for finding in findings])
    assert shown
    for secret in (PASSWORD, GRAFANA_PASSWORD, "hunter5-secret", "wrong-password", "f" * 40):
        assert secret not in shown


def test_every_item_is_broken_by_a_test() -> None:
    assert {case.fails for case in BREAKS.values()} | {"tls"} == {item.name for item in ITEMS}


def program(name: str) -> tuple[Callable[[WholeStack], object], Callable[[WholeStack], object]]:
    """How a program of the monitoring is ended, and started again."""
    return lambda stack: stack.monitoring.stack.down([name]), lambda stack: stack.monitoring.stack.up()


def signalled(number: int) -> Callable[[WholeStack], object]:
    def send(stack: WholeStack) -> None:
        for pid in stack.service.group():
            os.kill(pid, number)

    return send


#: What is stopped → how, how it goes on, and what must be skipped because of it.
STOPS: dict[str, tuple[Callable[[WholeStack], object], Callable[[WholeStack], object], set[str]]] = {
    "prometheus": (*program("prometheus"), PROMETHEUS),
    "alertmanager": (*program("alertmanager"), ALERTING),
    "metrics-process": (*program("metrics"), set()),
    "limits": (lambda stack: stack.redis.stop(), lambda stack: stack.redis.start(), set()),
    "sentry": (lambda stack: stack.bugsink.freeze(), lambda stack: stack.bugsink.thaw(), set()),
    "service": (signalled(signal.SIGSTOP), signalled(signal.SIGCONT), SERVICE),
}


def test_a_worker_that_counts_alone_for_a_moment_is_no_fault(stack: WholeStack) -> None:
    def counts_in_memory() -> bool:
        httpx.get(f"{stack.url}/v1/suppliers", timeout=10)
        scrape = httpx.get(f"{stack.url}/metrics", timeout=10).text
        return re.search("^openwatt_rate_limiter_degraded 1.0", scrape, re.MULTILINE) is not None

    stack.redis.freeze()
    try:
        wait_until(counts_in_memory)
    finally:
        stack.redis.thaw()
    found = stack.examined(only=["limits"])["limits"]
    assert found.status == "ok", found


@pytest.mark.slow
@pytest.mark.parametrize("item", STOPS)
def test_a_program_that_stops_is_found_out_and_well_when_it_is_back(stack: WholeStack, item: str) -> None:
    stop, go_on, because_of_it = STOPS[item]
    stop(stack)
    try:
        found = stack.examined()
    finally:
        go_on(stack)
    failed = {finding.item: finding.message for finding in found.values() if finding.status == "failed"}
    assert list(failed) == [item], failed
    assert re.search("refuses connections|does not answer|does not show", failed[item])
    assert {finding.item for finding in found.values() if finding.status == "skipped"} - {
        "tls"
    } == because_of_it

    def well() -> bool:
        return all(finding.status != "failed" for finding in stack.examined().values())

    wait_until(well)
