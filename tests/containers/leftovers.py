"""What a Docker of our own changes on a machine: noted before it starts, taken back when it has ended.

A run that was killed cannot do that: the next one does it, from the notes in the folder that it left.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

#: What the name of every run's folder begins with.
PREFIX = "openwatt-prove-"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_NOTE = "network.json"
_FIREWALLS = ("iptables", "ip6tables")


def note_network(folder: Path) -> None:
    """Writes down the bridges, the rules of the firewalls and whether packets are forwarded."""
    rules = {name: _out(f"{name}-save") for name in _FIREWALLS}
    note = {"bridges": sorted(_bridges()), "forwarding": _FORWARDING.read_text(), "rules": rules}
    (folder / _NOTE).write_text(json.dumps(note))


def restore_network(folder: Path) -> None:
    """Makes the network what the note says, where there is one."""
    file = folder / _NOTE
    if not file.exists():
        return
    note = json.loads(file.read_text())
    for name in _bridges() - set(note["bridges"]) if shutil.which("ip") else ():
        subprocess.run(["ip", "link", "delete", name], check=False)
    for name, rules in note["rules"].items():
        if rules:
            subprocess.run([f"{name}-restore"], input=rules, text=True, check=False)
    _FORWARDING.write_text(note["forwarding"])
    file.unlink()


def remove_run(folder: Path) -> None:
    """Ends what runs out of a run's folder, unmounts what is mounted in it, and removes it."""
    _end_processes(folder)
    restore_network(folder)
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        if (mounted := line.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", mounted], check=False)
    # The containers' accounts have files in it.
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=False)


def _bridges() -> set[str]:
    """The bridges that have names of Docker's."""
    names = (path.parent.name for path in Path("/sys/class/net").glob("*/bridge"))
    return {name for name in names if name == "docker0" or re.fullmatch("br-[0-9a-f]{12}", name)}


def _out(program: str) -> str:
    """What a program writes; nothing where it is missing."""
    if shutil.which(program) is None:
        return ""
    return subprocess.run([program], capture_output=True, text=True, check=False).stdout


def _end_processes(folder: Path) -> None:
    """Ends the engine, which ends its containers; kills what is left of both."""
    for pid in _processes(folder):
        if _read(pid, "comm").strip() == "dockerd":
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 60
            while pid in _processes(folder) and time.monotonic() < deadline:
                time.sleep(0.2)
    for pid in _processes(folder):
        os.kill(pid, signal.SIGKILL)


def _processes(folder: Path) -> list[int]:
    """The engine's processes, which name the folder, and those of its containers."""
    containers = [path.name for path in (folder / "data" / "containers").glob("*")]
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [
        pid
        for pid in pids
        if pid != os.getpid()
        and (
            f"{folder}/" in _read(pid, "cmdline")
            or any(container in _read(pid, "cgroup") for container in containers)
        )
    ]


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:
        return ""
