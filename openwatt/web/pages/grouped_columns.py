"""Amounts of several contracts as groups of columns on one axis; the style sheet has the colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_LEFT = 52
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 10**9)


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """One contract's amount in a group: its place among the contracts, and its rectangle."""

    number: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedColumns:
    """Groups from left to right; amounts below 0 hang from the line of 0."""

    width: int
    height: int
    groups: list[tuple[float, list[GroupColumn]]]
    """The middle of each group, and its columns; an unknown amount has none."""
    lines: list[tuple[float, int]]
    """Where the horizontal lines stand, and the EUR they mark."""


def draw_groups(groups: Sequence[Sequence[Fraction | None]], height: int = 180) -> GroupedColumns:
    """Groups of as many amounts each, in EUR."""
    known = [amount for group in groups for amount in group if amount is not None]
    highest, lowest = max([*known, Fraction(0)]), min([*known, Fraction(0)])
    extent = highest - lowest or Fraction(1)
    step = next(one for one in _STEPS if extent / one <= 6)
    scale = height / float(extent)
    zero = float(highest) * scale
    pitch = max(24, min(110, 760 // max(len(groups), 1)))
    bar = (pitch - 10) / max((len(group) for group in groups), default=1)
    return GroupedColumns(
        width=_LEFT + pitch * len(groups),
        height=height,
        groups=[
            (
                _LEFT + pitch * (place + 0.5),
                [
                    GroupColumn(
                        number=number,
                        x=round(_LEFT + pitch * place + 5 + number * bar, 1),
                        y=round(zero - max(float(amount), 0) * scale, 1),
                        width=round(bar - 1, 1),
                        height=round(abs(float(amount)) * scale, 1),
                    )
                    for number, amount in enumerate(group)
                    if amount
                ],
            )
            for place, group in enumerate(groups)
        ],
        lines=[
            (round(zero - mark * step * scale, 1), mark * step)
            for mark in range(-int(-lowest / step), int(highest / step) + 1)
        ],
    )
