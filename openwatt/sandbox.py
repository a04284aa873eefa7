"""The process of its own in which a file from outside is read: limits end it and harm nothing else."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import openwatt

#: What a process needs of our environment; our own settings and secrets are not among it.
_ENVIRONMENT = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"})
#: A linear algebra of one thread: each more reserves memory that counts against the limit.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def command_of(module: str, *arguments: str) -> list[str]:
    """Makes the command line that runs one of our modules under our own interpreter."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Makes the environment of such a process: what programs need, none of our secrets, and `more`."""
    needed = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT}
    root = str(Path(openwatt.__file__).parents[1])
    return {**needed, **_ONE_THREAD, "PYTHONPATH": root, "PYTHONUTF8": "1", **(more or {})}


def kill_group(pid: int) -> None:
    """Kills a process that leads its session, with whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def limit_resources(memory_bytes: int, *, hard: bool = True) -> None:
    """Limits this process to some bytes of addresses, and forbids it to write files and core dumps.

    A limit of memory that is not hard can be lifted by the process, to report that it was reached.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes if hard else resource.RLIM_INFINITY))


class SandboxProcess:
    """One of our modules in an interpreter of its own, seen from outside.

    Its working directory is `/`, where no file `.env` of ours is read.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        """Starts it. Raises OSError when that cannot be."""
        self._parent = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            command_of(module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=environment(),
            start_new_session=True,  # the signal that ends it reaches whatever it has started
        )

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """Its input and its output."""
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("a process without pipes")
        return self._process.stdin, self._process.stdout

    def is_usable(self) -> bool:
        """Whether it lives, and was started by this process and not by the one it was forked from."""
        return self._parent == os.getpid() and self._process.poll() is None

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[threading.Event]:
        """Kills the process when the block lasts longer than some seconds; the event is then set."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()
            timer.join()

    def kill(self) -> None:
        """Kills it, whatever it is doing."""
        kill_group(self._process.pid)

    def wait(self) -> int:
        """Waits for its end and returns its status, negative where a signal ended it."""
        return self._process.wait()

    def close(self) -> None:
        """Kills it and closes its pipes."""
        if self._parent != os.getpid():
            self._process.returncode = 0  # another's child: it is not waited for here
        else:
            self.kill()
            self.wait()
        for pipe in self.pipes:
            with contextlib.suppress(OSError):  # what it no longer took cannot be flushed
                pipe.close()


def read_exactly(pipe: IO[bytes], size: int) -> bytes:
    """Reads so many bytes of a pipe. Raises EOFError when it ends before."""
    found = pipe.read(size)
    if len(found) < size:
        raise EOFError
    return found
