"""Every SQL file means something to the migrated schema."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from openwatt.catalogue.shipped_facts import shipped_sources
from openwatt.ingest.declarations import load_sources
from openwatt.store import migrate as store_migrate
from openwatt.store.errors import SchemaError
from openwatt.store.migrate import check_schema, migrate, migrations, newest_schema
from openwatt.store.sql import statement

FOLDER = Path(str(files("openwatt.store"))) / "queries"
QUERIES = sorted(f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*.sql"))
#: What EXPLAIN cannot explain: statements that make a table, move rows, give rights, or get a table's name.
NOT_EXPLAINED = {
    "schema/grant_writer",
    "schema/table_digest",
    "tariffs/drop_incoming",
    "tariffs/copy_incoming",
    "tempo/copy_incoming",
    "tariffs/create_incoming",
    "tempo/create_incoming",
    "schema/create_migrations",
}


class _AnyParameter(dict[str, object]):
    """Null for every parameter: the planner checks names and types, not values."""

    def __missing__(self, key: str) -> None:
        return None


@pytest.mark.parametrize("name", [name for name in QUERIES if name not in NOT_EXPLAINED])
def test_a_statement_can_be_planned(empty_url: str, name: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute(statement("tariffs/create_incoming"))
        connection.execute(statement("tempo/create_incoming"))
        plan = connection.execute(b"explain " + statement(name).encode(), _AnyParameter()).fetchall()
        assert plan


def test_every_statement_lies_in_the_folder_of_its_subject() -> None:
    assert len(QUERIES) == len(list(FOLDER.rglob("*.sql")))


def test_every_statement_is_used_somewhere() -> None:
    package = Path(str(files("openwatt")))
    code = "\n".join(module.read_text() for module in package.rglob("*.py"))
    assert len(QUERIES) > 15
    assert [name for name in QUERIES if f'"{name}"' not in code] == []


def test_reading_walks_the_index_and_never_the_table(filled_url: str) -> None:
    parameters = {"on": "2025-09-01", "known_at": "infinity", "limit": 100}
    with psycopg.connect(filled_url) as connection:
        connection.execute("analyze")
        connection.execute("set enable_seqscan = off")
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                b"explain " + statement("tariffs/on_day").encode(), _AnyParameter(parameters)
            ).fetchall()
        )
    assert "tariffs_in_time" in plan
    assert "Seq Scan on tariffs" not in plan


def test_migrations_are_numbered_without_a_hole() -> None:
    assert list(migrations()) == list(range(1, newest_schema() + 1))


def test_migrating_is_done_once(clone: Callable[[str], str]) -> None:
    with psycopg.connect(clone("template1"), autocommit=True) as connection:
        first, second = migrate(connection), migrate(connection)
    assert len(first) == newest_schema()
    assert second == []


def test_documents_of_before_the_kinds_get_theirs_and_the_history_stays_insert_only(
    clone: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(list(migrations().items())[:5])
    kinds = {source.id: source.kind for source in shipped_sources()}
    old = ("cre-open-data-base", "edf-tarif-bleu-2025-02-01", "jc144-2024-11", "tempo-inferred")
    assert {kinds[name] for name in old} == {"regulator", "supplier", "secondary"}
    expected = {f"catalogue:{name}": kinds[name] for name in old}
    expected |= {source.name: source.kind for source in load_sources().values()}
    with psycopg.connect(clone("template1"), autocommit=True) as connection:
        with monkeypatch.context() as patched:
            patched.setattr(store_migrate, "migrations", lambda: before)
            assert len(migrate(connection)) == 5
        for reference in expected:
            connection.execute("insert into documents (reference, title) values (%s, 'old')", [reference])
        connection.execute(
            "insert into runs (source, started_at, finished_at, outcome, document_id) "
            "select reference, now(), now(), 'published', document_id from documents where reference !~ ':'"
        )
        (version,) = connection.execute(statement("database/data_version")).fetchone() or (0,)
        assert migrate(connection)[0] == "0006_source_kinds"
        found: dict[str, str] = dict(connection.execute("select reference, kind from documents").fetchall())
        assert found == expected
        assert connection.execute(statement("database/data_version")).fetchone() == (version + 1,)
        with pytest.raises(psycopg.errors.RestrictViolation, match="insert-only"):
            connection.execute("update documents set kind = 'supplier'")


def test_older_code_refuses_a_newer_schema(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("insert into schema_migrations (number, name) values (9999, 'from the future')")
        with pytest.raises(SchemaError, match="has schema 9999, this OpenWatt knows only up to"):
            migrate(connection)


def test_newer_code_says_that_an_older_schema_must_be_migrated() -> None:
    with pytest.raises(SchemaError, match="run `openwatt migrate`"):
        check_schema(newest_schema() - 1)


@pytest.mark.parametrize("name", QUERIES)
def test_psycopg_looks_for_the_parameters_of_a_statement_once(name: str) -> None:
    assert len(statement(name)) <= MAX_CACHED_STATEMENT_LENGTH
