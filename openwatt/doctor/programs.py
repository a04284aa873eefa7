"""The programs of the system that checks run, with a deadline and the PATH of administrators."""

import os
import shutil
import subprocess

from openwatt.doctor.results import CheckFailedError

#: None of them asks anything slower than a near server.
DEADLINE_S = 15.0


def _path() -> str:
    """The PATH, with the folders of administrators, which not every user has."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def is_installed(program: str) -> bool:
    """Whether a program is on this machine."""
    return shutil.which(program, path=_path()) is not None


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs an installed program, with messages in English.

    Raises:
        CheckFailedError: it does not end in time.
    """
    found = shutil.which(program, path=_path()) or program
    try:
        return subprocess.run(  # noqa: S603 - programs that checks name, without a shell between
            [found, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DEADLINE_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise CheckFailedError(f"`{program}` does not end within {DEADLINE_S:g} s") from None
