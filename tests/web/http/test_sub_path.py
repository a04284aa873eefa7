"""Below a sub-path every address has it, and nobody but the proxy can choose it."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from openwatt.app import create_app
from openwatt.settings import RESERVED_PATHS, Settings, SettingsError, read_settings
from tests.conftest import NOW, close_app
from tests.web.api.test_bills import KWH

PAGES = ("/", "/?kwh=4500&power_kva=6", "/tariffs?option=BASE&lang=en", "/history", "/status", "/docs")


@pytest.fixture
def client_of(filled_url: str) -> Iterator[Callable[..., FlaskClient]]:
    """A client of an app with some settings."""
    apps: list[Flask] = []

    def of(**settings: Any) -> FlaskClient:
        apps.append(create_app(Settings(database_url=filled_url, workers=1, **settings), clock=lambda: NOW))
        return apps[-1].test_client()

    yield of
    for app in apps:
        close_app(app)


def addresses(answer: TestResponse) -> list[str]:
    """The addresses on this host that a page holds."""
    found = [unescape(one) for one in re.findall(r'(?:href|src|action)="([^"]*)"', answer.text)]
    return [one for one in found if not one.startswith(("http", "#", "mailto:"))]


@pytest.mark.parametrize("strips", [True, False])
@pytest.mark.parametrize("fixed", [True, False])
def test_every_address_of_a_page_has_the_sub_path_and_is_answered(
    client_of: Callable[..., FlaskClient], *, strips: bool, fixed: bool
) -> None:
    client = client_of(sub_path="/electricite") if fixed else client_of(trusted_proxies=1)
    headers = {} if fixed else {"X-Forwarded-Prefix": "/electricite/"}

    def get(path: str) -> TestResponse:
        return client.get(path if strips else f"/electricite{path}", headers=headers)

    seen: set[str] = set()
    for page in PAGES:
        answer = get(page)
        assert answer.status_code == 200
        found = addresses(answer)
        assert len(found) > 4
        seen |= set(found)
    assert len(seen) > 40
    for one in seen:
        assert one.startswith("/electricite/"), one
        path = one.removeprefix("/electricite").partition("#")[0]
        with get(path) as linked:
            assert linked.status_code in {200, 400}, one
    assert client.get("/electricite", headers=headers).status_code == 200


def test_every_address_in_an_answer_has_the_sub_path(client_of: Callable[..., FlaskClient]) -> None:
    client = client_of(sub_path="/a/b-c", limit_bills="3/day")
    listed: Any = client.get("/a/b-c/v1/tariffs?limit=2")
    assert listed.json["next"].startswith("/a/b-c/v1/tariffs?")
    assert listed.headers["Link"].startswith("</a/b-c/v1/tariffs?")
    following: Any = client.get(listed.json["next"])
    assert following.status_code == 200
    assert following.json["tariffs"] != listed.json["tariffs"]
    bill: Any = client.post("/v1/bills", json=KWH)
    assert bill.json["address"].startswith("/a/b-c/v1/bills?")
    contract: Any = client.get("/a/b-c/openapi.json").json
    assert contract["servers"] == [{"url": "/a/b-c"}]
    missing: Any = client.get("/a/b-c/v1/nothing").json
    assert missing["type"] == "/a/b-c/problems/not-found"
    wrong: Any = client.get("/a/b-c/v1/tariffs?limit=x").json
    assert wrong["type"] == "/a/b-c/problems/bad-request"
    twice = client.get("/a/b-c/v1//tariffs")
    assert twice.status_code == 308
    assert re.fullmatch(r"(http://localhost)?/a/b-c/v1/tariffs", twice.headers["Location"])


def test_a_refusal_of_a_cached_response_has_the_sub_path(client_of: Callable[..., FlaskClient]) -> None:
    client = client_of(sub_path="/a", limit_api="4/day")
    answers = [client.get("/a/v1/suppliers") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    refused: Any = answers[-1].json
    assert refused["type"] == "/a/problems/too-many-requests"


def test_probes_are_answered_with_the_sub_path_and_without(client_of: Callable[..., FlaskClient]) -> None:
    for client in (client_of(sub_path="/a"), client_of(trusted_proxies=1)):
        for path in ("/health", "/health/ready", "/version", "/metrics"):
            assert client.get(path).status_code == 200
            assert client.get(f"/a{path}", headers={"X-Forwarded-Prefix": "/a"}).status_code == 200


def test_sub_paths_are_not_mixed_up_in_the_response_cache(client_of: Callable[..., FlaskClient]) -> None:
    client = client_of(trusted_proxies=1)
    for _ in range(4):
        for root in ("", "/a", "/b", "/a/b"):
            headers = {"X-Forwarded-Prefix": root}
            answer: Any = client.get("/v1/tariffs?limit=2", headers=headers)
            assert answer.json["next"].startswith(f"{root}/v1/tariffs?")
            contract: Any = client.get("/openapi.json", headers=headers)
            assert contract.json["servers"] == [{"url": root or "/"}]
            for one in (answer, contract):
                assert "X-Forwarded-Prefix" in ", ".join(one.headers.getlist("Vary"))


def test_a_sub_path_is_read_of_a_trusted_proxy_alone(client_of: Callable[..., FlaskClient]) -> None:
    headers = {"X-Forwarded-Prefix": "/evil", "X-Script-Name": "/evil", "Script-Name": "/evil"}
    for client in (client_of(), client_of(sub_path="/a"), client_of(sub_path="/a", trusted_proxies=1)):
        answer = client.get("/tariffs", headers=headers)
        assert answer.status_code == 200
        assert "evil" not in answer.text
        assert client.get("/evil/tariffs", headers=headers).status_code == 404


HOSTILE = [
    "//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a//b", "/a/../b", "/..", "/.",
    "/a/./b", "/a b", "/a%2fb", "/a%0d%0aSet-Cookie:x=1", '/"><script>', "/a?b", "/a#b", "/a;b", "/é",
    "/@evil", "/" + "a" * 300, "/v1", "/tariffs/x", "/static", "/", "", "//", "/a,//evil.example", "/{{7*7}}",
    "/a\tb", "javascript:alert(1)", "/a\\b", "/a:80",
]  # fmt: skip


def told(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """What an answer says, but for what every answer says anew."""
    anew = {"X-Request-ID", "RateLimit", "Date"}
    headers = [(name, value) for name, value in answer.headers if name not in anew]
    return answer.status_code, answer.data, headers


def test_what_is_no_plain_path_is_disregarded(client_of: Callable[..., FlaskClient]) -> None:
    client = client_of(trusted_proxies=1)
    for path in ("/tariffs", "/v1/tariffs?limit=2", "/openapi.json", "/docs", "/v1/nothing", "/v1//tariffs"):
        plain = told(client.get(path))
        for named in HOSTILE:
            headers = {"X-Forwarded-Prefix": named.encode().decode("latin-1")}
            assert told(client.get(path, headers=headers)) == plain, named


def test_the_nearest_proxy_names_the_sub_path(client_of: Callable[..., FlaskClient]) -> None:
    answer: Any = client_of(trusted_proxies=2).get(
        "/v1/tariffs?limit=2", headers={"X-Forwarded-Prefix": "/evil, /a"}
    )
    assert answer.json["next"].startswith("/a/v1/")


@pytest.mark.parametrize("text", [named for named in HOSTILE if named and "," not in named])
def test_a_setting_that_is_no_sub_path_is_refused_in_clear_words(text: str) -> None:
    with pytest.raises(SettingsError, match="OPENWATT_SUB_PATH must"):
        read_settings({"OPENWATT_SUB_PATH": text})


def test_a_sub_path_may_end_in_a_slash() -> None:
    assert read_settings({"OPENWATT_SUB_PATH": "/electricite/"}).sub_path == "/electricite"


def test_no_sub_path_begins_like_an_address_of_the_service(shared_app: Flask) -> None:
    firsts = {rule.rule.split("/")[1] for rule in shared_app.url_map.iter_rules()}
    assert firsts - {""} == RESERVED_PATHS
