"""The doctor on a healthy installation, and with each part of it broken in turn."""

import json
from pathlib import Path
from typing import Any

import pytest

from openwatt.doctor.checklist import ITEMS
from tests.doctor.breaks import BREAKS
from tests.doctor.whole_stack import GRAFANA_PASSWORD, WholeStack
from tests.ops.monitoring import needs_monitoring
from tests.redis_server import PASSWORD, needs_redis

pytestmark = [needs_redis, needs_monitoring]


def test_a_healthy_installation_is_well(stack: WholeStack) -> None:
    found = stack.examined()
    assert {finding.item: finding.says for finding in found.values() if finding.status == "failed"} == {}
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
    failed = {finding.item: finding.says for finding in found.values() if finding.status == "failed"}
    assert list(failed) == [case.fails], failed
    assert case.says in found[case.fails].says
    assert case.mend in found[case.fails].remedy
    skipped = {finding.item for finding in found.values() if finding.status == "skipped"} - {"tls"}
    assert skipped == case.skips & found.keys()
    assert {found[name].says for name in skipped} <= {f"because {case.fails} failed"}
    assert_discreet(found.values())


def assert_discreet(findings: Any) -> None:
    shown = json.dumps([[finding.says, finding.remedy] for finding in findings])
    assert shown
    for secret in (PASSWORD, GRAFANA_PASSWORD, "hunter5-secret", "wrong-password", "f" * 40):
        assert secret not in shown


def test_every_item_is_broken_by_a_test() -> None:
    assert {case.fails for case in BREAKS.values()} | {"tls"} == {item.name for item in ITEMS}
