"""The picture of a summary for a report: savings by group, who would save, the cheapest contract."""

import datetime as dt
import io
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from openwatt.portfolio.summary.figures import GroupFigures, PortfolioSummary
from openwatt.portfolio.summary.wording import Wording, contract_name

#: Greys of a printed page have the same order as these colours.
_DARK, _MIDDLE, _LIGHT, _GREY, _RULE = "#12324f", "#5b8db8", "#c3d7e8", "#555555", "#cccccc"
_WIDTH, _ROW, _HEAD, _FOOT = 10.0, 0.46, 1.05, 0.5
#: Parts of the width where the columns begin: names, quantiles, median, share, cheapest contract.
_NAMES, _BOXES, _MEDIAN, _SHARE, _OFFER, _END = 0.02, 0.225, 0.535, 0.555, 0.69, 0.98
_OFFER_SHARE, _OFFER_NAME = _OFFER + 0.048, _OFFER + 0.055
_SMALL, _USUAL, _LARGE = 8.0, 9.0, 13.0
_NAME_CHARACTERS, _OFFER_CHARACTERS, _NOTE_CHARACTERS = 27, 37, 165
_LINE = 0.165  # inches a line of small text


def draw_summary(
    summary: PortfolioSummary, wording: Wording, today: dt.date, form: Literal["png", "svg"]
) -> bytes:
    """The bytes of the picture, one row a group and one for all homes."""
    # Names are no formulas, and the same summary is the same file.
    with mpl.rc_context({"font.family": "DejaVu Sans", "text.parse_math": False, "svg.hashsalt": "openwatt"}):
        drawing = _Drawing(summary, wording, today)
        stream = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        drawing.figure.savefig(stream, format=form, dpi=200, metadata=metadata)
    return stream.getvalue()


class _Drawing:
    """The figure, drawn from its top to its bottom."""

    def __init__(self, summary: PortfolioSummary, wording: Wording, today: dt.date) -> None:
        self.summary, self.wording = summary, wording
        self.lines = [*summary.groups, *([summary.others] if summary.others else []), summary.total]
        footer = self._footer(today)
        foot = _FOOT + _LINE * len(footer)
        height = _HEAD + _ROW * len(self.lines) + foot
        self.figure = Figure(figsize=(_WIDTH, height))
        self.top, self.bottom = 1 - _HEAD / height, foot / height
        self.inch = 1 / height
        self._titles()
        self._boxes(self._axes(_BOXES, _MEDIAN - 0.055))
        self._shares(self._axes(_SHARE + 0.005, _OFFER - 0.065))
        for place, line in enumerate(self.lines):
            self._texts(line, self._height(place))
        for place, text in enumerate(footer):
            y = (len(footer) - place - 0.5) * _LINE * self.inch + 0.06 * self.inch
            self._text(_NAMES, y, text, size=_SMALL - 0.5, color=_GREY)

    def _titles(self) -> None:
        """The title, what savings are, and the heads of the columns."""
        text = self.wording.text
        self._text(_NAMES, 1 - 0.27 * self.inch, text("title"), size=_LARGE, weight="bold")
        self._text(_NAMES, 1 - 0.53 * self.inch, self.wording.unit(), size=_USUAL, color=_GREY)
        heads = [
            (_NAMES, self.wording.groups_head(), "left"),
            (_BOXES, text("quantiles"), "left"),
            (_SHARE + 0.005, text("would_save"), "left"),
            (_OFFER, text("cheapest"), "left"),
        ]
        if self._middle() is not None:
            heads.append((_MEDIAN, text("median"), "right"))
        for x, head, side in heads:
            y = self.top + 0.17 * self.inch
            self._text(x, y, head, size=_SMALL, weight="bold", ha=side)
        self._rule(self.top + 0.02 * self.inch, _DARK)

    def _boxes(self, axes: Axes) -> None:
        """The savings of each group over an axis in EUR."""
        for place, line in enumerate(self.lines):
            if line.savings is None:
                text = self.wording.text("no_figure")
                self._text(_BOXES + 0.02, self._height(place), text, size=_SMALL, backgroundcolor="white")
            else:
                _draw_box(axes, place, [float(quantile.eur) for quantile in line.savings.quantiles])
        axes.axvline(0, color=_DARK, linewidth=0.9, zorder=1)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(self._tick))
        axes.grid(axis="x", color=_RULE, linewidth=0.6)
        axes.tick_params(axis="x", labelsize=_SMALL, length=0, labelcolor=_GREY)

    def _shares(self, axes: Axes) -> None:
        """The share of homes that would save, as a bar of a whole."""
        for place, line in enumerate(self.lines):
            axes.barh(place, 100, height=0.3, color="white", edgecolor=_RULE, linewidth=0.7)
            if line.savings is not None:
                share = line.savings.would_save_percent
                axes.barh(place, float(share), height=0.3, color=_MIDDLE)
                axes.text(
                    106,
                    place,
                    self.wording.percent(share),
                    size=_SMALL,
                    va="center",
                    color=_DARK,
                    clip_on=False,
                )
        axes.set_xlim(0, 100)
        axes.set_xticks([])

    def _texts(self, line: GroupFigures, y: float) -> None:
        """Name and homes of a group, its median and its cheapest contract."""
        is_total = line is self.summary.total
        weight = "bold" if is_total else "normal"
        name = textwrap.wrap(self.wording.group(line), _NAME_CHARACTERS)[:2]
        homes = self.wording.text("home_of" if line.homes == 1 else "homes_of", homes=line.homes)
        rows = [(text, _USUAL if len(name) == 1 else _SMALL, _DARK, weight) for text in name]
        self._stack(_NAMES, y, [*rows, (homes, _SMALL - 1, _GREY, "normal")])
        middle = self._middle()
        if line.savings is not None and middle is not None:
            median = self.wording.eur(line.savings.quantiles[middle].eur)
            self._text(_MEDIAN, y, median, size=_USUAL, weight=weight, ha="right")
        for one in line.cheapest[:1]:
            share = self.wording.percent(one.share_percent)
            self._text(_OFFER_SHARE, y, share, size=_SMALL, weight=weight, ha="right")
            offer = textwrap.wrap(contract_name(one), _OFFER_CHARACTERS)[:2]
            self._stack(_OFFER_NAME, y, [(text, _SMALL, _DARK, weight) for text in offer])
        if is_total and len(self.lines) > 1:
            self._rule(y + _ROW / 2 * self.inch, _RULE)

    def _stack(self, x: float, y: float, rows: Sequence[tuple[str, float, str, str]]) -> None:
        """Rows of text, each with its size, colour and weight, around a height."""
        for place, (text, size, colour, weight) in enumerate(rows):
            up = ((len(rows) - 1) / 2 - place) * 0.145 * self.inch
            self._text(x, y + up, text, size=size, color=colour, weight=weight)

    def _footer(self, today: dt.date) -> Sequence[str]:
        """How to read the boxes, what is left out, and the source."""
        texts = [
            f"{self.wording.how_to_read()} ({self.wording.text('quantile')})",
            *self.wording.notes(),
            self.wording.source(today),
        ]
        return [row for text in texts for row in textwrap.wrap(text[0].upper() + text[1:], _NOTE_CHARACTERS)]

    def _middle(self) -> int | None:
        """The place of the median among the quantiles, if it is one of them."""
        percents = list(self.summary.percents)
        return percents.index(Decimal(50)) if Decimal(50) in percents else None

    def _axes(self, left: float, right: float) -> Axes:
        """Axes over all rows, without a frame."""
        axes = self.figure.add_axes((left, self.bottom, right - left, self.top - self.bottom))
        axes.set_ylim(len(self.lines) - 0.5, -0.5)
        axes.set_yticks([])
        axes.patch.set_visible(False)
        axes.set_axisbelow(True)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def _height(self, place: int) -> float:
        """The middle of a row, as a part of the figure."""
        return self.top - (place + 0.5) * (self.top - self.bottom) / len(self.lines)

    def _tick(self, value: float, _place: int | None = None) -> str:
        return self.wording.eur(Decimal(round(value)))

    def _text(self, x: float, y: float, text: str, **style: Any) -> None:
        self.figure.text(x, y, text, va="center", **{"color": _DARK, **style})

    def _rule(self, y: float, colour: str) -> None:
        self.figure.add_artist(
            Line2D([_NAMES, _END], [y, y], color=colour, linewidth=0.8, transform=self.figure.transFigure)
        )


def _draw_box(axes: Axes, place: int, values: Sequence[float]) -> None:
    """Quantiles in a row: the outermost pair as a line, pairs within as bars, the middle one as a stroke."""
    outline: Any = {"color": _DARK, "linewidth": 1.2}
    for number in range(len(values) // 2):
        low, high = values[number], values[-1 - number]
        if number == 0:
            axes.plot([low, high], [place, place], zorder=2, **outline)
            axes.vlines([low, high], place - 0.12, place + 0.12, zorder=2, **outline)
        else:
            style: Any = {"color": _LIGHT if number == 1 else _MIDDLE, "edgecolor": _DARK, "linewidth": 0.9}
            axes.barh(place, high - low, left=low, height=0.5, zorder=2 + number, **style)
    if len(values) % 2:
        middle = values[len(values) // 2]
        axes.vlines(middle, place - 0.25, place + 0.25, color=_DARK, linewidth=2.6, zorder=len(values))
