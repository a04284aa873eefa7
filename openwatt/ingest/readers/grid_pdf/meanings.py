"""The meaning of each column of a table, from its header alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openwatt.domain.reading import Tax
from openwatt.ingest.readers.grid_pdf.geometry import AmountColumn, overlap, share_out
from openwatt.ingest.readers.grid_pdf.vocabulary import Anchor, AnchorKind, leaves


@dataclass(frozen=True)
class Meaning:
    """The meaning of a column: subscription or energy, its tax side, and which register of which option."""

    measure: str | None = None
    tax: Tax | None = None
    period: str | None = None
    season: str | None = None
    colour: str | None = None
    option: str | None = None
    half: str | None = None
    yearly: bool | None = None
    cents: bool | None = None
    component: str | None = None

    @property
    def register(self) -> str:
        """The register of an energy column."""
        if self.season:
            return self.season
        if self.half:
            return f"{self.period or ''}{self.half}"
        if self.colour:
            return f"{self.colour}_{self.period}"
        return self.period or "BASE"


class HeaderReader:
    """Assigns the anchors of one header to its columns and collects what does not fit."""

    def __init__(
        self, columns: Sequence[AmountColumn], anchors: Sequence[Anchor], units: Sequence[Sequence[Anchor]]
    ) -> None:
        self.columns = columns
        self.anchors = anchors
        #: What stands behind every amount of each column ("€ TTC/an"): it wins over the header.
        self.units = units
        self.faults: list[str] = []
        #: The header phrase that gives each column its measure.
        self.measured: dict[int, Anchor] = {}

    def _beside(self, kind: AnchorKind) -> dict[int, str]:
        """Each column's value of one kind behind its amounts, where it is there once."""
        found = {i: [a.value for a in unit if a.kind is kind] for i, unit in enumerate(self.units)}
        return {i: values[0] for i, values in found.items() if len(values) == 1}

    def meanings(self, default_tax: Tax | None) -> list[Meaning]:
        """Returns one meaning per column, with None for what the header does not say."""
        everything = list(range(len(self.columns)))
        measure = self._shared(AnchorKind.MEASURE, everything)
        if not measure:
            self.faults.append("no header says which column is the subscription and which the price of a kWh")
        options = self._options(everything, measure)
        timed = [i for i in everything if measure.get(i) == "energy" and options.get(i) != "BASE"]
        tax = self._taxes(everything, default_tax)
        season = self._shared(AnchorKind.SEASON, timed)
        period = self._shared(AnchorKind.PERIOD, timed)
        half = self._shared(AnchorKind.HALF, timed)
        colour = self._shared(AnchorKind.COLOUR, timed)
        billing = self._shared(
            AnchorKind.BILLING, [i for i in everything if measure.get(i) == "subscription"]
        )
        billing |= self._beside(AnchorKind.BILLING)
        unit = self._shared(AnchorKind.UNIT, [i for i in everything if measure.get(i) == "energy"])
        unit |= self._beside(AnchorKind.UNIT)
        groups = [[i for i in everything if measure.get(i) == name] for name in ("energy", "subscription")]
        component = self._shared(
            AnchorKind.COMPONENT, self._under(AnchorKind.COMPONENT, [everything, *groups])
        )
        return [
            Meaning(
                measure=measure.get(i),
                tax=tax.get(i),
                period=period.get(i),
                season=season.get(i),
                colour=colour.get(i),
                option=options.get(i),
                half=half.get(i),
                yearly=billing[i] == "year" if i in billing else None,
                cents=unit[i] == "cents" if i in unit else None,
                component=component.get(i),
            )
            for i in everything
        ]

    def _shared(self, kind: AnchorKind, among: Sequence[int]) -> dict[int, str]:
        """Each column's value of one kind; empty when the header does not speak of it."""
        if not among:
            return {}
        left, right = self.columns[among[0]].x0 - 60, self.columns[among[-1]].x1 + 60
        found = leaves([a for a in self.anchors if a.kind is kind and left < a.xc < right])
        if not found:
            return {}
        shares = share_out([self.columns[i] for i in among], found)
        if shares is None:
            texts = ", ".join(f"« {anchor.text} »" for anchor in found)
            self.faults.append(f"{len(found)} headers of {kind} ({texts}) for {len(among)} columns")
            return {}
        if kind is AnchorKind.MEASURE:
            self.measured = {i: found[share] for i, share in zip(among, shares, strict=True)}
        return {i: found[share].value for i, share in zip(among, shares, strict=True)}

    def _under(self, kind: AnchorKind, groups: Sequence[Sequence[int]]) -> Sequence[int]:
        """The group of columns over whose middle the anchors of a kind stand."""
        found = [a.xc for a in self.anchors if a.kind is kind]
        if not found:
            return []
        middle = sum(found) / len(found)

        def distance(group: Sequence[int]) -> float:
            return abs((self.columns[group[0]].x0 + self.columns[group[-1]].x1) / 2 - middle)

        return min(filter(None, groups), key=distance)

    def _options(self, everything: Sequence[int], measure: dict[int, str]) -> dict[int, str]:
        """Which columns belong to Base and which to HP/HC, where both share one column of powers."""
        names = [a for a in self.anchors if a.kind is AnchorKind.OPTION and a.value in ("BASE", "HPHC")]
        inside = [a for a in names if self.columns[0].x0 - 60 < a.xc < self.columns[-1].x1 + 60]
        if {a.value for a in inside} != {"BASE", "HPHC"}:
            return {}
        found = leaves(inside)
        shares = share_out([self.columns[i] for i in everything], found)
        if shares is None:
            self.faults.append(f"{len(found)} names of options for {len(everything)} columns")
            return {}
        options = {i: found[share].value for i, share in zip(everything, shares, strict=True)}
        for option in ("BASE", "HPHC"):
            measures = {measure.get(i) for i in everything if options[i] == option}
            if measures != {"subscription", "energy"}:
                return {}
        return options

    def _taxes(self, everything: Sequence[int], default_tax: Tax | None) -> dict[int, Tax]:
        """The tax side of each column: the one above it, or the header's only one."""
        beside = self._beside(AnchorKind.TAX)
        if len(beside) == len(everything):
            return {i: _side(value) for i, value in beside.items()}
        found = [a for a in self.anchors if a.kind is AnchorKind.TAX]
        sides: set[Tax] = {_tax(a) for a in found}
        # A side behind the amounts of some columns is that of all where no header names one.
        sides = sides or {_side(value) for value in beside.values()}
        if not sides and default_tax is not None:
            sides = {default_tax}
        if len(sides) == 1:
            return dict.fromkeys(everything, sides.pop())
        if not sides:
            self.faults.append("no header says HT or TTC")
            return {}
        above = {i: list(self._above(self.columns[i], found)) for i in everything}
        if all(above.values()):
            return {i: _tax(max(anchors, key=lambda a: a.yc)) for i, anchors in above.items()}
        shared = self._shared(AnchorKind.TAX, everything)
        return {i: _side(value) for i, value in shared.items()}

    @staticmethod
    def _above(column: AmountColumn, anchors: Sequence[Anchor]) -> Iterator[Anchor]:
        wide = AmountColumn(column.x0 - 4, column.x1 + 4, [])
        return (anchor for anchor in anchors if overlap(wide, anchor) > 0)


def _tax(anchor: Anchor) -> Tax:
    return _side(anchor.value)


def _side(value: str) -> Tax:
    return "TTC" if value == "TTC" else "HT"
