"""A copy of the tree in which `make up` runs, and requests to the containers that it started."""

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from openwatt import __version__
from tests.containers.engine import Engine, NotShownError

T = TypeVar("T")

API, METRICS, PROMETHEUS, ALERTMANAGER = 8000, 9101, 9090, 9093
#: Every port that the stacks publish on 127.0.0.1.
PORTS = (API, METRICS, PROMETHEUS, ALERTMANAGER, 3001)


def get(
    port: int, path: str, *, method: str = "GET", body: bytes | None = None, content: str = ""
) -> tuple[int, bytes]:
    """Status and body of an answer of this machine; 0 where nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": content} if content else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def wait_for(condition: Callable[[], T], what: str, seconds: float = 180) -> T:
    """The condition's value as soon as it is true.

    Raises:
        NotShownError: it never is.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise NotShownError(f"after {seconds:.0f} s still not so: {what}")
        time.sleep(0.5)
    return found


def must(holds: object, what: str) -> None:
    """Ends the run where something does not hold.

    Raises:
        NotShownError: it does not.
    """
    if not holds:
        raise NotShownError(f"not so: {what}")


class Place:
    """The copy, and the engine that runs it."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self.engine = engine

    def stack(self, *words: str, timeout: float = 900) -> str:
        """What ops/stack said.

        Raises:
            NotShownError: it failed.
        """
        return self.engine.run("ops/stack", *words, cwd=self.folder, timeout=timeout)

    def try_stack(self, *words: str) -> tuple[int, str]:
        """The status of ops/stack, and what it said."""
        return self.engine.try_run("ops/stack", *words, cwd=self.folder, timeout=3600)

    def openwatt(self, *words: str) -> Any:
        """What a command beside the service printed as JSON."""
        _, said = self.try_stack("openwatt", *words, "--json")
        starts = [at for at in (said.find("{"), said.find("[")) if at >= 0]
        if not starts:
            raise NotShownError(f"openwatt {' '.join(words)}: {said}")
        return json.JSONDecoder().raw_decode(said[min(starts) :])[0]

    def containers(self, stack: str = "service") -> list[str]:
        """Names of the containers of a stack, running or not."""
        project = "openwatt" if stack == "service" else f"openwatt-{stack}"
        command = ("ps", "--all", "--filter", f"label=com.docker.compose.project={project}")
        return sorted(self.engine(*command, "--format", "{{.Names}}").splitlines())

    def all_healthy(self, stack: str = "service") -> bool:
        """Whether every container of a stack is."""
        found = self.containers(stack)
        return bool(found) and all(self.engine.healthy(name) for name in found)

    def sql(self, statement: str) -> str:
        """The result of a statement, run by psql in the database's own container."""
        words = ("exec", "openwatt-postgres-1", "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-Atc")
        return self.engine(*words, statement, "openwatt")

    def crash(self, container: str) -> None:
        """Ends a container's first process as a crash does, which its engine answers with a restart.

        `docker kill` counts as the operator's wish: after it a container stays as it is.
        """
        pid = self.engine.state(container, ".State.Pid")
        killer = "import os, sys; os.kill(int(sys.argv[1]), 9)"
        self.engine(
            *("run", "--rm", "--pid=host", "--user=0", "--entrypoint=python", f"openwatt:{__version__}"),
            *("-c", killer, pid),
        )
