"""What a household sees of its answer: readable at every width, contracts that open and can be filtered."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from openwatt.domain.legal_time import Span
from tests.browser.conftest import Browser
from tests.browser.test_pages_in_browser import check, overflow, wait
from tests.browser.test_questions_in_browser import send
from tests.web.api.test_bills import file_of

WIDTHS = [320, 360, 768, 900, 1024, 1280]
TYPED = "/?lang=fr&kwh=4500&power_kva=6&profile=electric_heating"
ANSWERS = {
    "present": f"{TYPED}&present=EDF~Tarif+Bleu~TEMPO"
    "&versus_first=EDF~Tarif+Bleu~BASE&versus_second=EDF~Tarif+Bleu~TEMPO",
    "then": f"{TYPED}&prices=then",
    "chosen": f"{TYPED}&only_pricing=fixed&only_green=yes",
}


#: The rows of the ranking itself: prices that cannot be today's and incomplete ones stand apart.
ROWS = ".ranking:not(.apart) tbody tr"


@contextmanager
def without_script(browser: Browser) -> Iterator[None]:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_texts_that_lie_over_each_other_are_found(browser: Browser) -> None:
    browser.be()
    browser.open("/status?lang=fr")
    assert browser.overlapping_texts() == []
    browser.driver.execute_script(
        "const one = document.querySelector('h1'); one.style.position = 'relative';"
        "one.style.top = one.nextElementSibling.getBoundingClientRect().top"
        " - one.getBoundingClientRect().top + 'px'"
    )
    assert browser.overlapping_texts()


def open_everything(browser: Browser) -> None:
    """Opens each contract, table and list of the answer."""
    browser.driver.execute_script(
        "for (const one of document.querySelectorAll('#answer details')) one.open = true"
    )


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_can_be_read_at_every_width(browser: Browser, answer: str) -> None:
    browser.open(ANSWERS[answer])
    for width in WIDTHS:
        browser.be(width=width, dark=width == 360)
        assert overflow(browser) <= 0
        assert browser.overlapping_texts() == []
    open_everything(browser)
    for width in WIDTHS:
        browser.be(width=width)
        assert overflow(browser) <= 0
        assert browser.overlapping_texts() == []
    browser.be(width=320)
    browser.open(ANSWERS[answer])
    open_everything(browser)
    check(browser, f"answer-{answer}-fr-320-open")


def test_a_file_of_part_of_a_year_can_be_read(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "annee.csv"
    file.write_bytes(file_of(600, Span(dt.date(2025, 9, 9), dt.date(2026, 8, 25))))
    browser.be(width=320)
    send(browser, file=str(file))
    figures = browser.driver.find_element(By.CSS_SELECTOR, "#answer .picture .figures")
    assert "Total des 350 jours" in (figures.get_attribute("textContent") or "")
    assert "Ramené à 365 jours (× 365 / 350)" in (figures.get_attribute("textContent") or "")
    open_everything(browser)
    check(browser, "answer-350-days-fr-320")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_first_screen_says_what_to_do(browser: Browser, width: int) -> None:
    browser.be(width=width)
    browser.open(f"{TYPED}&present=EDF~Tarif+Bleu~BASE#answer")
    best = browser.driver.find_element(By.CLASS_NAME, "best")
    for said in ("coûte le moins cher", "par an", "par mois", "de moins par an que votre contrat actuel"):
        assert said in best.text
    go = best.find_element(By.CSS_SELECTOR, "a.button")
    assert (go.get_attribute("href") or "").startswith("https://")
    top = browser.driver.execute_script(
        "document.getElementById('answer').scrollIntoView();"
        "return arguments[0].getBoundingClientRect().bottom",
        go,
    )
    assert top < 800, "what to do is on the first screen"


def test_a_contract_opens_to_its_prices_terms_and_supplier_without_a_script(browser: Browser) -> None:
    browser.be(width=360)
    with without_script(browser):
        browser.open(ANSWERS["chosen"])
        row = browser.driver.find_element(By.CSS_SELECTOR, ROWS)
        assert "fixe 12 mois" not in row.text
        row.find_element(By.TAG_NAME, "summary").click()
        for said in ("Prix du kWh", "€ par mois", "fixe 12 mois", "nouveaux clients", "Source :"):
            assert said in row.text
        links = {link.text: link.get_attribute("href") for link in row.find_elements(By.TAG_NAME, "a")}
        assert (
            links["Voir l’offre chez La Bellenergie"] == "https://labellenergie.fr/offre-electricite-verte/"
        )
        assert links["Grille de prix du fournisseur"]
        row.find_element(By.LINK_TEXT, "Historique des prix").click()
        wait(browser, lambda: "/history" in browser.driver.current_url)
        assert "Prudence" in browser.driver.find_element(By.TAG_NAME, "main").text


def test_contracts_are_chosen_without_a_script_and_all_shown_again(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "annee.csv"
    file.write_bytes(file_of(600, Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))))
    browser.be()
    for sent in ({"kwh": "4500"}, {"file": str(file)}):  # a file is carried in the page
        send(browser, **sent)
        with without_script(browser):
            rows = browser.driver.find_elements(By.CSS_SELECTOR, ROWS)
            browser.driver.find_element(By.CSS_SELECTOR, ".choice summary").click()
            Select(browser.driver.find_element(By.ID, "only_pricing")).select_by_value("indexed")
            browser.driver.find_element(By.CSS_SELECTOR, ".choice button").click()
            wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, ".count button"))
            count = browser.driver.find_element(By.CLASS_NAME, "count").text
            shown = browser.driver.find_elements(By.CSS_SELECTOR, f"{ROWS}:not(.regulated)")
            assert f"{len(shown)} contrat" in count
            assert 0 < len(shown) < len(rows)
            browser.driver.find_element(By.CSS_SELECTOR, ".count button").click()
            wait(browser, lambda: not browser.driver.find_elements(By.CSS_SELECTOR, ".count button"))
            assert len(browser.driver.find_elements(By.CSS_SELECTOR, ROWS)) == len(rows)
