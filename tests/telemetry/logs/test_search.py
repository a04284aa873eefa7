"""`openwatt logs` over files that rotate, are compressed, cut and damaged."""

import datetime as dt
import gzip
import json
import lzma
import os
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openwatt.cli.logs import logs
from openwatt.telemetry.logs.search import LogQuery, LogSearch, log_files, parse_since

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def entry(event: str, **fields: Any) -> str:
    return (
        json.dumps({"@timestamp": "2026-11-22T11:59:00.000Z", "level": "info", "event": event, **fields})
        + "\n"
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three generations of one log, the oldest compressed, and a neighbour that is none of them."""
    path = tmp_path / "api.log"
    with gzip.open(tmp_path / "api.log.2.gz", "wt") as oldest:
        oldest.write(entry("first", request_id="request-1", path="/v1/tariffs"))
    (tmp_path / "api.log.1").write_text(
        entry("second", request_id="request-2", level="error", path="/v1/compare")
    )
    path.write_text(entry("third", request_id="request-1", path="/v1/tariffs/7"))
    (tmp_path / "api.log.notes").write_text(entry("not a log"))
    for age, name in enumerate(["api.log", "api.log.1", "api.log.2.gz"]):
        os.utime(tmp_path / name, (NOW.timestamp() - age * 86400,) * 2)
    return path


def found(log: Path, **query: Any) -> list[str]:
    return [record["event"] for record in LogSearch(log, LogQuery(**query)).entries()]


def test_a_requests_whole_story_is_found_across_rotated_and_compressed_files(log: Path) -> None:
    assert found(log, request_id="request-1") == ["first", "third"]


def test_records_are_chosen_by_level_path_and_time(log: Path) -> None:
    assert found(log) == ["first", "second", "third"]
    assert found(log, level="warning") == ["second"]
    assert found(log, path="/v1/tariffs*") == ["first", "third"]
    assert found(log, path="/v1/tariffs") == ["first"]
    assert found(log, since=NOW) == []
    assert found(log, since=NOW - dt.timedelta(minutes=2)) == ["third"]


def test_files_last_written_before_the_time_are_not_opened(log: Path) -> None:
    assert [path.name for path in log_files(log, NOW - dt.timedelta(hours=36))] == ["api.log.1", "api.log"]


def test_damaged_lines_and_files_are_counted_and_passed_over(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"event": "cut\n\xff\xfe\n[1, 2]\n' + entry("fourth").encode())
    (log.parent / "api.log.3.xz").write_bytes(lzma.compress(entry("zeroth").encode())[:-20])
    search = LogSearch(log, LogQuery())
    assert [record["event"] for record in search.entries()][-1] == "fourth"
    assert search.unreadable == 4


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("wb") as file:
        for _ in range(24):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\n" + entry("after").encode())
    search = LogSearch(log, LogQuery())
    tracemalloc.start()
    assert [record["event"] for record in search.entries()] == ["after"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert search.unreadable == 1
    assert peak < 6 * 1024 * 1024


@pytest.mark.parametrize("copied", [False, True], ids=["renamed", "copied and truncated"])
def test_following_goes_on_across_a_rotation(log: Path, *, copied: bool) -> None:
    records = LogSearch(log, LogQuery(request_id="request-1")).follow()
    assert next(records)["event"] == "third"

    def rotate() -> None:
        if copied:
            log.write_text("")
            time.sleep(0.5)  # longer than a look at the file takes to come round
        else:
            log.rename(log.with_suffix(".log.9"))
            log.touch()
        with log.open("a") as file:
            file.write(entry("other", request_id="request-2"))
            file.write('{"event": "fourth", ')
            file.flush()
            file.write('"request_id": "request-1"}\n')

    rotation = threading.Timer(0.3, rotate)
    rotation.start()
    assert next(records)["event"] == "fourth"
    rotation.join()
    records.close()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("15m", NOW - dt.timedelta(minutes=15)),
        ("2 h", NOW - dt.timedelta(hours=2)),
        ("3d", NOW - dt.timedelta(days=3)),
        ("2026-11-22T10:00:00+01:00", dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)),
    ],
)
def test_a_moment_is_a_duration_or_a_date(text: str, moment: dt.datetime) -> None:
    assert parse_since(text, NOW) == moment


def test_the_command_prints_format_lines_and_says_what_it_left_out(log: Path) -> None:
    with log.open("a") as file:
        file.write("no record\n")
        file.write(entry("fails", request_id="request-9", level="error", exc_info="Traceback\nKeyError: 'x'"))
    result = CliRunner().invoke(logs, ["--file", str(log), "--level", "error"])
    assert result.exit_code == 0
    assert "fails" in result.stdout
    assert "request_id=request-9" in result.stdout
    assert "    KeyError: 'x'" in result.stdout.splitlines()
    assert "third" not in result.stdout
    assert result.stderr == "1 lines were no records and were left out\n"


def test_the_command_prints_json_for_other_programs(log: Path) -> None:
    result = CliRunner().invoke(
        logs, ["--json", "--request-id", "request-2"], env={"OPENWATT_LOG_FILE": str(log)}
    )
    assert [json.loads(line)["event"] for line in result.stdout.splitlines()] == ["second"]


def test_the_command_says_what_is_wrong_with_its_arguments(log: Path) -> None:
    result = CliRunner().invoke(logs, ["--file", str(log), "--since", "yesterday-ish"])
    assert result.exit_code == 2
    assert "neither a duration like 15m" in result.stderr
    missing = CliRunner().invoke(logs, ["--file", str(log.parent / "none.log")])
    assert missing.exit_code == 1
    assert "there is no log at" in missing.stderr


def test_a_record_cannot_send_orders_to_a_terminal(log: Path) -> None:
    log.write_text(entry("\x1b]0;owned\x07", path="/\x1b[2J"))
    result = CliRunner().invoke(logs, ["--file", str(log), "--path", "/*"])
    assert "\\x1b" in result.stdout
    assert "\x1b" not in result.stdout
