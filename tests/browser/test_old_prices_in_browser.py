"""What people see of prices that cannot be today's: folded below, without a script, at every width."""

import datetime as dt
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from selenium.webdriver.common.by import By

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.browser.conftest import Browser
from tests.browser.test_pages_in_browser import check, overflow, wait
from tests.conftest import close_app, serve_app
from tests.web.pages.test_home import LATE, seen_by

KWH = "/?lang=fr&kwh=4500&power_kva=6"


@pytest.fixture
def late(browser: Browser, filled_url: str) -> Iterator[Browser]:
    """The browser at a service of a day after a change, on which only the regulated tariff was seen since."""
    seen_by(filled_url, LATE - dt.timedelta(hours=1), market=False)
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: LATE)
    with serve_app(app) as address:
        yield browser.at(address)
    close_app(app)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 360])
def test_old_prices_are_folded_below_those_of_today(late: Browser, width: int, dark: bool) -> None:  # noqa: FBT001 - pytest names it
    late.be(width=width, dark=dark)
    late.open(KWH)
    best = late.driver.find_element(By.CLASS_NAME, "best").text
    assert "Le moins cher des tarifs réglementés : Tarif Bleu (EDF)" in best
    assert "Seul le tarif réglementé a un prix d’aujourd’hui." in best
    assert "openwatt ingest" in best
    table = late.driver.find_element(By.CSS_SELECTOR, "table.apart")
    assert not table.is_displayed()
    look = f"old-prices-fr-{width}-{'dark' if dark else 'light'}"
    check(late, look)
    late.driver.find_element(By.PARTIAL_LINK_TEXT, "Voir les anciens prix").click()
    wait(late, table.is_displayed)
    assert len(table.find_elements(By.CSS_SELECTOR, "tbody tr")) > 10
    assert late.faults_of_access() == []
    assert overflow(late) <= 0
    late.keep(f"{look}-open")


def test_old_prices_can_be_read_and_ranked_without_a_script(late: Browser) -> None:
    late.be()
    late.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        late.open(KWH)
        summary = late.driver.find_element(By.XPATH, "//details[.//table[contains(@class, 'apart')]]/summary")
        assert "dont le prix n’a pas été revu depuis le 1er févr. 2027" in summary.text
        summary.click()
        table = late.driver.find_element(By.CSS_SELECTOR, "table.apart")
        assert table.is_displayed()
        offers = len(table.find_elements(By.CSS_SELECTOR, "tbody tr"))
        late.driver.find_element(By.LINK_TEXT, "Les classer quand même avec les autres").click()
        wait(late, lambda: "include_outdated=true" in late.driver.current_url)
        badges = late.driver.find_elements(By.CSS_SELECTOR, ".ranking .badge.stale")
        assert sum(badge.get_attribute("textContent") == "Prix périmé" for badge in badges) == offers
        assert "Tarif Bleu" in late.driver.find_element(By.CLASS_NAME, "best").text
        late.driver.find_element(By.LINK_TEXT, "Ne classer que les prix d’aujourd’hui").click()
        wait(late, lambda: "include_outdated" not in late.driver.current_url)
    finally:
        late.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [1280, 360])
def test_the_old_price_of_the_present_contract_is_said(late: Browser, width: int) -> None:
    late.be(width=width)
    late.open(f"{KWH}&{urlencode({'present': 'Alpiq~Électricité Stable~BASE'})}")
    best = late.driver.find_element(By.CLASS_NAME, "best").text
    assert "Votre contrat actuel est compté au prix vu le 28 oct. 2025" in best
    row = late.driver.find_element(By.CSS_SELECTOR, ".ranking tr.yours").text
    assert "Prix périmé" in row
    check(late, f"old-present-fr-{width}")
