"""What people see: the pages in Chromium, with and without JavaScript, in every language, light and dark."""

from collections.abc import Callable

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import ROOT, Browser
from tests.browser.picture import HEIGHT, MOST_BYTES, PICTURE, WIDTH
from tests.shared_data import SHARED, needs_shared_data

CURVE = SHARED / "load_curves" / "Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv"
PAGES = {
    "home": "/?",
    "answer": "/?kwh=4500&power_kva=6&profile=electric_heating&",
    "fault": "/?kwh=many&",
    "tariffs": "/tariffs?option=TEMPO&",
    "history": "/history?offer=Alpiq~%C3%89lectricit%C3%A9+Stable&option=HPHC&",
    "now": "/now?contract=EDF~Tarif+Bleu~TEMPO&power_kva=9&",
    "now-hours": "/now?contract=EDF~Tarif+Bleu~HPHC&power_kva=6&off_peak_hours=22:30-06:30&",
    "status": "/status?",
}


def wait(browser: Browser, condition: Callable[[], object]) -> None:
    WebDriverWait(browser.driver, 10, poll_frequency=0.05).until(lambda _: condition())


def overflow(browser: Browser) -> int:
    width: int = browser.driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
    return width


def check(browser: Browser, name: str, expected: frozenset[str] = frozenset()) -> None:
    """A page is whole: nothing asked elsewhere, no complaint, axe finds nothing, it fits and can be read."""
    asked = browser.requests()
    assert asked
    assert [one for one in asked if not one.startswith(browser.address)] == []
    assert [one for one in browser.complaints() if not any(word in one for word in expected)] == []
    assert browser.faults_of_access() == []
    assert overflow(browser) <= 0
    assert browser.overlapping_texts() == []
    browser.keep(name)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole_on_every_screen(browser: Browser, page: str, language: str) -> None:
    expected = frozenset({"422", "400"}) if page == "fault" else frozenset()
    for width, dark in ((1280, False), (360, True)) if language == "fr" else ((1280, True), (360, False)):
        browser.be(width=width, dark=dark)
        browser.open(f"{PAGES[page]}lang={language}")
        check(browser, f"{page}-{language}-{width}-{'dark' if dark else 'light'}", expected)


@needs_shared_data
@pytest.mark.parametrize("dark", [False, True])
def test_a_file_that_is_dropped_is_answered(browser: Browser, dark: bool) -> None:  # noqa: FBT001  pytest's own
    browser.be(dark=dark)
    browser.open("/?lang=fr")
    browser.driver.execute_script(
        """
        const data = new DataTransfer();
        data.items.add(new File([arguments[0]], "courbe.csv", {type: "text/csv"}));
        document.getElementById("drop").dispatchEvent(
          new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        """,
        CURVE.read_text(),
    )
    wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#answer .ranking tbody tr"))
    rows = browser.driver.find_elements(By.CSS_SELECTOR, "#answer .ranking tbody tr")
    assert len(rows) > 10
    assert len(browser.driver.find_elements(By.CSS_SELECTOR, "svg.heat path")) == 7
    assert browser.driver.find_elements(By.CSS_SELECTOR, "svg.columns .part")
    check(browser, f"file-fr-1280-{'dark' if dark else 'light'}")


def test_the_history_is_drawn(browser: Browser) -> None:
    browser.be()
    browser.open("/history?option=TEMPO&power_kva=9&lang=en")
    wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#chart[data-drawn='6'] canvas"))
    inked = browser.driver.execute_script(
        """
        const canvas = document.querySelector("#chart canvas");
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const colours = new Set();
        for (let at = 0; at < data.length; at += 4)
          if (data[at + 3] === 255) colours.add(data.slice(at, at + 3).join());
        return [...colours];
        """
    )
    # The peak hours of red and blue days, in the colours of the style sheet.
    assert {"198,47,47", "31,95,191"} <= set(inked)
    check(browser, "history-tempo-en-1280-light")


def test_the_keyboard_reaches_the_content_and_every_field(browser: Browser) -> None:
    browser.be()
    browser.open("/?lang=en")
    keyboard = ActionChains(browser.driver)
    keyboard.send_keys(Keys.TAB).perform()
    skip = browser.driver.switch_to.active_element
    assert skip.get_attribute("class") == "skip"
    wait(browser, lambda: skip.location["y"] >= 0)
    keyboard.send_keys(Keys.ENTER).perform()
    reached = []
    for _ in range(10):  # two links above the form, its fields, and the summary of what is said about a file
        keyboard.send_keys(Keys.TAB).perform()
        reached.append(browser.driver.switch_to.active_element.get_attribute("name"))
    fields = ["file", "kwh", "profile", "power_kva", "present", "prices", "off_peak_hours"]
    assert [name for name in reached if name] == fields


def test_typed_kwh_replace_a_chosen_file(browser: Browser) -> None:
    browser.be()
    browser.open("/?lang=en")
    file = browser.driver.find_element(By.ID, "file")
    file.send_keys(__file__)
    says = browser.driver.find_element(By.CSS_SELECTOR, ".says")
    wait(browser, lambda: says.text.endswith(".py"))
    browser.driver.find_element(By.ID, "kwh").send_keys("4500")
    wait(browser, lambda: not file.get_attribute("value"))
    browser.driver.find_element(By.CSS_SELECTOR, ".send > button").click()
    wait(browser, lambda: browser.driver.find_elements(By.ID, "answer"))
    assert browser.complaints() == []


def test_without_javascript_the_form_is_answered_and_the_history_told(browser: Browser) -> None:
    browser.be()
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open("/?lang=en")
        browser.driver.find_element(By.ID, "kwh").send_keys("4500")
        browser.driver.find_element(By.CSS_SELECTOR, ".send > button").click()
        wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#answer .ranking"))
        browser.open("/history?lang=en")
        assert not browser.driver.find_element(By.ID, "chart").is_displayed()
        assert len(browser.driver.find_elements(By.CSS_SELECTOR, "table[data-chart] data")) >= 23
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_for_the_picture_of_readme_ranks_contracts(browser: Browser) -> None:
    browser.be(width=1100)
    browser.open(PAGES["answer"] + "lang=en")
    assert len(browser.driver.find_elements(By.CSS_SELECTOR, ".ranking tbody tr")) > 10
    browser.keep("readme")  # `make picture` cuts it out


def test_readme_shows_the_picture_and_it_is_small() -> None:
    with Image.open(PICTURE) as shown:
        assert shown.size == (WIDTH, HEIGHT)
    assert PICTURE.stat().st_size < MOST_BYTES
    assert f"({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text("utf-8")
