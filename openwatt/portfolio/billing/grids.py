"""Homes of one span laid on one grid of steps, so that all are costed together whatever their settings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from openwatt.domain.legal_time import Minutes, Span
from openwatt.domain.load_curve import LoadCurve


@dataclass(eq=False)
class HomesOnGrid:
    """Curves of one span over the steps of `grid`, which is regular but for curves that are not.

    What a home did not measure is a step without energy, and without minutes.
    """

    span: Span
    grid: LoadCurve
    step_min: int | None
    places: list[int] = field(default_factory=list)
    curves: list[LoadCurve] = field(default_factory=list)

    def add(self, place: int, curve: LoadCurve) -> None:
        """Adds the curve of the home that has this place in its batch."""
        self.places.append(place)
        self.curves.append(curve)

    def energies(self) -> Minutes:
        """What each home used in each step, in W × minutes."""
        energies = np.zeros((len(self.curves), len(self.grid.starts_min)), dtype=np.int64)
        for row, curve, steps in zip(energies, self.curves, self._steps, strict=True):
            row[steps.of_grid] = curve.energies[steps.of_curve]
        return energies

    @cached_property
    def incomplete(self) -> Minutes:
        """The homes that did not measure every step, by their numbers."""
        numbers = [number for number, steps in enumerate(self._steps) if not steps.are_all]
        return np.array(numbers, dtype=np.int64)

    def minutes(self) -> Minutes:
        """How many minutes of each step were measured in each incomplete home."""
        minutes = np.zeros((len(self.incomplete), len(self.grid.starts_min)), dtype=np.int64)
        for row, number in zip(minutes, self.incomplete.tolist(), strict=True):
            steps = self._steps[number]
            row[steps.of_grid] = self.curves[number].steps_min[steps.of_curve]
        return minutes

    @cached_property
    def _steps(self) -> list["_Steps"]:
        known: dict[int, _Steps] = {}
        for curve in self.curves:  # Curves that were read together share their arrays.
            if id(curve.starts_min) not in known:
                known[id(curve.starts_min)] = _steps(curve, self.grid, self.step_min)
        return [known[id(curve.starts_min)] for curve in self.curves]


class _Steps(NamedTuple):
    """The steps of a grid that a curve has, and which of the curve's they are."""

    of_grid: slice | Minutes
    of_curve: slice | Minutes
    are_all: bool


class Grids:
    """The grids of a batch of homes."""

    def __init__(self) -> None:
        self._regular: dict[tuple[Span, int, int], HomesOnGrid] = {}
        self._others: dict[tuple[Span, int], list[HomesOnGrid]] = {}
        self._last: tuple[LoadCurve, Span, HomesOnGrid] | None = None

    def add(self, place: int, curve: LoadCurve, span: Span) -> None:
        """Lays a curve on the grid that it fits, or on a new one."""
        if self._last and self._last[0].starts_min is curve.starts_min and self._last[1] == span:
            homes = self._last[2]
        else:
            homes = self._grid_for(curve, span)
        homes.add(place, curve)
        self._last = curve, span, homes

    def __iter__(self) -> Iterator[HomesOnGrid]:
        yield from self._regular.values()
        for several in self._others.values():
            yield from several

    def _grid_for(self, curve: LoadCurve, span: Span) -> HomesOnGrid:
        if (step := curve.regular_step) is not None:
            key = span, step, curve.start_min % step
            if key not in self._regular:
                self._regular[key] = HomesOnGrid(span, _regular_grid(*key), step)
            return self._regular[key]
        several = self._others.setdefault((span, len(curve.starts_min)), [])
        for homes in several:
            grid = homes.grid
            if np.array_equal(grid.starts_min, curve.starts_min) and np.array_equal(
                grid.steps_min, curve.steps_min
            ):
                return homes
        several.append(HomesOnGrid(span, curve, None))
        return several[-1]


@lru_cache(maxsize=64)
def _regular_grid(span: Span, step_min: int, phase_min: int) -> LoadCurve:
    """Steps of one length over a span, from the one in which it begins; without energies."""
    first = span.start_min - (span.start_min - phase_min) % step_min
    starts: Minutes = np.arange(first, span.end_min, step_min, dtype=np.int64)
    return LoadCurve(starts, np.full_like(starts, step_min), np.zeros_like(starts))


def _steps(curve: LoadCurve, grid: LoadCurve, step_min: int | None) -> _Steps:
    count, size = len(curve.starts_min), len(grid.starts_min)
    if step_min is None:
        return _Steps(slice(None), slice(None), are_all=False)
    first = (curve.start_min - grid.start_min) // step_min
    if curve.end_min - curve.start_min == count * step_min:
        low, high = max(-first, 0), max(-first, 0, min(size - first, count))
        return _Steps(slice(first + low, first + high), slice(low, high), are_all=high - low == size)
    steps = (curve.starts_min - grid.start_min) // step_min
    inside = np.flatnonzero((steps >= 0) & (steps < size))
    return _Steps(steps[inside], inside, are_all=False)
