"""HTTP's own rules on every route: HEAD is GET, text is compressed, what caches may keep has a tag."""

import gzip
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.wrappers import Response

#: Addresses beside the bare path of each route: with parameters, of several kinds, of none.
ADDRESSES = (
    *("/?kwh=4500&power_kva=6", "/?kwh=many", "/history?power_kva=99", "/tariffs?option=TEMPO"),
    *("/static/site.css", "/static/nothing.css"),
    *("/v1/bills?kwh=4500&power_kva=6", "/v1/bills?kwh=4500&power_kva=6&format=csv"),
    *("/v1/guards/trve-diff?limit=3", "/v1/offers?format=csv", "/v1/offers?x=1"),
    *("/v1/prices?option=BASE&power_kva=6", "/v1/prices/now?option=BASE&power_kva=6"),
    "/v1/tariff-changes.ics?option=BASE&power_kva=6",
    *("/v1/tariffs?limit=3", "/v1/tariffs?limit=3&format=csv", "/v1/tariffs?on=never"),
    *("/v1/tariffs/history?limit=3", "/nowhere", "/v1/nowhere", "/tariffs/", "/problems/not-found"),
)
#: What each answer says anew.
ANEW = {"X-Request-ID", "RateLimit", "Date"}
SHOWN = [
    *("/", "/tariffs", "/history", "/now", "/status", "/docs", "/openapi.json", "/static/site.css"),
    *("/?kwh=4500&power_kva=6", "/v1/bills?kwh=4500&power_kva=6", "/v1/tariffs"),
]
PUBLIC = ["/", "/tariffs", "/history", "/now", "/docs", "/openapi.json", "/v1/tariffs", "/v1/tempo.ics"]


def lasting(answer: Response) -> list[tuple[str, str]]:
    """The headers of an answer that the next one has too."""
    return [(name, value) for name, value in answer.headers if name not in ANEW]


def test_head_is_get_without_its_body_on_every_route(shared_app: Flask, client: FlaskClient) -> None:
    rules = [rule for rule in shared_app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    paths = [rule.rule for rule in rules if not rule.arguments]
    assert len(paths) > 20
    with_arguments = {rule.rule.partition("<")[0] for rule in rules if rule.arguments}
    assert [start for start in with_arguments if not any(one.startswith(start) for one in ADDRESSES)] == []
    for address in (*paths, *ADDRESSES):
        for headers in ({}, {"Accept-Encoding": "gzip"}):
            with client.get(address, headers=headers) as get, client.head(address, headers=headers) as head:
                assert (head.status_code, head.data) == (get.status_code, b""), address
                if address != "/metrics":  # the request before is counted in the next answer
                    assert lasting(head) == lasting(get), address


@pytest.mark.parametrize("address", SHOWN)
def test_text_is_compressed_for_who_accepts_it(client: FlaskClient, address: str) -> None:
    with client.get(address) as plain, client.get(address, headers={"Accept-Encoding": "br, gzip"}) as coded:
        assert "Content-Encoding" not in plain.headers
        assert coded.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(coded.data) == plain.data
        assert len(coded.data) == coded.content_length < len(plain.data) * 0.6
        for answer in (plain, coded):
            vary = ",".join(answer.headers.getlist("Vary"))
            assert vary.count("Accept-Encoding") == 1
        if "ETag" in plain.headers:
            assert coded.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'


@pytest.mark.parametrize("encoding", ["", "identity", "gzip;q=0", "br", "deflate"])
def test_text_is_plain_for_who_does_not(client: FlaskClient, encoding: str) -> None:
    for address in ("/tariffs", "/v1/tariffs", "/static/site.css"):
        with client.get(address, headers={"Accept-Encoding": encoding}) as answer:
            assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_list_of_tags_is_compared_one_by_one(client: FlaskClient, address: str, encoding: str) -> None:
    def status(if_none_match: str) -> int:
        headers = {"Accept-Encoding": encoding, "If-None-Match": if_none_match}
        answer = client.get(address, headers=headers)
        if answer.status_code == 304:
            assert answer.data == b""
            assert answer.headers["ETag"] == tag
            assert answer.headers["Vary"] == first.headers["Vary"]
        return answer.status_code

    first = client.get(address, headers={"Accept-Encoding": encoding})
    tag = first.headers["ETag"]
    assert first.cache_control.public
    other = tag[:-1].removesuffix("-gzip") + ('"' if encoding == "gzip" else '-gzip"')
    for same in (tag, f"W/{tag}", f'"x", {tag}', f'W/"x",{tag} , "y"', f"{other}, {tag}", "*"):
        assert status(same) == 304, same
    for different in (other, f'"{tag[1:-2]}"', f'"x{tag[1:]}', f'"{tag[1:-1]}y"', '"x", "y"', '"*"', "x"):
        assert status(different) == 200, different


def test_what_is_one_household_s_own_has_no_tag(client: FlaskClient) -> None:
    for address in ("/?kwh=4500&power_kva=6", "/v1/bills?kwh=4500&power_kva=6", "/status"):
        answer = client.get(address, headers={"If-None-Match": "*"})
        assert answer.status_code == 200
        assert "ETag" not in answer.headers
        assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("given", "location"),
    [
        ("/tariffs/?option=TEMPO&x=%2F%26", "/tariffs?option=TEMPO&x=%2F%26"),
        ("/v1/tariffs/history/", "/v1/tariffs/history"),
        ("/v1//tariffs//?limit=1", "/v1/tariffs?limit=1"),
        ("/v1/tempo//", "/v1/tempo"),
        ("/docs/", "/docs"),
    ],
)
def test_another_spelling_of_a_path_redirects_to_ours(client: FlaskClient, given: str, location: str) -> None:
    path, _, query = given.partition("?")
    environ = {"PATH_INFO": path, "QUERY_STRING": query}  # a client's address begins with one slash
    for method in ("GET", "HEAD", "POST"):
        answer = client.open(method=method, headers={"Host": "evil.example"}, environ_overrides=environ)
        assert (answer.status_code, answer.headers["Location"]) == (308, location)
        assert answer.cache_control.no_store
        assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "path",
    ["/nowhere/", "//evil.example/", "//evil.example//v1", "/v1/", "/\\evil.example/", "/v1/tariffs/x/"],
)
def test_what_no_route_has_is_not_found(client: FlaskClient, path: str) -> None:
    answer = client.get(environ_overrides={"PATH_INFO": path})
    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_a_redirect_stays_below_its_sub_path(shared_app: Flask) -> None:
    answer = shared_app.test_client().get("/tariffs/?a=1", environ_overrides={"SCRIPT_NAME": "/electricite"})
    assert answer.headers["Location"] == "/electricite/tariffs?a=1"


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "false", "False", "FALSE"])
def test_booleans_are_in_any_case(ask: Callable[..., dict[str, object]], value: str) -> None:
    query = {"option": "EJP"}
    assert (
        ask("/v1/tariffs", include_stale=value, **query)["tariffs"]
        == ask("/v1/tariffs", include_stale=value.lower(), **query)["tariffs"]
    )


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("application/json;profile=x;q=0.5, text/csv;header=present;q=0.4", "application/json"),
        ("text/csv; header=present", "text/csv"),
        ("text/csv;charset=utf-8;q=0, */*", "application/json"),
    ],
)
def test_parameters_of_media_types_are_accepted(client: FlaskClient, accept: str, media_type: str) -> None:
    assert client.get("/v1/offers", headers={"Accept": accept}).mimetype == media_type
    body = '{"kwh": 4500, "power_kva": 6}'
    sent = client.post("/v1/bills", data=body, content_type="application/json; charset=utf-8; profile=x")
    assert sent.status_code == 200


def test_marks_of_others_in_an_address_are_ignored_but_by_the_api(client: FlaskClient) -> None:
    for page in (
        "/",
        "/tariffs",
        "/history",
        "/now",
        "/status",
        "/docs",
        "/openapi.json",
        "/static/site.css",
    ):
        with client.get(page, query_string={"utm_source": "x", "fbclid": "y"}) as answer:
            assert answer.status_code == 200, page
    assert client.get("/v1/offers?utm_source=x").status_code == 400
