"""One healthy installation for all tests of the doctor; each breaks a part, or what is told of it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.doctor.whole_stack import WholeStack, whole_stack


@pytest.fixture(scope="session")
def stack(server: Server, migrated: str, filled: str) -> Iterator[WholeStack]:
    folder = Path(tempfile.mkdtemp(prefix="ow-doctor-")).resolve()
    with whole_stack(server, {"migrated": migrated, "filled": filled}, folder) as made:
        yield made
    shutil.rmtree(folder)
