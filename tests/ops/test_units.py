"""systemd's units: accepted by systemd itself, closed as far as they can be, alike."""

import re
import subprocess
from pathlib import Path

import pytest

from openwatt.server import GRACEFUL_TIMEOUT_S
from tests.ops.units import SERVICES, UNITS, analyzed, machine, setting
from tests.programs import needs_program

EVERY_UNIT = sorted(path.name for path in UNITS.iterdir() if path.suffix in {".service", ".timer", ".socket"})
#: systemd's own scale, 0 to 10: an ordinary daemon of a distribution has 8 to 9.6.
EXPOSURE = "20"

needs_systemd = needs_program("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine(tmp_path)


@needs_systemd
def test_systemd_understands_every_line_of_every_unit(root: Path) -> None:
    assert len(EVERY_UNIT) == 8
    assert analyzed(root, "verify", *EVERY_UNIT) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("ProtectSystem=strict", "ProtectSystem=strictly", "Failed to parse"),
        ("ProtectHome=yes", "ProtectHouse=yes", "Unknown key 'ProtectHouse'"),
        (".venv/bin/gunicorn", ".venv/bin/unicorn", "is not executable"),
    ],
)
def test_systemd_names_a_slip_of_the_pen(root: Path, right: str, wrong: str, said: str) -> None:
    unit = root / "etc/systemd/system/openwatt.service"
    unit.write_text(unit.read_text().replace(right, wrong))
    assert said in analyzed(root, "verify", "openwatt.service")[1]


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_is_closed_as_far_as_it_can_be(root: Path, unit: str) -> None:
    secure = ("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", unit)
    assert analyzed(root, *secure)[0] == 0, analyzed(root, *secure)[1]
    open_unit = root / "etc/systemd/system" / unit
    open_unit.write_text(
        re.sub(r"^(SystemCall|Capability|NoNew|Restrict).*\n", "", open_unit.read_text(), flags=re.MULTILINE)
    )
    assert analyzed(root, *secure)[0] != 0


def test_every_service_is_closed_alike() -> None:
    blocks = set()
    for unit in SERVICES:
        found = re.search(
            r"^ProtectSystem=.*?^SystemCallErrorNumber=.*?$",
            (UNITS / unit).read_text(),
            re.MULTILINE | re.DOTALL,
        )
        assert found, unit
        blocks.add(found[0])
        assert setting(unit, "User") == setting(unit, "Group") == ["openwatt"]
        assert setting(unit, "WorkingDirectory") == ["/opt/openwatt"]
        assert setting(unit, "StateDirectory") == ["openwatt"]
        assert setting(unit, "MemoryMax")
        assert not setting(unit, "RemoveIPC"), "it would take the shared memory of the server from the others"
    assert len(blocks) == 1


def test_who_may_carry_the_database_lets_it_end_in_order() -> None:
    assert setting("openwatt.service", "KillMode") == ["mixed"]
    assert setting("openwatt-database.service", "KillMode") == ["process"]
    for unit in ("openwatt.service", "openwatt-ingest.service", "openwatt-backup.service"):
        assert "openwatt-database.service" in setting(unit, "After")[0]
        assert "openwatt-database.service" in setting(unit, "Wants")[0]


def test_a_stop_is_no_failure_and_waits_longer_than_gunicorn() -> None:
    for unit in SERVICES:
        if "bin/openwatt" in setting(unit, "ExecStart")[0]:
            assert "143" in setting(unit, "SuccessExitStatus")[0].split()
    assert int(setting("openwatt.service", "TimeoutStopSec")[0]) > GRACEFUL_TIMEOUT_S


def test_cron_runs_what_the_timers_run() -> None:
    lines = [
        line.split(None, 6)
        for line in (UNITS / "crontab").read_text().splitlines()
        if re.match(r"[\d*]", line)
    ]
    assert len(lines) == 2
    started = {setting(f"openwatt-{name}.service", "ExecStart")[0] for name in ("ingest", "backup")}
    assert {f"/opt/openwatt/.venv{line[6].split('.venv')[-1]}" for line in lines} == started
    assert {line[5] for line in lines} == {"openwatt"}


@needs_systemd
def test_the_account_and_the_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    for command, file in (("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")):
        options = ["--create"] if file == "tmpfiles" else []
        done = subprocess.run(
            [command, f"--root={tmp_path}", *options, UNITS / f"openwatt.{file}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "openwatt:" in (tmp_path / "etc/passwd").read_text()
    made = tmp_path / "etc/openwatt/secrets"
    assert (made.stat().st_mode & 0o777, made.stat().st_uid) == (0o750, 0)
    assert (tmp_path / "var/backups/openwatt").is_dir()


def test_the_backup_may_write_where_its_folder_is_made() -> None:
    (path,) = setting("openwatt-backup.service", "ReadWritePaths")
    assert f"d {path} " in (UNITS / "openwatt.tmpfiles").read_text()
