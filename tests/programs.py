"""Programs that some tests ask for and a machine may lack, each with the Debian package that brings it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

#: Where `tests/containers/fetch-debian` unpacks programs of other Debian suites, a folder for each.
FETCHED = Path(__file__).resolve().parents[1] / "var" / "debian"
#: Program → package. CONTRIBUTING.md and `.ci/run` name the same packages.
PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "amtool": "prometheus-alertmanager",
        "caddy": "caddy",
        "chromedriver": "chromium-driver",
        "chromium": "chromium",
        "curl": "curl",
        "faketime": "faketime",
        "git": "git",
        "java": "default-jdk-headless",
        "javac": "default-jdk-headless",
        "jq": "jq",
        "logrotate": "logrotate",
        "mkfs.ext4": "e2fsprogs",
        "nginx": "nginx-light",
        "openssl": "openssl",
        "pgbouncer": "pgbouncer",
        "prometheus": "prometheus",
        "prometheus-alertmanager": "prometheus-alertmanager",
        "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
        "promtool": "prometheus",
        "redis-server": "redis-server",
        "rsyslogd": "rsyslog",
        "systemd-analyze": "systemd",
        "systemd-sysusers": "systemd",
        "systemd-tmpfiles": "systemd",
    }
)
#: What the reason of a skip begins with, when a package would help; the packages follow.
INSTALL = "apt-get install "


def find_program(name: str) -> str | None:
    """Where a program is, /usr/sbin included, which is not on the path of a Debian user."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def with_every(name: str) -> pytest.MarkDecorator:
    """Runs a test with every version of a program that is on the path or was fetched, as its argument."""
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(":") if folder]
    folders += sorted(FETCHED.glob("*/usr/bin"))
    found: dict[Path, str] = {}  # one that several folders lead to is run once
    for path in (folder / name for folder in folders):
        if path.is_file() and os.access(path, os.X_OK):
            fetched = FETCHED in path.parents
            found.setdefault(path.resolve(), path.relative_to(FETCHED).parts[0] if fetched else str(path))
    versions = [pytest.param(path, id=label) for path, label in found.items()]
    return pytest.mark.parametrize(
        name, versions or [pytest.param(Path(name), id="missing", marks=needs_program(name))]
    )


def how_to_get(*names: str) -> str | None:
    """The command that installs those of the programs that are missing; None when all are there."""
    packages = {PACKAGES[name] for name in names if find_program(name) is None}
    return INSTALL + " ".join(sorted(packages)) if packages else None


def needs_program(*names: str) -> pytest.MarkDecorator:
    """Skips a test where one of the programs is missing."""
    missing = how_to_get(*names)
    return pytest.mark.skipif(missing is not None, reason=missing or "")


def require_program(*names: str) -> None:
    """Skips the running test, or all that ask for the running fixture, where a program is missing."""
    if missing := how_to_get(*names):
        pytest.skip(missing)
