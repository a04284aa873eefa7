"""A machine with systemd that tests/systemd/run has booted, and the guide's page that is followed on it."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.chaos.running import REPOSITORY, Service, wait_until

PAGE = REPOSITORY / "docs" / "deployment.md"
SETTINGS = "/etc/openwatt/openwatt.env"
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


class Done(NamedTuple):
    """What a command line did."""

    line: str
    status: int
    output: str


class Machine(Service):
    """The machine, seen from outside; its port 8000 is ours, for this process has its network."""

    def __init__(self) -> None:
        self.pid = os.environ["MACHINE_PID"]
        self.root = Path(f"/proc/{self.pid}/root")
        self.port = 8000

    def run(
        self,
        line: str,
        *,
        folder: str = "/root",
        uplink: bool = False,
        answer: str = "",
        seconds: float = 120,
    ) -> Done:
        """What a command line did there, as root, when it was given an answer on its standard input.

        With `uplink` it has the network of the machine around it.
        """
        if uplink:
            with self._names_from("files dns"):
                return self._entered(line, folder, os.environ["UPLINK_PID"], answer, seconds)
        return self._entered(line, folder, self.pid, answer, seconds)

    @contextmanager
    def _names_from(self, sources: str) -> Iterator[None]:
        """Names of hosts are looked for there for the length of a block."""
        file = self.path("/etc/nsswitch.conf")
        before = file.read_text()
        file.write_text(re.sub("^hosts:.*", f"hosts: {sources}", before, flags=re.MULTILINE))
        try:
            yield
        finally:
            file.write_text(before)

    def _entered(self, line: str, folder: str, network_of: str, answer: str, seconds: float) -> Done:
        network = f"/proc/{network_of}/ns/net"
        entering = (
            "nsenter",
            f"--target={self.pid}",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            f"--net={network}",
        )
        clean = ("env", "-i", *(f"{name}={value}" for name, value in ENVIRONMENT.items()))
        done = subprocess.run(
            [*entering, *clean, "sh", "-c", f"cd {shlex.quote(folder)} && {line}"],
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Done(line, done.returncode, done.stdout)

    def out(self, line: str, *, folder: str = "/opt/openwatt", seconds: float = 120) -> str:
        """What a command line wrote; it must succeed."""
        done = self.run(line, folder=folder, seconds=seconds)
        assert done.status == 0, done
        return done.output.strip()

    def outside(self, line: str) -> int:
        """The status of a command line of the machine around it; negative for the signal that ended it."""
        return subprocess.run(["sh", "-c", line], check=False).returncode

    def path(self, name: str) -> Path:
        """A file of the machine."""
        return self.root / name.lstrip("/")

    def shown(self, unit: str, *names: str) -> dict[str, str]:
        """What systemd says of a unit."""
        said = self.out(f"systemctl show {unit} " + " ".join(f"--property={name}" for name in names))
        return dict(line.split("=", 1) for line in said.splitlines())

    def status(self, unit: str) -> str:
        """Whether a unit is active, or what else it is."""
        return self.run(f"systemctl is-active {unit}").output.strip()

    def journal(self, unit: str) -> str:
        """What a unit and systemd have said since its latest start."""
        invocation = self.shown(unit, "InvocationID")["InvocationID"]
        ours = f"_SYSTEMD_INVOCATION_ID={invocation} + INVOCATION_ID={invocation}"
        return self.out(f"journalctl {ours} --output=cat --no-pager")


class Guide:
    """The command blocks of the page's section on one small machine, in their order."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.blocks = command_blocks(PAGE.read_text())
        self.followed: list[tuple[str, int]] = []

    def follow(
        self,
        heading: str,
        number: int = 1,
        *,
        filled: Mapping[str, str] = MappingProxyType({}),
        expected: Mapping[str, int] = MappingProxyType({}),
    ) -> list[Done]:
        """What the commands of a block did, typed one after the other into one shell.

        `filled` is what the reader puts in; `expected` says which command, named by how it ends, ends with a
        status that is not 0.
        """
        lines = self.blocks[heading, number]
        for word, value in filled.items():
            assert any(word in line for line in lines), word
            lines = [line.replace(word, value) for line in lines]
        done = []
        for line in lines:
            done.append(one := self.typed(line))
            wanted = [status for end, status in expected.items() if line.endswith(end)]
            assert one.status == (wanted[0] if wanted else 0), f"# {line}\n{one.output}"
        self.followed.append((heading, number))
        return done

    def typed(self, line: str) -> Done:
        """What one command did; a change of folder stays for those that follow."""
        uplink = re.search(r"\bapt-get |\bpip install ", line) is not None
        keeping = f"{line}\nstatus=$?; pwd >/run/guide-folder; exit $status"
        done = self._machine.run(keeping, folder=self.folder(), uplink=uplink, answer="y\n", seconds=600)
        return Done(line, done.status, done.output)

    def folder(self) -> str:
        """Where the reader's shell is: at first in the home of root, with the archive."""
        known = self._machine.path("/run/guide-folder")
        return known.read_text().strip() if known.exists() else "/root"


def command_blocks(page: str) -> dict[tuple[str, int], list[str]]:
    """The commands of each block of the section on one small machine, by heading and number below it."""
    section = re.split(r"^## ", page, flags=re.MULTILINE)[1]
    assert section.startswith("1. "), section[:40]
    found: dict[tuple[str, int], list[str]] = {}
    for part in re.split(r"^(?=###+ )", section, flags=re.MULTILINE):
        heading = re.sub(r"^(?:#+|\d\.) ", "", part.splitlines()[0])
        for number, block in enumerate(
            re.findall(r"^```console\n(.*?)^```", part, re.MULTILINE | re.DOTALL), 1
        ):
            lines = block.splitlines()
            assert all(line.startswith("# ") for line in lines), lines
            found[heading, number] = [line.removeprefix("# ") for line in lines]
    assert found
    return found


def failed_items(said: str) -> set[str]:
    """The items that `openwatt doctor` has found in fault."""
    return set(re.findall(r"^failed +([a-z-]+)", said, re.MULTILINE))


@contextmanager
def set_to(machine: Machine, **settings: str) -> Iterator[None]:
    """Settings added to the file for the length of a block; nothing takes them up by itself."""
    file = machine.path(SETTINGS)
    before = file.read_text()
    file.write_text(before + "".join(f"OPENWATT_{name}={value}\n" for name, value in settings.items()))
    try:
        yield
    finally:
        file.write_text(before)


def main_pid(machine: Machine) -> str:
    return machine.shown("openwatt", "MainPID")["MainPID"]


def workers(machine: Machine) -> set[str]:
    found = machine.path(f"/proc/{main_pid(machine)}/task/{main_pid(machine)}/children").read_text().split()
    return {pid for pid in found if "gunicorn" in machine.path(f"/proc/{pid}/cmdline").read_text()}


def reloaded(machine: Machine) -> None:
    """`systemctl reload openwatt`, until the workers of before are gone."""
    before = workers(machine)
    assert before
    machine.out("systemctl reload openwatt")
    wait_until(lambda: workers(machine) and not before & workers(machine), 90)


@contextmanager
def drop_in(machine: Machine, unit: str, text: str) -> Iterator[None]:
    """A unit with an addition of its operator for the length of a block."""
    folder = machine.path(f"/etc/systemd/system/{unit}.d")
    folder.mkdir()
    (folder / "proof.conf").write_text(text)
    machine.out("systemctl daemon-reload")
    try:
        yield
    finally:
        (folder / "proof.conf").unlink()
        folder.rmdir()
        machine.out("systemctl daemon-reload")
