"""What comes on paper of an answer: one page with all that it rests on, whole, in light colours."""

import base64

import pypdfium2  # type: ignore[import-untyped]
import pytest
from selenium.webdriver.common.by import By

from openwatt.web.pages.i18n import LANGUAGES
from tests.browser.conftest import Browser
from tests.browser.test_answer_in_browser import without_script
from tests.conftest import NOW

TYPED = "/?kwh=4500&power_kva=6&profile=electric_heating&present=EDF~Tarif+Bleu~TEMPO"
#: Today's prices, and those of each day, which rest on the most documents.
ANSWERS = {"now": f"{TYPED}&lang=fr", "then": f"{TYPED}&lang=en&prices=then"}


def printed(browser: Browser) -> pypdfium2.PdfDocument:
    """The page as the browser prints it."""
    options = {"preferCSSPageSize": True, "printBackground": False}
    answer = browser.driver.execute_cdp_cmd("Page.printToPDF", options)
    return pypdfium2.PdfDocument(base64.b64decode(answer["data"]))


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("dark", [False, True])
def test_an_answer_is_one_page_with_what_it_rests_on(browser: Browser, answer: str, *, dark: bool) -> None:
    browser.be(dark=dark)
    browser.open(ANSWERS[answer])
    document = printed(browser)
    assert len(document) == 1
    page = document[0]
    assert [round(side) for side in page.get_size()] == [595, 842], "A4"
    text = " ".join(page.get_textpage().get_text_bounded().split())
    ours = LANGUAGES["fr" if answer == "now" else "en"]
    for said in (ours.day(NOW.date()), ours.text("keep.sheet"), "Tarif Bleu", "6", ours.text("keep.verify")):
        assert " ".join(said.split()) in text
    assert browser.address in text, "the address that asks this again"
    picture = page.render(scale=1).to_pil().convert("L")
    assert picture.getpixel((2, 2)) == 255
    # Charts are there, in ink that a printer shows.
    assert picture.crop((60, 330, 540, 560)).getextrema()[0] < 120
    document.close()


def test_the_button_prints_and_is_not_there_without_script(browser: Browser) -> None:
    browser.be()
    browser.open(ANSWERS["now"])
    browser.driver.execute_script("window.print = () => { document.title = 'printing'; }")
    browser.driver.find_element(By.ID, "print").click()
    assert browser.driver.title == "printing"
    with without_script(browser):
        browser.open(ANSWERS["now"])
        assert not browser.driver.find_element(By.ID, "print").is_displayed()
        assert browser.driver.find_element(By.LINK_TEXT, LANGUAGES["fr"].text("keep.excel")).is_displayed()
