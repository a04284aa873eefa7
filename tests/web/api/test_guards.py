"""Each market offer beside the regulated tariff of the same option and power."""

from collections.abc import Callable
from typing import Any

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.conftest import NOW, close_app
from tests.web.conftest import publish_dear_tariff

Ask = Callable[..., Any]


def test_an_offer_is_compared_figure_by_figure(ask: Ask) -> None:
    page = ask("/v1/guards/trve-diff?on=2025-11-10&option=BASE&power_kva=6")
    guards = {(guard["supplier"], guard["offer"]): guard for guard in page["guards"]}
    stable = guards["Alpiq", "Électricité Stable"]
    assert stable["verdict"] == "ok"
    assert stable["prices_eur_per_kwh_ttc"]["BASE"] == {
        "offer_eur": 0.182477,
        "trve_eur": 0.1952,
        "difference_eur": -0.012723,
        "difference_percent": -6.52,
    }
    assert stable["subscription_eur_per_year_ttc"]["difference_eur"] == 0
    assert ("EDF", "Tarif Bleu") not in guards


def test_a_price_far_from_the_regulated_one_is_an_alert(filled_url: str) -> None:
    publish_dear_tariff(filled_url)
    app = create_app(Settings(database_url=filled_url), clock=lambda: NOW)
    page: Any = app.test_client().get("/v1/guards/trve-diff?on=2025-09-01&option=BASE&power_kva=6").json
    close_app(app)
    verdicts = {guard["supplier"]: guard["verdict"] for guard in page["guards"]}
    assert page["alerts"] == 1
    assert verdicts["Cher"] == "alert"
    assert verdicts["Alpiq"] == "ok"


def test_an_offer_without_a_regulated_counterpart_is_not_comparable(ask: Ask) -> None:
    page = ask("/v1/guards/trve-diff?on=2025-11-10&option=BASE&power_kva=7")
    assert page["guards"]
    assert {guard["verdict"] for guard in page["guards"]} == {"not_comparable"}


def test_guards_come_in_pages(ask: Ask) -> None:
    address = "/v1/guards/trve-diff?on=2025-11-10&limit=100"
    joined = []
    while address:
        page = ask(address)
        joined += page["guards"]
        address = page["next"]
    keys = [(g["supplier"], g["offer"], g["option"], g["power_kva"]) for g in joined]
    assert len(keys) == len(set(keys)) > 500
