"""`openwatt ingest` as a real process: what it says, how it ends, and what a killed one leaves."""

import datetime as dt
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from openwatt.app import create_app
from openwatt.cli import main
from openwatt.settings import Settings
from tests.chaos.running import wait_until
from tests.conftest import close_app
from tests.ingest.command import PATIENCE_S, Command
from tests.ingest.document_server import site
from tests.ingest.drawn_sheets import simple_and_double

YELI, SHEET = "yeli_verte", simple_and_double().pdf
OFFER = "Yéli Électricité Verte"
LUMIERE = {"supplier": "Lumière"}


@pytest.fixture
def command(filled_url: str) -> Iterator[Command]:
    """The command over a database of the test's own, with Yéli's sheet as that of an unknown supplier."""
    with site() as pages:
        ours = Command(filled_url, pages)
        ours.put(YELI, SHEET, LUMIERE)
        yield ours


def asked(command: Command, query: str) -> Any:
    with psycopg.connect(command.url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row
    return row[0]


def published(command: Command) -> int:
    return int(
        asked(
            command,
            "select count(*) from tariffs join contracts using (contract_id) join offers using (offer_id) "
            "join suppliers s using (supplier_id) where s.name = 'Lumière'",
        )
    )


def records(log: str, event: str = "ingest finished") -> list[dict[str, Any]]:
    told = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [record for record in told if record["event"] == event]


def check_ins(command: Command) -> dict[str, list[str]]:
    """What Sentry was told of each source."""
    told: dict[str, list[str]] = {}
    for report in command.site.reported:
        for line in report.splitlines():
            item = json.loads(line)
            if "monitor_slug" in item:
                told.setdefault(item["monitor_slug"], []).append(item["status"])
    return told


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process for the length of a block, that it does not outlive."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_all_goes_on_after_failures_and_tells_of_each(command: Command) -> None:
    command.put("total_verte_fixe", b"<html><title>Maintenance</title>")
    command.put("mint_classic_green", b"", status=404)
    command.sources["es_bleu"] = {}
    command.sources["cre_annex"] = {}
    dsn = f"http://key@127.0.0.1:{command.site.port}/1"
    status, out, log = command.run("ingest", "--all", "--json", OPENWATT_SENTRY_DSN=dsn)
    assert status == 3, log
    assert len(log.splitlines()) == len(records(log)), "nothing but records"
    told = json.loads(out)
    assert {look["source"]: look["outcome"] for look in told["looks"]} == {
        "mint_classic_green": "unreachable",
        "total_verte_fixe": "unreadable",
        YELI: "published",
    }
    assert [one["source"] for one in told["skipped"]] == ["cre_annex", "es_bleu"]
    (yeli,) = [record for record in records(log) if record["source"] == YELI]
    assert (yeli["outcome"], yeli["tariffs"], yeli["doubts"], yeli["supplier"]) == (
        "published", 17, 0, "Lumière",
    )  # fmt: skip
    assert yeli["duration_ms"] > 0
    assert yeli["run"] == str(told["looks"][-1]["run"])
    assert len(records(log)) == 3
    assert check_ins(command) == {
        "ingest-yeli_verte": ["in_progress", "ok"],
        "ingest-mint_classic_green": ["in_progress", "error"],
        "ingest-total_verte_fixe": ["in_progress", "error"],
    }
    status, out, _ = command.run("sources", "--json")
    states = {one["name"]: one for one in json.loads(out)["sources"]}
    assert status == 0
    assert {name: (one["freshness"], one["failures_in_a_row"]) for name, one in states.items()} == {
        YELI: ("fresh", 0),
        "mint_classic_green": ("never", 1),
        "total_verte_fixe": ("never", 1),
        "es_bleu": ("never", 0),
        "cre_annex": ("never", 0),
    }
    assert not any(one["due"] for one in states.values())
    status, out, _ = command.run("ingest", "--all", "--due")
    assert (status, out.strip()) == (0, "3 not due, 1 without a document yet, 1 handed in by hand")


def test_a_source_without_an_address_is_asked_at_the_one_that_was_set_for_it(command: Command) -> None:
    address = command.sources.pop(YELI)["address"]
    command.sources[YELI] = {**LUMIERE, "address": None, "note": "handed in by hand"}
    status, _, log = command.run("ingest", YELI)
    assert status == 2
    assert "its document is handed in with --file (handed in by hand)" in " ".join(log.split())
    with psycopg.connect(command.url, autocommit=True) as connection:
        connection.execute(
            "insert into address_overrides (source, address, until, author, reason, set_at) "
            "values (%s, %s, '2100-01-01', 'A. Dupont', 'found it', now())",
            [YELI, address],
        )
    status, out, log = command.run("ingest", "--all", "--due")
    assert (status, out.splitlines()[0]) == (0, f"{YELI}: published, 17 of 17 read are new"), log


def test_what_is_published_is_what_the_api_tells(command: Command) -> None:
    status, out, log = command.run("ingest", YELI)
    assert status == 0, log
    assert out.splitlines()[0] == f"{YELI}: published, 17 of 17 read are new"
    now = dt.datetime.now(dt.UTC)
    app = create_app(Settings(database_url=command.url, workers=1), clock=lambda: now)
    query = {"supplier": "Lumière", "option": "BASE", "power_kva": 6, "on": "2025-11-15"}
    (item,) = app.test_client().get("/v1/tariffs", query_string=query).get_json()["tariffs"]
    close_app(app)
    (look,) = records(log)
    assert item["source"]["document_sha256"] == look["document"]
    assert item["source"]["url"] == command.sources[YELI]["address"]
    assert item["data_status"] == "fresh"
    printed = simple_and_double().expected[OFFER, "BASE", 6, "subscription", "TTC"]
    assert item["subscription_eur_per_year_ttc"] == float(printed)


def test_a_process_killed_while_it_publishes_leaves_nothing_and_the_next_one_recovers(
    command: Command,
) -> None:
    with psycopg.connect(command.url) as other:
        # Whoever publishes waits here: its tariffs are written, its run is not, nothing is committed.
        other.execute("lock table runs in exclusive mode")
        with ended(command.start("ingest", YELI)) as process:
            waiting = "select count(*) from pg_locks where not granted and relation = 'runs'::regclass"
            wait_until(lambda: asked(command, waiting), PATIENCE_S)
            written = (
                "select pg_sequence_last_value(pg_get_serial_sequence('tariffs', 'tariff_id')::regclass)"
            )
            assert int(asked(command, written)) > int(asked(command, "select max(tariff_id) from tariffs"))
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_S)
        other.rollback()
    locks = "select count(*) from pg_locks where locktype = 'advisory'"
    wait_until(lambda: asked(command, locks) == 0, PATIENCE_S)
    assert published(command) == 0
    assert asked(command, "select count(*) from runs") == 0
    status, _, log = command.run("ingest", YELI)
    assert status == 0, log
    assert published(command) == 17


def test_of_two_processes_one_works_and_one_says_so(command: Command) -> None:
    hold = threading.Event()
    command.put(YELI, SHEET, LUMIERE, hold=hold)
    with ended(command.start("ingest", YELI)) as first:
        wait_until(lambda: command.site.asked, PATIENCE_S)
        status, out, log = command.run("ingest", YELI)
        assert status == 4, log
        assert out.splitlines()[0] == f"{YELI}: held, another process is just at it"
        assert len(command.site.asked) == 1
        hold.set()
        out, log = first.communicate(timeout=PATIENCE_S)
        assert first.returncode == 0, log
    assert published(command) == 17


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_process_that_is_told_to_end_undoes_what_was_under_way(
    command: Command, how: signal.Signals, status: int
) -> None:
    command.put(YELI, SHEET, LUMIERE, hold=threading.Event())
    with ended(command.start("ingest", YELI)) as process:
        wait_until(lambda: command.site.asked, PATIENCE_S)
        process.send_signal(how)
        _, log = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == status, log
    assert "Traceback" not in log
    assert asked(command, "select count(*) from runs") == 0
    wait_until(lambda: asked(command, "select count(*) from pg_locks where locktype = 'advisory'") == 0)


def test_every_goes_on_until_it_is_told_to_end(command: Command) -> None:
    with ended(command.start("ingest", "--every", "1s")) as process:
        wait_until(lambda: published(command), PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        log, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert [record["source"] for record in records(log)] == [YELI]
    assert records(log, "ingest ends")


def test_a_host_is_asked_in_turns_whichever_process_asks(command: Command) -> None:
    names = ("alpiq", "ilek_311", "octopus_ecoconso", "ohm_classique", "plenifix", "mint_classic_green")
    for name in names:
        command.put(name, b"", status=404)
    command.interval_s = 0.3
    with psycopg.connect(command.url) as holder:
        holder.execute("insert into fetch_turns values ('127.0.0.1', now())")
        holder.commit()
        holder.execute("select from fetch_turns for update")
        with (
            ended(command.start("ingest", *names[:3])) as one,
            ended(command.start("ingest", *names[3:])) as two,
        ):
            # Both wait for their first turn; from then on all of them are known.
            wait_until(
                lambda: asked(command, "select count(*) from pg_locks where not granted") == 2, PATIENCE_S
            )
            row = holder.execute(
                "update fetch_turns set next_at = clock_timestamp() + interval '1 s' "
                "returning extract(epoch from next_at)::float8"
            ).fetchone()
            holder.commit()
            for process in (one, two):
                process.communicate(timeout=PATIENCE_S)
                assert process.returncode == 3
    assert row
    came = sorted(request.at for request in command.site.asked)
    assert len(came) == 6
    # No turn begins before its own instant, however busy the machine is; it may begin later.
    assert [at >= row[0] + 0.3 * turn - 0.01 for turn, at in enumerate(came)] == [True] * 6


def test_a_database_that_is_away_is_said_and_is_status_1(command: Command) -> None:
    status, _, log = command.run("ingest", YELI, OPENWATT_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert status == 1
    assert "the database does not answer" in log
    assert not command.site.asked


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name sources, or ask for --all"),
        (("--all", YELI), "not both"),
        (("yeli_vert",), "did you mean yeli_verte?"),
        (("--all", "--file", __file__), "the document of one source"),
        (("es_bleu", "--file", __file__), "openwatt inspect"),
        ((YELI, "--due", "--file", __file__), "--file is one look"),
        (("--every", "soon"), "such as 1h or 30m"),
        (("--every", "1h", "--json"), "tells its looks in the log"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_remedy(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(main, ["ingest", *arguments])
    assert result.exit_code == 2
    assert says in " ".join(result.output.replace("│", " ").split())


def test_help_tells_every_exit_status() -> None:
    told = CliRunner().invoke(main, ["ingest", "--help"]).output
    for status in ("0 everything", "1 the database", "2 the command", "3 a source", "4 another", "130, 143"):
        assert status in told


def test_sources_are_listed_as_a_table(filled_url: str) -> None:
    environment = {"OPENWATT_DATABASE_URL": filled_url, "COLUMNS": "200"}
    result = CliRunner().invoke(main, ["sources"], env=environment)
    assert result.exit_code == 0, result.output
    for words in (YELI, "never", "by hand", "no document yet"):
        assert words in result.output
