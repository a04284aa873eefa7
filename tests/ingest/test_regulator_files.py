"""The regulator's files with the rows of 2026 go through the real command, in old and new installations."""

import csv
import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from openwatt.catalogue.loader import edition_sha256, load_catalogue
from openwatt.catalogue.references import known_references
from openwatt.catalogue.shipped_facts import SHIPPED
from openwatt.domain.doubts import References
from openwatt.ingest.declarations import load_sources
from openwatt.ingest.inspection import inspect_document
from openwatt.store.database import Database
from openwatt.store.editions import record_edition
from openwatt.store.tariffs import TariffFilter, regulated_history, tariffs_on
from tests.catalogue.test_editions import old_edition
from tests.conftest import Server
from tests.shared_data import SHARED, needs_shared_data

pytestmark = needs_shared_data
OPTIONS = ("BASE", "HPHC", "TEMPO")
FOLDERS = SHARED / "trve/cre_open_data", SHARED / "trve/cre_open_data_2026"


def regulator_file(option: str, *, ends_given: bool = True) -> str:
    """The older rows with those of 2026 behind; the period of 2025-08-01 ends where the regulator says so."""
    name = f"Option_{option if option == 'HPHC' else option.title()}.csv"
    older, newer = ((folder / name).read_text("utf-8-sig").splitlines() for folder in FOLDERS)
    assert older[0] == newer[0]
    replaced = ("01/08/2025", "01/02/2026", "01/08/2026") if ends_given else ("01/02/2026", "01/08/2026")
    rows = [row for row in older[1:] if row.strip(";") and not row.startswith(replaced)]
    added = [row for row in newer[1:] if row.startswith(replaced)]
    assert len(rows) > 90
    assert len(added) >= 10
    padding = [row for row in older if not row.strip(";")]
    return "\r\n".join([older[0], *rows, *added, *padding]) + "\r\n"


def ingest(url: str, option: str, text: str, folder: Path) -> tuple[int, str]:
    """Hands a file in with the real command; the exit status and what it prints."""
    file = folder / f"{option}.csv"
    file.write_bytes(text.encode())
    done = subprocess.run(
        [sys.executable, "-m", "openwatt", "ingest", f"cre_open_data_{option.lower()}", "--file", str(file)],
        env={**os.environ, "OPENWATT_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def old_url(empty_url: str, tmp_path: Path) -> str:
    """An installation whose catalogue is the old one, and is not replaced by the shipped one."""
    folder = tmp_path / "edition"
    folder.mkdir()
    with psycopg.connect(empty_url, autocommit=True) as connection:
        load_catalogue(connection, old_edition(folder))
        with connection.transaction():
            record_edition(connection, edition_sha256())
    return empty_url


@pytest.mark.parametrize("ends_given", [True, False])
def test_a_new_installation_has_every_figure_of_the_files(
    filled_url: str, tmp_path: Path, database: Callable[[str], Database], *, ends_given: bool
) -> None:
    def figures() -> list[object]:
        rows = tariffs_on(
            database(filled_url),
            TariffFilter(supplier="EDF", offer="Tarif Bleu"),
            on=dt.date(2026, 10, 1),
            limit=99,
        )
        assert len(rows) == 31
        return [row.tariff for row in rows]

    before = figures()
    for option in OPTIONS:
        text = regulator_file(option, ends_given=ends_given)
        code, printed = ingest(filled_url, option, text, tmp_path)
        assert code == 0, printed
        # The file itself is a better source than a copy of it, so that it may be published as one.
        assert "1 unchanged" in printed or "1 published" in printed, printed
        code, printed = ingest(filled_url, option, text, tmp_path)
        assert (code, "1 unchanged" in printed) == (0, True), printed
    assert figures() == before


def test_an_old_installation_learns_every_row_of_2026(
    old_url: str, tmp_path: Path, database: Callable[[str], Database]
) -> None:
    for option in OPTIONS:
        text = regulator_file(option)
        code, printed = ingest(old_url, option, text, tmp_path)
        assert code == 0, printed
        assert "1 published" in printed, printed
        code, printed = ingest(old_url, option, text, tmp_path)
        assert (code, "1 unchanged" in printed) == (0, True), printed
    assert "189,9802924" in regulator_file("TEMPO")
    checked = 0
    with (SHARED / "trve/trve_2026.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["cre_subscription_eur_per_year_ttc"] == "":
                continue  # not in the regulator's files
            wanted = TariffFilter(
                supplier="EDF", offer="Tarif Bleu", option=row["option"], power_kva=int(row["power_kva"])
            )
            day = dt.date.fromisoformat(row["applies_from"])
            (found,) = tariffs_on(database(old_url), wanted, on=day, limit=2)
            assert found.applies_from == day
            assert found.subscription_eur_per_year_ht == Decimal(row["subscription_eur_per_year_ht"])
            prices = dict(word.split("=") for word in row["prices_eur_per_kwh_ht"].split())
            assert found.prices_eur_per_kwh_ht == {name: Decimal(price) for name, price in prices.items()}
            if found.prices_eur_per_kwh_ttc:
                assert found.subscription_eur_per_year_ttc == Decimal(row["subscription_eur_per_year_ttc"])
            checked += 1
    assert checked == 42


def changed(text: str, row: str, place: int, cell: str) -> str:
    """A file with one cell of the row that starts so replaced."""
    lines = text.split("\r\n")
    (number,) = (n for n, line in enumerate(lines) if line.startswith(f"{row};"))
    cells = lines[number].split(";")
    assert cells[place] != cell
    cells[place] = cell
    lines[number] = ";".join(cells)
    return "\r\n".join(lines)


def without(text: str, row: str) -> str:
    """A file without the row that starts so."""
    lines = text.split("\r\n")
    left = [line for line in lines if not line.startswith(f"{row};")]
    assert len(left) == len(lines) - 1
    return "\r\n".join(left)


#: Option, what is wrong with the file, and the rule that says so in an installation of the old catalogue.
DAMAGED: list[tuple[str, Callable[[str], str], str]] = [
    ("BASE", lambda text: changed(text, "01/08/2026;;6", 5, "0,1351"), "price-taxes"),
    ("BASE", lambda text: changed(text, "01/08/2026;;15", 3, "244,58"), "subscription-taxes"),  # no cent
    ("BASE", lambda text: changed(text, "01/08/2026;;15", 3, "244,16"), "subscription-taxes"),
    ("BASE", lambda text: changed(text, "01/08/2026;;15", 3, "245,16"), "subscription-uneven"),
    (
        "BASE",
        lambda text: changed(text, "01/08/2026;;9", 3, "178,92"),
        "subscription-taxes",
    ),  # the bill knows
    ("BASE", lambda text: changed(text, "01/08/2026;;9", 3, "239,84"), "subscription-taxes"),  # TTC as HT
    ("BASE", lambda text: changed(text, "01/08/2026;;9", 5, "13,48"), "price-range"),
    ("BASE", lambda text: changed(text, "01/08/2026;;15", 6, ""), "regulated-unknown"),  # no sum to check by
    ("BASE", lambda text: without(text, "01/08/2026;;15"), "powers-missing"),
    ("HPHC", lambda text: without(text, "01/08/2026;;24"), "powers-missing"),
    ("HPHC", lambda text: changed(text, "01/08/2026;;3", 2, "4"), "powers-missing"),
    ("HPHC", lambda text: changed(text, "01/08/2026;;3", 3, "110,04"), "subscription-taxes"),
    ("HPHC", lambda text: changed(text, "01/08/2026;;36", 5, "0,1008"), "price-taxes"),
    ("HPHC", lambda text: changed(text, "01/08/2026;;36", 0, "01/08/2027"), "regulated-unknown"),
    ("TEMPO", lambda text: changed(text, "01/08/2026;;24", 15, "0,5776"), "price-taxes"),
    ("TEMPO", lambda text: changed(text, "01/08/2026;;6", 3, "142,86"), "subscription-taxes"),
    ("BASE", lambda text: changed(text, "01/02/2026;31/07/2026;6", 1, "30/07/2026"), "date-doubtful"),
    ("BASE", lambda text: changed(text, "01/02/2026;31/07/2026;6", 1, "31/07/2016"), "date-doubtful"),
    ("HPHC", lambda text: changed(text, "01/02/2026;31/07/2026;9", 1, "31/07/2027"), "date-doubtful"),
    ("TEMPO", lambda text: changed(text, "01/02/2026;31/07/2026;6", 3, "141,60"), "regulated-unlike"),
]


@pytest.fixture(scope="module")
def old_references(server: Server, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> References:
    """What a run in an installation of the old catalogue holds readings against."""
    name = server.create(migrated)
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        load_catalogue(connection, old_edition(tmp_path_factory.mktemp("edition")))
        return known_references(regulated_history(connection))


@pytest.mark.parametrize(("option", "damage", "rule"), DAMAGED)
def test_a_damaged_file_is_refused_although_the_catalogue_knows_little(
    old_references: References, option: str, damage: Callable[[str], str], rule: str
) -> None:
    name = f"cre_open_data_{option.lower()}"

    def doubts(text: str) -> set[str]:
        found = inspect_document(
            text.encode(), load_sources(), old_references, on=dt.date(2026, 11, 28), name=name
        )
        return {doubt.rule for doubt in found.doubts}

    right = regulator_file(option)
    assert doubts(right) == set()
    assert rule in doubts(damage(right))


@pytest.mark.parametrize("catalogue", ["old", "new"])
def test_the_command_refuses_a_damaged_file_and_publishes_nothing_of_it(
    catalogue: str, old_url: str, filled_url: str, tmp_path: Path
) -> None:
    url = old_url if catalogue == "old" else filled_url
    damaged = changed(regulator_file("TEMPO"), "01/08/2026;;24", 15, "0,5776")
    code, printed = ingest(url, "TEMPO", damaged, tmp_path)
    assert code != 0
    assert "1 refused" in printed
    assert ("price-taxes" if catalogue == "old" else "regulated-unlike") in printed
    with psycopg.connect(url) as connection:
        (stored,) = connection.execute(
            "select count(*) from tariffs where reader like 'cre%'"
        ).fetchone() or (None,)
    assert stored == 0


def test_what_the_catalogue_adds_to_a_file_read_before_is_known_at_once(
    empty_url: str, tmp_path: Path, database: Callable[[str], Database]
) -> None:
    """A file without taxes was published first, and the edition with those taxes came later."""
    folder = tmp_path / "edition"
    folder.mkdir()
    with psycopg.connect(empty_url, autocommit=True) as connection:
        load_catalogue(connection, old_edition(folder))
        with connection.transaction():
            record_edition(connection, edition_sha256())
    code, printed = ingest(empty_url, "BASE", regulator_file("BASE"), tmp_path)
    assert code == 0, printed
    wanted = TariffFilter(supplier="EDF", offer="Tarif Bleu", option="BASE", power_kva=15)
    (found,) = tariffs_on(database(empty_url), wanted, on=dt.date(2026, 10, 1), limit=2)
    assert found.prices_eur_per_kwh_ttc == {}
    before = dt.datetime.now(dt.UTC)
    newer = tmp_path / "newer"
    newer.mkdir()
    for file in SHIPPED.iterdir():
        if file.name.endswith(".csv"):
            (newer / file.name).write_bytes(file.read_bytes())
    with (newer / "sources.csv").open("a") as lines:  # so that it is an edition that was never loaded
        lines.write("\n")
    with psycopg.connect(empty_url, autocommit=True) as connection:
        assert load_catalogue(connection, newer) > 0
    (found,) = tariffs_on(database(empty_url), wanted, on=dt.date(2026, 10, 1), limit=2)
    assert found.prices_eur_per_kwh_ht == {"BASE": Decimal("0.1348")}
    assert found.prices_eur_per_kwh_ttc == {"BASE": Decimal("0.1985")}
    assert found.subscription_eur_per_year_ttc == Decimal("328.80")
    assert found.ht_reference is not None
    assert found.ht_reference.startswith("sha256:")
    (then,) = tariffs_on(database(empty_url), wanted, on=dt.date(2026, 10, 1), known_at=before, limit=2)
    assert then.prices_eur_per_kwh_ttc == {}
