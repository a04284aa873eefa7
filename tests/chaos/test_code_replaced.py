"""Code that is replaced in its folder: the old workers serve the old code as a whole until they end."""

import re
import shutil
from pathlib import Path

from tests.chaos.running import REPOSITORY, ConfiguredService, Home

#: Every kind of response: from statements, from figures that ship with the code, from templates, of an error.
ADDRESSES = (
    "/v1/tariffs?power_kva=6",
    "/v1/tariffs?power_kva=6&format=csv",
    "/v1/tariffs/history?power_kva=6&supplier=EDF",
    "/v1/suppliers",
    "/v1/offers",
    "/v1/tempo?from=2026-01-01&to=2026-01-31",
    "/v1/prices?option=TEMPO&power_kva=6",
    "/v1/prices/now?option=EJP&power_kva=9",
    "/v1/tempo/season",
    "/v1/tempo.ics",
    "/v1/ejp.ics",
    "/v1/tariff-changes.ics?option=BASE&power_kva=6",
    "/v1/guards/trve-diff",
    "/v1/bills?kwh=4000&power_kva=6",
    "/v1/package.zip",
    "/v1/package/tariffs.csv",
    "/health/ready",
    "/version",
    "/openapi.json",
    "/docs",
    "/metrics",
    "/",
    "/?kwh=4000&power_kva=6",
    "/tariffs?power_kva=6",
    "/history",
    "/now",
    "/status",
    "/static/site.css",
)


class Checkout(ConfiguredService):
    """A service whose code lies in a folder of its own, beside its settings."""

    def code(self) -> Path:
        """The same folder, to which the code is copied."""
        shutil.copytree(REPOSITORY / "openwatt", self.folder / "openwatt")
        return self.folder

    def replace_code(self) -> None:
        """Puts other files in the place of all."""
        for path in (self.folder / "openwatt").rglob("*"):
            if path.is_file():
                path.write_text("{% replaced")


def test_no_request_needs_a_file_that_an_upgrade_has_replaced(home: Home) -> None:
    checkout = Checkout(home, {"OPENWATT_WORKERS": "2"})
    checkout.ready()
    sheets = set(re.findall(r'/static/[^"]*', checkout.get("/").body.decode()))
    before = {address: checkout.get(address).body for address in sheets}
    assert len(before) >= 2
    checkout.replace_code()
    after = {address: checkout.get(address) for address in sheets}
    assert {address: answer.body for address, answer in after.items()} == before
    assert {answer.headers["cache-control"] for answer in after.values()} == {
        "public, max-age=31536000, immutable"
    }
    answers = [(address, checkout.get(address)) for address in ADDRESSES for _worker in range(4)]
    assert [(address, answer.body) for address, answer in answers if answer.status != 200] == []
    assert checkout.get("/nothing", headers={"Accept": "text/html"}).status == 404
    assert checkout.end() == 0
    assert "Traceback" not in checkout.said()
