"""Folders that an unprivileged server can enter (pytest's own are closed under root), with no server left."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from openwatt.store.embedded.postgres import EmbeddedPostgres
from openwatt.store.embedded.processes import command_of


def kill_servers_under(folder: Path) -> None:
    for file in folder.rglob("postmaster.pid"):
        with suppress(FileNotFoundError, ProcessLookupError, ValueError, IndexError):
            pid = int(file.read_text().splitlines()[0])
            os.kill(pid, signal.SIGQUIT)
            until = time.monotonic() + 5
            while command_of(pid) and time.monotonic() < until:
                time.sleep(0.01)


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder others may enter, with a `fallback` and a `sockets` folder, removed with its servers."""
    folder = Path(tempfile.mkdtemp(prefix="ow-")).resolve()
    folder.chmod(0o755)
    (folder / "sockets").mkdir()
    (folder / "sockets").chmod(0o1777)
    yield folder
    kill_servers_under(folder)
    shutil.rmtree(folder)


@pytest.fixture
def embedded(open_dir: Path) -> Callable[[Path], EmbeddedPostgres]:
    """The embedded server of a data folder, that leaves the machine's own folders alone."""

    def of(data_dir: Path) -> EmbeddedPostgres:
        return EmbeddedPostgres(
            data_dir, fallback_root=open_dir / "fallback", socket_root=open_dir / "sockets"
        )

    return of
