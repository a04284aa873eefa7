"""The admin API: it exists with a token alone, opens to nobody else, and does what `openwatt review` does."""

import datetime as dt
import hashlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from werkzeug.test import TestResponse

import openwatt.web.http.bearer
from openwatt.app import create_app
from openwatt.catalogue.references import shipped_references
from openwatt.cli import main
from openwatt.domain.reading import MAX_DOCUMENT_BYTES
from openwatt.domain.tariff import Tariff
from openwatt.ingest.declarations import load_sources
from openwatt.ingest.sandbox import DocumentSandbox
from openwatt.settings import Settings
from openwatt.store.database import Connection
from openwatt.store.tariffs import Observation, SourceDocument, publish, regulated_history
from openwatt.web.api.admin import Admin
from openwatt.web.api.command_runs import Commands, Done, OvertimeError
from openwatt.web.http.bearer import Bearer
from tests.conftest import NOW, Server, close_app, serve_app
from tests.ingest.drawn_sheets import drawn_words, simple_and_double
from tests.ingest.hostile_documents import bomb
from tests.ingest.refused_runs import LOOKED_AT, SOURCE, misprinted, refuse
from tests.log_receivers import wait_until
from tests.web.http.test_lifecycle import Lines

TOKEN = "a-token-of-the-tests-that-is-long-enough"  # noqa: S105 - it opens nothing else
HOLDER = {"Authorization": f"Bearer {TOKEN}"}
ADDRESS = "https://www.yeli.fr/grille.pdf"
UNTIL = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30))

Ask = Callable[..., TestResponse]


@pytest.fixture(scope="module")
def url(server: Server, filled: str) -> str:
    return server.url(server.create(filled))


@pytest.fixture(scope="module")
def admin_app(url: str) -> Iterator[Flask]:
    """An app with the admin API, over a database of this module's own, that asks as often as it likes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("openwatt.app.ADMIN_LIMIT", "60000/minute")
        app = create_app(Settings(database_url=url, workers=1, admin_token=TOKEN))
    yield app
    close_app(app)


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def ask(admin_app: Flask) -> Ask:
    client = admin_app.test_client()

    def send(method: str, path: str, **more: Any) -> TestResponse:
        return client.open(f"/v1/admin{path}", method=method, headers=HOLDER, **more)

    return send


ROUTES = (("GET", "/runs"), ("GET", "/runs/1"), ("POST", "/overrides"), ("POST", "/inspect"))
WRONG: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer wrong"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer  {TOKEN}"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Authorization": "Bearer \u00e9\u00e9"},
    {"X-Admin-Token": TOKEN},
    {"Cookie": f"token={TOKEN}"},
)


def test_the_names_of_sources_are_those_of_the_files(admin_app: Flask) -> None:
    ours: Admin = admin_app.extensions["openwatt.admin"]
    assert ours.sources == set(load_sources())


def test_without_a_token_the_routes_do_not_exist(client: FlaskClient) -> None:
    nowhere = client.get("/v1/admin/nowhere")
    for method, path in ROUTES:
        answer = client.open(f"/v1/admin{path}", method=method, headers=HOLDER)
        assert (answer.status_code, answer.json) == (404, nowhere.json)
    contract = client.get("/openapi.json").text
    assert "admin" not in contract.lower()


def test_whoever_has_not_the_token_gets_one_answer(admin_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("openwatt.web.http.bearer.hmac.compare_digest", compare)
    client = admin_app.test_client()
    answers = [
        client.open(f"/v1/admin{path}", method=method, headers=headers, data=b"{")
        for method, path in ROUTES
        for headers in WRONG
    ]
    answers += [client.get("/v1/admin/runs?limit=many", headers={}), client.options("/v1/admin/runs")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    # What remains of a limit differs each time, and a browser's OPTIONS is counted apart.
    changing = {"X-Request-ID", "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit"}
    told = [{k: v for k, v in answer.headers.items() if k not in changing} for answer in answers]
    assert all(one == told[0] for one in told)
    assert told[0]["WWW-Authenticate"] == 'Bearer realm="openwatt admin"'
    assert (told[0]["Cache-Control"], told[0]["Content-Type"]) == ("no-store", "application/problem+json")
    # Each is compared, whatever it is, and with something of the same length.
    assert len(compared) == len(answers)
    assert set(compared) == {(32, 32)}


def test_the_token_is_not_kept_and_is_compared_in_constant_time() -> None:
    ours = Admin(Bearer.of(TOKEN), Commands(dict), frozenset(["alpiq"]))
    assert ours.bearer.token_sha256 == hashlib.sha256(TOKEN.encode()).digest()
    assert TOKEN not in repr(ours)
    assert ours.bearer.admits(f"bearer {TOKEN}")
    source = Path(openwatt.web.http.bearer.__file__).read_text()
    assert "hmac.compare_digest(" in source


def test_tokens_cannot_be_guessed_fast(url: str) -> None:
    app = create_app(Settings(database_url=url, workers=1, admin_token=TOKEN), clock=lambda: NOW)
    client = app.test_client()
    statuses = [client.get("/v1/admin/runs", headers=WRONG[3]).status_code for _ in range(61)]
    assert statuses == [401] * 60 + [429]
    assert client.get("/v1/admin/runs", headers=HOLDER).status_code == 429
    assert client.get("/v1/suppliers").status_code == 200
    close_app(app)


def test_nobody_keeps_an_answer_and_none_is_given_without_the_token(ask: Ask, admin_app: Flask) -> None:
    for _ in range(2):
        answer = ask("GET", "/runs")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers
        assert admin_app.test_client().get("/v1/admin/runs").status_code == 401


def test_runs_are_listed_filtered_and_paged(ask: Ask, connection: Connection) -> None:
    first = refuse(connection, misprinted("20,01"))
    second = refuse(connection, misprinted("20,02"))
    third = refuse(connection, drawn_words(), source="vattenfall_equilibre")
    page = ask("GET", f"/runs?undecided=true&source={SOURCE}&limit=1").json
    assert page
    assert [run["run_id"] for run in page["runs"]] == [second]
    assert page["runs"][0]["document"]["bytes"] == len(misprinted("20,02"))
    following = ask("GET", page["next"].removeprefix("/v1/admin")).json
    assert following
    assert [run["run_id"] for run in following["runs"]][:1] == [first]
    newest = ask("GET", "/runs?outcome=refused").json
    assert newest
    assert [run["run_id"] for run in newest["runs"]][:3] == [third, second, first]
    assert ask("GET", "/runs?outcome=unreachable").json == {"runs": [], "next": None}
    detail = ask("GET", f"/runs/{second}").json
    assert detail
    assert "subscription-order" in {doubt["rule"] for doubt in detail["doubts"]}
    assert {tariff["power_kva"] for tariff in detail["tariffs"]} == {3, 6, 9, 12, 15, 18, 24, 30, 36}
    missing = ask("GET", "/runs/999999")
    assert (missing.status_code, missing.content_type) == (404, "application/problem+json")


def test_all_faults_of_a_question_are_named(ask: Ask) -> None:
    answer = ask("GET", "/runs?outcome=lost&undecided=perhaps&after=0&limit=0&source=A&colour=red")
    assert answer.status_code == 400
    named = {fault["parameter"] for fault in (answer.json or {})["faults"]}
    assert named == {"outcome", "undecided", "after", "limit", "source", "colour"}


def override(ask: Ask, **body: object) -> TestResponse:
    return ask("POST", "/overrides", json=body)


def test_a_run_is_approved_by_a_person_with_a_reason(ask: Ask, connection: Connection) -> None:
    run = refuse(connection, misprinted("20,10"))
    answer = override(ask, action="approve", run_id=run, reviewer="-A. Dupont", reason="--printed so")
    assert answer.status_code == 200, answer.text
    assert answer.json
    assert answer.json.items() >= {"action": "approve", "run_id": run, "published": 1}.items()
    detail = ask("GET", f"/runs/{run}").json
    assert detail
    decision = detail["decision"]
    assert (decision["decision"], decision["reviewer"], decision["reason"]) == (
        "approved", "-A. Dupont", "--printed so"
    )  # fmt: skip
    assert decision["published_run_id"] == answer.json["published_run_id"]
    again = override(ask, action="reject", run_id=run, reviewer="B. Martin", reason="I know better")
    assert again.status_code == 409
    assert "was approved by -A. Dupont" in (again.json or {})["detail"]


def test_a_run_is_rejected_and_stays_so(ask: Ask, connection: Connection) -> None:
    run = refuse(connection, misprinted("20,11"))
    answer = override(ask, action="reject", run_id=run, reviewer="A. Dupont", reason="another sheet")
    assert (answer.status_code, answer.json) == (200, {"action": "reject", "run_id": run})
    again = refuse(connection, misprinted("20,11"), at=LOOKED_AT + dt.timedelta(days=1))
    waiting = ask("GET", "/runs?undecided=true").json
    assert again not in [one["run_id"] for one in (waiting or {})["runs"]]
    answer = override(ask, action="approve", run_id=again, reviewer="A. Dupont", reason="after all")
    assert answer.status_code == 409


def test_what_is_not_as_it_was_is_not_approved(ask: Ask, connection: Connection) -> None:
    run = refuse(connection, drawn_words() + b"\n", source="vattenfall_equilibre")
    answer = override(ask, action="approve", run_id=run, reviewer="A", reason="b")
    assert answer.status_code == 409
    assert "nothing was read in the document" in (answer.json or {})["detail"]
    unknown = override(ask, action="approve", run_id=999999, reviewer="A", reason="b")
    assert unknown.status_code == 404


def test_an_address_is_set_and_undone(ask: Ask, connection: Connection) -> None:
    told = {"action": "address", "source": SOURCE, "author": "A. Dupont", "reason": "it has moved"}
    answer = override(ask, **told, address=ADDRESS, until=UNTIL)
    assert answer.json == {"action": "address", "source": SOURCE, "address": ADDRESS, "until": UNTIL}
    row = connection.execute("select address, until::text, author from address_overrides").fetchone()
    assert row == (ADDRESS, UNTIL, "A. Dupont")
    undone = override(ask, **told, address=None)
    assert (undone.status_code, (undone.json or {})["address"]) == (200, None)
    assert override(ask, **told, address=None, until=None).status_code == 409
    far = override(ask, **told, address=ADDRESS, until="2099-01-01")
    assert (far.status_code, [one["parameter"] for one in (far.json or {})["faults"]]) == (422, ["until"])
    unknown = override(ask, **{**told, "source": "nobody"}, address=ADDRESS, until=UNTIL)
    assert unknown.status_code == 422
    (fault,) = (unknown.json or {})["faults"]
    assert (fault["parameter"], fault["message"][:22]) == ("source", "'nobody' is no source:")


DECIDE = {"action": "reject", "run_id": 1, "reviewer": "A", "reason": "b"}
ELSEWHERE = {
    "action": "address", "source": SOURCE, "address": ADDRESS, "until": UNTIL, "author": "A", "reason": "b",
}  # fmt: skip
#: A body, its status, and the fields at fault.
MISTAKES: list[tuple[object, int, set[str]]] = [
    ([], 400, {"body"}),
    ("text", 400, {"body"}),
    ({}, 400, {"action"}),
    ({"action": "publish", "colour": "red"}, 400, {"action", "colour"}),
    ({"action": ["approve"]}, 400, {"action"}),
    ({"action": "approve"}, 400, {"run_id", "reviewer", "reason"}),
    ({**DECIDE, "run_id": "1"}, 400, {"run_id"}),
    ({**DECIDE, "run_id": True}, 400, {"run_id"}),
    ({**DECIDE, "run_id": 0, "reviewer": " ", "reason": ""}, 400, {"run_id", "reviewer", "reason"}),
    ({**DECIDE, "run_id": 10**30, "reviewer": None, "reason": "a\nb"}, 400, {"run_id", "reviewer", "reason"}),
    ({**DECIDE, "reviewer": "A" * 101, "reason": "b" * 1001}, 400, {"reviewer", "reason"}),
    ({**DECIDE, "address": ADDRESS}, 400, {"address"}),
    ({**DECIDE, "reason": "\u202etxt"}, 400, {"reason"}),
    ({**ELSEWHERE, "run_id": 1, "source": "../etc", "until": "soon"}, 400, {"run_id", "source", "until"}),
    ({**ELSEWHERE, "address": "http://www.yeli.fr/", "author": ""}, 400, {"address", "author"}),
    (
        {**ELSEWHERE, "address": "https://127.0.0.1/", "until": "2020-01-01", "source": "edf"},
        422,
        {"address", "until", "source"},
    ),
    ({**ELSEWHERE, "address": None}, 400, {"until"}),
    ({k: v for k, v in ELSEWHERE.items() if k != "address"}, 400, {"address"}),
]
INSIDE = (
    "https://localhost/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://[::1]/",
    "https://10.0.0.8/x.pdf", "https://169.254.169.254/latest", "https://192.168.1.1/", "https://db.internal/",
    "https://router.lan/", "https://[::ffff:127.0.0.1]/", "https://127.0.0.1./", "https://www.yeli.fr:8443/",
    "https://user:password@www.yeli.fr/", "https://server/", "https://[fe80::1%25eth0]/", "https://a..fr/",
    "https://192.168.1.0x1/", "https://",
)  # fmt: skip


def test_every_fault_of_an_override_is_named(ask: Ask, connection: Connection) -> None:
    for body, status, named in MISTAKES:
        answer = ask("POST", "/overrides", json=body)
        assert answer.status_code == status, (body, answer.text)
        assert {fault["parameter"] for fault in (answer.json or {})["faults"]} == named, body
    for raw in (b"", b"{", b"\xff", b'{"action": "reject", "reason": "\\ud800"}', b"[" * 100_000):
        assert ask("POST", "/overrides", data=raw, content_type="application/json").status_code in {400, 413}
    assert ask("POST", "/overrides", data=DECIDE).status_code == 415
    assert connection.execute("select count(*) from address_overrides where source = 'x'").fetchone() == (0,)


def test_an_address_of_the_inside_is_refused_at_once(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Commands, "run", lambda *_: pytest.fail("it need not be asked"))
    for address in INSIDE:
        answer = override(ask, **{**ELSEWHERE, "address": address})
        assert answer.status_code in {400, 422}, address
        assert {fault["parameter"] for fault in (answer.json or {})["faults"]} == {"address"}


def everything(connection: Connection) -> list[object]:
    tables = (b"runs", b"documents", b"tariffs", b"reviews", b"sightings")
    return [connection.execute(b"select count(*) from " + table).fetchone() for table in tables]


def test_a_document_is_inspected_and_nothing_of_it_is_stored(
    ask: Ask, connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = everything(connection)
    answer = ask("POST", "/inspect", data=simple_and_double().pdf, content_type="application/pdf")
    assert answer.status_code == 200, answer.text
    said = json.loads(answer.text, parse_float=str)
    assert (said["source"], said["outcome"], said["doubts"]) == (SOURCE, "published", [])
    assert said["tariffs"][0]["prices_eur_per_kwh_ttc"] == {"BASE": "0.1951"}
    assert "signed_off" not in said
    form = {"file": (io.BytesIO(misprinted()), "grille.pdf"), "source": SOURCE}
    answer = ask("POST", "/inspect", data=form)
    assert answer.json
    assert answer.json["outcome"] == "refused"
    assert {"subscription-order"} <= {doubt["rule"] for doubt in answer.json["doubts"]}
    answer = ask("POST", "/inspect?source=rte_tempo", data=b'{"values": {"2025-12-29": "RED"}}',
                 content_type="application/json")  # fmt: skip
    assert (answer.json or {})["colours"] == {"2025-12-29": "ROUGE"}
    answer = ask("POST", "/inspect", data=b"<html>", content_type="application/octet-stream")
    assert ((answer.json or {})["outcome"], (answer.json or {})["tariffs"]) == ("unreadable", [])
    assert everything(connection) == before
    assert list(tmp_path.iterdir()) == []


def test_a_document_is_held_against_the_regulated_tariff_that_a_run_knows(
    filled_url: str, tmp_path: Path
) -> None:
    """Prices that are right beside the shipped tariff are in doubt once a far dearer one is published."""
    sheet = tmp_path / "sheet.pdf"
    sheet.write_bytes(simple_and_double().pdf)
    with psycopg.connect(filled_url) as connection:
        history = regulated_history(connection)
        dearer = [
            Observation(
                thrice(tariff),
                LOOKED_AT,
                SourceDocument(reference="a", kind="supplier", title="a"),
                None,
                "test",
                True,
            )
            for tariff in history
            if tariff.applies_from == dt.date(2025, 8, 1)
        ]
        assert publish(connection, dearer) == len(dearer) > 10
    app = create_app(Settings(database_url=filled_url, workers=1, admin_token=TOKEN))
    answer = app.test_client().post(
        "/v1/admin/inspect", headers=HOLDER, data=sheet.read_bytes(), content_type="application/pdf"
    )
    close_app(app)
    assert answer.status_code == 200, answer.text
    assert (answer.json or {})["outcome"] == "refused"
    shipped = CliRunner().invoke(main, ["inspect", str(sheet), "--json"])
    assert json.loads(shipped.stdout)["outcome"] == "published"


def thrice(tariff: Tariff) -> Tariff:
    """The tariff from six weeks later on, three times as dear."""
    return replace(
        tariff,
        applies_from=dt.date(2025, 9, 15),
        applies_to=None,
        prices_eur_per_kwh_ht={name: 3 * price for name, price in tariff.prices_eur_per_kwh_ht.items()},
        prices_eur_per_kwh_ttc={name: 3 * price for name, price in tariff.prices_eur_per_kwh_ttc.items()},
    )


def test_a_document_is_read_within_the_limits_of_a_run(ask: Ask) -> None:
    content = bomb(megabytes=700)
    answer = ask("POST", "/inspect", data=content, content_type="application/pdf")
    with DocumentSandbox() as inspector:
        run = inspector.inspect_document(content, load_sources(), shipped_references(), on=NOW.date())
    assert run.outcome == "unreadable"
    assert "256 MB" in (run.reason or "")
    assert (answer.json or {})["reason"] == run.reason


@pytest.mark.parametrize(
    ("query", "sent", "status", "named"),
    [
        ("", {"data": b"", "content_type": "application/pdf"}, 422, {"file"}),
        ("", {"data": b"x", "content_type": "image/png"}, 415, set()),
        ("", {"data": b"x", "content_type": "application/x-www-form-urlencoded"}, 415, set()),
        ("?source=nobody", {"data": b"x", "content_type": "application/pdf"}, 422, {"source"}),
        ("?source=A!", {"data": b"x", "content_type": "application/pdf"}, 400, {"source"}),
        ("", {"data": {"colour": "red"}, "content_type": "multipart/form-data"}, 400, {"file", "colour"}),
        ("?source=alpiq", {"data": {"file": (io.BytesIO(b"x"), "x"), "source": "alpiq"}}, 400, {"source"}),
    ],
)
def test_what_cannot_be_inspected_is_said(
    ask: Ask, query: str, sent: dict[str, Any], status: int, named: set[str]
) -> None:
    answer = ask("POST", f"/inspect{query}", **sent)
    assert answer.status_code == status, answer.text
    assert {fault["parameter"] for fault in (answer.json or {}).get("faults", [])} == named


def test_a_document_beyond_25_mb_is_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Commands, "run", lambda *_, **__: pytest.fail("nothing reads it"))
    large = bytes(MAX_DOCUMENT_BYTES + 1)
    assert ask("POST", "/inspect", data=large, content_type="application/pdf").status_code == 422
    larger = bytes(MAX_DOCUMENT_BYTES + 100_000)
    assert ask("POST", "/inspect", data=larger, content_type="application/pdf").status_code == 413
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.pdf"\r\n\r\n%b\r\n--b--\r\n'
    form = {"data": part % larger, "content_type": "multipart/form-data; boundary=b"}
    assert ask("POST", "/inspect", **form).status_code == 413


def test_one_document_is_read_at_a_time_and_the_others_are_told_to_come_back(
    ask: Ask, admin_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, told = threading.Event(), threading.Event()

    def wait(*_told: object) -> object:
        reading.set()
        assert told.wait(20)
        return Done(0, b'{"source": null, "outcome": "refused", "tariffs": [], "doubts": []}', "")

    monkeypatch.setattr(Commands, "_run", wait)
    statuses = []
    sender = admin_app.test_client()

    def send() -> None:
        answer = sender.post("/v1/admin/inspect", headers=HOLDER, data=b"x", content_type="application/pdf")
        statuses.append(answer.status_code)

    thread = threading.Thread(target=send)
    thread.start()
    assert reading.wait(20)
    refused = ask("POST", "/inspect", data=b"x", content_type="application/pdf")
    told.set()
    thread.join()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert statuses == [200]
    assert ask("POST", "/inspect", data=b"x", content_type="application/pdf").status_code == 200


def program(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Lets another program stand where the command does, behind the same limits."""
    limited = f"from openwatt.cli.limited import limit; import sys; limit(*map(int, sys.argv[1:4])); {text}"
    start = subprocess.Popen

    def popen(arguments: list[str], **more: Any) -> subprocess.Popen[bytes]:
        at = arguments.index("-m")
        return start([*arguments[:at], "-c", limited, *arguments[at + 2 :]], **more)

    monkeypatch.setattr("openwatt.web.api.command_runs.subprocess.Popen", popen)


def test_a_command_that_hangs_is_ended_with_what_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    grandchild = f"os.closerange(0, 3), open({str(pid)!r}, 'w').write(str(os.getpid()))"
    program(
        monkeypatch,
        "import os, signal, time; signal.signal(signal.SIGALRM, signal.SIG_IGN);"
        f"os.fork() or ({grandchild}); time.sleep(300)",
    )
    with pytest.raises(OvertimeError):
        Commands(dict, seconds=6).run(["inspect"])
    left = [one for one in psutil.process_iter() if one.pid == int(pid.read_text())]
    try:  # the signal is sent by then, but a busy machine delivers it a little later
        assert wait_until(lambda: not any(alive(one) for one in left))
    finally:
        for one in left:
            one.kill()


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_command_whose_service_has_died_ends_itself() -> None:
    text = "from openwatt.cli.limited import limit; import time; limit(1, 4000, 15); time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", text], check=False, timeout=40)
    assert done.returncode == -signal.SIGALRM


def test_a_command_that_takes_all_memory_is_refused_it(monkeypatch: pytest.MonkeyPatch) -> None:
    program(monkeypatch, "x = bytearray(3_000_000_000)")
    done = Commands(dict, seconds=60).run(["inspect"])
    assert (done.status, done.complaint) == (1, "MemoryError")


def test_a_command_sees_neither_our_secrets_nor_our_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENWATT_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PGPASSWORD", "secret")
    program(monkeypatch, "import os; print(os.getcwd(), sorted(os.environ))")
    told = Commands(dict, seconds=60).run(["inspect"]).output.decode()
    assert told.startswith("/ [")
    assert "OPENWATT" not in told
    assert "AWS" not in told
    assert "PGPASSWORD" not in told
    told = (
        Commands(lambda: {"OPENWATT_DATABASE_URL": "x"}, seconds=60)
        .run([], uses_database=True)
        .output.decode()
    )
    assert "OPENWATT_DATABASE_URL" in told
    assert "OPENWATT_ADMIN_TOKEN" not in told
    assert "PGPASSWORD" in told


def test_a_command_that_breaks_is_a_fault_of_ours(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    program(monkeypatch, "raise RuntimeError('broken')")
    answer = ask("POST", "/inspect", data=b"x", content_type="application/pdf")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")


def test_a_worker_that_inspects_never_loads_the_reader(filled_url: str) -> None:
    code = (
        "import sys; from openwatt.app import create_app; from openwatt.settings import Settings\n"
        f"app = create_app(Settings(database_url={filled_url!r}, workers=1, admin_token={TOKEN!r}))\n"
        "answer = app.test_client().post('/v1/admin/inspect', data=b'x', content_type='application/pdf',"
        f" headers={HOLDER!r})\n"
        "readers = ('pypdfium2', 'PIL', 'openwatt.ingest', 'openwatt.cli')\n"
        "loaded = [name for name in sys.modules if name.startswith(readers)]\n"
        "print(answer.status_code, loaded)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENWATT_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert done.stdout.splitlines()[-1] == "200 []"


def test_without_a_database_it_is_a_503() -> None:
    app = create_app(
        Settings(database_url="postgresql:///none?host=/nonexistent", workers=1, admin_token=TOKEN)
    )
    client = app.test_client()
    for answer in (
        client.get("/v1/admin/runs", headers=HOLDER),
        client.post("/v1/admin/overrides", headers=HOLDER, json=DECIDE),
        client.post("/v1/admin/overrides", headers=HOLDER, json=ELSEWHERE),
        client.post("/v1/admin/inspect", headers=HOLDER, data=b"x", content_type="application/pdf"),
    ):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    close_app(app)


def test_a_request_is_logged_as_any_other_and_without_the_token(admin_app: Flask) -> None:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        client = admin_app.test_client()
        client.get("/v1/admin/runs?limit=1", headers=HOLDER)
        client.get("/v1/admin/runs", headers={"Authorization": f"Bearer {TOKEN}x"})
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    told = [(line["route"], line["status"]) for line in handler.requests()]
    assert told == [("/v1/admin/runs", 200), ("/v1/admin/runs", 401)]
    assert TOKEN not in json.dumps(handler.all)


def test_the_contract_has_the_admin_routes_and_their_token(admin_app: Flask) -> None:
    document: Any = admin_app.test_client().get("/openapi.json").json
    validate(document, cls=OpenAPIV31SpecValidator)
    paths = {path for path in document["paths"] if path.startswith("/v1/admin")}
    assert paths == {"/v1/admin/runs", "/v1/admin/runs/{run_id}", "/v1/admin/overrides", "/v1/admin/inspect"}
    for path in paths:
        for operation in document["paths"][path].values():
            assert operation["security"] == [{"adminToken": []}]
            assert {"401", "429"} <= set(operation["responses"])
    assert "security" not in document["paths"]["/v1/tariffs"]["get"]
    assert document["components"]["securitySchemes"]["adminToken"]["scheme"] == "bearer"


@pytest.fixture
def served(admin_app: Flask) -> Iterator[str]:
    with serve_app(admin_app) as address:
        yield address


def test_schemathesis_finds_nothing_with_the_token(served: str, tmp_path: Path) -> None:
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    config = str(Path(__file__).with_name("schemathesis_admin.toml"))
    done = subprocess.run(
        [
            schemathesis, "--config-file", config, "run", f"{served}/openapi.json", "--checks=all",
            "--include-path-regex=^/v1/admin/runs|^/v1/admin/overrides",
            f"--header=Authorization: Bearer {TOKEN}", "--max-examples=10", "--generation-database=none",
            "--no-color", "--seed=1", "--phases=examples,coverage,fuzzing",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 selected" in done.stdout
    assert "No issues found" in done.stdout
