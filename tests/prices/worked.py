"""The worked prices, and the shipped contracts as `openwatt.prices` takes them."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.calendar import Home
from openwatt.domain.contract import DutyDays
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.prices.contract_prices import ContractPrices

WORKED: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("worked_prices.yaml").read_text("utf-8")
)


@cache
def regulated(option: str, power_kva: int, off_peak: str = "", weekday: int | None = None) -> ContractPrices:
    """The prices of a shipped contract of the regulated tariff."""
    market = shipped_market()
    key = ("EDF", "Tarif Bleu", option, power_kva)
    (contract,) = [one for one in market.contracts if one.key == key]
    hours = parse_off_peak_text(off_peak) if off_peak else ()
    home = Home(hours, weekday, shipped_colours())
    return ContractPrices(contract, calendar_for(option), home, DutyDays(market.duties))
