"""The heat map of a home: mean power by legal day and hour."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from openwatt.domain.legal_time import MINUTES_PER_DAY, Minutes, Span, day_number, day_of, local_minutes
from openwatt.domain.load_curve import LoadCurve

HOURS = 24


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Mean power in whole W: one row for each day from `first`, one column for each legal hour.

    An hour that was not measured is -1. A step belongs to the hour in which it
    starts; the hour that autumn repeats is the mean of both.
    """

    first: dt.date
    watts: Minutes

    def day(self, row: int) -> dt.date:
        """The day of a row."""
        return day_of(day_number(self.first) + row)


def heat_map(curve: LoadCurve, span: Span, most_days: int = 366) -> HeatMap:
    """The map of the last `most_days` days of a span."""
    end = day_number(span.end)
    first = max(day_number(span.start), end - most_days)
    wall = local_minutes(curve.starts_min)
    days, hours = wall // MINUTES_PER_DAY - first, wall % MINUTES_PER_DAY // 60
    inside = (days >= 0) & (days < end - first)
    cells = (days[inside] * HOURS + hours[inside]).astype(np.int64)
    energies = np.zeros((end - first) * HOURS, dtype=np.int64)
    minutes = np.zeros_like(energies)
    np.add.at(energies, cells, curve.energies[inside])
    np.add.at(minutes, cells, curve.steps_min[inside])
    watts = np.where(minutes > 0, energies // np.maximum(minutes, 1), -1)
    return HeatMap(day_of(first), watts.reshape(-1, HOURS))
