"""Sheets in layouts that no source describes, drawn from a description, with prices that obey the law.

Nothing here is drawn to suit the reader: a layout is what a supplier could print.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from tests.ingest.drawn_sheets import FROM_6, USUAL, Drawing, Expected, figures

#: Duties of 2025-08-01: accise, TVA, CTA; the network's fixed part is CU4: 38.80 + 10.11 per kVA a year.
_ACCISE, _TVA, _CTA = Decimal("0.02998"), Decimal("1.2"), Decimal("0.2193")
_MONTH_HT = dict(
    zip(USUAL, ("9.10", "11.80", "14.40", "17.00", "19.60", "22.20", "27.80", "33.10", "38.60"), strict=True)
)
_HT = {
    "BASE": {"BASE": "0.1290"},
    "HPHC": {"HP": "0.1402", "HC": "0.1031"},
    "SAISON": {"HPH": "0.1650", "HCH": "0.1250", "HPB": "0.1150", "HCB": "0.0950"},
}
_SIDES = ("HT", "TTC")
_TITLE = "Grille tarifaire applicable au 01/08/2025, électricité pour les logements, offre Lumière"


@dataclass(frozen=True)
class Unprepared:
    """A drawn document and what it says."""

    pdf: bytes
    expected: Expected


def _rounded(amount: Decimal, step: str) -> Decimal:
    return amount.quantize(Decimal(step), ROUND_HALF_UP)


def _printed(amount: Decimal) -> str:
    return str(amount).replace(".", ",")


def subscription(power: str, side: str, *, months: int = 1) -> str:
    """What a sheet prints of a subscription: per month, or over a year."""
    ht = Decimal(_MONTH_HT[power]) * months
    if side == "HT":
        return _printed(ht)
    network = (Decimal("38.80") + Decimal("10.11") * int(power)) * months / 12
    return _printed(_rounded((ht + _CTA * network) * _TVA, "0.01"))


def subscriptions(powers: Sequence[str], side: str, *, months: int = 1) -> str:
    return " ".join(subscription(power, side, months=months) for power in powers)


def price(option: str, register: str, side: str, *, cents: bool = False) -> str:
    """What a sheet prints of a price per kWh."""
    ht = Decimal(_HT[option][register])
    amount = ht if side == "HT" else _rounded((ht + _ACCISE) * _TVA, "0.0001")
    return _printed(amount * 100).removesuffix("00") if cents else _printed(amount)


def each(cell: str, powers: Sequence[str]) -> str:
    return " ".join([cell] * len(powers))


def says(option: str, powers: Sequence[str], sides: Sequence[str] = _SIDES, *, months: int = 1) -> Expected:
    """What a sheet of an option says, in EUR per year and per kWh."""
    columns = {("subscription", side): subscriptions(powers, side, months=months) for side in sides}
    for register in _HT[option]:
        columns |= {(register, side): f"= {price(option, register, side)}" for side in sides}
    return figures("(unknown)", option, powers, columns, month=12 // months)


def kva(powers: Sequence[str]) -> str:
    return " ".join(f"{power}_kVA" for power in powers)


def _new(title: str = _TITLE) -> Drawing:
    d = Drawing()
    d.text(40, 40, title)
    return d


def crosses_where_an_option_is_not_sold() -> Unprepared:
    """Base and HP/HC share the powers; `x` where one is not sold: Base from 12 kVA, HP/HC at 3 kVA."""
    d, few, no = _new(), USUAL[:3], len(USUAL) - 3
    header = [
        "Option Base@1-4 | Option Heures Pleines / Heures Creuses@5-10",
        (
            "Puissance@0 | Abonnement (€/mois)@1-2 | Prix du kWh (€)@3-4 | Abonnement (€/mois)@5-6"
            " | HP (€/kWh)@7-8 | HC (€/kWh)@9-10"
        ),
        "souscrite@0 | " + " | ".join(f"{_SIDES[(i + 1) % 2]}@{i}" for i in range(1, 11)),
    ]
    base = [subscriptions(few, s) for s in _SIDES] + [each(price("BASE", "BASE", s), few) for s in _SIDES]
    hours = [subscriptions(FROM_6, s) for s in _SIDES]
    hours += [each(price("HPHC", r, s), FROM_6) for r in ("HP", "HC") for s in _SIDES]
    d.table(
        25,
        100,
        (45, *([48] * 10)),
        header,
        (kva(USUAL), *(f"{c} {each('x', USUAL[:no])}" for c in base), *(f"x {c}" for c in hours)),
        size=6,
    )
    return Unprepared(d.pdf(), says("BASE", few) | says("HPHC", FROM_6))


def off_peak_before_peak() -> Unprepared:
    """The off-peak price stands left of the peak price, TTC left of HT."""
    d = _new()
    sides = ("TTC", "HT")
    header = [
        "Puissance@0 | Abonnement@1-2 | Heures Creuses@3-4 | Heures Pleines@5-6",
        "souscrite@0 | €/mois@1-2 | €/kWh@3-4 | €/kWh@5-6",
        "(kVA)@0 | " + " | ".join(f"{sides[(i + 1) % 2]}@{i}" for i in range(1, 7)),
    ]
    columns = [subscriptions(FROM_6, s) for s in sides]
    columns += [each(price("HPHC", r, s), FROM_6) for r in ("HC", "HP") for s in sides]
    d.table(60, 100, (60, *([60] * 6)), header, (" ".join(FROM_6), *columns))
    return Unprepared(d.pdf(), says("HPHC", FROM_6))


def struck_real_beside_struck_decoys() -> Unprepared:
    """Regulated prices are struck; so are, from 9 kVA, the offer's own: that option is closed there."""
    d = _new()
    closed = USUAL[2:]
    header = [
        "Option Base@0-6",
        "Puissance@0 | Abonnement (€/mois)@1-2 | Prix du kWh (€/kWh)@3-6",
        "souscrite@0 | HT@1 | HT@3-4 | TTC@2 | TTC@5-6",
    ]
    columns = [
        kva(USUAL),
        *(subscriptions(USUAL, s) for s in _SIDES),
        " ".join(f"~{t}" for t in ["0,1327"] * 9),
        " ".join(["0,1290"] * 2 + ["~0,1290"] * 7),
        " ".join(f"~{t}" for t in ["0,1952"] * 9),
        " ".join([price("BASE", "BASE", "TTC")] * 2 + [f"~{price('BASE', 'BASE', 'TTC')}"] * 7),
    ]
    for side in (1, 2):
        cells = columns[side].split()
        columns[side] = " ".join(cells[:2] + [f"~{cell}" for cell in cells[2:]])
    d.table(60, 100, (60, *([60] * 6)), header, columns)
    d.text(60, 300, "Les prix barrés à gauche sont ceux du tarif réglementé de vente.")
    d.text(60, 312, f"L'option Base n'est plus proposée à la souscription de {closed[0]} à 36 kVA.")
    return Unprepared(d.pdf(), says("BASE", USUAL))


def struck_price_in_the_cell_of_the_real_one() -> Unprepared:
    """In each merged cell the regulated price, struck, and under it the offer's."""
    d = _new()
    header = [
        "Puissance@0 | Abonnement (€/mois)@1-2 | Prix du kWh (€/kWh)@3-4",
        "souscrite@0 | HT@1 | TTC@2 | HT@3 | TTC@4",
    ]
    d.table(60, 100, (60, *([70] * 4)), header, (kva(USUAL), *(subscriptions(USUAL, s) for s in _SIDES)))
    for x, struck, side in ((305, "0,1327", "HT"), (375, "0,1952", "TTC")):
        d.struck(x, 169, struck)
        d.centred(x, 182, price("BASE", "BASE", side))
    d.text(60, 300, "Prix barré : tarif réglementé de vente.")
    return Unprepared(d.pdf(), says("BASE", USUAL))


#: Supply, network and duty of the price (c€/kWh HT) and of the yearly subscription; they add up to the above.
_PARTS = ("0.0806", "0.0484", "0.02998")


def components_side_by_side(*, total: bool = True) -> Unprepared:
    """Supply, network and taxes side by side, HT and TTC each, with their totals or without."""
    d = _new()
    names = ["Fourniture", "Acheminement", "Taxes et contributions"] + (["Total"] if total else [])
    powers = USUAL
    supply = [Decimal(_MONTH_HT[p]) - Decimal("3.00") for p in powers]
    network = [Decimal("3.00")] * len(powers)
    ht = [" ".join(_printed(a) for a in part) for part in (supply, network)]
    ttc_parts = [[_rounded(a * _TVA, "0.01") for a in part] for part in (supply, network)]
    whole = [Decimal(subscription(p, "TTC").replace(",", ".")) for p in powers]
    duties = [w - a - b for w, a, b in zip(whole, *ttc_parts, strict=True)]
    cta = [_rounded(_CTA * (Decimal("38.80") + Decimal("10.11") * int(p)) / 12, "0.01") for p in powers]
    months: list[str] = [ht[0], _join(ttc_parts[0]), ht[1], _join(ttc_parts[1]), _join(cta), _join(duties)]
    prices = [
        each(_printed(amount), powers)
        for part in _PARTS
        for amount in (Decimal(part), _rounded(Decimal(part) * _TVA, "0.00001"))
    ]
    if total:
        months += [subscriptions(powers, s) for s in _SIDES]
        prices += [each(price("BASE", "BASE", s), powers) for s in _SIDES]
    for title, unit, columns, y in (
        ("Abonnement", "(€/mois)", months, 90),
        ("Prix du kWh", "(€/kWh)", prices, 300),
    ):
        last = len(columns)
        header = [
            f"{title} {unit}@1-{last}",
            "Puissance@0 | " + " | ".join(f"{n}@{2 * i + 1}-{2 * i + 2}" for i, n in enumerate(names)),
            "souscrite@0 | " + " | ".join(f"{_SIDES[i % 2]}@{i + 1}" for i in range(last)),
        ]
        d.table(30, y, (60, *([56] * last)), header, (kva(powers), *columns))
    expected = says("BASE", powers)
    if not total:
        for (offer, option, power, meaning, side), amount in expected.items():
            if meaning == "BASE" and side == "TTC":
                parts = [_rounded(Decimal(part) * _TVA, "0.00001") for part in _PARTS]
                expected[offer, option, power, meaning, side] = sum(parts, amount - amount)
    return Unprepared(d.pdf(), expected)


def components_to_add() -> Unprepared:
    """The same without totals: a person has to add."""
    return components_side_by_side(total=False)


def _join(amounts: Sequence[Decimal]) -> str:
    return " ".join(_printed(amount) for amount in amounts)


_FOUR = ("HPH", "HCH", "HPB", "HCB")


def _seasonal(
    lines: Sequence[str], order: Sequence[str] = _FOUR, *, sides: Sequence[str] = _SIDES
) -> Unprepared:
    d = _new()
    count = len(sides)
    last = count * 5
    header = [line for line in lines if line]
    header.append("(kVA)@0 | " + " | ".join(f"{sides[(i - 1) % count]}@{i}" for i in range(1, last + 1)))
    columns = [subscriptions(FROM_6, s) for s in sides]
    columns += [each(price("SAISON", r, s), FROM_6) for r in order for s in sides]
    d.table(25, 100, (45, *([48 if count == 2 else 80] * last)), header, (" ".join(FROM_6), *columns), size=6)
    return Unprepared(d.pdf(), says("SAISON", FROM_6, sides))


def summer_and_winter() -> Unprepared:
    """Winter and summer above peak and off-peak."""
    return _seasonal(
        (
            "Abonnement@1-2 | Hiver@3-6 | Été@7-10",
            "Puissance@0 | €/mois@1-2 | HP@3-4 | HC@5-6 | HP@7-8 | HC@9-10",
            "souscrite@0 | €/kWh@3-10",
        )
    )


def seasons_below_hours() -> Unprepared:
    """Peak and off-peak above "saison haute" and "saison basse"."""
    return _seasonal(
        (
            "Puissance@0 | Abonnement (€/mois)@1-2 | Heures Pleines €/kWh@3-6 | Heures Creuses €/kWh@7-10",
            "souscrite@0 | Saison haute@3-4 | Saison basse@5-6 | Saison haute@7-8 | Saison basse@9-10",
        ),
        ("HPH", "HPB", "HCH", "HCB"),
    )


def seasons_in_full() -> Unprepared:
    """Each register written out in one phrase, summer first."""
    return _seasonal(
        (
            "Puissance@0 | Abonnement@1-2 | HC Été@3-4 | HP Été@5-6 | HC Hiver@7-8 | HP Hiver@9-10",
            "souscrite@0 | €/mois@1-2 | €/kWh@3-4 | €/kWh@5-6 | €/kWh@7-8 | €/kWh@9-10",
        ),
        ("HCB", "HPB", "HCH", "HPH"),
    )


def seasons_by_letters() -> Unprepared:
    """HPH, HCH, HPB, HCB alone, TTC only."""
    return _seasonal(
        (
            "Puissance@0 | Abonnement@1 | Prix du kWh@2-5",
            "souscrite@0 | €/mois@1 | HPH@2 | HCH@3 | HPB@4 | HCB@5",
        ),
        sides=("TTC",),
    )


def ranges_of_powers() -> Unprepared:
    """A price for each range of powers, written in four ways, beside a subscription for each."""
    d = _new()
    header = [
        "Puissance souscrite@0 | Abonnement@1 | Prix du kWh@2",
        "(kVA)@0 | € HT/an@1 | € HT/kWh@2",
    ]
    rows = ("3", "6_à_9", "12-15", "18_-_24_kVA", ">_24")
    amounts = "109,20 155,40 210,00 290,40 410,40"
    d.table(60, 100, (100, 100, 100), header, (" ".join(rows), amounts, each("0,1290", rows)))
    expected: Expected = {}
    steps = (("3",), ("6", "9"), ("12", "15"), ("18", "24"), ("30", "36"))
    for powers, amount in zip(steps, amounts.split(), strict=True):
        for power in powers:
            key = "(unknown)", "BASE", int(power)
            expected[*key, "subscription", "HT"] = Decimal(amount.replace(",", "."))
            expected[*key, "BASE", "HT"] = Decimal("0.1290")
    return Unprepared(d.pdf(), expected)


def cents_without_tax_then_with() -> Unprepared:
    """A block HT left, a block TTC right; prices in c€ with two to four decimals."""
    d = _new()
    header = [
        "HT@1-3 | TTC@4-6",
        "Puissance@0 | Abonnement@1 | HP@2 | HC@3 | Abonnement@4 | HP@5 | HC@6",
        "souscrite@0 | €/mois@1 | c€/kWh@2 | c€/kWh@3 | €/mois@4 | c€/kWh@5 | c€/kWh@6",
    ]
    columns: list[str] = []
    for side in _SIDES:
        columns.append(subscriptions(FROM_6, side))
        columns += [each(price("HPHC", r, side, cents=True), FROM_6) for r in ("HP", "HC")]
    d.table(60, 100, (60, *([65] * 6)), header, (kva(FROM_6), *columns))
    return Unprepared(d.pdf(), says("HPHC", FROM_6))


def words_cut_in_two() -> Unprepared:
    """Headers cut at a line's end ("Abonne-", "ment") and in two runs of text ("Puis" "sance")."""
    d = _new()
    y, x = 100, (60, 140, 220, 300, 380, 460)
    d.text(x[0], y, "Puis", 7)
    d.text(x[0] + d.width("Puis", 7) + 2.2, y, "sance", 7)
    d.text(x[0], y + 10, "souscrite", 7)
    for i, side in ((1, "HT"), (2, "TTC")):
        d.centred(x[i] + 40, y, "Abonne-")
        d.centred(x[i] + 40, y + 10, "ment")
        d.centred(x[i] + 40, y + 20, f"{side} €/mois")
    for i, side in ((3, "HT"), (4, "TTC")):
        d.centred(x[i] + 40, y, "Consomma-")
        d.centred(x[i] + 40, y + 10, "tion")
        d.centred(x[i] + 40, y + 20, f"{side} €/kWh")
    columns = [subscriptions(USUAL, s) for s in _SIDES]
    columns += [each(price("BASE", "BASE", s), USUAL) for s in _SIDES]
    d.table(x[0], y + 30, [80] * 5, [], (kva(USUAL), *columns))
    return Unprepared(d.pdf(), says("BASE", USUAL))


def a_block_for_each_power() -> Unprepared:
    """A heading "6 kVA", then its small table: registers down, HT and TTC across."""
    d = _new()
    for i, power in enumerate(FROM_6):
        x, y = 40 + 270 * (i % 2), 90 + 110 * (i // 2)
        d.text(x, y, f"{power} kVA", 10)
        lines = [("", "HT", "TTC"), ("Abonnement (€/mois)", *(subscription(power, s) for s in _SIDES))]
        lines += [
            (f"Heures {name} (€/kWh)", *(price("HPHC", r, s) for s in _SIDES))
            for r, name in (("HP", "Pleines"), ("HC", "Creuses"))
        ]
        for j, cells in enumerate(lines):
            for k, cell in enumerate(cells):
                if k == 0:
                    d.text(x, y + 16 + 13 * j, cell, 7)
                else:
                    d.centred(x + 110 + 50 * (k - 1), y + 16 + 13 * j, cell)
    return Unprepared(d.pdf(), says("HPHC", FROM_6))


def blocks_with_headers_across() -> Unprepared:
    """Blocks "Puissance souscrite : 6 kVA" under each other; options down, measures across, TTC only."""
    d = _new()
    d.text(40, 60, "Prix TTC : abonnement en €/mois, consommation en €/kWh", 8)
    for i, power in enumerate(FROM_6):
        y = 85 + 75 * i
        d.text(40, y, f"Puissance souscrite : {power} kVA", 9)
        for x, text in ((220, "Abonnement"), (300, "Base"), (360, "HP"), (420, "HC")):
            d.centred(x, y + 13, text)
        d.text(60, y + 26, "Option Base", 7)
        d.centred(220, y + 26, subscription(power, "TTC"))
        d.centred(300, y + 26, price("BASE", "BASE", "TTC"))
        d.text(60, y + 39, "Option HP/HC", 7)
        d.centred(220, y + 39, subscription(power, "TTC"))
        d.centred(360, y + 39, price("HPHC", "HP", "TTC"))
        d.centred(420, y + 39, price("HPHC", "HC", "TTC"))
    return Unprepared(d.pdf(), says("BASE", FROM_6, ("TTC",)) | says("HPHC", FROM_6, ("TTC",)))


def powers_across_the_top() -> Unprepared:
    """Powers as the headings of columns, a line for each price."""
    d = _new()
    d.text(40, 80, "Tarifs TTC", 8)
    lines = [("Abonnement (€/mois)", [subscription(p, "TTC") for p in FROM_6])]
    lines += [
        (f"Heures {name} (€/kWh)", [price("HPHC", r, "TTC")] * len(FROM_6))
        for r, name in (("HP", "Pleines"), ("HC", "Creuses"))
    ]
    for i, power in enumerate(FROM_6):
        d.centred(170 + 52 * i, 100, f"{power} kVA")
        for j, (_, cells) in enumerate(lines):
            d.centred(170 + 52 * i, 114 + 14 * j, cells[i])
    for j, (label, _) in enumerate(lines):
        d.text(40, 114 + 14 * j, label, 7)
    return Unprepared(d.pdf(), says("HPHC", FROM_6, ("TTC",)))


def subscriptions_and_prices_apart() -> Unprepared:
    """One table of subscriptions, another of prices."""
    d = _new()
    header = ["Puissance@0 | Abonnement (€/mois)@1-2", "(kVA)@0 | HT@1 | TTC@2"]
    d.table(60, 100, (60, 70, 70), header, (kva(FROM_6), *(subscriptions(FROM_6, s) for s in _SIDES)))
    header = [
        "Puissance@0 | Heures Pleines (c€/kWh)@1-2 | Heures Creuses (c€/kWh)@3-4",
        "(kVA)@0 | HT@1 | TTC@2 | HT@3 | TTC@4",
    ]
    columns = [each(price("HPHC", r, s, cents=True), FROM_6) for r in ("HP", "HC") for s in _SIDES]
    d.table(60, 300, (60, 70, 70, 70, 70), header, (kva(FROM_6), *columns))
    return Unprepared(d.pdf(), says("HPHC", FROM_6))


def month_and_year() -> Unprepared:
    """The subscription by the month and by the year, side by side."""
    d = _new()
    header = [
        "Puissance@0 | Abonnement TTC@1-2 | Prix du kWh@3",
        "souscrite@0 | €/mois@1 | €/an@2 | € TTC@3",
    ]
    months = [subscription(p, "TTC") for p in USUAL]
    years = [_printed(Decimal(m.replace(",", ".")) * 12) for m in months]
    columns = (kva(USUAL), " ".join(months), " ".join(years), each(price("BASE", "BASE", "TTC"), USUAL))
    d.table(60, 100, (60, 80, 80, 80), header, columns)
    return Unprepared(d.pdf(), says("BASE", USUAL, ("TTC",)))


def small_digits_behind_prices() -> Unprepared:
    """A footnote's digit, small and raised, right behind each price."""
    d = _new()
    header = ["Puissance@0 | Abonnement@1 | Prix du kWh@2", "souscrite@0 | € TTC/an@1 | € TTC/kWh@2"]
    columns = (kva(USUAL), subscriptions(USUAL, "TTC", months=12), each("-", USUAL))
    d.table(60, 100, (80, 90, 90), header, columns)
    for row in range(len(USUAL)):
        text, y = price("BASE", "BASE", "TTC"), 124 + 13 * row
        d.text(260, y, text, 7)
        d.text(260 + d.width(text, 7), y - 2.5, "2", 4)
    return Unprepared(d.pdf(), says("BASE", USUAL, ("TTC",), months=12))


def seasons_in_the_cells() -> Unprepared:
    """Four names of hours stacked with their prices in merged cells."""
    d = _new()
    header = [
        "Puissance@0 | Abonnement@1-2 | Prix du kWh@3-4",
        "souscrite@0 | €/mois HT@1 | €/mois TTC@2 | c€/kWh HT@3 | c€/kWh TTC@4",
    ]
    d.table(
        40, 100, (60, 70, 70, 130, 130), header, (kva(FROM_6), *(subscriptions(FROM_6, s) for s in _SIDES))
    )
    names = ("HP Hiver", "HC Hiver", "HP Été", "HC Été")
    for x, side in ((305, "HT"), (435, "TTC")):
        for i, (name, register) in enumerate(zip(names, _FOUR, strict=True)):
            d.centred(x, 134 + 22 * i, f"{name} : {price('SAISON', register, side, cents=True)}")
    return Unprepared(d.pdf(), says("SAISON", FROM_6))


def components_of_two_registers() -> Unprepared:
    """Supply, network and taxes of peak and off-peak in cents, TTC only, without totals."""
    d = _new()
    header = [
        "Puissance@0 | Abonnement@1 | Heures Pleines (c€ TTC/kWh)@2-4 | Heures Creuses (c€ TTC/kWh)@5-7",
        "souscrite@0 | € TTC/mois@1 | "
        + " | ".join(f"{('Énergie', 'Réseau', 'Taxes')[i % 3]}@{2 + i}" for i in range(6)),
    ]
    parts = {"HP": ("9,900", "6,922", "3,598"), "HC": ("7,530", "4,842", "3,598")}
    columns = [subscriptions(FROM_6, "TTC"), *(each(p, FROM_6) for r in ("HP", "HC") for p in parts[r])]
    d.table(30, 100, (60, 70, *([66] * 6)), header, (kva(FROM_6), *columns))
    expected = says("HPHC", FROM_6, ("TTC",))
    for offer, option, power, meaning, side in list(expected):
        if meaning in parts:
            total = sum((Decimal(p.replace(",", ".")) for p in parts[meaning]), Decimal(0)) / 100
            expected[offer, option, power, meaning, side] = total
    return Unprepared(d.pdf(), expected)


def _simple(d: Drawing, y: float, powers: Sequence[str], **changes: Callable[[str], str]) -> None:
    """A plain Base table, its printed subscriptions and prices changed by what is asked of them."""
    same = str
    sub, kwh = changes.get("subscription", same), changes.get("price", same)
    header = [
        "Puissance@0 | Abonnement@1-2 | Prix du kWh@3-4",
        "souscrite@0 | € HT/an@1 | € TTC/an@2 | € HT/kWh@3 | € TTC/kWh@4",
    ]
    columns = [" ".join(sub(subscription(p, s, months=12)) for p in powers) for s in _SIDES] + [
        " ".join(kwh(price("BASE", "BASE", s)) for _ in powers) for s in _SIDES
    ]
    d.table(60, y, (80, 90, 90, 90, 90), header, (kva(powers), *columns))


def a_page_turned() -> Unprepared:
    """A page whose text runs upwards and which is turned to be read."""
    d = Drawing(turned=True)
    d.text(40, 40, _TITLE)
    _simple(d, 100, USUAL)
    return Unprepared(d.pdf(), says("BASE", USUAL, months=12))


def text_that_runs_upwards() -> Unprepared:
    """The same without the page's turn: a person turns the head."""
    d = Drawing(turned=True, rotate=False)
    d.text(40, 40, _TITLE)
    _simple(d, 100, USUAL)
    return Unprepared(d.pdf(), says("BASE", USUAL, months=12))


def a_table_on_two_pages() -> Unprepared:
    """The header stands on both pages, the powers go on."""
    d = _new()
    _simple(d, 600, USUAL[:4])
    d.next_page()
    _simple(d, 60, USUAL[4:])
    return Unprepared(d.pdf(), says("BASE", USUAL, months=12))


def a_table_on_two_pages_with_one_header() -> Unprepared:
    """The header stands on the first page alone."""
    d = _new()
    _simple(d, 700, USUAL[:4])
    d.next_page()
    powers = USUAL[4:]
    columns = [subscriptions(powers, s, months=12) for s in _SIDES]
    columns += [each(price("BASE", "BASE", s), powers) for s in _SIDES]
    d.table(60, 60, (80, 90, 90, 90, 90), [], (kva(powers), *columns))
    return Unprepared(d.pdf(), says("BASE", USUAL, months=12))


def footnotes_glued_to_figures() -> Unprepared:
    """Marks behind the figures and the powers: (1), *, a superscript."""
    d = _new()
    _simple(d, 100, USUAL, subscription=lambda t: f"{t}(1)", price=lambda t: f"{t}**")
    d.text(60, 300, "(1) hors options. ** révisable une fois par an.")
    return Unprepared(d.pdf(), says("BASE", USUAL, months=12))


def superscript_marks() -> Unprepared:
    """A superscript figure 2 behind each price, as another character or a smaller digit."""
    d = _new()
    _simple(d, 100, USUAL, subscription=lambda t: f"{t}€", price=lambda t: f"{t}²")
    return Unprepared(d.pdf(), says("BASE", USUAL, months=12))


def thousands_apart() -> Unprepared:
    """A no-break space between thousands and hundreds, and a decimal point."""
    d = _new()
    powers = USUAL
    header = [
        "Puissance@0 | Abonnement@1 | Prix du kWh@2",
        "souscrite@0 | € TTC/an@1 | € TTC/kWh@2",
    ]
    # Ten times a home's subscription is no residential price: what counts is that 1 109,20 is not 109,20.
    amounts = [f"1\N{NO-BREAK SPACE}{Decimal(_MONTH_HT[p]) * 12:06.2f}" for p in powers]
    d.table(
        60, 100, (80, 90, 90), header, (kva(powers), " ".join("-" for _ in powers), each("0.1908", powers))
    )
    for i, amount in enumerate(amounts):
        d.centred(60 + 80 + 45, 100 + 24 + 13 * i, amount)
    expected: Expected = {}
    for power in powers:
        key = "(unknown)", "BASE", int(power)
        expected[*key, "subscription", "TTC"] = 1000 + Decimal(_MONTH_HT[power]) * 12
        expected[*key, "BASE", "TTC"] = Decimal("0.1908")
    return Unprepared(d.pdf(), expected)


def units_in_the_cells() -> Unprepared:
    """Every cell carries its unit ("178,32 € TTC/an", "20,01 c€"), the header none; a month's name."""
    d = _new("Offre Lumière pour les logements : prix en vigueur au 1er août 2025")
    powers = USUAL
    header = ["Puissance@0 | Abonnement@1 | Prix du kWh@2"]
    months = " ".join(f"{subscription(p, 'TTC', months=12)}_€_TTC/an" for p in powers)
    cents = price("BASE", "BASE", "TTC", cents=True)
    d.table(60, 100, (80, 120, 120), header, (kva(powers), months, each(f"{cents}_c€_TTC", powers)))
    return Unprepared(d.pdf(), says("BASE", powers, ("TTC",), months=12))


def points_for_decimals() -> Unprepared:
    """Decimal points instead of commas."""
    d = _new()
    _simple(d, 100, USUAL, subscription=lambda t: t.replace(",", "."), price=lambda t: t.replace(",", "."))
    return Unprepared(d.pdf(), says("BASE", USUAL, months=12))


def crosses_and_cents() -> Unprepared:
    """Base and HC/HP on one column of powers, `x` where not sold, c€, HC before HP, TTC only."""
    d = _new()
    header = [
        "Base@1-2 | Heures Pleines / Heures Creuses@3-5",
        "Puissance@0 | Abonnement@1 | Prix du kWh@2 | Abonnement@3 | Prix du kWh HC@4 | Prix du kWh HP@5",
        "souscrite@0 | € TTC/mois@1 | c€ TTC@2 | € TTC/mois@3 | c€ TTC@4 | c€ TTC@5",
    ]
    columns = [subscriptions(USUAL, "TTC"), each(price("BASE", "BASE", "TTC", cents=True), USUAL)]
    columns.append("x " + subscriptions(FROM_6, "TTC"))
    columns += ["x " + each(price("HPHC", r, "TTC", cents=True), FROM_6) for r in ("HC", "HP")]
    d.table(40, 100, (60, *([85] * 5)), header, (kva(USUAL), *columns))
    return Unprepared(d.pdf(), says("BASE", USUAL, ("TTC",)) | says("HPHC", FROM_6, ("TTC",)))


def seasons_on_a_turned_page() -> Unprepared:
    """Summer and winter in cents on a turned page, TTC only."""
    d = Drawing(turned=True)
    d.text(40, 40, _TITLE)
    header = [
        "Abonnement@1 | Basse saison (avril à octobre)@2-3 | Haute saison (novembre à mars)@4-5",
        "Puissance@0 | € TTC/mois@1 | "
        + " | ".join(f"Heures {('pleines', 'creuses')[i % 2]}@{2 + i}" for i in range(4)),
        "souscrite@0 | c€ TTC/kWh@2-5",
    ]
    columns = [subscriptions(FROM_6, "TTC")]
    columns += [each(price("SAISON", r, "TTC", cents=True), FROM_6) for r in ("HPB", "HCB", "HPH", "HCH")]
    d.table(40, 100, (60, 80, *([75] * 4)), header, (kva(FROM_6), *columns))
    return Unprepared(d.pdf(), says("SAISON", FROM_6, ("TTC",)))


def crosses_beside_a_merged_price() -> Unprepared:
    """HP/HC is not sold at 3 kVA, where `x` stands, and its prices are printed once for all other powers."""
    d = _new()
    header = [
        "Option Base@1-2 | Option HP/HC@3-5",
        "Puissance@0 | Abonnement@1 | Prix du kWh@2 | Abonnement@3 | HP@4 | HC@5",
        "souscrite@0 | € TTC/mois@1 | € TTC/kWh@2 | € TTC/mois@3 | € TTC/kWh@4 | € TTC/kWh@5",
    ]
    columns = [kva(USUAL), subscriptions(USUAL, "TTC"), f"= {price('BASE', 'BASE', 'TTC')}"]
    columns += ["x " + subscriptions(FROM_6, "TTC"), *(["x " + each("-", FROM_6)] * 2)]
    d.table(40, 100, (60, *([85] * 5)), header, columns)
    for x, register in ((397, "HP"), (482, "HC")):
        d.centred(x, 134 + 13 * 4.5, price("HPHC", register, "TTC"))
    return Unprepared(d.pdf(), says("BASE", USUAL, ("TTC",)) | says("HPHC", FROM_6, ("TTC",)))


def struck_beside_the_real_one() -> Unprepared:
    """In each cell, on one line, the regulated price, struck, and the offer's."""
    d = _new()
    header = [
        "Puissance@0 | Abonnement (€/mois)@1-2 | Prix du kWh (€/kWh)@3-4",
        "souscrite@0 | HT@1 | TTC@2 | HT@3 | TTC@4",
    ]
    d.table(60, 100, (60, *([90] * 4)), header, (kva(USUAL), *(subscriptions(USUAL, s) for s in _SIDES)))
    for row in range(len(USUAL)):
        for x, struck, side in ((300, "0,1327", "HT"), (390, "0,1952", "TTC")):
            d.struck(x + 28, 124 + 13 * row, struck)
            d.centred(x + 62, 124 + 13 * row, price("BASE", "BASE", side))
    return Unprepared(d.pdf(), says("BASE", USUAL))


def a_table_for_each_side() -> Unprepared:
    """A table HT left and one TTC right, each with its powers, in cents."""
    d = _new()
    for i, side in enumerate(_SIDES):
        header = [
            f"Prix {side}@0-3",
            "Puissance@0 | Abonnement@1 | HP@2 | HC@3",
            "(kVA)@0 | €/mois@1 | c€/kWh@2 | c€/kWh@3",
        ]
        prices = (each(price("HPHC", r, side, cents=True), FROM_6) for r in ("HP", "HC"))
        columns = (" ".join(FROM_6), subscriptions(FROM_6, side), *prices)
        d.table(30 + 280 * i, 100, (50, 65, 65, 65), header, columns)
    return Unprepared(d.pdf(), says("HPHC", FROM_6))


def _ranges(rows: Sequence[str], steps: Sequence[Sequence[str]]) -> Unprepared:
    d = _new()
    header = ["Puissance souscrite@0 | Abonnement@1 | Prix du kWh@2", "(kVA)@0 | € HT/an@1 | € HT/kWh@2"]
    amounts = ("125,40", "190,40", "250,00", "380,40") if len(rows) == 4 else ("125,40", "215,40", "380,40")
    columns = (" ".join(row.replace(" ", "_") for row in rows), " ".join(amounts), each("0,1290", rows))
    d.table(60, 100, (120, 100, 100), header, columns)
    expected: Expected = {}
    for powers, amount in zip(steps, amounts, strict=True):
        for power in powers:
            key = "(unknown)", "BASE", int(power)
            expected[*key, "subscription", "HT"] = Decimal(amount.replace(",", "."))
            expected[*key, "BASE", "HT"] = Decimal("0.1290")
    return Unprepared(d.pdf(), expected)


_FOUR_STEPS = (("3", "6"), ("9", "12"), ("15", "18"), ("24", "30", "36"))


def ranges_in_words() -> Unprepared:
    """Ranges as "De 3 à 6 kVA", "24 kVA et plus"."""
    return _ranges(("De 3 à 6 kVA", "9 kVA à 12 kVA", "entre 15 et 18", "24 kVA et plus"), _FOUR_STEPS)


def ranges_in_signs() -> Unprepared:
    """Signs of inequality, a dash, a slash."""
    return _ranges(("≤ 6", "9-12", "15/18", "> 18"), _FOUR_STEPS)


def three_ranges() -> Unprepared:
    """Fewer rows than any table of single powers."""
    steps = (("3", "6"), ("9", "12", "15", "18"), ("24", "30", "36"))
    return _ranges(("3 - 6 kVA", "9 - 18 kVA", "24 - 36 kVA"), steps)


def blocks_of_two_options() -> Unprepared:
    """In each block Base on one line, HP/HC on three: its subscription, then each price behind its hours."""
    d = _new()
    for i, power in enumerate(FROM_6):
        x, y = 40 + 270 * (i % 2), 80 + 105 * (i // 2)
        d.text(x, y, f"Puissance : {power} kVA", 9)
        for k, (name, unit) in enumerate((("Abonnement TTC", "€/mois"), ("Prix du kWh TTC", "c€/kWh"))):
            d.centred(x + 120 + 80 * k, y + 13, name)
            d.centred(x + 120 + 80 * k, y + 23, unit)
        kwh = {
            r: price(o, r, "TTC", cents=True) for o, r in (("BASE", "BASE"), ("HPHC", "HP"), ("HPHC", "HC"))
        }
        lines = (
            ("Base", subscription(power, "TTC"), kwh["BASE"]),
            ("Heures Pleines / Heures Creuses", subscription(power, "TTC"), ""),
            ("dont HP", "", kwh["HP"]),
            ("dont HC", "", kwh["HC"]),
        )
        for j, (label, *cells) in enumerate(lines):
            d.text(x, y + 36 + 12 * j, label, 6)
            for k, cell in enumerate(cells):
                d.centred(x + 120 + 80 * k, y + 36 + 12 * j, cell)
    return Unprepared(d.pdf(), says("BASE", FROM_6, ("TTC",)) | says("HPHC", FROM_6, ("TTC",)))


def seasons_with_points() -> Unprepared:
    """H.P., H.C., and winter or summer behind them."""
    return _seasonal(
        (
            "Puissance@0 | Abonnement@1-2 | H.P. Hiver@3-4 | H.C. Hiver@5-6 | H.P. Été@7-8 | H.C. Été@9-10",
            "souscrite@0 | €/mois@1-2 | €/kWh@3-10",
        )
    )


def seasons_in_one_word() -> Unprepared:
    """HP-Hiver, HC-Été."""
    return _seasonal(
        (
            "Puissance@0 | Abonnement@1-2 | HP-Hiver@3-4 | HC-Hiver@5-6 | HP-Été@7-8 | HC-Été@9-10",
            "souscrite@0 | €/mois@1-2 | €/kWh@3-10",
        )
    )


def seasons_by_their_months() -> Unprepared:
    """The first and last day of each season above the hours."""
    return _seasonal(
        (
            "Abonnement@1-2 | du 1er novembre au 31 mars@3-6 | du 1er avril au 31 octobre@7-10",
            "Puissance@0 | €/mois@1-2 | HP@3-4 | HC@5-6 | HP@7-8 | HC@9-10",
            "souscrite@0 | €/kWh@3-10",
        )
    )


def components_over_measures() -> Unprepared:
    """Supply, network and total, each with its subscription and price, HT and TTC."""
    d = _new()
    header = [
        "Fourniture@1-4 | Acheminement@5-8 | Total@9-12",
        "Puissance@0 | "
        + " | ".join(f"{('Abonnement', 'kWh')[i % 2]}@{1 + 2 * i}-{2 + 2 * i}" for i in range(6)),
        "(kVA)@0 | " + " | ".join(f"{('€/mois', '€/kWh')[i // 2 % 2]}@{1 + i}" for i in range(12)),
        " | ".join(f"{_SIDES[i % 2]}@{1 + i}" for i in range(12)),
    ]
    whole = {side: [Decimal(subscription(p, side).replace(",", ".")) for p in USUAL] for side in _SIDES}
    columns = [
        " ".join(USUAL),
        _join([amount - 3 for amount in whole["HT"]]),
        _join([amount - 4 for amount in whole["TTC"]]),
        *(each(cell, USUAL) for cell in ("0,0806", "0,1327", "3,00", "4,00", "0,0484", "0,0581")),
        *(subscriptions(USUAL, side) for side in _SIDES),
        *(each(price("BASE", "BASE", side), USUAL) for side in _SIDES),
    ]
    d.table(15, 100, (30, *([44] * 12)), header, columns, size=5)
    return Unprepared(d.pdf(), says("BASE", USUAL))


def units_glued_to_amounts() -> Unprepared:
    """Cells as "178,32€TTC/an" and "20,01c€/kWh"; a fixed and a variable part."""
    d = _new("Offre Lumière pour les logements : prix valables à compter du 1er août 2025")
    years = " ".join(f"{subscription(p, 'TTC', months=12)}€TTC/an" for p in USUAL)
    prices = each(f"{price('BASE', 'BASE', 'TTC', cents=True)}c€/kWh", USUAL)
    header = ["Puissance souscrite@0 | Part fixe@1 | Part variable (prix du kWh)@2"]
    d.table(60, 100, (80, 120, 120), header, (kva(USUAL), years, prices))
    return Unprepared(d.pdf(), says("BASE", USUAL, ("TTC",), months=12))


def struck_without_a_word() -> bytes:
    """Every price is struck, no other stands for it, and nothing is said to be closed."""
    d = _new()
    header = ["Puissance@0 | Abonnement (€ TTC/mois)@1 | Prix du kWh (€ TTC)@2"]
    d.table(60, 100, (60, 90, 90), header, (kva(USUAL), subscriptions(USUAL, "TTC"), each("~0,1952", USUAL)))
    return d.pdf()


def parts_that_do_not_add_up() -> bytes:
    """A total that is not the sum of what stands beside it."""
    d = _new()
    header = [
        "Prix du kWh (€/kWh)@2-4",
        "Puissance@0 | Abonnement@1 | Fourniture@2 | Acheminement@3 | Total@4",
        "souscrite@0 | HT (€/mois)@1 | HT@2 | HT@3 | HT@4",
    ]
    parts = (each(cell, USUAL) for cell in ("0,0706", "0,0484", "0,1290"))
    d.table(40, 100, (60, 80, 80, 80, 80), header, (kva(USUAL), subscriptions(USUAL, "HT"), *parts))
    return d.pdf()


def hours_without_a_word_for_price() -> Unprepared:
    """Under `HP` and `HC` nothing says price or kWh; the rows say kVA, their header nothing."""
    d = _new()
    header = [
        "Abonnement@1-2 | Heures Pleines@3-4 | Heures Creuses@5-6",
        "€/mois@1-2 | €@3-4 | €@5-6",
        " | ".join(f"{_SIDES[(i + 1) % 2]}@{i}" for i in range(1, 7)),
    ]
    columns = [subscriptions(FROM_6, s) for s in _SIDES]
    columns += [each(price("HPHC", r, s), FROM_6) for r in ("HP", "HC") for s in _SIDES]
    d.table(60, 100, (60, *([60] * 6)), header, (kva(FROM_6), *columns))
    return Unprepared(d.pdf(), says("HPHC", FROM_6))


def headers_in_short() -> Unprepared:
    """`Abo.` for the subscription, `kWh HC` for a price."""
    d = _new()
    header = [
        "kVA@0 | Abo. TTC@1 | kWh HC TTC@2 | kWh HP TTC@3",
        "(€/mois)@1 | (€)@2-3",
    ]
    columns = [subscriptions(FROM_6, "TTC")]
    columns += [each(price("HPHC", r, "TTC"), FROM_6) for r in ("HC", "HP")]
    d.table(60, 100, (60, 90, 90, 90), header, (" ".join(FROM_6), *columns))
    return Unprepared(d.pdf(), says("HPHC", FROM_6, ("TTC",)))


LAYOUTS: tuple[Callable[[], Unprepared], ...] = (
    crosses_where_an_option_is_not_sold,
    hours_without_a_word_for_price,
    headers_in_short,
    off_peak_before_peak,
    struck_real_beside_struck_decoys,
    struck_price_in_the_cell_of_the_real_one,
    components_side_by_side,
    components_to_add,
    summer_and_winter,
    seasons_below_hours,
    seasons_in_full,
    seasons_by_letters,
    ranges_of_powers,
    cents_without_tax_then_with,
    words_cut_in_two,
    a_block_for_each_power,
    blocks_with_headers_across,
    powers_across_the_top,
    subscriptions_and_prices_apart,
    month_and_year,
    small_digits_behind_prices,
    seasons_in_the_cells,
    components_of_two_registers,
    a_page_turned,
    text_that_runs_upwards,
    a_table_on_two_pages,
    a_table_on_two_pages_with_one_header,
    footnotes_glued_to_figures,
    superscript_marks,
    thousands_apart,
    units_in_the_cells,
    points_for_decimals,
    crosses_and_cents,
    seasons_on_a_turned_page,
    crosses_beside_a_merged_price,
    struck_beside_the_real_one,
    a_table_for_each_side,
    ranges_in_words,
    ranges_in_signs,
    three_ranges,
    blocks_of_two_options,
    seasons_with_points,
    seasons_in_one_word,
    seasons_by_their_months,
    components_over_measures,
    units_glued_to_amounts,
)
