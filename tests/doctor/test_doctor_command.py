"""`openwatt doctor` as it is typed: in a terminal, in a pipe, for programs."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwatt.doctor.checklist import ITEMS
from tests.chaos.running import REPOSITORY
from tests.doctor.whole_stack import GRAFANA_PASSWORD, WholeStack
from tests.ops.monitoring import needs_monitoring
from tests.redis_server import PASSWORD, needs_redis

COMMAND = (sys.executable, "-c", "from openwatt.cli import main; main()", "doctor")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error", **variables}


def typed(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the command did."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(variables),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not done.stderr, done.stderr
    for secret in (PASSWORD, GRAFANA_PASSWORD):
        assert secret not in done.stdout
    return done


@needs_redis
@needs_monitoring
def test_a_healthy_installation_is_one_line_an_item_and_status_0(stack: WholeStack, tmp_path: Path) -> None:
    done = typed(tmp_path, *stack.arguments(), **stack.environ)
    *lines, last = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["skipped" if item.name == "tls" else "ok", item.name] for item in ITEMS
    ]
    assert re.fullmatch(rf"{len(ITEMS) - 1} ok, 1 skipped in \d+\.\d s", last)
    assert done.returncode == 0


@needs_redis
@needs_monitoring
def test_a_program_reads_the_same_as_json(stack: WholeStack, tmp_path: Path) -> None:
    done = typed(tmp_path, "--json", *stack.arguments(), **{**stack.environ, "OPENWATT_ENVIRONMENT": "prod"})
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["ok"], told["failed"], told["skipped"]) == (len(ITEMS) - 2, 1, 1)
    assert told["service"] == stack.url
    (failed,) = [one for one in told["findings"] if one["status"] == "failed"]
    assert failed["item"] == "settings"
    assert failed["guide"] == ["Configurer OPENWATT_SENTRY_DSN"]
    assert "none of development, staging, production" in failed["says"]
    assert failed["remedy"].startswith("say OPENWATT_ENVIRONMENT=production")


@pytest.mark.parametrize(("columns", "colour"), [(80, ""), (120, "1")])
def test_a_terminal_shows_areas_colours_and_lines_that_fit(tmp_path: Path, columns: int, colour: str) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    variables = {"TERM": "xterm", "OPENWATT_DATABASE_URL": "postgresql://127.0.0.1:1/x"} | (
        {} if colour else {"NO_COLOR": "1"}
    )
    with subprocess.Popen(
        [*COMMAND, "--url", "http://127.0.0.1:1", "--patience", "1"],
        env=environment(variables),
        cwd=tmp_path,
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end of a terminal that closes
                break
            if not part:
                break
            said += part
        os.close(ours)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1
    text = said.decode()
    assert ("\x1b[1;31mfailed" in text) is bool(colour)
    lines = [line.rsplit("\r", 1)[-1] for line in _ESCAPES.sub("", text.replace("\r\n", "\n")).splitlines()]
    assert max(map(len, lines)) <= columns
    areas = list(dict.fromkeys(item.area for item in ITEMS))
    assert [line for line in lines if line in areas] == areas
    assert "  failed   service          http://127.0.0.1:1 refuses connections" in [
        line.rstrip() for line in lines
    ]
    assert "; to fix: service, database" in lines[-1]


def test_settings_that_cannot_be_read_fail_alone(tmp_path: Path) -> None:
    done = typed(tmp_path, OPENWATT_WORKERS="many", OPENWATT_SENTRY_DNS="x")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("failed   settings")
    assert "OPENWATT_WORKERS must be a whole number" in lines[0]
    assert "did you mean OPENWATT_SENTRY_DSN?" in lines[0]
    assert all(line.endswith("because settings failed") for line in lines[1:-1])
    assert len(lines) == len(ITEMS) + 1


def test_one_item_alone_comes_with_those_it_needs(tmp_path: Path) -> None:
    done = typed(tmp_path, "--only", "watchdog")
    assert [line.split()[:2] for line in done.stdout.splitlines()[:-1]] == [
        ["skipped", "prometheus"],
        ["skipped", "rules"],
        ["skipped", "alertmanager"],
        ["skipped", "watchdog"],
    ]
    assert "OPENWATT_PROMETHEUS_URL is not set" in done.stdout
    assert done.returncode == 0


def test_an_item_that_is_none_is_refused_with_the_names_of_all(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--only", "grafanna"],
        env=environment({}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'grafanna' is not one of 'settings', 'secrets'" in done.stderr


def test_the_list_names_each_line_of_the_guide(tmp_path: Path) -> None:
    done = typed(tmp_path, "--list", COLUMNS="200")
    assert all(item.name in done.stdout for item in ITEMS)
    assert "Configurer rotation logs (logrotate)" in done.stdout
