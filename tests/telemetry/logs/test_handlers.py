"""Log lines as their readers find them: one shape, whoever logs."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openwatt.telemetry import context as contexts
from openwatt.telemetry.logs import request_record as access
from openwatt.telemetry.logs.console_formatter import ConsoleFormatter
from openwatt.telemetry.logs.fields import EXTRA_FIELDS, FIELDS, FIXED_FIELDS
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
from openwatt.telemetry.logs.setup import LogConfig, configure_logs
from openwatt.telemetry.logs.threads import log_stacks
from tests.log_receivers import free_port, wait_until

IDENTITY = Identity(service="openwatt", environment="test", version="0.1.0+abc1234")
ELASTIC_TYPES: dict[str, tuple[type, ...]] = {
    "date": (str,), "keyword": (str, list), "text": (str,), "ip": (str,), "integer": (int,), "long": (int,),
    "double": (int, float), "flattened": (dict,),
}  # fmt: skip


def line(message: str = "ingest finished", *args: object, **extra: object) -> dict[str, Any]:
    record = logging.LogRecord("openwatt.test", logging.INFO, "", 0, message, args, None)
    record.__dict__.update(extra)
    found: dict[str, Any] = json.loads(JsonFormatter(IDENTITY).format(record))
    return found


def fail(message: str) -> None:
    raise ConnectionError(message)


@pytest.fixture
def request_context() -> Iterator[contexts.RequestContext]:
    context = contexts.RequestContext(
        request_id="support-4711",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        method="GET",
        path="/v1/tariffs",
        route="/v1/tariffs",
        client="2001:db8::1",
    )
    yield contexts.begin(context)
    contexts.end(context)


@pytest.mark.usefixtures("request_context")
def test_the_fixed_fields_come_first_and_in_their_order() -> None:
    try:
        int({"option": 1}.pop("colour"))
    except KeyError:
        record = logging.LogRecord("openwatt.test", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    record.outcome = "refused"
    found = json.loads(JsonFormatter(IDENTITY).format(record))
    assert list(found) == [*FIXED_FIELDS, "outcome"]
    assert found["level"] == "error"
    assert found["event"] == "failed"
    assert found["request_id"] == "support-4711"
    assert found["version"] == "0.1.0+abc1234"
    assert found["exc_info"].endswith("KeyError: 'colour'")


def test_the_timestamp_is_utc_with_milliseconds() -> None:
    record = logging.LogRecord("t", logging.INFO, "", 0, "m", (), None)
    record.created = 1795348799.0625
    assert json.loads(JsonFormatter(IDENTITY).format(record))["@timestamp"] == "2026-11-22T11:59:59.062Z"


def test_an_extra_cannot_take_the_place_of_a_fixed_field() -> None:
    found = line(
        **{"level": "fake", "event": "fake", "@timestamp": "fake", "service": "fake", "request_id": "fake"}
    )
    assert (found["level"], found["event"], found["service"]) == ("info", "ingest finished", "openwatt")
    assert "request_id" not in found
    assert found["extra"] == dict.fromkeys(("level", "event", "@timestamp", "service", "request_id"), "fake")


def test_numbers_that_json_has_not_become_null_and_decimals_keep_their_digits() -> None:
    record = logging.LogRecord("t", logging.INFO, "", 0, "m", (), None)
    record.__dict__.update(duration_ms=float("nan"), cpu_ms=float("inf"), db_ms=Decimal("0.1940"))
    text = JsonFormatter(IDENTITY).format(record)
    assert '"duration_ms":null,"cpu_ms":null,"db_ms":0.1940' in text


def test_a_value_of_another_type_than_its_fields_is_kept_apart() -> None:
    found = line(
        status="two hundred", db_queries=True, client="unix:", tariffs=1 << 40, offer=["A", "B"], run={"a": 1}
    )
    assert found["extra"] == {
        "status": "two hundred",
        "db_queries": True,
        "client": "unix:",
        "tariffs": 1 << 40,
        "run": {"a": 1},
    }
    assert found["offer"] == ["A", "B"]


def test_secrets_are_filtered_wherever_a_record_holds_them() -> None:
    hush = "h0sh-h0sh"
    try:
        fail(f"postgresql://me:{hush}@db/openwatt")
    except ConnectionError:
        record = logging.LogRecord("t", logging.ERROR, "", 0, "with token=%s", (hush,), sys.exc_info())
    record.__dict__.update(
        api_key=hush, headers={"Authorization": hush}, reason=f"password={hush}", thing=Path(f"pwd={hush}")
    )
    text = JsonFormatter(IDENTITY).format(record)
    assert hush not in text
    assert text.count("[Filtered]") == 7  # the traceback quotes the line that failed


def test_a_text_that_is_no_utf8_costs_no_record() -> None:
    found = line("cannot read \udcff.csv", source="\ud800", unheard_of={"\udc00": ["\udc01", 1]})
    assert found["event"] == "cannot read \\udcff.csv"
    assert found["source"] == "\\ud800"
    assert found["extra"] == {"unheard_of": {"\\udc00": ["\\udc01", 1]}}


def test_what_a_reader_of_json_or_elasticsearch_refuses_is_not_written() -> None:
    found = line(
        duration_ms=10**400, cpu_ms=Decimal("1E+400"), client="999.1.2.3", records=10**2000,
        unheard_of={"a\0b": 1, "k" * 5000: 10**2000},
    )  # fmt: skip
    assert found["extra"] == {
        "duration_ms": "[a number of 1329 bits]",
        "cpu_ms": "1E+400",
        "client": "999.1.2.3",
        "records": "[a number of 6644 bits]",
        "unheard_of": {"a\\0b": 1, "k" * 200: "[a number of 6644 bits]"},
    }


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_an_address_is_a_field_and_what_only_looks_like_one_is_kept_apart(address: str) -> None:
    assert line(client=address)["client"] == address
    for other in (f"{address}%eth0", "1.2.3", "...", ["192.0.2.1"]):
        found = line(client=other)
        assert "client" not in found
        assert found["extra"]["client"] == other


class _Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_record_that_cannot_be_formatted_is_still_a_record() -> None:
    assert line("%d tariffs", "many")["error"] == "the record could not be formatted: TypeError"
    assert line(source=_Broken())["event"] == "ingest finished"
    assert line(_Broken())["event"] == "[a _Broken that cannot be shown]"  # type: ignore[arg-type]
    assert line("x" * 100_000)["event"] == "x" * 32_000


def test_a_message_that_is_a_mapping_keeps_its_keys_whatever_they_are() -> None:
    found = line({"": 1, 7: 2, "_hidden": 3, "offer": "Tarif Bleu"})  # type: ignore[arg-type]
    assert "error" not in found
    assert found["offer"] == "Tarif Bleu"
    assert found["extra"] == {"": 1, "7": 2}


def test_the_stacks_of_all_threads_are_told_when_a_worker_is_aborted() -> None:
    kept: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = kept.append  # type: ignore[method-assign, assignment]
    logging.getLogger("openwatt.threads").addHandler(handler)
    hold = threading.Event()
    thread = threading.Thread(target=hold.wait, name="busy-thread")
    thread.start()
    try:
        log_stacks("a worker was aborted")
    finally:
        hold.set()
        thread.join()
        logging.getLogger("openwatt.threads").removeHandler(handler)
    found = json.loads(JsonFormatter(IDENTITY).format(kept[0]))
    assert (found["event"], found["level"]) == ("a worker was aborted", "critical")
    assert "Thread busy-thread:" in found["stack_info"]
    assert "test_the_stacks_of_all_threads" in found["stack_info"]


def test_every_record_has_an_id_of_its_own_also_after_a_fork() -> None:
    script = """
import json, logging, os, sys
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
formatter = JsonFormatter(Identity())
def one(): print(formatter.format(logging.LogRecord("t", 20, "", 0, "m", (), None)), flush=True)
one()
for _ in range(2):
    if os.fork() == 0: one(); one(); os._exit(0)
    os.wait()
one()
"""
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    ids = [json.loads(printed)["event_id"] for printed in output.splitlines()]
    assert len(ids) == len(set(ids)) == 6


def test_every_field_a_line_can_have_is_declared_with_its_type(
    request_context: contexts.RequestContext,
) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("openwatt.access")
    logger.addHandler(handler)
    try:
        access.log_request(request_context, 503, 12)
    finally:
        logger.removeHandler(handler)
    given: dict[str, object] = {name: name for name in EXTRA_FIELDS} | {"unheard_of": 1}
    everything = logging.LogRecord("t", logging.INFO, "", 0, "m", (), None)
    everything.__dict__.update(given)
    formatter = JsonFormatter(IDENTITY)
    lines = [json.loads(formatter.format(record)) for record in [*records, everything]]
    assert len(lines) == 2
    assert lines[0]["client"] == "2001:db8::1"
    for found in lines:
        assert set(found) <= set(FIELDS)
        assert [
            name for name, value in found.items() if not isinstance(value, ELASTIC_TYPES[FIELDS[name]])
        ] == []


def test_the_readable_form_holds_the_same_fields() -> None:
    record = logging.LogRecord("openwatt.ingest", logging.WARNING, "", 0, "refused", (), None)
    record.__dict__.update(source="edf-bleu", tariffs=3)
    shown = ConsoleFormatter(IDENTITY, colour=False).format(record)
    assert "warning  refused source=edf-bleu tariffs=3 openwatt.ingest" in shown
    assert "\x1b[" not in shown
    coloured = logging.LogRecord("openwatt.ingest", logging.WARNING, "", 0, "refused", (), None)
    assert "\x1b[33mwarning" in ConsoleFormatter(IDENTITY).format(coloured)


PROGRAM = """
import logging, sys, threading, time, warnings
from pathlib import Path
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig, configure_logs
for _ in range(2):  # the second call replaces the first
    configure_logs(LogConfig(identity=Identity(), level=sys.argv[2], file=Path(sys.argv[1])))
log = logging.getLogger("openwatt.test")
log.debug("debug")
log.info("started")
warnings.warn("old", DeprecationWarning, stacklevel=1)
thread = threading.Thread(target=lambda: 1 / 0, name="worker-1")
thread.start(); thread.join()
sys.stdin.readline()
log.info("rotated")
"""


def test_lines_go_to_stdout_and_to_a_file_that_may_be_rotated(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "api.log"
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(log), "info"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert wait_until(lambda: log.exists() and log.read_text().count("\n") == 3)
    assert log.stat().st_mode & 0o777 == 0o640
    log.rename(log.with_suffix(".log.1"))
    output, _ = program.communicate("\n")
    events = [json.loads(printed)["event"] for printed in output.splitlines()]
    assert [events[0], events[2], events[3]] == ["started", "a thread died", "rotated"]
    assert "DeprecationWarning: old" in events[1]
    first = [json.loads(kept) for kept in log.with_suffix(".log.1").read_text().splitlines()]
    assert [kept["event"] for kept in first] == events[:3]
    assert first[2]["exc_info"].endswith("ZeroDivisionError: division by zero")
    assert [json.loads(kept)["event"] for kept in log.read_text().splitlines()] == ["rotated"]


def test_four_processes_write_one_file_without_a_torn_line(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    script = (
        "import logging,sys;from pathlib import Path;from openwatt.telemetry.logs.setup import *\n"
        "sys.stdout=open('/dev/null','w')\n"
        "configure_logs(LogConfig(identity=Identity(),file=Path(sys.argv[1])))\n"
        "for n in range(500): logging.getLogger('t').info('n', extra={'reason': 'x' * 5000})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(log)]) for _ in range(4)]
    assert [writer.wait(30) for writer in writers] == [0, 0, 0, 0]
    ids = {json.loads(kept)["event_id"] for kept in log.read_text().splitlines()}
    assert len(ids) == 2000


GUNICORN_CONF = """
from openwatt.telemetry.logs.gunicorn import GunicornLogger
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig, configure_logs
configure_logs(LogConfig(identity=Identity()))
logger_class = GunicornLogger
control_socket_disable = True
"""
APPLICATION = """
import logging
def app(environ, start_response):
    logging.getLogger("openwatt.view").info("asked")
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("with password=h0sh-h0sh")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_gunicorns_lines_have_the_shape_of_ours(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(GUNICORN_CONF)
    (tmp_path / "application.py").write_text(APPLICATION)
    port = free_port()
    with (tmp_path / "out").open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "conf.py", "-b", f"127.0.0.1:{port}", "application:app"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{Path(__file__).parents[3]}"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        assert wait_until(lambda: "Booting worker" in (tmp_path / "out").read_text())
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").read() == b"ok"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/broken")
        server.send_signal(signal.SIGHUP)  # the configuration is read again: nothing may be doubled
        assert wait_until(lambda: (tmp_path / "out").read_text().count("Booting worker") == 2)
    finally:
        server.terminate()
        server.wait(10)
    lines = [json.loads(printed) for printed in (tmp_path / "out").read_text().splitlines()]
    events = [found["event"] for found in lines]
    assert events.count("asked") == 2
    assert len([event for event in events if event.startswith("Listening at")]) == 1
    broken = next(found for found in lines if "exc_info" in found)
    assert broken["logger"] == "gunicorn.error"
    assert broken["level"] == "error"
    assert broken["exc_info"].endswith("RuntimeError: with password=[Filtered]")
    assert len({found["event_id"] for found in lines}) == len(lines)


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logs(LogConfig(identity=IDENTITY, level="loud"))
