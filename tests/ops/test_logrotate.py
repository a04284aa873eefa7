"""ops/logrotate/openwatt run for real by logrotate, on the log of the real service under load."""

import grp
import gzip
import json
import os
import pwd
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path

from tests.chaos.running import Load, Service, load, new_home, wait_until
from tests.programs import find_program, needs_program

pytestmark = needs_program("logrotate")

CONFIGURATION = Path(__file__).resolve().parents[2] / "ops" / "logrotate" / "openwatt"
LOGROTATE = find_program("logrotate") or "logrotate"


def here(folder: Path) -> str:
    """The configuration for a log in this folder, written by whoever runs the test."""
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    text = CONFIGURATION.read_text()
    for written, meant in [
        ("/var/log/openwatt/", f"{folder}/"),
        ("su openwatt openwatt", f"su {user} {group}"),
    ]:
        assert written in text
        text = text.replace(written, meant)
    return text


def rotate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    configuration = folder.parent / "logrotate.conf"
    configuration.write_text(here(folder))
    configuration.chmod(0o644)
    command = [LOGROTATE, "--state", str(folder.parent / "logrotate.state"), *options, str(configuration)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def lines(folder: Path) -> list[bytes]:
    """Every line of every generation, whatever its name."""
    found = []
    for path in sorted(folder.iterdir()):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read()
        assert text.endswith(b"\n") or not text, path
        found += text.splitlines()
    return found


def rotated_under_load(service: Service, folder: Path, times: int) -> Load:
    """Clients that ask all the time while the log is moved away again and again."""
    with load(service, clients=6) as running:
        for _ in range(times):
            wait_until(partial(running.has_answers, len(running.answers) + 25))
            done = rotate(folder, "--force")
            assert (done.returncode, done.stderr) == (0, "")
            wait_until((folder / "api.log").exists)
            time.sleep(1.01 - time.time() % 1)  # the next second, the next name
    return running


def test_no_line_is_lost_torn_or_doubled_while_the_log_is_rotated_under_load() -> None:
    with new_home() as home:
        folder = home.folder / "log"
        folder.mkdir(mode=0o750)
        service = home.service(OPENWATT_LOG_FILE=str(folder / "api.log")).ready()
        running = rotated_under_load(service, folder, times=3)
        assert service.end() == 0, service.said()

        names = sorted(path.name for path in folder.iterdir())
        assert [name.endswith(".gz") for name in names] == [False, True, True, False]
        assert (folder / "api.log").stat().st_mode & 0o777 == 0o640
        records = [json.loads(line) for line in lines(folder)]
        ids = Counter(record["event_id"] for record in records)
        assert max(ids.values()) == 1
        logged = Counter(record["request_id"] for record in records if record["event"] == "request")
        answered = [answer for _, _, answer in running.answers]
        assert len(answered) >= 75
        assert {answer.status for answer in answered} == {200}
        assert len(running.request_ids) == len(answered)
        assert not set(running.request_ids) - logged.keys()
        assert set(logged.values()) == {1}

        wanted = running.request_ids[0]  # in the oldest generation, which is compressed
        found = home.command("logs", "--file", str(folder / "api.log"), "--request-id", wanted, "--json")
        assert [json.loads(line)["request_id"] for line in found.stdout.splitlines()] == [wanted]


def test_what_is_not_there_or_empty_is_passed_over_and_fourteen_generations_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir(mode=0o750)
    done = rotate(folder, "--force")
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "api.log").touch(mode=0o640)
    assert rotate(folder, "--force").returncode == 0
    assert [path.name for path in folder.iterdir()] == ["api.log"]
    for day in range(1, 17):
        with gzip.open(folder / f"api.log-202611{day:02}-{1790000000 + day * 86400}.gz", "wt") as old:
            old.write(f"{day}\n")
    (folder / "api.log").write_text("today\n")
    assert rotate(folder, "--force").returncode == 0
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == 14
    assert kept[0].startswith("api.log-20261104-")


def test_the_real_file_is_one_that_logrotate_reads_without_a_warning(tmp_path: Path) -> None:
    """As it is shipped, but for its owner, who need not exist on this machine."""
    folder = tmp_path / "log"
    folder.mkdir(mode=0o750)
    (folder / "api.log").write_text("one\n")
    done = rotate(folder, "--debug")
    assert done.returncode == 0
    assert "error" not in done.stderr.lower()
    assert "after 1 days (14 rotations)" in done.stderr
    directives = {
        line.split()[0] for line in CONFIGURATION.read_text().splitlines() if line.startswith("    ")
    }
    assert {"nocreate", "delaycompress"} <= directives
    assert not directives & {
        "create",
        "copytruncate",
        "postrotate",
    }  # the first two lose lines; no reload is needed
