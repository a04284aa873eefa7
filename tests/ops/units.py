"""Reads systemd's units, and runs a command confined as they ask, without systemd as the first process."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.ops.dockerfile import REPOSITORY

UNITS = REPOSITORY / "ops" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
#: systemd's own commands are run in a folder that looks like a machine on which we are installed.
PROGRAMS = ("opt/openwatt/.venv/bin/gunicorn", "opt/openwatt/.venv/bin/openwatt", "bin/sh")


def setting(unit: str, name: str) -> list[str]:
    """The values of a setting of a unit, in their order."""
    return re.findall(rf"^{name}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)


def machine(folder: Path) -> Path:
    """A root folder with our units and what they start."""
    units = folder / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    for file in (*UNITS.glob("*.service"), *UNITS.glob("*.timer"), *UNITS.glob("*.socket")):
        shutil.copy(file, units)
    for target in ("basic", "multi-user", "network-online", "shutdown", "sockets", "sysinit", "timers"):
        (units / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
    for name in PROGRAMS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def analyzed(root: Path, *arguments: str) -> tuple[int, str]:
    """What systemd-analyze says of that root folder's units."""
    done = subprocess.run(
        ["systemd-analyze", f"--root={root}", "--man=no", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
