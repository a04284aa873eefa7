"""`openwatt review`: what waits is shown beside the document's words, and decided on once, in a name."""

import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from openwatt.cli import main
from openwatt.domain.reading import Doubt
from openwatt.ingest.publication import make_document, publish_inspection
from openwatt.store.database import Connection
from openwatt.store.overrides import overrides_in_force
from openwatt.store.reviews import decision_on
from tests.ingest.drawn_sheets import drawn_words, simple_and_double
from tests.ingest.refused_runs import LOOKED_AT, SOURCE, SOURCES, misprinted, read, refuse

WHO = ("--as", "A. Dupont", "--reason", "printed so; confirmed by telephone")
Openwatt = Callable[..., Result]


@pytest.fixture
def openwatt(filled_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Openwatt:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        environment = {"OPENWATT_DATABASE_URL": filled_url, "COLUMNS": "250"}
        return CliRunner().invoke(main, ["review", *map(str, arguments)], env=environment)

    return run


@pytest.fixture
def connection(filled_url: str) -> Iterator[Connection]:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        yield connection


def listed(openwatt: Openwatt, *arguments: object) -> list[dict[str, Any]]:
    done = openwatt(*arguments, "--json")
    assert done.exit_code == 0, done.output
    runs: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    return runs


def counts(connection: Connection) -> list[int]:
    """How many runs, tariffs and decisions there are."""
    tables = (b"runs", b"tariffs", b"reviews")
    rows = [connection.execute(b"select count(*) from " + table).fetchone() for table in tables]
    return [row[0] for row in rows if row]


def test_nothing_waits_at_first(openwatt: Openwatt) -> None:
    done = openwatt()
    assert (done.exit_code, done.stdout) == (0, "nothing waits for a decision\n")


def test_what_waits_is_listed_newest_first_and_page_by_page(
    openwatt: Openwatt, connection: Connection
) -> None:
    first = refuse(connection)
    second = refuse(connection, misprinted("20,00"))
    third = refuse(connection, drawn_words(), source="vattenfall_equilibre")
    assert [run["run_id"] for run in listed(openwatt)] == [third, second, first]
    assert [run["run_id"] for run in listed(openwatt, "--source", SOURCE)] == [second, first]
    page = json.loads(openwatt("--limit", 2, "--json").stdout)
    assert ([run["run_id"] for run in page["runs"]], page["after"]) == ([third, second], second)
    assert [run["run_id"] for run in listed(openwatt, "--after", second)] == [first]
    assert listed(openwatt, "--outcome", "published") == []
    shown = openwatt()
    assert "subscription-order" in shown.stdout
    assert "look at one: openwatt review show RUN" in shown.stdout


def test_a_document_refused_each_day_waits_once(openwatt: Openwatt, connection: Connection) -> None:
    refuse(connection)
    again = refuse(connection, at=LOOKED_AT + dt.timedelta(days=1))
    assert [run["run_id"] for run in listed(openwatt)] == [again]
    assert len(listed(openwatt, "--all")) == 2


def test_doubts_stand_beside_the_words_of_the_document(
    openwatt: Openwatt, connection: Connection, tmp_path: Path
) -> None:
    run = refuse(connection)
    png, document = tmp_path / "out.png", tmp_path / "kept.pdf"
    done = openwatt("show", run, "--json", "--png", png, "--document", document)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    beside = {doubt["rule"]: doubt["words"] for doubt in told["beside"]}
    (words,) = beside["subscription-order"]
    assert words["page"] == 1
    assert words["text"].split()[:3] == ["15", "27,20", "23,73"]
    assert [doubt["rule"] for doubt in told["doubts"]] == [doubt["rule"] for doubt in told["beside"]]
    assert document.read_bytes() == misprinted()
    picture = Image.open(io.BytesIO(png.read_bytes())).convert("RGB")
    assert (66, 133, 244) in {colour for _, colour in picture.getcolors(1 << 24) or []}
    assert told["differs"] is None
    shown = openwatt("show", run).stdout
    assert "cannot be approved" not in shown
    assert "page 1 | 15 27,20 23,73" in shown
    assert "the subscription TTC falls from" in shown


def test_a_sheet_without_text_has_no_words_to_show(openwatt: Openwatt, connection: Connection) -> None:
    run = refuse(connection, drawn_words(), source="vattenfall_equilibre")
    told = json.loads(openwatt("show", run, "--json").stdout)
    assert [(doubt["rule"], doubt["words"]) for doubt in told["beside"]] == [("no-text", [])]


def test_an_approval_publishes_once_in_a_name(openwatt: Openwatt, connection: Connection) -> None:
    before = counts(connection)
    run = refuse(connection)
    done = openwatt("approve", run, *WHO, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told == {
        "action": "approve", "run_id": run, "published": 1, "published_run_id": told["published_run_id"]
    }  # fmt: skip
    assert counts(connection) == [before[0] + 2, before[1] + 1, before[2] + 1]
    row = connection.execute(
        "select origin, outcome, source, detail ->> 'message' from runs where run_id = %s",
        [told["published_run_id"]],
    ).fetchone()
    assert row == (
        "review", "published", SOURCE, f"run {run} approved by A. Dupont: printed so; confirmed by telephone"
    )  # fmt: skip
    price = connection.execute(
        "select t.subscription_eur_per_year_ttc, g.seen_at from tariffs t "
        "join contracts c using (contract_id) join offers o using (offer_id) "
        "join sightings g using (document_id) "
        "where o.name = 'Yéli Électricité Verte' and c.option = 'HPHC' and c.power_kva = 15 "
        "order by t.observed_at desc"
    ).fetchone()
    # 12 × the doubtful 23.73; as fresh as the look that found it, not as the approval.
    assert price
    assert (str(price[0]), price[1]) == ("284.76", LOOKED_AT + dt.timedelta(seconds=2))
    decision = decision_on(connection, SOURCE, read_hash(connection, run))
    assert decision
    assert (decision.decision, decision.reviewer) == ("approved", "A. Dupont")
    assert listed(openwatt) == []


def read_hash(connection: Connection, run: int) -> str:
    row = connection.execute(
        "select sha256 from runs join documents using (document_id) where run_id = %s", [run]
    ).fetchone()
    assert row
    return str(row[0])


@pytest.mark.parametrize("first", ["approve", "reject"])
@pytest.mark.parametrize("second", ["approve", "reject"])
def test_a_document_is_decided_on_once(
    openwatt: Openwatt, connection: Connection, first: str, second: str
) -> None:
    run = refuse(connection)
    assert openwatt(first, run, *WHO).exit_code == 0
    after = counts(connection)
    done = openwatt(second, run, "--as", "B. Martin", "--reason", "I know better")
    assert done.exit_code == 3
    decided = {"approve": "approved", "reject": "rejected"}[first]
    assert f"run {run} is decided on already: it was {decided} by A. Dupont on" in done.stderr
    assert counts(connection) == after


def test_a_rejected_document_stays_rejected_when_it_comes_again(
    openwatt: Openwatt, connection: Connection
) -> None:
    run = refuse(connection)
    assert openwatt("reject", run, *WHO).stdout == f"run {run} rejected: its document stays unpublished\n"
    again = refuse(connection, at=LOOKED_AT + dt.timedelta(days=1))
    assert listed(openwatt) == []
    (told,) = [one for one in listed(openwatt, "--all") if one["run_id"] == again]
    assert (told["decision"]["decision"], told["decision"]["run_id"]) == ("rejected", run)
    done = openwatt("approve", again, *WHO)
    assert done.exit_code == 3
    assert f"the same document, as run {run}, was rejected by A. Dupont" in done.stderr
    other = refuse(connection, misprinted("20,00"))
    assert [one["run_id"] for one in listed(openwatt)] == [other]


def damaged(seen: str) -> Any:
    """What the run is said to have seen: other figures, or fewer doubts, than its document holds."""
    inspection = read(misprinted())
    if seen == "other figures":
        return replace(read(misprinted("20,00")), doubts=inspection.doubts)
    other = Doubt(rule="layout", message="another doubt", where="page 1")
    return replace(inspection, doubts=(other, *inspection.doubts[1:]))


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ("other figures", "is read otherwise by now (tariffs differ)"),
        ("other doubts", "are new since it was"),
    ],
)
def test_what_nobody_has_looked_at_is_not_approved(
    openwatt: Openwatt, connection: Connection, seen: str, says: str
) -> None:
    run = refuse(connection, seen=damaged(seen))
    before = counts(connection)
    assert says in " ".join(openwatt("show", run).stdout.split())
    assert says in json.loads(openwatt("show", run, "--json").stdout)["differs"]
    done = openwatt("approve", run, *WHO)
    assert done.exit_code == 3, done.output
    assert says in done.stderr
    assert counts(connection) == before


def test_a_document_that_holds_nothing_or_cannot_be_read_is_not_approved(
    openwatt: Openwatt, connection: Connection
) -> None:
    nothing = refuse(connection, drawn_words(), source="vattenfall_equilibre")
    broken = refuse(connection, misprinted()[:200], seen=read(misprinted()))
    for run, says in ((nothing, "nothing was read in the document"), (broken, "cannot be read any more")):
        done = openwatt("approve", run, *WHO)
        assert done.exit_code == 3
        assert says in done.stderr


def test_older_figures_are_not_put_before_newer_ones(openwatt: Openwatt, connection: Connection) -> None:
    run = refuse(connection)
    content, source = simple_and_double().pdf, SOURCES[SOURCE]
    with connection.transaction():
        publish_inspection(
            connection,
            source,
            read(content),
            document=make_document(source, content, url=None),
            observed_at=LOOKED_AT + dt.timedelta(days=1),
        )
    done = openwatt("approve", run, *WHO)
    assert done.exit_code == 3
    assert f"was published from a newer document since run {run}: reject it" in " ".join(done.stderr.split())


def test_a_failure_while_it_publishes_leaves_nothing(
    openwatt: Openwatt, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = refuse(connection)
    before = counts(connection)

    def fail(*_told: object) -> None:
        raise RuntimeError("the last step fails")

    monkeypatch.setattr("openwatt.ingest.review.record_decision", fail)
    assert openwatt("approve", run, *WHO).exit_code == 1
    assert counts(connection) == before


IMPOSSIBLE = (
    (("approve", 999, *WHO), 3, "there is no run 999"),
    (("show", 999), 3, "there is no run 999"),
    (("approve", "{run}", "--as", " ", "--reason", "x"), 2, "Invalid value for '--as': is empty"),
    (("reject", "{run}", "--as", "A", "--reason", ""), 2, "Invalid value for '--reason': is empty"),
    (("reject", "{run}", "--as", "A", "--reason", "a\nb"), 2, "must be one line"),
    (("reject", "{run}", "--as", "A"), 2, "Missing option '--reason'"),
    (("reject", "{published}", *WHO), 3, "is published: only a refused run is decided on"),
    (("reject", "0", *WHO), 2, "0 is not in the range"),
    (("--outcome", "lost"), 2, "'lost' is not one of"),
)


def test_what_cannot_be_decided_is_said(openwatt: Openwatt, connection: Connection) -> None:
    run = refuse(connection)
    connection.execute(
        "insert into runs (source, started_at, finished_at, outcome) values ('x', now(), now(), 'published')"
    )
    assert IMPOSSIBLE
    for arguments, status, says in IMPOSSIBLE:
        done = openwatt(*(str(one).format(run=run, published=run + 1) for one in arguments))
        assert done.exit_code == status, done.output
        assert says in done.stderr
    assert counts(connection)[2] == 0


def test_another_address_is_set_and_undone(openwatt: Openwatt, connection: Connection) -> None:
    address, day = "https://www.yeli.fr/grille.pdf", dt.date.today()  # noqa: DTZ011 - the command's own day
    until = day + dt.timedelta(days=30)
    done = openwatt("address", SOURCE, address, "--until", until, *WHO)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{SOURCE} is fetched from {address} until {until}\n"
    assert [one.address for one in overrides_in_force(connection, until, SOURCE)] == [address]
    assert overrides_in_force(connection, until + dt.timedelta(days=1)) == []
    undone = openwatt("address", SOURCE, "--undo", *WHO)
    assert undone.exit_code == 0, undone.output
    assert "its own address again" in undone.stdout
    assert overrides_in_force(connection, day) == []
    again = openwatt("address", SOURCE, "--undo", *WHO)
    assert (again.exit_code, f"no other address of {SOURCE} is in force" in again.stderr) == (3, True)


NOT_ASKED = (
    (("nobody", "https://www.yeli.fr/", "--until", "{ahead}"), "'nobody' is none of alpiq"),
    ((SOURCE, "http://www.yeli.fr/", "--until", "{ahead}"), "is not encrypted"),
    ((SOURCE, "https://127.0.0.1/", "--until", "{ahead}"), "is not a public address"),
    ((SOURCE, "https://0x7f.1/", "--until", "{ahead}"), "is neither a name nor an address"),
    ((SOURCE, "https://db.internal/", "--until", "{ahead}"), "is a name of an inner network"),
    ((SOURCE, "https://www.yeli.fr/", "--until", "2020-01-01"), "must be a day from today"),
    ((SOURCE, "https://www.yeli.fr/", "--until", "2099-01-01"), "must be a day from today"),
    ((SOURCE, "https://www.yeli.fr/"), "give an ADDRESS and --until, or --undo"),
    ((SOURCE, "--undo", "--until", "{ahead}"), "give an ADDRESS and --until, or --undo"),
    ((SOURCE,), "give an ADDRESS and --until, or --undo"),
)


def test_an_address_that_may_not_be_asked_is_refused(openwatt: Openwatt, connection: Connection) -> None:
    ahead = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=9))
    assert NOT_ASKED
    for arguments, says in NOT_ASKED:
        done = openwatt("address", *(one.format(ahead=ahead) for one in arguments), *WHO)
        assert done.exit_code == 2
        assert says in " ".join(done.stderr.split())
    assert connection.execute("select count(*) from address_overrides").fetchone() == (0,)
