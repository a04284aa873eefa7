"""The options of `compare` that change the home, and what it then prints beside its answer."""

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any

import click
from rich.table import Table

from openwatt.cli.console import Console
from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.market import StoredMarket
from openwatt.comparison.question import CustomerQuestion
from openwatt.comparison.what_if import (
    MOST_CAR_KWH_PER_100_KM,
    MOST_HEAT_PUMP_KWH,
    MOST_KM_PER_WEEK,
    USUAL_CAR_KWH_PER_100_KM,
    HomeChange,
    what_if,
)
from openwatt.domain.changed_use import UseChange
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA
from openwatt.representations.bills import RankedContract
from openwatt.representations.explanations import WhatIfItem

#: Contracts of the ranking after the change that are printed; --json has all.
_FIRST = 5


def of_a_change(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that change the home, and hands them over as one value."""

    @wraps(command)
    def run(
        *,
        shift_percent: int,
        car_km_per_week: int,
        car_kwh_per_100_km: float,
        car_hours: str | None,
        heat_pump_kwh: int,
        other_power_kva: int | None,
        **rest: Any,
    ) -> None:
        use = UseChange(
            shift_percent=shift_percent,
            car_km_per_week=car_km_per_week,
            car_kwh_per_100_km=Decimal(f"{car_kwh_per_100_km:g}"),
            car_hours=parse_off_peak_text(car_hours) if car_hours else (),
            heat_pump_kwh=heat_pump_kwh,
        )
        command(change=HomeChange(use, other_power_kva), **rest)

    for option in (
        click.option(
            "--shift-percent",
            type=click.IntRange(0, 100),
            default=0,
            help="What if so many hundredths of the peak use ran in the off-peak hours that follow.",
        ),
        click.option(
            "--car-km-per-week",
            type=click.IntRange(0, MOST_KM_PER_WEEK),
            default=0,
            help="What if an electric car that is charged at home drove so far.",
        ),
        click.option(
            "--car-kwh-per-100-km",
            type=click.FloatRange(0, MOST_CAR_KWH_PER_100_KM, min_open=True),
            default=float(USUAL_CAR_KWH_PER_100_KM),
            show_default=True,
            help="What the car draws from the plug.",
        ),
        click.option("--car-hours", help="When the car is charged; the off-peak hours when left out."),
        click.option(
            "--heat-pump-kwh",
            type=click.IntRange(0, MOST_HEAT_PUMP_KWH),
            default=0,
            help="What if a heat pump used so much a year.",
        ),
        click.option(
            "--other-power-kva",
            type=click.IntRange(MIN_POWER_KVA, MAX_POWER_KVA),
            help="What if the subscribed power were another.",
        ),
    ):
        run = option(run)
    return run


def find_what_if(
    change: HomeChange, question: CustomerQuestion, answer: CustomerAnswer, market: StoredMarket
) -> WhatIfItem | None:
    """The answer to "what if" as the API gives it; None where nothing is to change.

    Raises:
        QuestionError: when the change cannot be computed.
    """
    if change.is_none:
        return None
    found = what_if(question, answer.comparison, change, market)
    return WhatIfItem.of(found, "en")


def print_what_if(item: WhatIfItem) -> None:
    """The best contracts before and after, the first of the new ranking, and what it rests on."""
    console = Console()
    table = Table("what if", "contract", "option", title=f"with this change, {item.power_kva} kVA")
    table.add_column("EUR", justify="right")
    lines: list[tuple[str, RankedContract | None]] = [
        ("the best today, today", item.best_before),
        ("the same with the change", item.best_before_after),
        ("the present one with the change", item.present_after),
        *((f"{place}", one) for place, one in enumerate(item.ranking[:_FIRST], start=1)),
    ]
    for what, one in lines:
        if one is not None:
            table.add_row(what, f"{one.supplier} {one.offer}", one.option, str(one.total_ttc_eur))
    console.print(table)
    for assumption in item.assumptions:
        console.print(f"assumed: {assumption}")
