"""Two contracts side by side, "what if" and past years in a real browser, at every width."""

import datetime as dt
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from openwatt.domain.legal_time import Span
from tests.browser.conftest import Browser
from tests.browser.test_answer_in_browser import open_everything
from tests.browser.test_pages_in_browser import check, overflow, wait
from tests.browser.test_questions_in_browser import send
from tests.web.api.test_bills import file_of

ANSWER = "/?lang=fr&kwh=5000&power_kva=6&present=EDF~Tarif+Bleu~BASE"


def press(browser: Browser, part: str, then: str) -> None:
    """Presses the button of a part and waits for what its answer shows."""
    button = browser.driver.find_element(By.CSS_SELECTOR, f"button[name=part][value={part}]")
    browser.driver.execute_script("arguments[0].click()", button)
    wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, then))


def ask_all(browser: Browser) -> None:
    """Asks for each part, one after the other: what was asked before stays."""
    for name, value in (("versus_first", "EDF~Tarif Bleu~BASE"), ("versus_second", "EDF~Tarif Bleu~TEMPO")):
        Select(browser.driver.find_element(By.ID, name)).select_by_value(value)
    press(browser, "versus", ".reasons")
    browser.driver.find_element(By.ID, "shift_percent").send_keys("20 %")
    browser.driver.find_element(By.ID, "car_km_per_week").send_keys("200")
    browser.driver.find_element(By.ID, "car_kwh_per_100_km").send_keys("15,4")
    press(browser, "what-if", ".changed")
    press(browser, "past-years", ".years")
    for shown in (".reasons", ".changed", ".years"):
        assert browser.driver.find_elements(By.CSS_SELECTOR, shown), shown


def test_each_part_opens_in_its_place_and_stays_in_the_address(browser: Browser) -> None:
    browser.be()
    browser.open(ANSWER)
    ask_all(browser)
    address = browser.driver.current_url
    assert address.endswith("#past-years")
    for field in ("versus_second", "shift_percent=20", "car_kwh_per_100_km=15.4", "past_years=true"):
        assert field in address
    top = browser.driver.execute_script(
        "return document.getElementById('past-years').getBoundingClientRect().top"
    )
    assert 0 <= top < 900
    open_everything(browser)
    for width in (320, 360, 768, 1280):
        browser.be(width=width, dark=width == 360)
        assert overflow(browser) <= 0, width
        assert browser.overlapping_texts() == []
    browser.be(width=320, dark=True)
    check(browser, "understand-fr-320-open")


def test_a_file_is_changed_without_being_sent_again(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "annee.csv"
    file.write_bytes(file_of(600, Span(dt.date(2025, 9, 1), dt.date(2026, 9, 1))))
    browser.be(width=360)
    send(browser, file=str(file))
    ask_all(browser)
    assert "shift_percent" not in browser.driver.current_url
    assert "déplacée de 52 semaines" in browser.driver.page_source
    check(browser, "understand-file-fr-360")
