"""The doctor on a healthy installation, and with each part of it broken in turn."""

from tests.doctor.whole_stack import WholeStack


def test_a_healthy_installation_is_well(stack: WholeStack) -> None:
    found = stack.examined()
    for f in found.values():
        print(f)
    assert {name: finding.says for name, finding in found.items() if finding.status == "failed"} == {}
