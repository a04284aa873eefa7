"""The machine that tests/systemd/run has booted: one for all tests, which follow each other in their order."""

import pytest

from tests.systemd.machine import Guide, Machine


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine()


@pytest.fixture(scope="session")
def guide(machine: Machine) -> Guide:
    return Guide(machine)
