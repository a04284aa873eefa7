"""The table of sources on the status page, in Chromium: every state, both languages, light and dark."""

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.browser.conftest import Browser
from tests.browser.test_pages_in_browser import check
from tests.conftest import NOW, Server, close_app, serve_app

STATES = {
    "alpiq": ("published",),
    "dyneff_base": ("published", "refused"),
    "cre_open_data_base": ("unreachable",),
    "total_standard_fixe": ("unreadable", "unreachable", "refused"),
}


@pytest.fixture(scope="module")
def with_sources(browser: Browser, server: Server, filled: str) -> Iterator[Browser]:
    """The browser at an app whose sources stand in every way."""
    url = server.url(server.create(filled))
    with psycopg.connect(url, autocommit=True) as connection:
        for source, outcomes in STATES.items():
            for hours, outcome in enumerate(outcomes):
                at = NOW - dt.timedelta(hours=len(outcomes) - hours)
                connection.execute(
                    "insert into runs (source, supplier, started_at, finished_at, outcome) "
                    "values (%s, 'TotalEnergies', %s, %s, %s)",
                    [source, at, at, outcome],
                )
        old = NOW - dt.timedelta(days=20)
        connection.execute(
            "insert into runs (source, started_at, finished_at, outcome) "
            "values ('ilek_311', %s, %s, 'unchanged')",
            [old, old],
        )
    app = create_app(Settings(database_url=url, workers=1), clock=lambda: NOW)
    with serve_app(app) as address:
        yield browser.at(address)
    close_app(app)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("dark", [False, True])
def test_the_table_of_sources_is_whole_on_every_screen(
    with_sources: Browser,
    language: str,
    dark: bool,  # noqa: FBT001  pytest's own
) -> None:
    for width in (1280, 360):
        with_sources.be(width=width, dark=dark)
        with_sources.open(f"/status?lang={language}")
        shown = with_sources.driver.find_elements("css selector", "#sources ~ .scroll .badge")
        states = {str(one.get_attribute("class")).split()[-1] for one in shown}
        assert states == {"fresh", "verifying", "stale", "broken", "never"}
        check(with_sources, f"sources-{language}-{width}-{'dark' if dark else 'light'}")
