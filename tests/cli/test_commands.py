"""The `openwatt` command: what it prints, and the sentence and status it ends with."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from openwatt import __version__
from openwatt.cli import main
from openwatt.store.migrate import newest_schema
from tests.conftest import Server

BASE_6 = ("tariffs", "--supplier", "edf", "--option", "base", "--power-kva", "6", "--on", "2025-09-01")
Openwatt = Callable[..., Result]


@pytest.fixture
def openwatt(filled_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Openwatt:
    """The command with a database of the test's own, in a folder without a .env."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **settings: str) -> Result:
        environment = {"OPENWATT_DATABASE_URL": filled_url, "COLUMNS": "200", **settings}
        return CliRunner().invoke(main, arguments, env=environment)

    return run


def test_tariffs_are_shown_as_a_table(openwatt: Openwatt) -> None:
    done = openwatt(*BASE_6)
    assert done.exit_code == 0, done.output
    assert "Tariffs on 2025-09-01" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "Tarif Bleu" in line)
    for figure in ("EDF", "BASE", "6", "15.47", "0.1952", "2025-08-01 → 2026-01-31"):
        assert figure in line


def test_tariffs_as_json_carry_every_digit(openwatt: Openwatt) -> None:
    (tariff,) = json.loads(openwatt(*BASE_6, "--json").stdout, parse_float=str)
    assert tariff["subscription_eur_per_year_ttc"] == "185.64"
    assert tariff["subscription_eur_per_year_ht"] == "132.84"
    assert tariff["prices_eur_per_kwh_ht"] == {"BASE": "0.1327"}


def test_tariffs_as_csv_have_a_heading_for_every_column(openwatt: Openwatt) -> None:
    rows = list(csv.DictReader(io.StringIO(openwatt(*BASE_6, "--csv").stdout)))
    assert len(rows) == 1
    assert rows[0]["subscription_eur_per_year_ttc"] == "185.64"
    assert "0.1952" in rows[0].values()


def test_a_red_peak_hour_costs_what_it_cost_in_june_2022(openwatt: Openwatt) -> None:
    done = openwatt("tariffs", "--option", "tempo", "--power-kva", "9", "--on", "2022-06-01", "--json")
    (tariff,) = json.loads(done.stdout, parse_float=str)
    assert tariff["prices_eur_per_kwh_ttc"]["BLEU_HC"] == "0.0862"
    assert tariff["prices_eur_per_kwh_ttc"]["ROUGE_HP"] == "0.5486"


def test_tempo_says_colours_and_what_is_unknown(openwatt: Openwatt) -> None:
    shown = openwatt("tempo", "--from", "2024-01-08", "--to", "2024-01-10", "--json")
    assert shown.exit_code == 0, shown.output
    days = {day["day"]: day["colour"] for day in json.loads(shown.stdout)}
    assert list(days) == ["2024-01-08", "2024-01-09", "2024-01-10"]
    assert list(days.values()) == ["ROUGE"] * 3
    unknown = openwatt("tempo", "--from", "2099-01-01", "--csv").stdout
    assert "2099-01-01,unknown" in unknown.replace('"', "")


def test_tempo_refuses_a_span_that_ends_before_it_starts(openwatt: Openwatt) -> None:
    done = openwatt("tempo", "--from", "2024-01-02", "--to", "2024-01-01")
    assert done.exit_code == 2
    assert "--to 2024-01-01 is before --from 2024-01-02" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("tariffs", "--power-kva", "0"), "--power-kva"),
        (("tariffs", "--power-kva", "six"), "--power-kva"),
        (("tariffs", "--on", "2025-02-30"), "--on"),
        (("tariffs", "--option", "NIGHT"), "--option"),
        (("tariffs", "--colour", "red"), "--colour"),
        (("export", "--format", "xml"), "--format"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_a_wrong_argument_is_named(openwatt: Openwatt, arguments: tuple[str, ...], named: str) -> None:
    done = openwatt(*arguments)
    assert done.exit_code == 2
    assert named in done.stderr


def test_an_export_holds_every_row_in_both_forms(openwatt: Openwatt, filled_url: str, tmp_path: Path) -> None:
    with psycopg.connect(filled_url) as connection:
        (rows,) = connection.execute("select count(*) from tariffs").fetchone() or (0,)
    assert rows > 100
    assert openwatt("export", "--output", str(tmp_path / "all.csv")).exit_code == 0
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == rows
    lines = openwatt("export", "--format", "jsonl").stdout.splitlines()
    assert len(lines) == rows
    assert {"2012-07-23"} <= {json.loads(line)["applies_from"] for line in lines}


@pytest.mark.parametrize(
    ("folder", "fault"), [("nowhere", "No such file or directory"), ("file", "Not a directory")]
)
def test_an_export_that_cannot_be_written_says_so(openwatt: Openwatt, folder: str, fault: str) -> None:
    Path("file").touch()
    done = openwatt("export", "--output", f"{folder}/all.csv")
    assert done.exit_code == 1
    assert done.stderr == f"Error: {folder}/all.csv cannot be written: {fault}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
def test_an_export_to_a_full_disk_says_so_and_leaves_the_device_alone(openwatt: Openwatt) -> None:
    done = openwatt("export", "--output", "/dev/full")
    assert done.exit_code == 1
    assert done.stderr == "Error: /dev/full cannot be written: No space left on device\n"
    assert Path("/dev/full").is_char_device()


def test_an_export_replaces_a_file_whole_and_keeps_its_mode(openwatt: Openwatt, tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("the old one")
    (tmp_path / "all.csv").chmod(0o640)
    (tmp_path / "link.csv").symlink_to("all.csv")
    assert openwatt("export", "--output", "link.csv").exit_code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "all.csv").read_text().startswith("supplier,")
    assert (tmp_path / "all.csv").stat().st_mode & 0o777 == 0o640
    assert {file.name for file in tmp_path.iterdir()} == {"all.csv", "link.csv"}


def test_migrate_says_that_nothing_is_left_to_do(openwatt: Openwatt) -> None:
    done = openwatt("migrate")
    assert (done.exit_code, done.stdout) == (0, "the schema is up to date\n")


def test_migrate_names_what_it_applies(openwatt: Openwatt, clone: Callable[[str], str]) -> None:
    done = openwatt("migrate", OPENWATT_DATABASE_URL=clone("template1"))
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("applied 0001_tariffs, 0002_")


@pytest.mark.parametrize("command", [("tariffs",), ("export",), ("migrate",), ("tempo",)])
def test_an_older_openwatt_refuses_a_newer_database(
    openwatt: Openwatt, filled_url: str, command: tuple[str]
) -> None:
    with psycopg.connect(filled_url) as connection:
        connection.execute("insert into schema_migrations (number, name) values (9999, 'from_the_future')")
    done = openwatt(*command)
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: the database has schema 9999, this OpenWatt knows only up to {newest_schema()}: "
        "deploy the newer OpenWatt again, or point it at another database\n"
    )


def test_settings_are_listed_without_secrets(openwatt: Openwatt) -> None:
    done = openwatt("settings", OPENWATT_WORKERS="3")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "OPENWATT_WORKERS = 3" in lines
    assert "OPENWATT_DATABASE_URL = (set)" in lines
    assert "OPENWATT_REDIS_URL (not set)" in lines
    assert max(len(line) for line in lines if line.startswith(" ")) <= 80
    assert "postgresql:///" not in done.stdout


def test_a_setting_that_does_not_exist_is_refused_with_the_closest_name(openwatt: Openwatt) -> None:
    done = openwatt("settings", OPENWATT_WORKER="3", OPENWATT_THREADS="many")
    assert done.exit_code == 1
    assert "OPENWATT_WORKER is not a setting of OpenWatt: did you mean OPENWATT_WORKERS?" in done.stderr
    assert "OPENWATT_THREADS must be a whole number from 1 to 64 (it is 'many')" in done.stderr


def test_a_database_that_is_not_there_is_said_in_one_sentence(openwatt: Openwatt, tmp_path: Path) -> None:
    done = openwatt("tariffs", OPENWATT_DATABASE_URL=f"postgresql:///openwatt?host={tmp_path}")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: the database does not answer: ")


def test_help_and_version_need_no_valid_environment(openwatt: Openwatt) -> None:
    assert openwatt("--version", OPENWATT_NONSENSE="1").stdout == f"openwatt {__version__}\n"
    assert "Show the tariffs of a day." in openwatt("tariffs", "--help", OPENWATT_NONSENSE="1").stdout


@pytest.fixture
def plain_user(server: Server) -> Iterator[tuple[str, str]]:
    """A user who may not create roles, and the address of a database of theirs."""
    name, user = server.create(), f"plain_{os.getpid()}"
    with psycopg.connect(server.url("openwatt"), autocommit=True) as connection:
        connection.execute(f"create role {user} login".encode())
        connection.execute(f"alter database {name} owner to {user}".encode())
    yield user, server.url(name).replace("user=openwatt", f"user={user}")
    server.drop(name)
    with psycopg.connect(server.url("openwatt"), autocommit=True) as connection:
        connection.execute(f"drop role {user}".encode())


def test_a_user_without_the_right_to_create_roles_migrates_and_the_history_stays(
    openwatt: Openwatt, plain_user: tuple[str, str]
) -> None:
    _, url = plain_user
    done = openwatt(*BASE_6, "--json", OPENWATT_DATABASE_URL=url)
    assert done.exit_code == 0, done.output
    assert '"subscription_eur_per_year_ttc": 185.64' in done.stdout
    with psycopg.connect(url, autocommit=True) as connection:
        for change in ("delete from tariffs", "update tariffs set note = ''", "truncate tariffs cascade"):
            with pytest.raises(psycopg.errors.RestrictViolation, match="insert-only"):
                connection.execute(change.encode())
