"""The machine that tests/systemd/run has booted: all tests share it, one after the other."""

import pytest

from tests.systemd.machine import Guide, Machine


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine()


@pytest.fixture(scope="session")
def guide(machine: Machine) -> Guide:
    return Guide(machine)
