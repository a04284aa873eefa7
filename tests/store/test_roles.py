"""PostgreSQL × kind of role: a start works or is refused once with its remedy, as docs/database.md says."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from openwatt.store.backup import restore_backup, take_backup
from openwatt.store.errors import BackupError
from tests.conftest import Server
from tests.ops.dockerfile import REPOSITORY
from tests.store.other_postgres import AT_HAND, Programs, running_postgres
from tests.store.role_matrix import KINDS, OWNER, REFUSED, WRITER, Kind, Shop, shop

#: Each page, and what it says of a start that is refused.
PAGES = {"database.md": "refused", "base-de-donnees.md": "refusé"}
#: The kinds that `make test` tries; `make chaos` tries all of them.
SHORT = {"owner-createrole", "owner-createrole-writer-exists", "owner", "other", "other-migrated-granted"}
BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="module", params=AT_HAND, ids=str)
def programs(request: pytest.FixtureRequest) -> Programs:
    """One of the servers at hand."""
    found: Programs = request.param
    return found


@pytest.fixture(scope="module")
def conninfo(programs: Programs) -> Iterator[str]:
    """A running server; a database's name is still to be added."""
    with running_postgres(programs) as started:
        yield started


def documented(page: str) -> list[tuple[tuple[str, ...], dict[int, str]]]:
    """The rows of a page's matrix: what an administrator says, and the outcome by major version."""
    text = (REPOSITORY / "docs" / page).read_text()
    (header,) = re.findall(r"^\|[^|\n]+\|[^|\n]+\|((?: \d+ \|)+)$", text, re.MULTILINE)
    versions = [int(cell) for cell in header.strip("| ").split("|")]
    rows = text[text.index(header) :].split("\n\n")[0].splitlines()[2:]
    found = []
    for row in rows:
        _, says, *cells = row.strip("| ").split(" | ")
        outcomes = {"–": "", f"**{PAGES[page]}**": REFUSED, "`openwatt_writer`": WRITER, "`app`": OWNER}
        by_version = dict(zip(versions, [outcomes[cell] for cell in cells], strict=True))
        found.append((tuple(re.findall(r"`([^`]+)`", says)), by_version))
    return found


def outcome_of(page: str, kind: Kind, version: int) -> str:
    """What a page says of a start; empty where the version has no such role."""
    return documented(page)[KINDS.index(kind)][1][version]


@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_a_page_has_every_kind_and_nothing_else(page: str) -> None:
    table = documented(page)
    assert [kind.says for kind in KINDS] == [says for says, _ in table]
    for kind, (_, outcomes) in zip(KINDS, table, strict=True):
        assert [version for version, cell in outcomes.items() if not cell] == [
            version for version in outcomes if version < kind.since
        ]


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind.name in SHORT else pytest.mark.slow) for kind in KINDS],
    ids=lambda kind: kind.name,
)
def test_a_start_ends_as_the_page_says(
    programs: Programs, conninfo: str, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    expected = {outcome_of(page, kind, programs.version) for page in PAGES}
    if programs.version < kind.since:
        assert expected == {""}
        return
    with shop(conninfo, kind) as made, caplog.at_level(logging.INFO):
        became = made.start(made.url)
        assert {became.split(":")[0]} == expected, became
        if became == OWNER:
            (record,) = [each for each in caplog.records if "triggers alone" in each.message]
            assert "`grant openwatt_writer to`" in record.__dict__["reason"]
        if became.startswith(REFUSED):
            follow(made.admin, became)
            assert made.start(made.url) in {WRITER, OWNER}, "the remedy does not help"


def follow(admin: str, refused: str) -> None:
    """Does what a refusal advises last."""
    if "let OPENWATT_DATABASE_URL name the user that owns its tables" in refused:
        remedy = "grant owner to app; alter role app set role = owner"
    else:
        remedy = refused.rpartition("`")[0].rpartition("`")[2]
    remedy = remedy.replace("on database … to …", "on database shop to app")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(remedy.encode())


def test_rights_that_are_granted_later_count_at_once_and_those_taken_away_stop_nobody(conninfo: str) -> None:
    with shop(conninfo, BY_NAME["owner"]) as made:
        assert made.start(made.url) == OWNER
        made.say("create role openwatt_writer nologin", "grant openwatt_writer to app")
        # Its rights on our tables are given at the next start: meanwhile readers go on as the owner.
        assert made.read_as(made.url) == OWNER
        assert made.start(made.url) == WRITER
        made.say("revoke select on tariffs from openwatt_writer")
        assert made.read_as(made.url) == OWNER
        assert made.start(made.url) == WRITER


def test_a_database_that_an_older_openwatt_left_without_the_right_is_repaired_at_the_next_start(
    programs: Programs, conninfo: str
) -> None:
    """From PostgreSQL 16 on the user that had made the role was a member that may not take it on."""
    with shop(conninfo, BY_NAME["owner-createrole"]) as made:
        assert made.start(made.url) == WRITER
        newer = programs.version >= 16
        made.say(f"revoke openwatt_writer from app {'granted by app' if newer else ''}")
        if newer:
            with psycopg.connect(made.url) as connection:
                member = (
                    "select pg_has_role('openwatt_writer', 'member'), pg_has_role('openwatt_writer', 'set')"
                )
                assert connection.execute(member.encode()).fetchone() == (True, False)
        assert made.read_as(made.url) == OWNER
        assert made.start(made.url) == WRITER


def test_a_database_whose_schema_number_the_writer_may_write_is_closed_by_the_next_migration(
    conninfo: str,
) -> None:
    """Migration 0002 gave the right to insert on all tables that there were."""
    may_insert = "select has_table_privilege('openwatt_writer', 'schema_migrations', 'insert')"
    with shop(conninfo, BY_NAME["owner-createrole"]) as made:
        assert made.start(made.url) == WRITER
        with psycopg.connect(made.url, autocommit=True) as connection:
            connection.execute("grant insert on schema_migrations to openwatt_writer")
            connection.execute("delete from schema_migrations where number >= 5")
            # What the later migrations add is taken back: they run again.
            connection.execute("alter table documents drop column kind")
            connection.execute("alter table tariffs drop column sheet_url, drop column confidence")
            connection.execute("alter table offers drop column no_price")
            assert connection.execute(may_insert.encode()).fetchone() == (True,)
            assert made.start(made.url) == WRITER
            assert connection.execute(may_insert.encode()).fetchone() == (False,)


@contextmanager
def renamed(made: Shop, name: str) -> Iterator[str]:
    """The address with a role whose name is no plain identifier."""
    made.say(f'alter role app rename to "{name}"')
    try:
        yield make_conninfo(made.url, user=name)
    finally:
        made.say(f'alter role "{name}" rename to app')


@pytest.fixture(scope="module")
def backup(server: Server, filled: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that another user has taken, of another server."""
    return take_backup(server.url(filled), tmp_path_factory.mktemp("backup"), keep=1).path


@pytest.mark.parametrize("name", ["owner-createrole", pytest.param("other-create", marks=pytest.mark.slow)])
def test_a_superuser_restores_for_the_owner_and_nobody_else_does(
    conninfo: str, backup: Path, name: str
) -> None:
    with shop(conninfo, BY_NAME[name]) as made, renamed(made, "App User") as url:
        before = made.start(url)
        made.say("create role guest login createdb")
        try:
            with pytest.raises(
                BackupError, match=r"lock them out: restore as (App User, or as )?a superuser"
            ):
                restore_backup(make_conninfo(made.admin, user="guest"), backup)
        finally:
            made.say("drop role guest")
        restore_backup(made.admin, backup)
        with psycopg.connect(made.admin) as connection:
            owners = connection.execute(
                "select distinct pg_get_userbyid(relowner) from pg_class "
                "where relnamespace = 'public'::regnamespace"
            ).fetchall()
        assert owners == [("App User",)]
        assert made.start(url) == before
        with psycopg.connect(url) as connection:  # what else the user keeps there takes no right away
            connection.execute("create table of_its_own (); create view also_its_own as select 1 as one")
        assert made.read_as(url) == before


@pytest.mark.slow
def test_the_owner_restores_what_another_user_has_backed_up(conninfo: str, backup: Path) -> None:
    with shop(conninfo, BY_NAME["owner-createrole"]) as made:
        made.say("alter role app createdb")
        assert made.start(made.url) == WRITER
        restore_backup(made.url, backup)
        assert made.read_as(made.url) == WRITER


@pytest.mark.slow
def test_a_session_that_the_owner_may_not_end_stops_a_restore_and_changes_nothing(
    conninfo: str, backup: Path
) -> None:
    with shop(conninfo, BY_NAME["owner-createrole"]) as made:
        made.say("alter role app createdb")
        assert made.start(made.url) == WRITER
        with (
            psycopg.connect(made.admin),
            pytest.raises(BackupError, match=r"the server refuses: .*is being accessed by other users"),
        ):
            restore_backup(made.url, backup)
        assert made.read_as(made.url) == WRITER


def test_a_database_that_is_not_in_utf_8_is_refused(conninfo: str) -> None:
    with shop(conninfo, BY_NAME["owner"]) as made:
        made.say("drop database shop", database="postgres")
        made.say(
            "create database shop owner app encoding 'LATIN1' locale 'C' template template0",
            database="postgres",
        )
        assert "the database shop keeps text as LATIN1: make it again by" in made.start(made.url)
