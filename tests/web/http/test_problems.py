"""Problems: in the language of the reader, as a page for browsers, with codes and types that stay."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from openwatt.domain.messages import Message
from openwatt.sentences.catalogue import CODES, sentence, texts
from openwatt.web.http.fault_codes import code_of, fault_codes
from openwatt.web.http.problems import PROBLEM_TYPES
from tests.test_architecture import PACKAGE

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
POST = {"method": "POST"}
#: What browsers and programs do wrong, by status; the body is sent with POST.
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown address": ("/nothing", {}),
    "an unknown address of the API": ("/v1/nothing", {}),
    "a parameter that is wrong": ("/v1/tariffs?on=yesterday&power_kva=six", {}),
    "a file that is none": ("/v1/bills", {"json": {"power_kva": 6, "file": "AAAA"}, **POST}),
    "a method": ("/tariffs", {**POST}),
    "a method of the API": ("/v1/tariffs", {"method": "DELETE"}),
    "a body": ("/v1/bills", {"data": b"x", **POST}),
    "a large body": ("/v1/bills", {"data": b"0" * 34_000_000, "mimetype": "application/json", **POST}),
    "a body that is no JSON": ("/v1/bills", {"data": b"{", "mimetype": "application/json", **POST}),
    "a long address": ("/history?offer=" + "x" * 5000, {}),
    "days before all": ("/v1/tempo?from=1800-01-01", {}),
    "a contract nobody sells": ("/v1/tariff-changes.ics?option=TEMPO&power_kva=1", {}),
}
#: What always answers in HTML.
PAGES = ("/tariffs", "/history")
#: Words of English sentences that French ones do not have; names of parameters are left out.
ENGLISH = re.compile(r"\b(the|is|are|of|must|this|that|and|which|not|address|answers?|request)\b")


@pytest.mark.parametrize("what", WRONG)
def test_a_browser_gets_a_page_in_its_language_with_a_way_back(client: FlaskClient, what: str) -> None:
    address, how = WRONG[what]
    answer = client.open(address, headers=BROWSER | {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}, **how)
    assert answer.status_code >= 400
    assert answer.mimetype == "text/html"
    assert answer.headers["Content-Language"] == "fr"
    assert answer.vary.as_set() - {"accept", "accept-encoding"} == {"accept-language"}
    assert answer.cache_control.no_store
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    shown = unescape(re.sub(r"<code>.*?</code>|<[^>]*>", " ", main))
    assert ENGLISH.findall(shown) == []
    assert '<a class="button" href="/' in main
    (explained,) = set(re.findall(r'href="(/problems/[a-z-]+)', main))
    assert client.get(explained, headers=BROWSER).status_code == 200


@pytest.mark.parametrize("what", [one for one in WRONG if not WRONG[one][0].startswith(PAGES)])
def test_a_program_gets_a_problem_document_in_its_language(client: FlaskClient, what: str) -> None:
    address, how = WRONG[what]
    found: dict[str, Any] = {}
    for code in CODES:
        answer = client.open(address, headers={"Accept": "application/json", "Accept-Language": code}, **how)
        assert answer.content_type == "application/problem+json"
        assert answer.headers["Content-Language"] == code
        assert answer.vary.as_set() - {"accept-encoding"} == {"accept", "accept-language"}
        found[code] = answer.json
    english, french = (found[code] for code in CODES)
    assert english["type"] == french["type"] == f"/problems/{PROBLEM_TYPES[english['status']]}"
    assert english["title"] != french["title"]
    assert english["detail"] != french["detail"]
    said = [french["detail"], *(one["message"] for one in french.get("faults", []))]
    assert ENGLISH.findall(" ".join(said)) == []
    for one, other in zip(english.get("faults", []), french.get("faults", []), strict=True):
        assert one["code"] == other["code"]
        assert one["code"] in fault_codes()
        assert one["message"] != other["message"]


def test_what_is_no_browser_gets_json(client: FlaskClient) -> None:
    for accept in ("*/*", "application/json, text/html", "text/csv", "text/html;q=0.5, application/json", ""):
        assert client.get("/nothing", headers={"Accept": accept}).content_type == "application/problem+json"


@pytest.mark.parametrize("language", CODES)
def test_every_type_has_a_page_that_explains_it(client: FlaskClient, language: str) -> None:
    known = texts(language)
    for name in PROBLEM_TYPES.values():
        page = unescape(client.get(f"/problems/{name}?lang={language}").text)
        for part in ("title", "detail", "remedy"):
            assert known[f"problem_type.{name}.{part}"] in page
    assert client.get("/problems/no-such-problem").status_code == 404


@pytest.mark.parametrize("name", ["bad-request", "unprocessable-entity"])
def test_the_pages_of_faults_explain_every_code(client: FlaskClient, name: str) -> None:
    page = client.get(f"/problems/{name}?lang=fr").text
    assert re.findall(r"<dt><code>([a-z0-9_.]+)</code></dt><dd>[^<]", page) == fault_codes()


def test_no_code_of_a_fault_changes_silently() -> None:
    listed = Path(__file__).with_name("fault_codes.txt").read_text("utf-8").split()
    assert fault_codes() == listed


def test_whatever_is_said_of_a_fault_has_a_code() -> None:
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    made = r'(?:Fault|ParameterError|MeaningError)\([^()]*Message(?:\.of)?\(\s*"([a-z_.0-9]+)"'
    said = re.findall(made, source)
    assert len(said) > 30
    assert sorted(set(said) - set(fault_codes())) == []


def test_the_code_of_a_refused_file_says_what_the_file_is() -> None:
    daily = Message.of("refused.file", what=Message("refused.daily"), bring=Message("bring.enedis"))
    assert code_of(daily) == "refused.daily"
    assert code_of(Message.of("text", text="whatever")) == "other"


def test_the_contract_lists_the_codes(client: FlaskClient) -> None:
    schemas: Any = client.get("/openapi.json").json["components"]["schemas"]  # type: ignore[index]  # the contract
    assert schemas["FaultItem"]["properties"]["code"]["x-extensible-enum"] == fault_codes()
    assert sentence(Message("problem_type.not-found.title"), "fr")
