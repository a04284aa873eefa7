"""Below a sub-path the pages work in Chromium: forms, links, the drawn documentation and what it asks."""

from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.browser.conftest import Browser
from tests.conftest import NOW, close_app, serve_app

ROOT = "/electricite"


@pytest.fixture
def below(browser: Browser, filled_url: str) -> Iterator[Browser]:
    """The browser at an app that a proxy shows below a sub-path."""
    app = create_app(
        Settings(database_url=filled_url, workers=1, sub_path=ROOT, limit_bills="12000/minute"),
        clock=lambda: NOW,
    )
    with serve_app(app) as address:
        yield browser.at(address)
        browser.driver.get("about:blank")
    close_app(app)


def wait(browser: Browser, condition: Callable[[], object]) -> None:
    """Waits for a condition: long enough for any machine."""
    WebDriverWait(browser.driver, 40, poll_frequency=0.05).until(lambda _: condition())


def check(browser: Browser) -> None:
    """Everything that was asked for is below the sub-path, and nothing was complained of."""
    asked = browser.requests()
    assert asked
    assert [one for one in asked if not one.startswith(f"{browser.address}{ROOT}/")] == []
    assert browser.complaints() == []


def test_a_form_and_the_links_of_its_answer_stay_below(below: Browser) -> None:
    below.complaints()
    below.open(f"{ROOT}/?lang=en")
    below.driver.find_element(By.ID, "kwh").send_keys("4500")
    below.driver.find_element(By.CSS_SELECTOR, "#question button[type=submit]:not([name])").click()
    wait(below, lambda: below.driver.find_elements(By.CSS_SELECTOR, "td.cost"))
    for link in ("/tariffs", "/history", "/status"):
        below.driver.find_element(By.CSS_SELECTOR, f'nav a[href^="{ROOT}{link}"]').click()
        wait(below, lambda path=ROOT + link: path in below.driver.current_url)  # type: ignore[misc]  # bound now
    check(below)


def test_the_documentation_is_drawn_and_asks_below(below: Browser) -> None:
    below.complaints()
    below.open(f"{ROOT}/docs")
    wait(below, lambda: below.driver.find_elements(By.CSS_SELECTOR, ".opblock"))
    server = below.driver.find_element(By.CSS_SELECTOR, ".servers select option")
    assert server.get_attribute("value") == ROOT
    block = below.driver.find_element(By.ID, "operations-offers-suppliers")
    block.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    wait(below, lambda: block.find_elements(By.CSS_SELECTOR, "button.execute"))
    below.driver.execute_script("document.querySelector('button.execute').click()")
    wait(below, lambda: block.find_elements(By.CSS_SELECTOR, ".live-responses-table .response-col_status"))
    asked = below.requests()
    assert [one for one in asked if one.startswith(f"{below.address}{ROOT}/v1/suppliers")]
    assert [one for one in asked if not one.startswith(f"{below.address}{ROOT}/")] == []
    assert below.complaints() == []
