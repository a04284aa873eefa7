"""The doctor on a log that was rotated just now: its next line has not been written, and nothing is wrong."""

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwatt.doctor import logs
from openwatt.doctor.context import SENT_REQUEST, CheckContext
from openwatt.doctor.http_probe import HttpProbe
from openwatt.doctor.results import CheckFailedError
from openwatt.settings import Settings
from tests.doctor.stand_ins import StandIn
from tests.ops.test_logrotate import LOGROTATE, here
from tests.programs import needs_program


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "api.log"
    path.write_text('{"event": "a line of before"}\n')
    return path


@pytest.fixture
def context(log: Path, tmp_path: Path) -> Iterator[CheckContext]:
    rules = tmp_path / "logrotate.conf"
    rules.write_text(here(log.parent))
    rules.chmod(0o644)
    with HttpProbe() as http:
        yield CheckContext(
            settings=Settings(log_file=log, environment="production"),
            environ={},
            http=http,
            logrotate=rules,
            timeout_s=5,
        )


def rotate(context: CheckContext, log: Path) -> None:
    """Logrotate moves the log away, and leaves the new one to the service."""
    state = log.parent.parent / "state"
    command = [str(LOGROTATE), "--force", "--state", str(state), str(context.logrotate)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    assert not log.exists()
    assert len(list(log.parent.iterdir())) == 1


@needs_program("logrotate")
def test_a_log_that_was_just_rotated_is_still_covered(context: CheckContext, log: Path) -> None:
    assert "is covered by" in logs.check_rotation(context).message
    rotate(context, log)
    assert "is covered by" in logs.check_rotation(context).message


@needs_program("logrotate")
def test_a_log_that_was_reached_by_a_link_is_covered_before_and_after(
    context: CheckContext, log: Path
) -> None:
    link = log.parent.parent / "link"
    link.symlink_to(log.parent, target_is_directory=True)
    context.logrotate.write_text(here(link))
    assert "is covered by" in logs.check_rotation(context).message
    rotate(context, log)
    assert "is covered by" in logs.check_rotation(context).message


@needs_program("logrotate")
@pytest.mark.parametrize("pattern", ["/*/*.log", "/api.log.*", "/log/other.log", "/log/a?i.txt"])
def test_a_log_that_is_not_there_is_covered_by_no_rule_of_another(
    context: CheckContext, log: Path, pattern: str
) -> None:
    context.logrotate.write_text(
        here(log.parent).replace(f"{log.parent}/*.log", f"{log.parent.parent}/no{pattern}")
    )
    log.unlink()
    with pytest.raises(CheckFailedError, match="no rule of"):
        logs.check_rotation(context)


@needs_program("logrotate")
@pytest.mark.parametrize("names", ['"{}" /else/x.log', "{}\n/else/x.log"])
def test_a_rule_may_name_several_logs(context: CheckContext, log: Path, names: str) -> None:
    text = here(log.parent)
    assert f"{log.parent}/*.log" in text
    context.logrotate.write_text(text.replace(f"{log.parent}/*.log", names.format(log)))
    log.unlink()
    assert "is covered by" in logs.check_rotation(context).message


def test_a_rule_that_logrotate_refuses_is_a_fault_with_and_without_a_log(
    context: CheckContext, log: Path
) -> None:
    text = context.logrotate.read_text()
    assert "daily" in text
    context.logrotate.write_text(text.replace("daily", "daly"))
    for _ in range(2):
        with pytest.raises(CheckFailedError, match=r"refuses|no rule of"):
            logs.check_rotation(context)
        log.unlink(missing_ok=True)


class LateLogger(StandIn):
    """A service that writes the record of a request a moment after its answer."""

    def __init__(self, log: Path) -> None:
        self._log = log
        super().__init__()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        del body
        made = {name.lower(): value for name, value in headers.items()}["x-request-id"]
        record = {"@timestamp": "2026-11-28T10:00:00Z", "level": "INFO", "event": "request", "status": 200,
                  "path": path, "request_id": made}  # fmt: skip
        threading.Timer(0.3, lambda: self._log.write_text(json.dumps(record) + "\n")).start()
        return 200, {}, b"{}"


def test_a_log_that_the_request_itself_begins_is_waited_for(context: CheckContext, log: Path) -> None:
    log.unlink()
    service = LateLogger(log)
    try:
        context.url = service.url
        assert f"{SENT_REQUEST} sent and found again" in logs.check_log_file(context).message
    finally:
        service.close()
