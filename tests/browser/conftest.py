"""A headless Chromium on the real app, served on loopback."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.conftest import serve_app
from tests.programs import find_program, require_program

ROOT = Path(__file__).resolve().parents[2]
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
OVERLAPS = (Path(__file__).parent / "overlaps.js").read_text()
#: Chromium asks its maker for nothing: what it asks for is asked by the page.
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
)


class Browser:
    """A browser at the app's address, what it asked for, and what it complained of."""

    def __init__(self, driver: Chrome, address: str, pictures: Path) -> None:
        self.driver = driver
        self.address = address
        self._pictures = pictures

    def at(self, address: str) -> "Browser":
        """The same browser at another app's address."""
        return Browser(self.driver, address, self._pictures)

    def be(self, *, width: int = 1280, dark: bool = False) -> None:
        """Takes a width in pixels and a colour scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[scheme])
        self._resize(width, 900)

    def open(self, path: str) -> None:
        """Loads a page and forgets what was asked before."""
        self.requests()
        self.driver.get(self.address + path)

    def requests(self) -> list[str]:
        """The addresses asked for since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
        asked = [event["params"]["request"]["url"] for event in sent]
        return [address for address in asked if not address.startswith("data:")]  # the browser's own icons

    def complaints(self) -> list[str]:
        """What stands in the console since the last time."""
        return [entry["message"] for entry in self._log("browser")]

    def faults_of_access(self) -> list[str]:
        """What axe finds on the page that is shown."""
        self.driver.execute_script(AXE)
        found: Any = self.driver.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']}).then(arguments[0])"
        )
        assert found["passes"], "axe has looked at something"
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]

    def overlapping_texts(self) -> list[str]:
        """Every two pieces of text that are printed over each other."""
        seen: Any = self.driver.execute_script(OVERLAPS)
        assert seen["boxes"], "some text was looked at"
        return list(seen["found"])

    def keep(self, name: str) -> None:
        """Keeps a picture of the whole page."""
        width, height = self.driver.execute_script(
            "return [innerWidth, document.documentElement.scrollHeight]"
        )
        self._resize(width, height)
        self._pictures.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(self._pictures / f"{name}.png"))
        self._resize(width, 900)

    def _log(self, name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(name)  # type: ignore[no-untyped-call]  # Selenium's
        return entries

    def _resize(self, width: int, height: int) -> None:
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", **sizes)

    def _command(self, name: str, **parameters: Any) -> None:
        self.driver.execute_cdp_cmd(name, parameters)


@pytest.fixture(scope="session")
def browser(shared_app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of a session; pictures go to var/browser, or where BROWSER_PICTURES says."""
    require_program("chromium", "chromedriver")
    options = ChromeOptions()
    options.binary_location = str(find_program("chromium"))
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    pictures = Path(os.environ.get("BROWSER_PICTURES", ROOT / "var" / "browser"))
    with serve_app(shared_app) as address:
        driver = Chrome(options=options, service=Service(find_program("chromedriver")))
        driver.set_script_timeout(20)
        yield Browser(driver, address, pictures)
        driver.quit()
