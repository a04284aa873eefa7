"""A real disk of a few megabytes in a mount namespace of its own, which a test can fill to the last byte."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.running import REPOSITORY, wait_until
from tests.programs import require_program


class SmallDisk:
    """A file system at `path`, seen by commands that begin with `within` and, here, below `seen`."""

    def __init__(self, path: Path, holder: int, user: list[str]) -> None:
        self.path = path
        self.within = ["nsenter", f"--target={holder}", *user, "--mount", f"--wd={REPOSITORY}"]
        self.seen = Path(f"/proc/{holder}/root{path}")

    def fill(self) -> None:
        """Takes every byte that is left."""
        descriptor = os.open(self.seen / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 20, 1 << 12, 1):
                for _ in range(100 << 20):
                    try:
                        os.write(descriptor, bytes(size))
                    except OSError as error:
                        assert error.errno == errno.ENOSPC  # noqa: PT017  what else went wrong is told
                        break
            with suppress(OSError):  # a file system that allocates late says so here
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Gives back what `fill` has taken."""
        (self.seen / "ballast").unlink()


@contextmanager
def small_disk(path: Path, megabytes: int, kind: str = "tmpfs") -> Iterator[SmallDisk]:
    """A disk of some megabytes, a tmpfs or an ext4 on a loop device; it is gone with the block."""
    path.mkdir(exist_ok=True)
    if kind == "tmpfs":
        mount = f"mount -t tmpfs -o mode=755,size={megabytes}m tmpfs {path}"
    else:
        if os.geteuid():
            pytest.skip("an ext4 of the test's own needs root")
        require_program("mkfs.ext4")
        image = path.with_suffix(".img")
        mount = f"truncate -s {megabytes}M {image} && mkfs.ext4 -q {image} && mount -o loop {image} {path}"
    user = ["--user", "--map-root-user"] if os.geteuid() else []
    command = ["unshare", *user, "--mount", "sh", "-c", f"{mount} && echo mounted && exec sleep 300"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as holder:
        try:
            assert holder.stdout is not None
            said = holder.stdout.readline()
            if said != "mounted\n":
                pytest.skip(f"this machine lets nobody mount a disk in a namespace of his own: {said}")
            disk = SmallDisk(path, holder.pid, ["--user", "--preserve-credentials"] if user else [])
            wait_until(disk.seen.is_dir)
            yield disk
        finally:
            holder.kill()
