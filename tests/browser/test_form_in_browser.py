"""The form as people meet it: faults, an answer's address, another language after a file, the example."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.browser.conftest import Browser
from tests.browser.test_pages_in_browser import check, wait
from tests.web.api.test_bills import TWO_DAYS

COMPARE = "#question .send > button"


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def either(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """The browser with JavaScript and without."""
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not request.param})
    browser.be(width=360)
    yield browser
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def click(browser: Browser, selector: str) -> None:
    """Clicks a button where it stands."""
    button = browser.driver.find_element(By.CSS_SELECTOR, selector)
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def focused(browser: Browser) -> str | None:
    """The id of the element that has the focus."""
    return browser.driver.switch_to.active_element.get_attribute("id")


def test_the_first_faulty_field_has_the_focus_and_the_list_leads_to_each(either: Browser) -> None:
    either.open("/?lang=fr")
    either.driver.find_element(By.CSS_SELECTOR, COMPARE).click()
    wait(either, lambda: either.driver.find_elements(By.ID, "faults"))
    assert either.driver.find_element(By.ID, "faults").text.splitlines() == [
        "À corriger avant de comparer",
        "Déposez un fichier ou tapez vos kWh.",
    ]
    wait(either, lambda: focused(either) == "file")
    either.driver.find_element(By.ID, "kwh").send_keys("beaucoup")
    either.driver.find_element(By.ID, "off_peak_hours").send_keys("la nuit")
    either.driver.find_element(By.CSS_SELECTOR, COMPARE).click()
    wait(either, lambda: len(either.driver.find_elements(By.CSS_SELECTOR, "#faults a")) == 2)
    wait(either, lambda: focused(either) == "kwh")
    either.driver.find_elements(By.CSS_SELECTOR, "#faults a")[1].click()
    assert either.driver.current_url.endswith("#off_peak_hours")
    assert [one for one in either.complaints() if "422" not in one and "400" not in one] == []


@pytest.mark.parametrize(("width", "dark"), [(320, False), (1280, True)])
def test_a_list_of_faults_is_whole_on_every_screen(
    browser: Browser,
    width: int,
    dark: bool,  # noqa: FBT001 - pytest names it
) -> None:
    browser.be(width=width, dark=dark)
    browser.complaints()
    browser.open("/?kwh=beaucoup&off_peak_hours=la+nuit&lang=fr")
    check(browser, f"faults-fr-{width}", frozenset({"400"}))


def test_a_typed_answer_has_its_address_and_its_link_is_copied(browser: Browser) -> None:
    browser.be(width=360)
    browser.open("/?lang=fr")
    browser.driver.find_element(By.ID, "kwh").send_keys("5 000 kWh")
    browser.driver.find_element(By.CSS_SELECTOR, COMPARE).click()
    wait(browser, lambda: browser.driver.find_elements(By.ID, "answer"))
    address, _, fragment = browser.driver.current_url.partition("#")
    assert address == f"{browser.address}/?kwh=5000&power_kva=6&lang=fr"
    assert fragment == "answer"
    line = browser.driver.find_element(By.CSS_SELECTOR, ".asked > summary")
    assert "kWh par an" in line.text
    assert line.rect["y"] - browser.driver.execute_script("return scrollY") >= 0, "in sight above the answer"
    assert not browser.driver.find_element(By.ID, "kwh").is_displayed()
    line.click()
    assert browser.driver.find_element(By.ID, "kwh").get_attribute("value") == "5000"
    for setting, shown in (("granted", False), ("denied", True)):
        browser.driver.execute_cdp_cmd(
            "Browser.setPermission", {"permission": {"name": "clipboard-write"}, "setting": setting}
        )
        click(browser, "#copy")
        says = browser.driver.find_element(By.ID, "copy-says")
        wait(browser, lambda says=says: says.text)  # type: ignore[misc]  # bound now
        shared = browser.driver.find_element(By.ID, "shared")
        assert shared.is_displayed() == shown
        assert shared.get_attribute("value") == address
        browser.driver.execute_script("arguments[0].textContent = ''", says)
    selected = browser.driver.execute_script("return getSelection().toString()")
    assert selected == address
    assert browser.complaints() == []


def test_a_file_s_answer_stays_in_another_language(either: Browser, tmp_path: Path) -> None:
    file = tmp_path / "courbe.csv"
    file.write_bytes(TWO_DAYS)
    either.open("/?lang=fr")
    either.driver.find_element(By.ID, "file").send_keys(str(file))
    either.driver.find_element(By.CSS_SELECTOR, COMPARE).click()
    wait(either, lambda: either.driver.find_elements(By.ID, "answer"))
    wait(either, lambda: focused(either) == "answer")
    costs = "#answer td.cost strong"
    before = [one.get_attribute("textContent") for one in either.driver.find_elements(By.CSS_SELECTOR, costs)]
    either.driver.find_element(By.CSS_SELECTOR, "button.language").click()
    wait(either, lambda: either.driver.find_elements(By.CSS_SELECTOR, "html[lang=en] #answer"))
    after = [one.get_attribute("textContent") for one in either.driver.find_elements(By.CSS_SELECTOR, costs)]
    assert len(after) == len(before) > 10
    assert either.driver.find_elements(By.CSS_SELECTOR, ".recognised")
    assert either.complaints() == []


@pytest.mark.parametrize(("width", "dark"), [(320, True), (1280, False)])
def test_the_example_is_one_click_away(
    browser: Browser,
    width: int,
    dark: bool,  # noqa: FBT001 - pytest names it
) -> None:
    browser.be(width=width, dark=dark)
    browser.open("/?lang=fr")
    check(browser, f"front-fr-{width}")
    click(browser, ".try .button")
    wait(browser, lambda: browser.driver.find_elements(By.CSS_SELECTOR, "#answer .ranking"))
    assert "example=house" in browser.driver.current_url
    check(browser, f"example-fr-{width}")
