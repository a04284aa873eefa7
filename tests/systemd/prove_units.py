"""The units on the machine that prove_guide.py has installed; started by tests/systemd/run alone."""

import gzip
import json
import re
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.running import Load, load, wait_until
from tests.ingest.drawn_sheets import three_tables_in_cents
from tests.ops.units import SERVICES, setting
from tests.systemd.machine import Machine, drop_in, failed_items, main_pid, reloaded, set_to, workers

BYTES = {"M": 1024**2, "G": 1024**3}
ONE_SHOTS = ("openwatt-ingest", "openwatt-backup")


def all_answered(running: Load) -> None:
    assert len(running.answers) > 10
    assert Counter(answer.status for _, _, answer in running.answers).keys() == {200}


def kernel_limits(machine: Machine, pid: str) -> tuple[int, int]:
    """The memory in bytes and the tasks that the kernel allows the control group of a process."""
    groups = dict(
        line.split(":", 2)[1:] for line in machine.path(f"/proc/{pid}/cgroup").read_text().splitlines()
    )
    top = Path("/sys/fs/cgroup")
    if "memory" in groups:
        memory, tasks = top / f"memory{groups['memory']}", top / f"pids{groups['pids']}"
        return int((memory / "memory.limit_in_bytes").read_text()), int((tasks / "pids.max").read_text())
    unified = top / groups[""].lstrip("/")
    return int((unified / "memory.max").read_text()), int((unified / "pids.max").read_text())


@pytest.mark.parametrize("unit", SERVICES)
def test_the_limits_are_in_force_as_shipped(machine: Machine, unit: str) -> None:
    (memory,) = setting(unit, "MemoryMax")
    most = int(memory[:-1]) * BYTES[memory[-1]], int(setting(unit, "TasksMax")[0])
    policy = setting(unit, "OOMPolicy") or ["stop"]
    shown = machine.shown(unit, "MemoryMax", "TasksMax", "OOMPolicy", "NoNewPrivileges", "ProtectSystem")
    assert (int(shown["MemoryMax"]), int(shown["TasksMax"])) == most
    assert [shown["OOMPolicy"], shown["NoNewPrivileges"], shown["ProtectSystem"]] == [
        *policy,
        "yes",
        "strict",
    ]
    if unit.removesuffix(".service") not in ONE_SHOTS:
        assert kernel_limits(machine, machine.shown(unit, "MainPID")["MainPID"]) == most


def test_where_memory_ends_one_process_is_killed_and_the_service_goes_on(machine: Machine) -> None:
    """The limit is drawn close for a moment; a process that takes more joins the service's group."""
    pid, restarts = main_pid(machine), machine.shown("openwatt", "NRestarts")
    machine.out("systemctl set-property --runtime openwatt.service MemoryMax=700M")
    try:
        assert kernel_limits(machine, pid)[0] == 700 * BYTES["M"]
        groups = machine.path(f"/proc/{pid}/cgroup").read_text()
        found = re.search(r"memory:(.*)", groups)
        top = (
            f"/sys/fs/cgroup/memory{found[1]}" if found else f"/sys/fs/cgroup{groups.split('::')[1].strip()}"
        )
        procs = Path(top) / "cgroup.procs"
        taker = f"{sys.executable} -c 'taken = bytearray(900 << 20)'"
        status = machine.outside(f"echo $$ >{procs} && exec {taker}")
        assert status == -9, "no process was killed"
        assert machine.answers()
        assert (main_pid(machine), machine.shown("openwatt", "NRestarts")) == (pid, restarts)
        assert machine.status("openwatt") == "active"
    finally:
        machine.out(
            "systemctl revert openwatt.service && systemctl set-property --runtime openwatt MemoryMax=4G"
        )


def test_a_reload_takes_up_a_changed_setting_without_a_lost_request(machine: Machine) -> None:
    master = main_pid(machine)
    assert machine.run("command -v kill-of-procps; ls /bin/kill").status, "no kill but the shell's is here"
    with set_to(machine, REVISION="reloaded", WORKERS="2"), load(machine, clients=2) as running:
        reloaded(machine)
        assert machine.get("/version").json()["revision"] == "reloaded"
        assert len(workers(machine)) == 2
    reloaded(machine)
    assert machine.get("/version").json()["revision"] == "unknown"
    assert main_pid(machine) == master
    all_answered(running)


def test_a_reload_that_cannot_be_is_refused_by_name_and_changes_nothing(machine: Machine) -> None:
    with set_to(machine, REVISION="refused", DATA_DIR="/var/lib/openwatt/other"):
        machine.out("systemctl reload openwatt")
        wait_until(lambda: "openwatt_settings_refused 1.0" in machine.get("/metrics").body.decode())
        assert "the reload is refused" in machine.journal("openwatt")
        assert machine.get("/version").json()["revision"] == "unknown"
    reloaded(machine)
    wait_until(lambda: "openwatt_settings_refused 0.0" in machine.get("/metrics").body.decode())


def test_a_restart_refuses_no_request(machine: Machine) -> None:
    master = main_pid(machine)
    with load(machine, clients=4) as running:
        machine.out("systemctl restart openwatt")
        time.sleep(1)
        machine.out("systemctl restart openwatt-database openwatt openwatt-metrics")
        time.sleep(1)
    assert main_pid(machine) != master
    all_answered(running)


@pytest.mark.parametrize("name", ONE_SHOTS)
def test_a_timer_starts_its_service(machine: Machine, name: str) -> None:
    """Its hour is moved to the next second; what it starts is the unit as shipped."""
    backups = machine.path("/var/backups/openwatt")
    before = len(list(backups.glob("*.dump")))
    assert f"{name}.timer" in machine.out("systemctl list-timers --no-legend")
    soon = "[Timer]\nOnCalendar=\nRandomizedDelaySec=0\nOnActiveSec=1s\n"
    ended = "ExecMainExitTimestampMonotonic"
    last = machine.shown(name, ended)
    with drop_in(machine, f"{name}.timer", soon):
        machine.out(f"systemctl restart {name}.timer")
        wait_until(lambda: machine.shown(name, ended) != last, 120)
        wait_until(lambda: machine.status(name) == "inactive")
        shown = machine.shown(name, "ExecMainStatus", "Result", "ActiveState")
    machine.out(f"systemctl restart {name}.timer")
    assert (shown["Result"], shown["ActiveState"], shown["ExecMainStatus"]) == ("success", "inactive", "0")
    if name == "openwatt-ingest":
        assert "not due" in machine.journal(name)
    if name == "openwatt-backup":
        assert len(list(backups.glob("*.dump"))) == before + 1
    next_times = machine.out("systemctl list-timers --no-legend")
    assert re.search(rf"^\w{{3}} \d{{4}}-.*{name}\.timer", next_times, re.MULTILINE)


SHEET = three_tables_in_cents()


def run_once(machine: Machine) -> str:
    """What the unit said; nothing where doctor found more in fault than it must.

    After a restart Prometheus has not yet seen twice what some panels show.
    """
    machine.out("systemctl start openwatt-backup")
    output = machine.journal("openwatt-backup")
    return output if failed_items(output) <= {"settings", "sources"} else ""


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (
            f"ingest {SHEET.source} --file /var/lib/openwatt/sheet.pdf",
            0,
            f"^{SHEET.source}: (unchanged|published)",
        ),
        ("doctor", 1, "^ok +rules .*all loaded and healthy"),
        ("drill error --yes", 0, r"ok +error: its log record is in /var/log/openwatt/api\.log"),
        ("backup", 0, r"^/var/backups/openwatt/.*\.dump: .* restored and compared"),
        ("settings", 0, "OPENWATT_DATA_DIR .* /var/lib/openwatt"),
        ("sources", 0, f"^{SHEET.source} +fresh"),
    ],
)
def test_a_command_works_within_the_units_bounds(
    machine: Machine, command: str, status: int, said: str
) -> None:
    machine.path("/var/lib/openwatt/sheet.pdf").write_bytes(SHEET.pdf)
    secret = "/etc/openwatt/secrets/drill_token"  # noqa: S105  its file
    machine.path(secret).write_text("0123456789abcdef" * 4)
    machine.out(f"chgrp openwatt {secret} && chmod 640 {secret}")
    start = (
        f"[Service]\nExecStart=\nExecStart=/opt/openwatt/.venv/bin/openwatt {command}\nSuccessExitStatus=1\n"
    )
    with set_to(machine, DRILL_TOKEN_FILE=secret):
        reloaded(machine)
        with drop_in(machine, "openwatt-backup.service", start):
            output = wait_until(lambda: run_once(machine), 180)
            assert machine.shown("openwatt-backup", "ExecMainStatus")["ExecMainStatus"] == str(status), output
    reloaded(machine)
    assert re.search(said, output, re.MULTILINE), output
    assert not re.search("not permitted|Read-only file system", output)


def lines_of(folder: Path) -> list[dict[str, str]]:
    """The records of every generation of the log."""
    found = []
    for path in sorted(folder.glob("api.log*")):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            found += [json.loads(line) for line in file.read().splitlines()]
    return found


def test_debians_logrotate_loses_no_line(machine: Machine) -> None:
    folder = machine.path("/var/log/openwatt")
    with load(machine, clients=3) as running:
        for _ in range(3):
            wait_until(partial(running.has_answers, len(running.answers) + 20))
            machine.out("logrotate --force /etc/logrotate.d/openwatt")
            time.sleep(1.1)
    all_answered(running)
    assert len(list(folder.glob("api.log-*"))) >= 3
    machine.out("systemctl start logrotate.service")
    logged = Counter(record["request_id"] for record in lines_of(folder) if record["event"] == "request")
    assert not set(running.request_ids) - logged.keys()
    owner = machine.out("stat --format='%U:%G %a' /var/log/openwatt/api.log")
    assert owner == "openwatt:openwatt 640"


def test_a_credential_reaches_the_service_that_the_account_cannot_read(machine: Machine) -> None:
    folder = machine.path("/etc/openwatt/credentials")
    folder.mkdir(mode=0o700, exist_ok=True)
    token = "fedcba9876543210" * 4
    for name, value in (("admin_token", token), ("sentry_dsn", "http://key@127.0.0.1:9998/1")):
        (folder / name).write_text(value)
        (folder / name).chmod(0o600)
    shipped = machine.path("/opt/openwatt/ops/systemd/credentials.conf").read_text()
    assert machine.run("runuser -u openwatt -- cat /etc/openwatt/credentials/admin_token").status == 1
    with drop_in(machine, "openwatt.service", shipped):
        machine.out("systemctl restart openwatt")
        assert machine.get("/v1/admin/runs", headers={"Authorization": f"Bearer {token}"}).status == 200
        environment = machine.path(f"/proc/{main_pid(machine)}/environ").read_text()
        assert "OPENWATT_SENTRY_DSN_FILE=/run/credentials/openwatt.service/sentry_dsn" in environment
        reloaded(machine)
        assert machine.get("/v1/admin/runs", headers={"Authorization": f"Bearer {token}"}).status == 200
    machine.out("systemctl restart openwatt")
    assert machine.get("/v1/admin/runs", headers={"Authorization": f"Bearer {token}"}).status == 401


def test_nothing_has_failed_and_doctor_finds_what_is_missing_alone(machine: Machine) -> None:
    assert machine.out("systemctl --failed --no-legend") == ""
    doctor = "sudo -u openwatt .venv/bin/openwatt doctor"
    wait_until(
        lambda: failed_items(machine.run(doctor, folder="/opt/openwatt").output) == {"settings", "sources"},
        180,
    )
