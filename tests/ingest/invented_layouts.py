"""Sheets in layouts invented by dice: any order of columns, units, words and decoys one might choose."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from tests.ingest.drawn_sheets import FROM_6, USUAL, Drawing, Expected, figures

#: Duties of 2025-08-01: accise, TVA, CTA and the network's fixed part (CU4: 38.80 + 10.11 per kVA a year).
_ACCISE, _TVA, _CTA = Decimal("0.02998"), Decimal("1.2"), Decimal("0.2193")
_SUBSCRIPTION_HT = ("9.10", "11.80", "14.40", "17.00", "19.60", "22.20", "27.80", "33.10", "38.60")
_PRICES_HT = {"BASE": {"BASE": "0.1290"}, "HPHC": {"HP": "0.1402", "HC": "0.1031"}}
_REGULATED = {"BASE": ("0.1327", "0.1952"), "HP": ("0.1434", "0.2081"), "HC": ("0.1063", "0.1635")}
_WORDS = {
    "subscription": ("Abonnement", "Prime fixe", "Abonnement électricité"),
    "energy": ("Prix du kWh", "Consommation", "Prix de l'énergie", "Prix par kWh"),
    "HT": ("HT", "HTT", "€ HT", "Hors taxes HT"),
    "TTC": ("TTC", "€ TTC", "TTC (1)", "TTC*"),
    "HP": ("Heures Pleines", "HP", "Heures pleines (HP)"),
    "HC": ("Heures Creuses", "HC", "Heures creuses (HC)"),
    "regulated": ("Tarifs réglementés", "TRV", "Tarif Réglementé"),
    "own": ("Notre offre", "Offre Soleil", "Soleil"),
    "month": ("€/mois", "mensuel", "par mois"),
    "year": ("€/an", "annuel", "par an"),
}


@dataclass(frozen=True)
class Column:
    """One column of an invented table: what it means and the figures it prints."""

    measure: str
    register: str
    side: str
    owner: str
    cells: str


@dataclass(frozen=True)
class Invented:
    """An invented document and what it says."""

    pdf: bytes
    expected: Expected
    says: str


def _ttc_price(ht: str) -> str:
    return str(((Decimal(ht) + _ACCISE) * _TVA).quantize(Decimal("0.0001"), ROUND_HALF_UP))


def _ttc_subscription(ht: Decimal, power: int, months: int) -> Decimal:
    """A subscription with taxes over some months, from the one without over as many."""
    network = (Decimal("38.80") + Decimal("10.11") * power) * months / 12
    return ((ht + _CTA * network) * _TVA).quantize(Decimal("0.01"), ROUND_HALF_UP)


def invent(seed: int) -> Invented:
    """The sheet of a seed, always the same."""
    dice = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    d = Drawing()
    d.text(
        50, 50, "Grille tarifaire applicable au 01/08/2025 pour les logements, offre Soleil de tous les jours"
    )
    expected: Expected = {}
    style = _Style(dice)
    for option, y in (("BASE", 80), ("HPHC", 330)):
        expected |= _table(d, option, y, style, dice)
    return Invented(d.pdf(), expected, style.says)


class _Style:
    """The choices that one sheet keeps for all its tables."""

    def __init__(self, dice: random.Random) -> None:
        self.yearly = dice.random() < 0.25
        self.cents = dice.random() < 0.3
        self.merged = dice.random() < 0.5
        self.sides = dice.choice((("HT", "TTC"), ("TTC", "HT"), ("TTC",)))
        self.blocks = dice.random() < 0.25
        self.regulated = dice.choice(("none", "none", "before", "after"))
        self.side_above_register = dice.random() < 0.3
        self.registers = dice.choice((("HP", "HC"), ("HC", "HP")))
        self.titled = dice.random() < 0.6
        self.units_apart = dice.random() < 0.5
        self.size = dice.choice((6, 7, 8))
        self.words = {name: dice.choice(words) for name, words in _WORDS.items()}

    @property
    def says(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in vars(self).items())


def _table(d: Drawing, option: str, y: int, style: _Style, dice: random.Random) -> Expected:
    powers = USUAL if option == "BASE" else FROM_6
    count = 12 if style.yearly else 1
    ht = [Decimal(month) * count for month in _SUBSCRIPTION_HT[len(USUAL) - len(powers) :]]
    ttc = [_ttc_subscription(amount, int(power), count) for amount, power in zip(ht, powers, strict=True)]
    subscriptions = {"HT": ht, "TTC": ttc}
    columns = _columns(option, style, powers, subscriptions)
    header = _header(columns, option, style)
    width = min(500 // (len(columns) + 1), 66)
    x = dice.randint(20, max(21, 560 - width * (len(columns) + 1)))
    spine = " ".join(f"{power}_kVA" if dice.random() < 0.5 else power for power in powers)
    d.table(
        x,
        y,
        [width] * (len(columns) + 1),
        header,
        (spine, *(column.cells for column in columns)),
        size=style.size,
    )
    typed = {(column.register, column.side): column.cells for column in columns if column.owner == "own"}
    return figures("(unknown)", option, powers, typed, month=1 if style.yearly else 12, cents=style.cents)


def _columns(
    option: str, style: _Style, powers: list[str], subscriptions: Mapping[str, Sequence[Decimal]]
) -> list[Column]:
    def subscription(side: str) -> Column:
        return Column("subscription", "subscription", side, "own", _printed(subscriptions[side]))

    def price(register: str, side: str, owner: str) -> Column:
        ht = _PRICES_HT[option].get(register, "0")
        own = ht if side == "HT" else _ttc_price(ht)
        amount = Decimal(own if owner == "own" else _REGULATED[register][side == "TTC"])
        text = f"{amount * 100:.2f}" if style.cents else f"{amount:.4f}"
        cells = f"= {text}" if style.merged else " ".join([text] * len(powers))
        return Column("energy", register, side, owner, cells.replace(".", ","))

    owners = {"none": ("own",), "before": ("regulated", "own"), "after": ("own", "regulated")}[
        style.regulated
    ]
    registers = ("BASE",) if option == "BASE" else style.registers
    if style.blocks and style.regulated == "none":
        return [
            column
            for side in style.sides
            for column in (subscription(side), *(price(register, side, "own") for register in registers))
        ]
    prices = [
        price(register, side, owner) for register in registers for owner in owners for side in style.sides
    ]
    if style.side_above_register and style.regulated == "none":
        prices = [price(register, side, "own") for side in style.sides for register in registers]
    return [*(subscription(side) for side in style.sides), *prices]


def _printed(amounts: Sequence[Decimal]) -> str:
    return " ".join(f"{amount:.2f}" for amount in amounts).replace(".", ",")


def _header(columns: list[Column], option: str, style: _Style) -> list[str]:
    """Header lines: each kind of word over the runs of columns that share it."""
    w = style.words
    period = w["year" if style.yearly else "month"]
    unit = {
        "subscription": f"({period})" if "/" in period else period,
        "energy": "(c€/kWh)" if style.cents else "(€/kWh)",
    }
    lines = []
    if style.titled:
        title = "Option Base" if option == "BASE" else "Option Heures Pleines / Heures Creuses"
        lines.append(f"{title}@0-{len(columns)}")
    measures = {m: w[m] if style.units_apart else f"{w[m]} {unit[m]}" for m in ("subscription", "energy")}
    if style.blocks and style.regulated == "none":
        lines.append(_runs(columns, lambda c: w[c.side]))
    lines.append("Puissance@0 | " + _runs(columns, lambda c: measures[c.measure]))
    if style.units_apart:
        lines.append("souscrite@0 | " + _runs(columns, lambda c: unit[c.measure]))
    hours = _runs(columns, lambda c: w.get(c.register, "") if c.measure == "energy" else "")
    sides = _runs(columns, lambda c: w[c.side])
    if style.side_above_register and not style.blocks and style.regulated == "none":
        lines += [sides, hours]
    else:
        lines.append(hours)
        if style.regulated != "none":
            lines.append(_runs(columns, lambda c: w[c.owner] if c.measure == "energy" else ""))
        if not (style.blocks and style.regulated == "none"):
            lines.append(sides)
    return [line for line in lines if line]


def _runs(columns: list[Column], says: Callable[[Column], str]) -> str:
    """`text@first-last` for each run of columns that say the same within one parent."""
    cells: list[tuple[str, int, int]] = []
    for place, column in enumerate(columns, start=1):
        text = says(column)
        if cells and cells[-1][0] == text and text and _same_parent(columns[place - 2], column, text):
            cells[-1] = (text, cells[-1][1], place)
        else:
            cells.append((text, place, place))
    return " | ".join(f"{text}@{first}-{last}" for text, first, last in cells if text)


def _same_parent(a: Column, b: Column, text: str) -> bool:
    if text in (_WORDS["regulated"] + _WORDS["own"]):
        return (a.measure, a.register) == (b.measure, b.register)
    if text in _WORDS["HT"] + _WORDS["TTC"]:
        return a.side == b.side
    return a.measure == b.measure
