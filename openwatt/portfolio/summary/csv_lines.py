"""The CSV of a summary: one line a group, that of all homes first; amounts are exact."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from openwatt.portfolio.summary.figures import GroupFigures, PortfolioSummary, QuantileOfSavings

_PLACES = ("cheapest", "runner_up")
_OF_AN_OFFER = ("supplier", "offer", "option", "homes", "share_percent")


def to_csv_lines(summary: PortfolioSummary) -> bytes:
    """RFC 4180 in UTF-8; `line` says whether a line is of all homes (`all`), one group or the `others`."""
    lines = [("all", summary.total), *(("group", group) for group in summary.groups)]
    if summary.others is not None:
        lines.append(("others", summary.others))
    stream = io.StringIO()
    cells = [_cells(kind, figures, summary) for kind, figures in lines]
    writer = csv.DictWriter(stream, cells[0])
    writer.writeheader()
    writer.writerows(cells)
    return stream.getvalue().encode()


def _cells(kind: str, figures: GroupFigures, summary: PortfolioSummary) -> Mapping[str, Any]:
    unit = "eur_per_year" if summary.period == "year" else "eur"
    group, savings = figures.group or {}, figures.savings
    cells: dict[str, Any] = {"line": kind} | {name: group.get(name) for name in summary.by}
    for name in ("homes", "failed", "unranked", "uncompared", "closed_to_new_customers"):
        cells[name] = getattr(figures, name)
    for place, name in enumerate(_PLACES):
        one = figures.cheapest[place] if place < len(figures.cheapest) else None
        cells |= {f"{name}_{field}": one and getattr(one, field) for field in _OF_AN_OFFER}
    cells["homes_with_saving"] = savings.homes if savings else 0
    for name in ("would_save", "would_save_percent"):
        cells[name] = savings and getattr(savings, name)
    quantiles: Sequence[QuantileOfSavings] = savings.quantiles if savings else ()
    values = {one.percent: one.eur for one in quantiles}
    for percent in summary.percents:
        cells[f"saving_{percent}_percent_{unit}"] = values.get(percent)
    cells[f"saving_mean_{unit}"] = savings and savings.mean_eur
    cells[f"saving_sum_{unit}"] = savings and savings.sum_eur
    return cells
