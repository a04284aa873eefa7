"""One look at a source, from its address to the history: each outcome, and what is known afterwards."""

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from openwatt.ingest.pipeline import RunResult
from openwatt.store.errors import DatabaseUnavailableError
from openwatt.store.runs import Run, record_run
from openwatt.store.tariffs import PublishedTariff
from tests.chaos.running import wait_until
from tests.ingest.conftest import START, Desk
from tests.ingest.drawn_sheets import drawn_words, merged_price_cells, simple_and_double

YELI, MINT = "yeli_verte", "mint_classic_green"
SHEET = simple_and_double().pdf
#: The same words in other bytes, as a site that stamps each download gives them.
STAMPED = SHEET + b"\n% another download\n"
TABLE = """\
supplier,offer,option,power_kva,applies_from,applies_to,closed_to_new_customers,\
subscription_eur_per_year_ht,subscription_eur_per_year_ttc,prices_eur_per_kwh_ht,prices_eur_per_kwh_ttc,\
observed_on,source,note
"""


@pytest.fixture
def lumiere(desk: Desk) -> Desk:
    """A desk for which Yéli's sheet is that of a supplier of whom nothing is known yet."""
    desk.change(YELI, supplier="Lumière")
    desk.put(YELI, SHEET)
    return desk


def said(look: RunResult) -> tuple[str | None, int]:
    return look.outcome, look.published


def base_6(desk: Desk) -> PublishedTariff:
    (found,) = desk.tariffs(supplier=desk.sources[YELI].supplier, option="BASE", power_kva=6).values()
    return found


def test_a_sheet_is_published_once_and_then_unchanged(lumiere: Desk) -> None:
    assert said(lumiere.look(YELI)) == ("published", 17)
    one = base_6(lumiere)
    assert one.document.reference == f"sha256:{one.document.sha256}"
    assert one.reader.startswith("grid_pdf ")
    assert said(lumiere.look(YELI)) == ("unchanged", 0)
    assert lumiere.inspector.reads == 1
    first, second = lumiere.site.asked
    assert "if-none-match" not in first.headers
    assert second.headers["if-none-match"] == lumiere.run(YELI).etag
    assert base_6(lumiere).last_seen_at == lumiere.now > one.last_seen_at


def test_a_sheet_that_says_what_the_catalogue_says_makes_it_fresh(desk: Desk) -> None:
    before = base_6(desk)
    desk.put(YELI, SHEET)
    assert said(desk.look(YELI)) == ("unchanged", 0)
    after = base_6(desk)
    assert (after.tariff, after.document) == (before.tariff, before.document)
    assert before.last_seen_at < after.last_seen_at == desk.now
    desk.look(YELI)
    assert base_6(desk).last_seen_at == desk.now


def test_other_bytes_that_say_the_same_confirm_their_tariffs_once(lumiere: Desk) -> None:
    lumiere.look(YELI)
    lumiere.put(YELI, STAMPED, etag=False)
    for _ in range(2):
        assert said(lumiere.look(YELI)) == ("unchanged", 0)
        assert lumiere.count("confirmations") == 17
        assert base_6(lumiere).last_seen_at == lumiere.now


def test_bytes_that_come_back_count_as_seen(lumiere: Desk) -> None:
    for content in (SHEET, STAMPED, SHEET, STAMPED, STAMPED):
        lumiere.put(YELI, content)
        assert lumiere.look(YELI).outcome in ("published", "unchanged")
        assert base_6(lumiere).last_seen_at == lumiere.now
    assert lumiere.count("documents") == lumiere.count("documents where content is null") + 2


def strict(desk: Desk) -> None:
    """Lets the source expect a power that the sheet does not print: a doubt."""
    offer = desk.sources[YELI].offers[0]
    powers = (1, *offer.options["BASE"])
    desk.change(YELI, offers=(replace(offer, options={**offer.options, "BASE": powers}),))


def test_a_doubted_sheet_changes_nothing_and_stays_refused_until_the_doubt_is_gone(lumiere: Desk) -> None:
    described = lumiere.sources[YELI]
    lumiere.look(YELI)
    before = base_6(lumiere)
    strict(lumiere)
    lumiere.put(YELI, STAMPED)
    for looks in (1, 2):
        look = lumiere.look(YELI)
        assert (look.outcome, [doubt.rule for doubt in look.doubts]) == ("refused", ["powers-missing"])
        assert lumiere.state(YELI).failures_in_a_row == looks
        assert lumiere.state(YELI).reviews_pending == 1
    assert lumiere.site.asked[-1].headers["if-none-match"] == lumiere.run(YELI).etag
    run = lumiere.run(YELI)
    assert len(run.detail["tariffs"]) == 17
    assert run.detail["tariffs"][0]["subscription_eur_per_year_ttc"] == Decimal("141.00")
    assert run.detail["doubts"][0]["rule"] == "powers-missing"
    assert base_6(lumiere) == before, "the last right tariff stays, and is not seen again"
    lumiere.sources[YELI] = replace(described, address=lumiere.sources[YELI].address)
    assert said(lumiere.look(YELI)) == ("unchanged", 0)
    assert lumiere.state(YELI).failures_in_a_row == lumiere.state(YELI).reviews_pending == 0
    assert base_6(lumiere).last_seen_at == lumiere.now


def test_another_reader_reads_the_kept_bytes_again(lumiere: Desk) -> None:
    lumiere.look(YELI)
    lumiere.change(YELI, note="described anew")
    assert said(lumiere.look(YELI)) == ("unchanged", 0)
    assert lumiere.inspector.reads == 2
    assert "if-none-match" in lumiere.site.asked[-1].headers
    lumiere.look(YELI)
    assert lumiere.inspector.reads == 2


def test_bytes_that_somebody_let_through_are_not_refused_again(lumiere: Desk) -> None:
    strict(lumiere)
    refused = lumiere.look(YELI)
    document = lumiere.run(YELI).document
    review = Run(
        source=YELI, outcome="published", origin="review", document=document,
        started_at=lumiere.now, finished_at=lumiere.now,
    )  # fmt: skip
    published = record_run(lumiere.connection, review)
    lumiere.connection.execute(
        "insert into reviews values (%s, 'approved', 'A. Dupont', 'the sheet is right', now(), %s)",
        [refused.run_id, published],
    )
    for _ in range(2):
        assert lumiere.look(YELI).outcome == "unchanged"
    lumiere.change(YELI, note="described anew")
    assert lumiere.look(YELI).outcome == "unchanged"


@pytest.mark.parametrize(
    ("page", "outcome", "says"),
    [
        ({"content": b"<!doctype html><title>Maintenance</title>"}, "unreadable", "Maintenance"),
        ({"content": SHEET[:2000]}, "unreadable", ""),
        ({"content": drawn_words()}, "refused", "no text"),
        ({"content": merged_price_cells().pdf}, "refused", ""),
        ({"content": b"", "status": 404}, "unreachable", "404"),
        ({"content": b"", "status": 500}, "unreachable", "500"),
    ],
    ids=["a page", "a broken file", "drawn words", "another supplier's sheet", "nothing there", "a fault"],
)
def test_every_other_answer_has_its_outcome_and_changes_nothing(
    lumiere: Desk, page: dict[str, object], outcome: str, says: str
) -> None:
    lumiere.look(YELI)
    before = base_6(lumiere)
    lumiere.put(YELI, **page)  # type: ignore[arg-type]  # a page's own fields
    look = lumiere.look(YELI)
    assert look.outcome == outcome == lumiere.run(YELI).outcome
    assert look.message or look.doubts
    assert says in f"{look.message} {look.doubts}"
    assert lumiere.run(YELI).detail["message"] == look.message
    assert base_6(lumiere) == before


def test_three_failures_break_a_source_and_one_success_heals_it(lumiere: Desk) -> None:
    lumiere.look(YELI)
    lumiere.put(YELI, b"", status=503)
    assert [lumiere.look(YELI).outcome for _ in range(3)] == ["unreachable"] * 3
    assert lumiere.state(YELI).failures_in_a_row == 3
    lumiere.put(YELI, SHEET)
    assert lumiere.look(YELI).outcome == "unchanged"
    assert lumiere.state(YELI).failures_in_a_row == 0


def test_a_fault_of_ours_is_an_outcome_with_its_trace_in_the_log(
    lumiere: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    lumiere.inspector.fault = ZeroDivisionError("by a reader")
    with caplog.at_level(logging.INFO):
        look = lumiere.look(YELI)
    assert look.outcome == lumiere.run(YELI).outcome == "unreadable"
    assert "ZeroDivisionError: by a reader" in (look.message or "")
    assert "a reader" in str(caplog.records[-2].exc_info)
    record = caplog.records[-1].__dict__
    assert (record["msg"], record["source"], record["outcome"]) == ("ingest finished", YELI, "unreadable")
    lumiere.inspector.fault = None
    assert said(lumiere.look(YELI)) == ("published", 17)


def test_nothing_is_half_published_when_the_last_step_fails(
    lumiere: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no sighting today")

    monkeypatch.setattr("openwatt.ingest.pipeline.record_sighting", fail)
    assert lumiere.look(YELI).outcome == "unreadable"
    assert lumiere.tariffs(supplier="Lumière") == {}
    monkeypatch.undo()
    assert said(lumiere.look(YELI)) == ("published", 17)


def test_one_process_a_source(lumiere: Desk, desk_at: Callable[[str], Desk], filled_url: str) -> None:
    other = desk_at(filled_url)
    other.sources = other.ingestion.sources = lumiere.sources
    other.connection.execute(
        "select pg_advisory_lock(hashtextextended('openwatt: ingest ' || %s, 0))", [YELI]
    )
    look = lumiere.look(YELI)
    assert (look.outcome, look.message) == (None, "another process is just at it")
    assert not lumiere.site.asked
    other.connection.close()
    wait_until(lambda: lumiere.count("pg_locks where locktype = 'advisory'") == 0)
    assert said(lumiere.look(YELI)) == ("published", 17)
    assert lumiere.count("pg_locks where locktype = 'advisory'") == 0


def test_what_is_due_is_looked_at_by_one_process(lumiere: Desk) -> None:
    lumiere.look(YELI)
    again = lumiere.ingestion.run(lumiere.sources[YELI], since=lumiere.now - dt.timedelta(minutes=1))
    assert (again.outcome, again.message) == (None, "another process has just looked at it")
    assert len(lumiere.site.asked) == 1
    assert lumiere.ingestion.run(lumiere.sources[YELI], since=lumiere.now).outcome == "unchanged"


def test_a_dry_run_says_what_would_come_and_keeps_nothing(lumiere: Desk) -> None:
    lumiere.ingestion.dry_run = True
    assert said(lumiere.look(YELI)) == ("published", 17)
    assert lumiere.count("runs") == 0
    assert lumiere.tariffs(supplier="Lumière") == {}
    assert lumiere.count("documents where content is not null") == 0


def test_an_address_set_by_hand_holds_until_its_day(lumiere: Desk) -> None:
    elsewhere = lumiere.site.put("elsewhere", STAMPED)
    lumiere.connection.execute(
        "insert into address_overrides (source, address, until, author, reason, set_at) "
        "values (%s, %s, %s, 'A. Dupont', 'moved', now())",
        [YELI, elsewhere, START.date().replace(day=17)],
    )
    for _ in range(3):
        lumiere.look(YELI)
    assert [asked.path for asked in lumiere.site.asked] == ["/elsewhere", "/elsewhere", f"/{YELI}"]
    lumiere.connection.execute(
        "insert into address_overrides (source, address, until, author, reason, set_at) "
        "values (%s, %s, '2030-01-01', 'A. Dupont', 'moved', now()), (%s, null, null, 'B', 'undone', now())",
        [YELI, elsewhere, YELI],
    )
    lumiere.look(YELI)
    assert lumiere.site.asked[-1].path == f"/{YELI}"


def test_a_lost_connection_is_said_as_such(lumiere: Desk, filled_url: str) -> None:
    with psycopg.connect(filled_url, autocommit=True) as other:
        pid = lumiere.connection.info.backend_pid
        other.execute("select pg_terminate_backend(%s)", [pid])
    with pytest.raises(DatabaseUnavailableError, match="the database has gone"):
        lumiere.look(YELI)


def test_a_document_handed_in_is_published_like_one_fetched(lumiere: Desk) -> None:
    assert said(lumiere.look(YELI, given=SHEET)) == ("published", 17)
    assert (lumiere.run(YELI).origin, lumiere.run(YELI).address) == ("file", None)
    assert not lumiere.site.asked
    assert lumiere.look(YELI).outcome == "unchanged", "the address gives what is known by now"


VATTENFALL = "vattenfall_equilibre"


def typed(powers: dict[int, str], *, supplier: str = "Vattenfall") -> bytes:
    offer = "Électricité Verte Équilibre"
    lines = [
        f"{supplier},{offer},BASE,{kva},2025-08-01,,0,,{amount},,BASE=0.1952,2025-11-01,typed,\n"
        for kva, amount in powers.items()
    ]
    return (TABLE + "".join(lines)).encode()


SUBSCRIPTIONS = {
    3: "140.76", 6: "185.64", 9: "232.68", 12: "279.84", 15: "324.72", 18: "369.12",
    24: "465.48", 30: "557.28", 36: "651.48",
}  # fmt: skip


@pytest.fixture
def typing(desk: Desk) -> Desk:
    """A desk at which a sheet of Base prices with all taxes is typed."""
    offer = desk.sources[VATTENFALL].offers[0]
    base = replace(offer, options={"BASE": offer.options["BASE"]})
    desk.change(VATTENFALL, offers=(base,), supplier="Lumière", taxes=("TTC",))
    return desk


def test_a_table_typed_from_a_sheet_without_text_is_doubted_and_published(typing: Desk) -> None:
    look = typing.look(VATTENFALL, given=typed(SUBSCRIPTIONS, supplier="Lumière"))
    assert (look.outcome, look.doubts, look.published) == ("published", (), 9)
    one = typing.tariffs(supplier="Lumière")["Électricité Verte Équilibre", "BASE", 9]
    assert one.tariff.prices_eur_per_kwh_ttc == {"BASE": Decimal("0.1952")}
    assert one.reader.startswith("manual ")


def test_a_wrongly_typed_table_is_refused_or_unreadable_with_the_reason(typing: Desk) -> None:
    wrong = typing.look(VATTENFALL, given=typed(SUBSCRIPTIONS | {12: "27.984"}, supplier="Lumière"))
    assert wrong.outcome == "refused"
    assert "subscription-order" in {doubt.rule for doubt in wrong.doubts}
    stranger = typing.look(VATTENFALL, given=typed(SUBSCRIPTIONS, supplier="Watt"))
    assert "Watt Électricité Verte Équilibre is no offer of" in str(stranger.doubts)
    broken = typing.look(VATTENFALL, given=typed({6: "a lot"}))
    assert broken.outcome == "unreadable"
    assert "line 2" in (broken.message or "")


def test_colours_are_published_as_rte_says_them(desk: Desk) -> None:
    desk.put("rte_tempo", b'{"values": {"2026-11-23": "RED", "2026-11-24": "BLUE"}}')
    assert said(desk.look("rte_tempo")) == ("published", 2)
    desk.put("rte_tempo", b'{"values": {"2026-11-23": "RED", "2026-11-24": "WHITE"}}')
    assert said(desk.look("rte_tempo")) == ("published", 1)
    assert desk.look("rte_tempo").outcome == "unchanged"
    desk.put("rte_tempo", b'{"values": {"2026-11-25": "GREEN"}}')
    assert desk.look("rte_tempo").outcome == "refused"


def test_a_source_without_an_address_says_what_to_do(desk: Desk) -> None:
    look = desk.look("cre_annex")
    assert look.outcome == "unreachable"
    assert "--file" in (look.message or "")
