"""Commands that are cut short: a reader that has enough, Ctrl-C, a folder that may not be written."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from openwatt.store.embedded.postgres import EmbeddedPostgres
from tests.chaos.running import PROGRAMS, Home, Service, wait_until


def _many_rows(home: Home) -> None:
    """So many more observations that an export takes a while."""
    with psycopg.connect(EmbeddedPostgres(home.data).conninfo()) as connection:
        connection.execute(
            "insert into tariffs (contract_id, applies_from, observed_at, subscription_eur_per_year_ht,"
            " prices_eur_per_kwh_ht, document_id, reader)"
            " select contract_id, '2001-01-01', timestamptz '2001-01-01' + n * interval '1 second', 1,"
            " '{\"BASE\": 0.1}', 1, 'test' from "
            "(select min(contract_id) as contract_id from contracts) as one, generate_series(1, 200000) as n"
        )


def _export(home: Home, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [PROGRAMS / "openwatt", "export", *arguments],
        env=home.environment(),
        cwd=home.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_a_reader_that_has_enough_ends_the_export_without_a_word(home: Home) -> None:
    export = _export(home)
    assert export.stdout
    assert export.stderr
    assert export.stdout.readline().startswith(b"supplier,")
    export.stdout.close()
    assert export.wait(30) in {0, 1, 141, -signal.SIGPIPE}
    assert export.stderr.read() == b""
    export.stderr.close()
    assert not home.database_runs()


def test_ctrl_c_in_an_export_ends_it_at_once_and_leaves_no_half_file(home: Home, service: Service) -> None:
    _many_rows(home)
    kept = home.folder / "kept"
    kept.mkdir()
    (kept / "all.csv").write_text("the old one")
    export = _export(home, "--output", str(kept / "all.csv"))

    def written() -> list[Path]:
        return [file for file in kept.iterdir() if file.name != "all.csv" and file.stat().st_size > 1_000_000]

    wait_until(written)
    began = time.monotonic()
    os.killpg(export.pid, signal.SIGINT)
    _, said = export.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert export.returncode == 130
    assert b"Traceback" not in said
    assert [file.name for file in kept.iterdir()] == ["all.csv"]
    assert (kept / "all.csv").read_text() == "the old one"
    assert service.answers("/v1/tariffs?option=BASE&power_kva=9&on=2025-09-01")


def test_ctrl_c_while_the_database_is_being_made_leaves_nothing_that_runs(empty_home: Home) -> None:
    export = _export(empty_home)
    wait_until(lambda: list(empty_home.data.glob("postgresql.new-*")))
    os.killpg(export.pid, signal.SIGINT)
    _, said = export.communicate(timeout=30)
    assert export.returncode == 130
    assert b"Traceback" not in said
    assert not empty_home.database_runs()
    assert empty_home.command("migrate").returncode == 0, "the next command is not hindered"


def test_output_that_has_no_room_is_said(home: Home, service: Service) -> None:
    assert service.answers()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAMS / "openwatt", "export"],
            env=home.environment(),
            cwd=home.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=40,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "Error: the output cannot be used: No space left on device\n",
    )
