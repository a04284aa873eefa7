"""The log's file on a disk that is full for a while: lines are whole or counted, and nothing is raised."""

import json
import subprocess
import sys
from pathlib import Path

BEGIN = """
import logging, resource, sys
from pathlib import Path
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig, configure_logs
from openwatt.telemetry.lost_writes import lost_writes
path = Path(sys.argv[1])
configure_logs(LogConfig(identity=Identity(), file=path, stream="stderr"))
log = logging.getLogger("test").warning

def limit(more):
    size = resource.RLIM_INFINITY if more is None else path.stat().st_size + more
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
"""


def run(script: str, file: Path, **streams: object) -> str:
    """What a script says on stderr that logs to a file."""
    done = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-c", BEGIN + script, str(file)],
        **({"stderr": subprocess.PIPE} | streams),
        check=True,
        text=True,
        timeout=60,
    )
    return str(done.stderr)


def test_lines_that_find_no_room_are_counted_and_the_next_ones_are_whole(tmp_path: Path) -> None:
    script = """
log("before")
limit(100)  # room for a part of a line
for number in range(5):
    log("refused %s", number)
limit(None)
(target, loss), = lost_writes.take().items()
assert (target, loss.writes, loss.reason) == ("log_file", 5, "File too large"), loss
log("after")
log("and again")
assert not lost_writes.take()
"""
    said = run(script, tmp_path / "api.log")
    assert "Traceback" not in said
    assert said.count("refused") == 5, "each is on the other output"
    first, torn, *rest = (tmp_path / "api.log").read_bytes().splitlines()
    assert json.loads(first)["event"] == "before"
    assert len(torn) == 100
    assert [json.loads(line)["event"] for line in rest] == ["after", "and again"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    script = """
import shutil
log("before")
shutil.rmtree(path.parent)
log("after")
assert not lost_writes.take()
"""
    run(script, tmp_path / "log" / "api.log")
    assert json.loads((tmp_path / "log" / "api.log").read_text())["event"] == "after"


def test_a_process_that_reports_to_nobody_says_at_its_end_what_it_has_lost(tmp_path: Path) -> None:
    script = "limit(0)\nlog('one')\nlog('two')\nlimit(None)\n"
    said = run(script, tmp_path / "api.log").splitlines()
    assert said[-1] == "2 writes to log_file were lost: File too large"


def test_an_output_that_takes_nothing_costs_no_traceback(tmp_path: Path) -> None:
    script = """
log("one")
log("two")
loss = lost_writes.take()["stdout"]
assert loss.writes == 2
assert loss.reason == "No space left on device"
path.with_suffix(".done").touch()
import os
os._exit(0)
"""
    with Path("/dev/full").open("w") as full:
        run(script, tmp_path / "api.log", stderr=full)
    assert (tmp_path / "api.done").exists()
    assert len((tmp_path / "api.log").read_text().splitlines()) == 2
