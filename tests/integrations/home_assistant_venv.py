"""Makes the environment of a real Home Assistant, the newest that an interpreter of this machine runs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.integrations.home_assistant_lock import VERSIONS, requirements_file

#: Where `make test` puts it.
ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-homeassistant"
_ATTEMPTS = 3


def interpreters() -> Iterator[tuple[str, Path]]:
    """Each version of Python for which there is a list of packages and an interpreter here, newest first."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for python in sorted(VERSIONS, key=lambda version: tuple(map(int, version.split("."))), reverse=True):
        on_path = shutil.which(f"python{python}")
        candidates = [Path(on_path)] if on_path else []
        for path in [*candidates, *sorted(pyenv.glob(f"{python}.*/bin/python"))]:
            version = "import sys, sqlite3, ssl; print('%d.%d' % sys.version_info[:2])"
            said = subprocess.run([path, "-c", version], capture_output=True, text=True, check=False)
            if said.returncode == 0 and said.stdout.strip() == python:
                yield python, path
                break


def make(folder: Path) -> str:
    """Makes the environment in a folder, and says what it holds."""
    uv = Path(sys.executable).with_name("uv")
    python, path = next(interpreters(), ("", Path()))
    if not python:
        raise SystemExit(f"no Python of {', '.join(VERSIONS)} is here, which Home Assistant needs")
    began = time.monotonic()
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", path, folder], check=True)
    install: list[str | Path] = [
        *(uv, "pip", "sync", "--quiet", "--require-hashes", "--python", folder / "bin" / "python"),
        requirements_file(python),
    ]
    for attempt in range(_ATTEMPTS):
        done = subprocess.run(install, check=attempt == _ATTEMPTS - 1)
        if done.returncode == 0:
            break
        time.sleep(5)  # a registry that fails once is asked again
    return f"Home Assistant {VERSIONS[python][0]} on Python {python}, in {time.monotonic() - began:.0f} s"


if __name__ == "__main__":
    print(make(ENVIRONMENT))  # noqa: T201 - a command prints
