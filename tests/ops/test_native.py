"""`ops/native`: Prometheus and its companions without containers, from the shell as an operator runs it."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.chaos.running import alive, free_port
from tests.ops.monitoring import needs_monitoring
from tests.ops.rule_files import OPS

NAMES = ("prometheus", "alertmanager", "blackbox", "metrics")


def native(what: str, folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OPS / "native", what, "--folder", str(folder / "monitoring"), *options],
        env={
            **os.environ,
            "PYTHON": sys.executable,
            "PYTHONPATH": str(OPS.parent),
            "OPENWATT_DATA_DIR": str(folder / "data"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ports() -> list[str]:
    return [word for name in NAMES for word in (f"--{name}", f"127.0.0.1:{free_port()}")]


def pids(folder: Path) -> dict[str, int]:
    return {
        name: json.loads((folder / "monitoring" / f"{name}.pid").read_text("utf-8"))["pid"] for name in NAMES
    }


@needs_monitoring
def test_up_status_up_again_and_down(tmp_path: Path) -> None:
    options = ports()
    up = native("up", tmp_path, *options)
    try:
        assert up.returncode == 0, up.stderr
        for address in options[1::2]:
            assert f"http://{address}" in up.stdout
        assert "alerts are not sent by page: pagerduty: no file pagerduty_routing_key" in up.stdout
        started = pids(tmp_path)
        assert native("status", tmp_path, *options).returncode == 0

        # Once more: what runs goes on, and reads its files anew.
        again = native("up", tmp_path, *options, "--environment", "staging")
        assert again.returncode == 0, again.stderr
        assert pids(tmp_path) == started
        address = f"http://{options[1]}/api/v1/status/config"
        with urllib.request.urlopen(address) as answer:  # noqa: S310  our own process on loopback
            assert "environment: staging" in json.load(answer)["data"]["yaml"]
    finally:
        down = native("down", tmp_path, *options)
    assert down.stdout == "ended: prometheus, alertmanager, blackbox, metrics\n"
    assert not [pid for pid in started.values() if alive(pid)]
    assert native("down", tmp_path, *options).stdout == "nothing was running\n"
    ended = native("status", tmp_path, *options)
    assert ended.returncode == 1
    assert ended.stdout.count("not running") == 4


def test_a_pid_that_now_belongs_to_another_program_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "monitoring"
    folder.mkdir()
    with subprocess.Popen(["sleep", "60"]) as other:
        kept = {"pid": other.pid, "arguments": [f"--config.file={folder}/prometheus/prometheus.yml"]}
        (folder / "prometheus.pid").write_text(json.dumps(kept))
        assert native("down", tmp_path).stdout == "nothing was running\n"
        assert alive(other.pid)
        other.kill()


@needs_monitoring
def test_a_taken_port_is_named_with_the_remedy_and_nothing_is_left_running(tmp_path: Path) -> None:
    options = ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(options[3].rpartition(":")[2])))
        taken.listen()
        up = native("up", tmp_path, *options)
    assert up.returncode == 1
    assert f"alertmanager cannot listen on {options[3]}: Address already in use" in up.stderr
    assert "systemctl disable --now prometheus-alertmanager" in up.stderr
    assert "--alertmanager" in up.stderr
    assert native("status", tmp_path, *options).stdout.count("not running") == 4


@needs_monitoring
def test_metrics_that_are_served_already_are_used_and_left_alone(tmp_path: Path) -> None:
    options = ports()
    first, second = tmp_path / "first", tmp_path / "second"
    assert native("up", first, *options).returncode == 0
    others = options[:6]
    for number in (1, 3, 5):
        others[number] = f"127.0.0.1:{free_port()}"
    try:
        up = native("up", second, *others, *options[6:])
        assert up.returncode == 0, up.stderr
        assert f"http://{options[7]}" in up.stdout
        assert "answers, started elsewhere" in up.stdout
        assert (
            native("down", second, *others, *options[6:]).stdout
            == "ended: prometheus, alertmanager, blackbox\n"
        )
        assert native("status", first, *options).returncode == 0
    finally:
        native("down", second, *others, *options[6:])
        native("down", first, *options)


@needs_monitoring
def test_a_file_that_prometheus_refuses_is_told_in_its_own_words_and_nothing_is_left_running(
    tmp_path: Path,
) -> None:
    options = ports()
    data = tmp_path / "monitoring" / "prometheus" / "data"
    data.parent.mkdir(parents=True)
    data.write_text("a file where a folder should be")
    up = native("up", tmp_path, *options)
    assert up.returncode == 1
    assert "prometheus does not start; it says:" in up.stderr
    assert str(data) in up.stderr
    assert native("status", tmp_path, *options).stdout.count("not running") == 4


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("bash", "dirname", "env"):
        (binaries / name).symlink_to(Path("/usr/bin") / name)
    up = native("up", tmp_path, PATH=str(binaries))
    assert up.returncode == 1
    assert "apt-get install prometheus prometheus-alertmanager prometheus-blackbox-exporter" in up.stderr
