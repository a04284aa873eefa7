"""A container engine for `make prove`: the one that answers, or Docker started for the time of the run."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.containers.leftovers import PREFIX, note_network, remove_run

HERE = Path(__file__).resolve().parent
#: The Debian suite whose Compose an engine gets that has none: Debian 12 has none of this kind.
COMPOSE_SUITE = "trixie"
#: What the images, the build and the data of both stacks take, with something to spare.
NEEDED_GB = 8


class NotShownError(Exception):
    """What was to be shown is not so, or could not be tried; the message says which."""


class Engine:
    """An engine by its command line, with the environment that it needs."""

    def __init__(self, name: str, environment: Mapping[str, str], *, is_ours: bool = False) -> None:
        self.name = name
        self.environment = dict(environment)
        self.is_ours = is_ours
        """Whether it was started for the run: its data goes with the run's folder."""

    def try_run(self, *words: str, cwd: Path | None = None, timeout: float = 900) -> tuple[int, str]:
        """The status and all that a command said; where the run is interrupted, its children end with it."""
        with subprocess.Popen(
            words,
            env=self.environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=timeout)
            except BaseException:
                # A Compose that goes on would start containers beside the one that removes them.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, said.strip()

    def run(self, *words: str, cwd: Path | None = None, timeout: float = 900) -> str:
        """What a command said.

        Raises:
            NotShownError: it failed.
        """
        code, said = self.try_run(*words, cwd=cwd, timeout=timeout)
        if code:
            raise NotShownError(f"`{' '.join(words)[:200]}` ended with {code}:\n{said[-4000:]}")
        return said

    def __call__(self, *words: str) -> str:
        """What one of the engine's own commands said."""
        return self.run(self.name, *words)

    def state(self, container: str, of: str) -> str:
        """What `inspect` says of a container."""
        return self("inspect", "--format", f"{{{{{of}}}}}", container)

    def healthy(self, container: str) -> bool:
        """Whether a container runs and its health check succeeds."""
        code, said = self.try_run(
            self.name, "inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", container
        )
        return code == 0 and said == "running healthy"

    def versions(self) -> tuple[str, str]:
        """The version of the engine, and that of its Compose."""
        return self("version", "--format", "{{.Server.Version}}"), self("compose", "version", "--short")


@contextmanager
def only_run() -> Iterator[None]:
    """Keeps a second run away, which would take the same ports, and removes what a killed one left.

    Raises:
        NotShownError: another run is going on.
    """
    lock = os.open(tempfile.gettempdir(), os.O_RDONLY)  # the folder itself, so that no file is left
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if folder.stat().st_uid == os.geteuid():
                remove_run(folder)
        yield
    except BlockingIOError:
        raise NotShownError("another `make prove` runs on this machine: wait for its end") from None
    finally:
        os.close(lock)


def _answers(name: str, environment: Mapping[str, str]) -> bool:
    return (
        shutil.which(name) is not None
        and subprocess.run([name, "info"], env=environment, capture_output=True, check=False).returncode == 0
    )


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """The engine of ENGINE, or that answers, or a Docker with its data in `folder`; each with a Compose."""
    environment = dict(os.environ)
    wanted = environment.get("ENGINE")
    for name in [wanted] if wanted else ["docker", "podman"]:
        if _answers(name, environment):
            yield _with_compose(Engine(name, environment), folder)
            return
    dockerd = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
    if wanted == "podman" or dockerd is None or os.geteuid() != 0:
        raise NotShownError(
            "no container engine answers; start one, or, as root, install one that is then started by hand: "
            "Debian's package docker.io"
        )
    if (free := shutil.disk_usage(folder).free >> 30) < NEEDED_GB:
        raise NotShownError(
            f"{folder.parent} has {free} GB free, and an engine takes {NEEDED_GB}: make room, or name "
            "another folder with TMPDIR"
        )
    with _started(dockerd, folder, environment):
        yield _with_compose(Engine("docker", environment, is_ours=True), folder)


def _with_compose(found: Engine, folder: Path) -> Engine:
    """The engine, with the Compose of Debian's newest release where it has none."""
    if found.try_run(found.name, "compose", "version")[0] == 0:
        return found
    fetched = (f"{HERE}/fetch-debian", "--into", f"{folder}/debian", COMPOSE_SUITE, "docker-compose")
    unpacked = found.run(*fetched)
    plugins = folder / "config/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(
        f"{unpacked.splitlines()[-1]}/usr/libexec/docker/cli-plugins/docker-compose"
    )
    found.environment["DOCKER_CONFIG"] = str(folder / "config")
    return found


@contextmanager
def _started(dockerd: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """A Docker of our own on a socket of its own; its address goes into the environment."""
    socket, log = folder / "docker.sock", folder / "dockerd.log"
    note_network(folder)
    with log.open("wb") as written:
        process = subprocess.Popen(
            [
                dockerd,
                f"--data-root={folder}/data",
                f"--exec-root={folder}/run",
                f"--pidfile={folder}/pid",
                f"--host=unix://{socket}",
                # Where the capability to raise limits is missing no container starts with Docker's own.
                "--default-ulimit=nofile=1024:1024",
            ],
            stdout=written,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the run, which still asks the engine to clear up
        )
    environment["DOCKER_HOST"] = f"unix://{socket}"
    environment["DOCKER_BUILDKIT"] = "0"  # buildx is a package of its own
    try:
        deadline = time.monotonic() + 60
        while not _answers("docker", environment):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotShownError(f"dockerd does not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(60)
