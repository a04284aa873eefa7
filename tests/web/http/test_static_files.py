"""Static files have names with their hash, which caches keep for ever; every other name is checked again."""

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from openwatt.web.http.static_files import StaticFiles

PAGES = ["/", "/?kwh=4500&power_kva=6", "/tariffs", "/history", "/now", "/status", "/docs"]
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_names_static_files_with_their_hash(client: FlaskClient, page: str) -> None:
    named = set(re.findall(r'(?:src|href|content)="([^"]*/static/[^"]*)"', client.get(page).text))
    assert len(named) >= 2
    for address in named:
        assert re.search(r"\.[0-9a-f]{16}\.\w+$", address), address
        answer = client.get(address, headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, IMMUTABLE), address
        assert "X-Request-ID" not in answer.headers


def site(folder: Path, **files: str) -> FlaskClient:
    """A client of an app whose static files are these; its folder may be changed afterwards."""
    for name, text in files.items():
        (folder / f"{name}.css").write_text(text)
    app = Flask("site", static_folder=None)
    StaticFiles(folder).init_app(app)
    app.add_url_rule("/<name>", "page", lambda name: url_for("static", filename=name))
    return app.test_client()


def test_old_and_new_workers_give_each_page_its_files(tmp_path: Path) -> None:
    old = site(tmp_path, a="a of the old version, " * 40, gone="of the old version alone")
    old_names = {name: old.get(f"/{name}.css").text for name in ("a", "gone")}
    (tmp_path / "gone.css").unlink()
    new = site(tmp_path, a="a of the new version, " * 40, added="of the new version alone")
    new_names = {name: new.get(f"/{name}.css").text for name in ("a", "added")}
    assert old_names["a"] != new_names["a"]
    for worker, names, text in (
        (old, old_names, "old"),
        (new, new_names, "new"),
        (old, new_names, "new"),  # an upgrade is under way: the folder has the file, its hash tells so
    ):
        for address in names.values():
            for headers in ({}, {"Accept-Encoding": "gzip"}):
                answer = worker.get(address, headers=headers)
                body = gzip.decompress(answer.data) if "Content-Encoding" in answer.headers else answer.data
                assert f"the {text} version".encode() in body
                assert answer.headers["Cache-Control"] == IMMUTABLE
    stale = new.get(old_names["a"])  # of a page that was open before the upgrade
    assert b"the new version" in stale.data
    assert stale.headers["Cache-Control"] == "no-cache"
    assert new.get(old_names["gone"]).status_code == 404


def test_a_name_without_hash_is_checked_again_each_time(tmp_path: Path) -> None:
    client = site(tmp_path, a="x" * 600)
    first = client.get("/static/a.css")
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-cache")
    again = client.get("/static/a.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    part = client.get("/static/a.css", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.data) == (206, b"x" * 10)


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.css", "../secret.0123456789abcdef.css", "..%2fsecret.css", "%2e%2e/secret.css"),
        *("/etc/passwd", "a%00.css", "a.0123456789abcdef.css%00", ".", "nothing.0123456789abcdef.css"),
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.css").write_text("secret")
    inside = tmp_path / "static"
    inside.mkdir()
    assert site(inside, a="a").get(f"/static/{name}", follow_redirects=True).status_code == 404
