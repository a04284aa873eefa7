"""The pages beside the comparison in Chromium: on every width, zoomed, by pointer and by touch."""

from collections.abc import Callable
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from openwatt.web.pages.i18n import LANGUAGES
from tests.browser.conftest import Browser

PAGES = {
    "tariffs": "/tariffs?",
    "tariffs-seasons": "/tariffs?option=SAISON_SUPER_CREUSES&sort=price&pricing=variable&",
    "history": "/history?offer=Alpiq~%C3%89lectricit%C3%A9+Stable&option=HPHC&",
    "history-tempo": "/history?option=TEMPO&power_kva=9&",
    "history-missing": "/history?offer=Alpiq~%C3%89lectricit%C3%A9+Stable&option=TEMPO&",
    "now": "/now?contract=EDF~Tarif+Bleu~TEMPO&power_kva=9&",
    "now-hours": "/now?contract=EDF~Tarif+Bleu~HPHC&off_peak_hours=22:30-06:30&",
    "status": "/status?",
    "docs": "/docs?",
    "problem": "/nowhere?",
}
#: A phone, the widths on both sides of each of our breaks, a laptop; 640 and 180 px are what 200 % of zoom
#: leaves of a small laptop and of a phone on its side.
WIDTHS = (320, 360, 640, 736, 737, 768, 834, 900, 1088, 1100, 1280)
#: What reaches beyond the page, or beyond the frame of its content.
BEYOND = """
const main = document.querySelector("main");
const edge = main.getBoundingClientRect().right - parseFloat(getComputedStyle(main).paddingRight) + 1;
const parts = [...main.querySelectorAll(":scope > *, :scope > section > *, :scope > * > table")];
const beyond = parts.filter((one) => one.getBoundingClientRect().right > edge);
const over = document.documentElement.scrollWidth - innerWidth;
return [over, ...beyond.map((one) => one.outerHTML.slice(0, 120))];
"""


def wait(browser: Browser, condition: Callable[[], object]) -> None:
    WebDriverWait(browser.driver, 40, poll_frequency=0.05).until(lambda _: condition())


def opened(browser: Browser, page: str, language: str) -> None:
    browser.complaints()
    browser.open(f"{PAGES[page]}lang={language}")
    if page == "docs":
        wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, ".opblock"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_every_width(browser: Browser, page: str) -> None:
    browser.be(width=1280)
    opened(browser, page, "fr")
    for width in WIDTHS:
        browser.be(width=width)
        wait(browser, lambda: browser.driver.execute_script(BEYOND) == [0])


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing(browser: Browser, page: str) -> None:
    for width, dark, language in ((320, False, "fr"), (1280, True, "en")):
        browser.be(width=width, dark=dark)
        opened(browser, page, language)
        assert browser.faults_of_access() == []
        assert [one for one in browser.complaints() if page != "problem" or "404" not in one] == []
        browser.keep(f"{page}-{language}-{width}-{'dark' if dark else 'light'}")


def test_axe_finds_nothing_in_an_opened_operation(browser: Browser) -> None:
    for dark in (False, True):
        browser.be(width=360 if dark else 1280, dark=dark)
        opened(browser, "docs", "fr")
        block = browser.driver.find_element(By.ID, "operations-tariffs-tariffs")
        block.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
        wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "pre.microlight[tabindex]"))
        assert browser.faults_of_access() == []
    assert browser.driver.find_element(By.CSS_SELECTOR, "nav a[aria-current=page]").text == "API"


def at_day(browser: Browser, day: str) -> tuple[int, int]:
    """Where a day is on the drawn chart, in pixels of the window, by its first day and today."""
    place: Any = browser.driver.execute_script(
        """
        const over = document.querySelector(".u-over").getBoundingClientRect();
        const rows = [...document.querySelectorAll("tr[data-from]")];
        const first = Math.min(...rows.map((row) => Date.parse(row.dataset.from)));
        const last = Date.parse(document.getElementById("chart").dataset.today);
        const share = (Date.parse(arguments[0]) - first) / (last - first);
        return [over.left + over.width * share, over.top + over.height / 2];
        """,
        day,
    )
    return round(place[0]), round(place[1])


def shown_by(browser: Browser) -> list[str]:
    """The day that the chart tells of, and its prices."""
    cells = browser.driver.find_elements(By.CSS_SELECTOR, "#chart [data-day], #chart [data-price]")
    return [cell.text for cell in cells]


def test_the_pointer_shows_the_price_of_its_day_and_of_no_other(browser: Browser) -> None:
    browser.be(width=1280)
    browser.open("/history?option=BASE&power_kva=6&lang=en")
    wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#chart[data-drawn]"))
    browser.driver.execute_script("document.querySelector('.u-over').scrollIntoView({block: 'center'})")
    # Tarif Bleu Base 6 kVA: 0.2276 from 1 August 2023, 0.2516 from 1 February 2024.
    for day, price in (("2023-11-15", "€0.2276"), ("2024-01-20", "€0.2276"), ("2024-02-15", "€0.2516")):
        x, y = at_day(browser, day)
        browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
        wait(browser, lambda: shown_by(browser)[1] == price)  # noqa: B023  at once
        assert shown_by(browser)[0].endswith(day[:4])


def test_a_finger_shows_the_prices_of_its_day(browser: Browser) -> None:
    browser.be(width=360)
    browser.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        browser.open("/history?offer=Alpiq~%C3%89lectricit%C3%A9+Stable&option=HPHC&power_kva=6&lang=fr")
        wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#chart[data-drawn]"))
        browser.driver.execute_script("document.querySelector('.u-over').scrollIntoView({block: 'center'})")
        for kind, day in (("touchStart", "2023-11-15"), ("touchMove", "2023-10-15")):
            x, y = at_day(browser, day)
            browser.driver.execute_cdp_cmd(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            )
            # The offer is not known on that day; the regulated tariff is.
            prices = ["–", "0,2460 €", "–", "0,1828 €"]
            wait(browser, lambda: shown_by(browser)[1:] == prices)  # noqa: B023  at once
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_an_offer_and_the_regulated_tariff_differ_by_their_lines(browser: Browser) -> None:
    browser.be(width=1280)
    browser.open(PAGES["history"] + "lang=fr")
    wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#chart[data-drawn]"))
    dashes = [
        line.value_of_css_property("stroke-dasharray")
        for line in browser.driver.find_elements(By.CSS_SELECTOR, ".readout .sample path")
    ]
    assert dashes == ["none", "7px, 4px"]
    assert browser.driver.find_element(By.CSS_SELECTOR, "#chart .unit").text == "€/kWh"
    seen = LANGUAGES["fr"].texts["history.seen_to"].partition("{")[0].strip()
    assert seen in browser.driver.find_element(By.CSS_SELECTOR, ".readout").text  # at the chart's end, today


def test_on_a_phone_the_prices_stand_first_in_the_tables(browser: Browser) -> None:
    browser.be(width=360)
    browser.open(PAGES["history"] + "lang=fr")
    right_edges: list[float] = browser.driver.execute_script(
        """
        const prices = [...document.querySelectorAll("table[data-chart] data")];
        return prices.map((one) => one.getBoundingClientRect().right);
        """
    )
    assert len(right_edges) > 40
    assert max(right_edges) <= 360


def test_the_charts_of_now_fit_a_phone_with_text_that_can_be_read(browser: Browser) -> None:
    browser.be(width=320)
    browser.open(PAGES["now-hours"] + "lang=fr")
    found: list[list[float]] = browser.driver.execute_script(
        """
        const texts = [...document.querySelectorAll(".picture svg text")];
        const shown = texts.filter((one) => one.getBoundingClientRect().width);
        return shown.map((one) => {
          const { left, right } = one.getBoundingClientRect();
          return [left, right, parseFloat(getComputedStyle(one).fontSize)];
        });
        """
    )
    assert len(found) > 20
    assert min(left for left, _, _ in found) >= 0
    assert max(right for _, right, _ in found) <= 320
    assert min(size for _, _, size in found) >= 11
    assert browser.driver.find_elements(By.CSS_SELECTOR, ".slide") == []


def test_tariffs_are_sorted_without_javascript(browser: Browser) -> None:
    browser.be(width=1280)
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open("/tariffs?option=BASE&power_kva=6&lang=en")
        for order in ("ascending", "descending"):
            browser.driver.find_element(By.CSS_SELECTOR, "thead th:nth-child(4) a").click()
            selector = f"th[aria-sort={order}]"
            wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, selector))  # noqa: B023  at once
            cells = browser.driver.find_elements(By.CSS_SELECTOR, "tbody .prices dd")
            prices = [cell.text for cell in cells]
            assert prices == sorted(prices, reverse=order == "descending")
            assert len(prices) > 20
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_next_prices_of_a_contract_fit_a_phone(browser: Browser) -> None:
    browser.be(width=360)
    browser.open(PAGES["now-hours"] + "lang=fr")
    table = browser.driver.find_element(By.CSS_SELECTOR, ".next-prices")
    assert browser.driver.execute_script("return arguments[0].scrollWidth", table) <= 360 - 2 * 16
    shown = {cell.value_of_css_property("display") for cell in table.find_elements(By.CSS_SELECTOR, "th, td")}
    assert shown == {"table-cell"}
