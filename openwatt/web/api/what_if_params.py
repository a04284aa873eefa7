"""The fields of a home's change, the same in an address, in a form and in JSON; and how they are read."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from openwatt.comparison.what_if import (
    MOST_CAR_KWH_PER_100_KM,
    MOST_HEAT_PUMP_KWH,
    MOST_KM_PER_WEEK,
    USUAL_CAR_KWH_PER_100_KM,
    HomeChange,
)
from openwatt.domain.changed_use import UseChange
from openwatt.domain.messages import Message
from openwatt.web.api.bill_params import OFF_PEAK_HOURS
from openwatt.web.api.tariff_params import POWER_KVA
from openwatt.web.http.parameter_types import integer, positive_number
from openwatt.web.http.params import Parameter
from openwatt.web.http.problems import Fault

SHIFT_PERCENT = Parameter(
    "shift_percent",
    "How many hundredths of what each step of peak hours uses run in the off-peak hours that follow instead.",
    integer(1, 100),
    20,
)
CAR_KM_PER_WEEK = Parameter(
    "car_km_per_week",
    "What an electric car, charged at home, drives in a week: its kWh are added, evenly through its hours.",
    integer(1, MOST_KM_PER_WEEK, "km"),
    200,
)
CAR_KWH_PER_100_KM = Parameter(
    "car_kwh_per_100_km",
    f"What the car draws from the plug for 100 km; {USUAL_CAR_KWH_PER_100_KM} when left out.",
    positive_number(MOST_CAR_KWH_PER_100_KM),
    int(USUAL_CAR_KWH_PER_100_KM),
)
CAR_HOURS = replace(
    OFF_PEAK_HOURS,
    name="car_hours",
    description="The hours in which the car is charged, written as off-peak hours are; those when left out.",
    example="23:00-07:00",
    most=1,
)
HEAT_PUMP_KWH = Parameter(
    "heat_pump_kwh",
    "What a heat pump uses in a year: its kWh are added in the heating season.",
    integer(1, MOST_HEAT_PUMP_KWH, "kWh"),
    4000,
)
OTHER_POWER_KVA = replace(
    POWER_KVA, name="other_power_kva", description="Another subscribed power in kVA.", required=False
)
CHANGES = (SHIFT_PERCENT, CAR_KM_PER_WEEK, CAR_KWH_PER_100_KM, CAR_HOURS, HEAT_PUMP_KWH, OTHER_POWER_KVA)
_OF_CAR = (CAR_KWH_PER_100_KM, CAR_HOURS)


def read_change(values: Mapping[str, Any]) -> HomeChange:
    """The change that values which were read by `params.gather` describe together; None is left out."""
    km = values.get(CAR_KM_PER_WEEK.name) or 0
    per_100_km = values.get(CAR_KWH_PER_100_KM.name) or USUAL_CAR_KWH_PER_100_KM
    use = UseChange(
        shift_percent=values.get(SHIFT_PERCENT.name) or 0,
        car_km_per_week=km,
        car_kwh_per_100_km=per_100_km if km else Decimal(0),
        car_hours=(values.get(CAR_HOURS.name) or ()) if km else (),
        heat_pump_kwh=values.get(HEAT_PUMP_KWH.name) or 0,
    )
    return HomeChange(use, values.get(OTHER_POWER_KVA.name))


def faults_of_car(values: Mapping[str, Any]) -> list[Fault]:
    """What is said of a car that does not drive."""
    if CAR_KM_PER_WEEK.name in values:
        return []
    return [
        Fault(one.name, Message("what_if.no_car"), of_form=False) for one in _OF_CAR if one.name in values
    ]
