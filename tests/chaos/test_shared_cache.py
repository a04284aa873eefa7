"""A real nginx that caches for many clients before a real service: what it keeps is true for each of them."""

import gzip
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.running import Answer, Service, free_port, service_alone
from tests.chaos.test_proxies import NGINX, Behind, needs_nginx, running

#: It keeps what it may, by address and by what Vary names.
CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache keys_zone=shared:1m;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_cache shared;
      proxy_cache_revalidate on;
      add_header X-Cache $upstream_cache_status always;
    }}
  }}
}}
"""
#: Where the static files of the tested code are.
PACKAGE = Path(__file__).resolve().parents[2] / "openwatt" / "web" / "pages"
KEPT = ["/v1/tariffs?limit=3", "/v1/tempo.ics", "/openapi.json", "/", "/tariffs", "/history", "/docs"]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One service for all tests here."""
    with service_alone() as started:
        yield started


@pytest.fixture(scope="module")
def cache(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same service as its clients see it, through a shared cache."""
    assert NGINX is not None
    folder, proxy = tmp_path_factory.mktemp("nginx"), Behind(free_port())
    config = folder / "nginx.conf"
    config.write_text(CONFIGURATION.format(folder=folder, port=proxy.port, upstream=service.port))
    with running([NGINX, "-c", str(config), "-p", str(folder), "-e", "stderr"], proxy.port, folder):
        yield proxy


def text(answer: Answer) -> bytes:
    """The body as it was before it was compressed."""
    return gzip.decompress(answer.body) if "content-encoding" in answer.headers else answer.body


@needs_nginx
@pytest.mark.parametrize("path", KEPT)
def test_what_a_cache_gives_says_nothing_of_another_client(cache: Service, path: str) -> None:
    ids = [f"client-{number}-of-the-cache" for number in range(4)]
    answers = [cache.get(path, headers={"X-Request-ID": one, "Origin": f"https://{one}"}) for one in ids]
    assert [answer.headers["x-cache"] for answer in answers[1:]] == ["HIT"] * 3
    for answer, own in zip(answers, ids, strict=True):
        assert answer.status == 200
        everything = repr(answer.headers)
        assert not [one for one in ids if one != own and one in everything]
        assert "ratelimit" not in answer.headers, "what remains is another client's"
        assert "ratelimit-policy" in answer.headers
    compressed = cache.get(path, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert text(compressed) == text(answers[0])
    assert cache.get(path).body == answers[0].body, "each coding is kept apart"
    for answer in (compressed, answers[0]):
        headers = {"If-None-Match": f'"x", W/{answer.headers["etag"]}'}
        headers |= {"Accept-Encoding": answer.headers.get("content-encoding", "identity")}
        assert cache.get(path, headers=headers).status == 304


@needs_nginx
def test_pages_of_every_origin_read_a_cached_answer(cache: Service) -> None:
    path = "/v1/tariffs?limit=4"
    assert cache.get(path).headers["x-cache"] == "MISS"  # asked for by a program, without an origin
    for origin in ("https://a.example", "https://b.example"):
        answer = cache.get(path, headers={"Origin": origin})
        assert (answer.headers["x-cache"], answer.headers["access-control-allow-origin"]) == ("HIT", "*")


@needs_nginx
def test_problems_and_a_household_s_own_pass_with_their_ids(cache: Service) -> None:
    for path, status in (
        ("/v1/tariffs?on=never", 400),
        ("/v1/bills?kwh=4500&power_kva=6", 200),
        ("/?kwh=4500&power_kva=6", 200),
        ("/v1/nowhere", 404),
        ("/v1/tariffs/", 308),
    ):
        for number in range(3):
            own = f"client-{number}-of-the-cache"
            answer = cache.get(path, headers={"X-Request-ID": own})
            assert (answer.status, answer.headers["x-request-id"]) == (status, own)
            assert answer.headers["x-cache"] != "HIT"


@needs_nginx
def test_static_files_are_immutable_and_compressed_once(cache: Service) -> None:
    page = cache.get("/").body.decode()
    named = re.findall(r'(?:src|href)="(/static/[^"]*)"', page)
    assert len(named) >= 2
    for address, _ in itertools.product(named, range(2)):
        answer = cache.get(address, headers={"Accept-Encoding": "gzip"})
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert text(answer) == (PACKAGE / re.sub(r"\.[0-9a-f]{16}(?=\.\w+$)", "", address[1:])).read_bytes()
    assert answer.headers["x-cache"] == "HIT"
    plain = re.sub(r"\.[0-9a-f]{16}(?=\.\w+$)", "", named[0])
    for _ in range(2):  # the name of before, and one of another version: answered, and checked each time
        for old in (plain, plain.replace(".", ".0123456789abcdef.", 1)):
            answer = cache.get(old)
            assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")
            assert answer.headers["x-cache"] != "HIT"
