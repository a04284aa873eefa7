"""Every command, as a real process, whose output closes or is full: it ends, and says so by its status."""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import click
import psycopg
import pytest

from openwatt.cli import main
from openwatt.domain.legal_time import Span
from openwatt.store.backup import take_backup
from tests.conftest import Server
from tests.ingest.drawn_sheets import simple_and_double
from tests.portfolio.village import WEEK, curve, export
from tests.store.conftest import kill_servers_under

#: Longer than any of these commands takes on a busy machine; one that hangs is ended then.
PATIENCE_S = 90
READER_GONE = 141
NO_ROOM = "No space left on device"


class Case(NamedTuple):
    """How a command is called, its usual status, whether it prints, and whether it stays until ended."""

    arguments: Sequence[str]
    status: int = 0
    prints: bool = True
    stays: bool = False


NEXT_MONTH = str(dt.date.today() + dt.timedelta(days=30))  # noqa: DTZ011 - any day ahead
#: A command of every kind, in a folder that `place` makes.
CASES = {
    "tariffs": Case(["--option", "BASE"]),
    "tempo": Case(["--from", "2025-12-01", "--to", "2025-12-31"]),
    "prices": Case(["--option", "TEMPO", "--power-kva", "6", "--from", "2026-01-05", "--to", "2026-01-06"]),
    "prices now": Case(["--option", "TEMPO", "--power-kva", "6"]),
    "export": Case(["--format", "jsonl"]),
    "registers": Case(["homes/one.csv", "--option", "BASE"]),
    "reconcile": Case(["homes/one.csv", "indexes.csv"], status=1),
    "compare": Case(["homes/one.csv", "--power-kva", "6"]),
    "portfolio": Case(["homes", "--out", "out.csv", "--power-kva", "6", "--jobs", "2"], prints=False),
    "portfolio market": Case(["-"]),
    "portfolio summary": Case(["results.csv", "--least", "1"]),
    "ingest": Case(["alpiq", "--file", "homes/one.csv", "--dry-run"], status=3),
    "sources": Case([]),
    "sources check": Case(["lumen.yaml"], status=1),
    "review": Case([]),
    "review show": Case(["1"]),
    "review approve": Case(["999", "--as", "A. Dupont", "--reason", "a test"], status=3, prints=False),
    "review reject": Case(["999", "--as", "A. Dupont", "--reason", "a test"], status=3, prints=False),
    "review address": Case(
        ["alpiq", "https://example.org/a.pdf", "--until", NEXT_MONTH, "--as", "A. Dupont", "--reason", "a"]
    ),
    "inspect": Case(["homes/one.csv"], status=2),
    "logs": Case(["--file", "api.log", "--follow"], stays=True),
    "migrate": Case([]),
    "database": Case([], stays=True),
    "settings": Case([]),
    "metrics": Case(["--port", "0"], stays=True),
    "backup": Case(["--dir", "backups"]),
    "restore": Case(["backup.dump", "--yes"]),
    "doctor": Case(
        ["--url", "http://127.0.0.1:9", "--patience", "1", "--only", "service", "--only", "catalogue"],
        status=1,
    ),
    "drill": Case(["--url", "http://127.0.0.1:9", "--patience", "1"], status=1),
    "sentry-alerts": Case(["--file", "alerts.yaml"], status=1, prints=False),
    "": Case(["--help"]),
}
#: The service goes on when its output is full or unread, and counts what it could not write (tests/chaos).
SERVICE = {"serve"}


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command of the tree that does something, by its words."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    if command.invoke_without_command or not path:
        yield " ".join(path)
    for name, below in command.commands.items():
        yield from leaves(below, (*path, name))


def test_every_command_has_its_case() -> None:
    assert sorted({*CASES, *SERVICE}) == sorted(leaves(main))


@pytest.fixture(scope="module")
def place(
    server: Server, filled: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with what the cases read, and the environment of a database of their own."""
    url = server.url(server.create(filled))
    folder = tmp_path_factory.mktemp("streams")
    (folder / "homes").mkdir()
    (folder / "homes" / "one.csv").write_bytes(export(curve(1, Span(WEEK.start, WEEK.end))))
    (folder / "results.csv").write_text(
        "home,supplier,offer,option,power_kva,start,end,total_ttc_eur,saving_against_baseline_eur,"
        "saving_against_baseline_eur_per_year,closed_to_new_customers,whole,unseen_registers\n"
        "one,EDF,Tarif Bleu,BASE,6,2025-10-01,2026-10-01,900.00,0.00,0.00,false,true,\n"
    )
    (folder / "indexes.csv").write_text(
        "Identifiant PRM;Type de donnees\n14298765432109;Index\nHorodate;EAS F1\n"
        "2026-10-20T00:00:00+02:00;1000\n2026-10-27T00:00:00+01:00;2000\n"
        "Periode\ndu 2026-10-20T00:00:00+02:00 au 2026-10-27T00:00:00+01:00;BASE;BASE;EAS F1\n"
    )
    (folder / "lumen.yaml").write_text("supplier: Lumen\n")
    record = {"@timestamp": "2026-11-22T12:00:00.000Z", "level": "info", "logger": "a", "event": "request"}
    (folder / "api.log").write_text(f"{json.dumps(record)}\n" * 3)
    (folder / "alerts.yaml").write_text(
        (Path(__file__).parents[2] / "ops/sentry/alerts.yaml").read_text("utf-8")
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into runs (source, supplier, started_at, finished_at, outcome, detail) "
            "values ('alpiq', 'Alpiq', now(), now(), 'refused', '{\"cadence_days\": 7}')"
        )
    # After the run was written: a case restores it, and later ones look at the run.
    taken = take_backup(url, folder / "backups", keep=3)
    (folder / "backup.dump").write_bytes(taken.path.read_bytes())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENWATT_")}
    environment |= {"OPENWATT_DATABASE_URL": url, "OPENWATT_DRILL_TOKEN": "x" * 32, "COLUMNS": "100"}
    environment["OPENWATT_DATA_DIR"] = str(folder / "data")
    yield folder, environment
    kill_servers_under(folder)


class Ended(NamedTuple):
    """How a command ended, and what it said on standard error where that could be read."""

    status: int
    said: str


def run(place: tuple[Path, dict[str, str]], name: str, *, leave: Sequence[int] = (), **streams: Any) -> Ended:
    """Runs a command with its streams as they are given; those in `leave` are closed before it starts."""
    folder, environment = place
    if name == "database":  # what it keeps is the embedded one
        environment = {key: value for key, value in environment.items() if key != "OPENWATT_DATABASE_URL"}
    command = [sys.executable, "-m", "openwatt", *name.split(), *CASES[name].arguments]
    closing = " ".join(f"{number}>&-" if number else "0<&-" for number in leave)
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {closing}', "sh", *command],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | streams,
    )
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"openwatt {name} has not ended after {PATIENCE_S} s")
    said = said or ""
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return Ended(process.returncode, said)


def gone() -> int:
    """The writing end of a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("name", CASES)
def test_a_command_whose_reader_has_gone_ends_without_a_word(
    place: tuple[Path, dict[str, str]], name: str
) -> None:
    with ExitStack() as stack:
        writing = gone()
        stack.callback(os.close, writing)
        ended = run(place, name, stdout=writing)
    case = CASES[name]
    assert ended.status == (READER_GONE if case.prints else case.status), ended.said
    assert "Broken pipe" not in ended.said


@pytest.mark.parametrize("name", CASES)
def test_a_command_whose_output_is_full_says_so_and_fails(
    place: tuple[Path, dict[str, str]], name: str
) -> None:
    with Path("/dev/full").open("w") as full:
        ended = run(place, name, stdout=full)
    case = CASES[name]
    if case.prints:
        assert ended.status == 1, ended.said
        assert ended.said.splitlines()[-1].startswith("Error: the output cannot be ")
        assert ended.said.splitlines()[-1].endswith(NO_ROOM)
    else:
        assert ended.status == case.status, ended.said


STILL = [
    pytest.param(name, marks=() if name in {"", "doctor"} else pytest.mark.slow)
    for name, case in CASES.items()
    if not case.stays
]


@pytest.mark.parametrize("name", STILL)
def test_a_command_without_streams_does_its_work(place: tuple[Path, dict[str, str]], name: str) -> None:
    for leave in ((1,), (0, 1, 2)):
        assert run(place, name, leave=leave).status == CASES[name].status, leave


@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize("both", [False, True])
def test_a_command_that_cannot_complain_ends_nevertheless(
    place: tuple[Path, dict[str, str]],
    name: str,
    both: bool,  # noqa: FBT001 - a case of the test
) -> None:
    case = CASES[name]
    with ExitStack() as stack:
        writing = gone()
        stack.callback(os.close, writing)
        full = stack.enter_context(Path("/dev/full").open("w"))
        for stream in (writing, full):
            streams: dict[str, Any] = {"stderr": stream, **({"stdout": stream} if both else {})}
            assert run(place, name, **streams).status in {case.status, 1, READER_GONE}


def test_a_log_that_is_followed_ends_with_its_reader(place: tuple[Path, dict[str, str]]) -> None:
    folder, environment = place
    following = subprocess.Popen(
        [sys.executable, "-m", "openwatt", "logs", "--file", "api.log", "--follow"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert following.stdout is not None
    for _ in range(3):
        assert b"request" in following.stdout.readline()
    time.sleep(0.5)
    assert following.poll() is None, "nothing new is there, and it waits"
    following.stdout.close()
    assert following.wait(PATIENCE_S) == READER_GONE
    assert following.stderr is not None
    assert following.stderr.read() == b""
    following.stderr.close()


@pytest.mark.parametrize(
    ("name", "option", "path"),
    [
        ("export", "--output", "whole.csv"),
        ("inspect sheet.pdf", "--png", "whole.png"),
        ("portfolio homes --power-kva 6 --jobs 2", "--out", "whole.parts.csv"),
        ("portfolio summary results.csv --least 1", "--out", "whole.svg"),
        ("backup", "--dir", "full"),
    ],
)
def test_a_file_for_which_there_is_no_room_is_named_and_leaves_nothing_half_written(
    place: tuple[Path, dict[str, str]], name: str, option: str, path: str
) -> None:
    folder, environment = place
    (folder / "sheet.pdf").write_bytes(simple_and_double().pdf)
    before = {file for file in folder.rglob("*") if file.is_file()}
    # What no process may write beyond stands for the end of a disk; the signal of that limit is ignored.
    limited = ["/bin/sh", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "sh"]
    done = subprocess.run(
        [*limited, sys.executable, "-m", "openwatt", *name.split(), option, path],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1, done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("Error: "), done.stderr
    assert "File too large" in said or "pg_dump failed: status -25" in said  # it has the signal again
    assert {file for file in folder.rglob("*") if file.is_file()} == before
