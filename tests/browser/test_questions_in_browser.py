"""What people see who have two seasons of off-peak hours, a week of measurements, or the wrong file."""

import datetime as dt
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from openwatt.domain.legal_time import Span
from tests.browser.conftest import Browser
from tests.browser.test_pages_in_browser import check, wait
from tests.web.api.test_bills import DOUBTFUL, file_of

WIDTHS = [1280, 360]
JUNE = Span(dt.date(2026, 6, 1), dt.date(2026, 6, 8))
#: The account's export of one value a day.
DAILY = "Date;Valeur (en kWh)\n" + "".join(f"{day:02}/06/2026;{day},5\n" for day in range(1, 30))


def send(browser: Browser, **fields: str) -> None:
    """Fills the form and sends it."""
    browser.open("/?lang=fr")
    browser.driver.execute_script("for (const one of document.querySelectorAll('.seasons')) one.open = true")
    for name, text in fields.items():
        browser.driver.find_element(By.ID, name).send_keys(text)
    button = browser.driver.find_element(By.CSS_SELECTOR, "button[type=submit]:not([name])")
    browser.driver.execute_script("arguments[0].click()", button)
    wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#answer, .fault"))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_hours_of_two_seasons_are_typed_and_shown_again(browser: Browser, width: int) -> None:
    browser.be(width=width)
    hours = {"off_peak_summer": "2h-6h et 11h-15h", "off_peak_winter": "de 22h30 à 6h30"}
    send(browser, kwh="5000", **hours)
    assert browser.driver.find_elements(By.ID, "answer")
    browser.driver.find_element(By.CSS_SELECTOR, ".asked > summary").click()
    for name, text in hours.items():
        typed = browser.driver.find_element(By.ID, name)
        assert typed.is_displayed()
        assert typed.get_attribute("value") == text
    check(browser, f"two-seasons-fr-{width}")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_week_of_june_is_not_shown_as_a_year(browser: Browser, width: int, tmp_path: Path) -> None:
    file = tmp_path / "juin.csv"
    file.write_bytes(file_of(600, JUNE))
    browser.be(width=width)
    send(browser, file=str(file))
    best = browser.driver.find_element(By.CLASS_NAME, "best").text
    assert "7 jours ne font pas une année" in best
    assert "par an" not in best
    check(browser, f"part-of-year-fr-{width}")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_refused_file_is_named_with_what_to_bring(browser: Browser, width: int, tmp_path: Path) -> None:
    file = tmp_path / "jours.csv"
    file.write_text(DAILY, "utf-8")
    browser.be(width=width)
    send(browser, file=str(file))
    refusal = browser.driver.find_element(By.ID, "drop").text
    assert "une valeur par jour" in refusal
    assert "Enedis" in refusal
    check(browser, f"refused-file-fr-{width}", frozenset({"422"}))


@pytest.mark.parametrize("width", WIDTHS)
def test_an_ambiguous_file_shows_the_fields_that_decide_and_is_read_with_them(
    browser: Browser, width: int, tmp_path: Path
) -> None:
    file = tmp_path / "mesures.csv"
    file.write_bytes(DOUBTFUL)
    browser.be(width=width)
    send(browser, file=str(file))
    refusal = browser.driver.find_element(By.ID, "drop").text
    assert "Ce fichier peut se lire de deux façons" in refusal
    assert "peut être le début ou la fin de la mesure" in refusal
    assert "--stamps" not in refusal
    stamps = browser.driver.find_element(By.ID, "stamps")
    assert stamps.is_displayed()
    check(browser, f"ambiguous-file-fr-{width}", frozenset({"422"}))
    Select(stamps).select_by_value("start")
    Select(browser.driver.find_element(By.ID, "unit")).select_by_value("W")
    browser.driver.find_element(By.ID, "file").send_keys(str(file))
    button = browser.driver.find_element(By.CSS_SELECTOR, "button[type=submit]:not([name])")
    browser.driver.execute_script("arguments[0].click()", button)
    wait(browser, lambda: browser.driver.find_elements(By.ID, "answer"))
