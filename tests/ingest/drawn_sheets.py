"""Price sheets drawn by the tests in the layouts that suppliers use, with figures typed from real ones.

Each layout is drawn from the columns of text that stand below, so what a reader
must find is what a person sees here: powers, and figures per column.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reportlab.pdfbase.pdfmetrics import stringWidth  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

HEIGHT = 842
USUAL = ["3", "6", "9", "12", "15", "18", "24", "30", "36"]
FROM_6 = USUAL[1:]

#: (option, power, meaning, side) → the amount in EUR per year or per kWh.
Expected = dict[tuple[str, str, int, str, str], Decimal]


class Drawing:
    """A PDF under construction; distances are in points from the top left corner.

    `turned` draws it upwards on a page that lies on its side, which `rotate` has the viewer turn.
    """

    def __init__(self, *, turned: bool = False, rotate: bool = True) -> None:
        self._bytes = io.BytesIO()
        size = (HEIGHT, 595) if turned else (595, HEIGHT)
        self._canvas = Canvas(self._bytes, pagesize=size, invariant=True)
        if turned:
            self._canvas.setPageRotation(90 if rotate else 0)
            self._canvas.rotate(90)
            self._canvas.translate(0, -HEIGHT)

    @staticmethod
    def width(text: str, size: float) -> float:
        return float(stringWidth(text, "Helvetica", size))

    def struck(self, x: float, y: float, text: str, size: float = 7) -> None:
        """A centred text with a line through its middle."""
        self.centred(x, y, text, size)
        half, middle = self.width(text, size) / 2, HEIGHT - y + 0.3 * size
        self._canvas.setLineWidth(0.5)
        self._canvas.line(x - half, middle, x + half, middle)

    def text(self, x: float, y: float, text: str, size: float = 8) -> None:
        self._canvas.setFont("Helvetica", size)
        self._canvas.drawString(x, HEIGHT - y, text)

    def centred(self, x: float, y: float, text: str, size: float = 7) -> None:
        self._canvas.setFont("Helvetica", size)
        self._canvas.drawCentredString(x, HEIGHT - y, text)

    def table(
        self,
        x: float,
        y: float,
        widths: Sequence[int],
        header: Sequence[str],
        columns: Sequence[str],
        *,
        size: float = 7,
    ) -> None:
        """A table whose header lines read `text@first-last`, several by ` | `, and whose columns are words.

        A column `= text` is one cell merged over all rows; `=2 a b` two merged
        cells, over the first two rows and over the rest; `-` an empty cell; `~text` is struck out.
        """
        edges = [x]
        for width in widths:
            edges.append(edges[-1] + width)
        for line in header:
            for cell in filter(None, line.split(" | ")):
                text, _, place = cell.rpartition("@")
                start, _, end = place.partition("-")
                middle = (edges[int(start)] + edges[int(end or start) + 1]) / 2
                self.centred(middle, y, text, size)
            y += 10
        y += 4
        count = len(columns[0].split())
        for i, column in enumerate(columns):
            middle = (edges[i] + edges[i + 1]) / 2
            for row, last, text in _cells(column, count):
                draw = self.struck if text.startswith("~") else self.centred
                draw(middle, y + (row + last) / 2 * 13, text.removeprefix("~"), size)

    def next_page(self) -> None:
        self._canvas.showPage()

    def pdf(self) -> bytes:
        self._canvas.save()
        return self._bytes.getvalue()


def _cells(column: str, count: int) -> Iterator[tuple[int, int, str]]:
    """(first row, last row, text) of the cells of one column."""
    if column.startswith("=2 "):
        _, upper, lower = column.split()
        yield 0, 1, upper
        yield 2, count - 1, lower
    elif column.startswith("= "):
        yield 0, count - 1, column[2:]
    else:
        for row, text in enumerate(column.split()):
            if text != "-":
                yield row, row, text.replace("_", " ")


@dataclass(frozen=True)
class Sheet:
    """A drawn document, the source that reads it, and what it says."""

    source: str
    pdf: bytes
    expected: Expected
    applies_from: str
    applies_to: str | None = None


def figures(
    offer: str,
    option: str,
    powers: Sequence[str],
    columns: dict[tuple[str, str], str],
    *,
    month: int = 12,
    cents: bool = False,
) -> Expected:
    """What typed columns say: subscriptions times `month`, prices as printed or in cents."""
    expected: Expected = {}
    for (meaning, side), column in columns.items():
        cells = list(_cells(column, len(powers)))
        for first, last, text in cells:
            amount = Decimal(text.replace(",", ".").removesuffix(" €"))
            amount = amount * month if meaning == "subscription" else amount / 100 if cents else amount
            for row in range(first, last + 1):
                expected[offer, option, int(powers[row].rpartition("-")[0] or powers[row]), meaning, side] = (
                    amount
                )
    return expected


EDF_BASE = "11,73 15,47 19,39 23,32 27,06 30,76 38,79 46,44 54,29"
EDF_HPHC = "15,74 19,81 23,76 27,49 31,34 39,47 47,02 54,61"
EDF_TEMPO = "15,50 19,49 23,38 27,01 30,79 46,31 54,43"
TEMPO_PRICES = {
    "BLEU_HC": "12,32",
    "BLEU_HP": "14,94",
    "BLANC_HC": "13,91",
    "BLANC_HP": "17,30",
    "ROUGE_HC": "14,60",
    "ROUGE_HP": "64,68",
}


def three_tables_in_cents() -> Sheet:
    """Base and HP/HC side by side, Tempo below, cents, TTC only, powers closed by a sentence."""
    d = Drawing()
    d.text(60, 60, "Grille de prix de l'offre « Tarif Bleu » EDF SA", 14)
    d.text(60, 90, "Applicable au 1")
    d.text(115, 87, "er", 5)
    d.text(125, 90, "aout 2025")
    d.text(60, 110, "OFFRE POUR LES CLIENTS PARTICULIERS")
    header = [
        "Option Base (TTC)@0-2",
        "Puissance@0 | Abonnement@1 | Prix du kWh@2",
        "Souscrite@0 | mensuel@1",
        "(kVA)@0 | (€ TTC/mois)@1 | (cts € TTC/kWh)@2",
    ]
    d.table(60, 150, (60, 60, 70), header, (" ".join(USUAL), EDF_BASE, " ".join(["19,52"] * 9)))
    header = [
        "Option Heures Creuses (TTC)@0-3",
        "Puissance@0 | Abonnement@1 | Prix du kWh@2-3",
        "Souscrite@0 | mensuel@1 | (cts € TTC/kWh)@2-3",
        "(kVA)@0 | (€ TTC/mois)@1 | Heures@2 | Heures@3",
        "Pleines@2 | Creuses@3",
    ]
    d.table(
        300,
        150,
        (60, 60, 50, 50),
        header,
        (" ".join(FROM_6), EDF_HPHC, " ".join(["20,81"] * 8), " ".join(["16,35"] * 8)),
    )
    d.text(60, 340, "Majoration pour les auto-producteurs individuels avec injection (€/an HT) :     9,60")
    d.text(
        60,
        360,
        "Suite à une décision des pouvoirs publics, les puissances de 9 à 36 kVA inclus de l'option Base du",
    )
    d.text(
        60,
        372,
        "Tarif Bleu pour les clients résidentiels ont été mises en extinction et ne sont plus disponibles.",
    )
    tempo = ["6", "9", "12", "15", "18", "30", "36"]
    header = [
        "Option Tempo (TTC)@0-7",
        "Puissance@0 | Abonnement@1 | Prix du kWh@2-7",
        "Souscrite@0 | mensuel@1 | (cts € TTC/kWh)@2-7",
        "(kVA)@0 | (€ TTC/mois)@1 | Bleu@2 | Bleu@3 | Blanc@4 | Blanc@5 | Rouge@6 | Rouge@7",
        "HC@2 | HP@3 | HC@4 | HP@5 | HC@6 | HP@7",
    ]
    d.table(
        60,
        410,
        (60, 60, 45, 45, 45, 45, 45, 45),
        header,
        (" ".join(tempo), EDF_TEMPO, *(" ".join([p] * 7) for p in TEMPO_PRICES.values())),
    )
    expected = figures(
        "Tarif Bleu",
        "BASE",
        USUAL,
        {("subscription", "TTC"): EDF_BASE, ("BASE", "TTC"): "= 19,52"},
        cents=True,
    )
    expected |= figures(
        "Tarif Bleu",
        "HPHC",
        FROM_6,
        {("subscription", "TTC"): EDF_HPHC, ("HP", "TTC"): "= 20,81", ("HC", "TTC"): "= 16,35"},
        cents=True,
    )
    prices = {(register, "TTC"): f"= {price}" for register, price in TEMPO_PRICES.items()}
    expected |= figures(
        "Tarif Bleu", "TEMPO", tempo, {("subscription", "TTC"): EDF_TEMPO} | prices, cents=True
    )
    return Sheet("edf_tarif_bleu", d.pdf(), expected, "2025-08-01")


MINT_BASE = (
    "10,00 11,50 12,00 15,50 18,00 20,50 26,50 32,00 37,00",
    "13,52 15,98 17,25 22,11 25,78 29,44 37,97 45,90 53,23",
)
MINT_HPHC = (
    "11,50 12,00 15,50 18,00 20,50 26,50 32,00 37,00",
    "16,25 17,64 22,64 26,44 30,24 39,03 47,23 54,82",
)


def merged_price_cells() -> Sheet:
    """One kWh price over all rows, a reference number like a price, a promise of a rise in prose."""
    d = Drawing()
    d.text(200, 60, "Offre CLASSIC & GREEN", 14)
    d.text(60, 90, "Clients résidentiels uniquement - Grille tarifaire applicable du 01/08/2025   Réf.230")
    powers = [f"{p}_kVA" for p in USUAL]
    header = [
        "Option tarifaire BASE@0-4",
        "Puissance@0 | Abonnement mensuel@1-2 | Prix du kWh@3-4",
        "€ HTT@1 | € TTC@2 | € HTT@3 | € TTC@4",
    ]
    d.table(40, 120, (45, 50, 50, 45, 45), header, (" ".join(powers), *MINT_BASE, "= 0,1327", "= 0,1952"))
    header = [
        "Option tarifaire HP/HC@0-6",
        "Puissance@0 | Abonnement mensuel@1-2 | Prix du kWh@3-6",
        "HP@3-4 | HC@5-6",
        "€ HTT@1 | € TTC@2 | € HTT@3 | € TTC@4 | € HTT@5 | € TTC@6",
    ]
    d.table(
        290,
        120,
        (45, 42, 42, 38, 38, 38, 38),
        header,
        (" ".join(powers[1:]), *MINT_HPHC, "= 0,1434", "= 0,2081", "= 0,1063", "= 0,1635"),
    )
    d.text(
        40, 330, "Le prix d'abonnement HTT mensuel sera automatiquement et sans préavis majoré de 2,50€ HTT,"
    )
    d.text(40, 342, "le prix du kWh HTT de 0,0069€/kWh en Base et Heures pleines. www.mint-energie.com")
    offer = "Classic & Green"
    expected = figures(
        offer,
        "BASE",
        USUAL,
        dict(zip(_BASE, (*MINT_BASE, "= 0,1327", "= 0,1952"), strict=True)),
    )
    expected |= figures(
        offer,
        "HPHC",
        FROM_6,
        dict(zip(_HP_HC, (*MINT_HPHC, "= 0,1434", "= 0,2081", "= 0,1063", "= 0,1635"), strict=True)),
    )
    return Sheet("mint_classic_green", d.pdf(), expected, "2025-08-01")


_PAIR = (("subscription", "HT"), ("subscription", "TTC"))
_BASE = (*_PAIR, ("BASE", "HT"), ("BASE", "TTC"))
_HP_HC = (*_PAIR, ("HP", "HT"), ("HP", "TTC"), ("HC", "HT"), ("HC", "TTC"))
DYNEFF = (
    "11,27 14,37 17,19 19,82 22,55 28,32 32,42 37,50",
    "15,97 20,49 24,67 28,62 32,69 41,21 47,73 55,42",
)
RANGES = ["6-8", "9-11", "12-14", "15-17", "18-23", "24-29", "30-35", "36-36"]


def ranges_and_stacked_registers() -> Sheet:
    """Powers as "Entre 6 et 8", HP and HC in one cell behind their names, the regulated tariff beside."""
    d = Drawing()
    d.text(400, 60, "Date émission de l'offre : 01/08/2025")
    d.text(150, 100, "TARIFS DYNEFF ELECTRICITE", 16)
    d.text(150, 125, "Heures pleines / Heures creuses", 16)
    header = [
        (
            "Puissance souscrite@0 | Abonnement DYNEFF@1-2 | Prix de l'énergie@3-4"
            " | Prix de l'énergie (€/kWh)@5-6"
        ),
        "en kVA@0 | Mensuel (€)*@1-2 | TRV(€/kWh)@3-4 | DYNEFF*@5-6",
        "HTT@1 | TTC@2 | HTT@3 | TTC@4 | HTT@5 | TTC@6",
    ]
    named = [f"Entre_{r.split('-')[0]}_et_{r.split('-')[1]}" for r in RANGES[:-1]] + ["36"]
    widths = (80, 65, 65, 70, 70, 70, 70)
    d.table(50, 300, widths, header, (" ".join(named), *DYNEFF))
    y, x = 300 + 34 + 2 * 13, 50 + 80 + 130
    for i, (hp, hc) in enumerate(
        (("0,14340", "0,10630"), ("0,20810", "0,16350"), ("0,14570", "0,11580"), ("0,21082", "0,17494"))
    ):
        d.centred(x + 70 * i + 35, y, f"HP : {hp}")
        d.centred(x + 70 * i + 35, y + 40, f"HC : {hc}")
    prices = ("= 0,14570", "= 0,21082", "= 0,11580", "= 0,17494")
    expected = figures(
        "Contrat électricité+", "HPHC", RANGES, dict(zip(_HP_HC, (*DYNEFF, *prices), strict=True))
    )
    return Sheet("dyneff_hphc", d.pdf(), expected, "2025-08-01")


PLENITUDE_BASE = (
    "126,12 156,84 189,48 222,12 252,84 283,20 350,16 413,40 478,56",
    "169,54 214,38 261,53 308,68 353,53 397,94 494,26 586,11 680,26",
)
PLENITUDE_HPHC = (
    "- 159,60 193,68 226,44 257,16 288,96 357,00 419,16 481,80",
    "- 220,87 271,33 320,21 366,65 414,37 515,16 608,89 703,19",
)


def one_table_for_two_options() -> Sheet:
    """Base and HP/HC share the column of powers, €/year, an end "non inclus"."""
    d = Drawing()
    d.text(150, 60, "Offre de fourniture d'électricité Plenifix 1 an", 14)
    d.text(
        50,
        100,
        "Grille tarifaire de référence pour toute souscription du 05/11/2025 au 07/01/2026 non inclus",
        11,
    )
    header = [
        "Option tarifaire@5-10",
        "Option tarifaire Base@1-4 | Heures Pleines (HP) / Heures Creuses (HC) (4)@5-10",
        (
            "Puissance@0 | Abonnement@1-2 | Consommation@3-4 | Abonnement@5-6"
            " | Consommation@7-8 | Consommation@9-10"
        ),
        "souscrite@0 | €/an@1-2 | €/kWh@3-4 | €/an@5-6 | HP €/kWh@7-8 | HC €/kWh@9-10",
        "HT@1 | TTC(5)@2 | HT@3 | TTC(5)@4 | HT@5 | TTC(5)@6 | HT@7 | TTC(5)@8 | HT@9 | TTC(5)@10",
    ]
    prices = ("0,13934", "0,20318"), ("0,15057", "0,21666", "0,111620", "0,16992")
    d.table(
        40,
        130,
        (50, *([46] * 10)),
        header,
        (
            " ".join(f"{p}_kVA" for p in USUAL),
            *PLENITUDE_BASE,
            *(" ".join([p] * 9) for p in prices[0]),
            *PLENITUDE_HPHC,
            *("- " + " ".join([p] * 8) for p in prices[1]),
        ),
    )
    d.text(40, 400, "Eni Plenitude France - S.A. au capital de 239 500 800 Euros")
    expected = figures(
        "Plenifix 1 an",
        "BASE",
        USUAL,
        dict(
            zip(
                _BASE,
                (*PLENITUDE_BASE, *(f"= {p}" for p in prices[0])),
                strict=True,
            )
        ),
        month=1,
    )
    expected |= figures(
        "Plenifix 1 an",
        "HPHC",
        FROM_6,
        dict(
            zip(
                _HP_HC,
                (*(c.removeprefix("- ") for c in PLENITUDE_HPHC), *(f"= {p}" for p in prices[1])),
                strict=True,
            )
        ),
        month=1,
    )
    return Sheet("plenifix", d.pdf(), expected, "2025-11-05", "2026-01-06")


YELI = (
    "11,75 15,49 19,47 23,45 27,20 30,90 39,07 46,78 54,72",
    "- 15,83 19,99 23,98 27,73 31,60 39,90 47,48 55,12",
    "0,1951 0,1921 0,1897 0,1886 0,1879 0,1874 0,1869 0,1865 0,1863",
)


def simple_and_double() -> Sheet:
    """Names "Simple tarif" and "Double tarif" under each measure, HC before HP, TTC only, two dates."""
    d = Drawing()
    d.text(200, 60, "Yéli Electricité Verte 100%", 12)
    d.text(200, 80, "À partir du 1er octobre 2025")
    header = [
        "Abonnement mensuel en@1-2 | Part énergie@3-5",
        "Puissance@0 | € TTC@1-2 | en € TTC / KWh@3-5",
        "en kVA@0 | Double Tarif@4-5",
        "Simple tarif@1 | Double tarif@2 | Simple Tarif@3 | Heures@4 | Heures@5",
        "Creuses@4 | Pleines@5",
    ]
    d.table(
        80,
        120,
        (70, 75, 75, 75, 75, 75),
        header,
        (" ".join(USUAL), *YELI, "- " + " ".join(["0,1607"] * 8), "- " + " ".join(["0,2094"] * 8)),
    )
    d.text(80, 320, "Taxes au 01/08/2025 : Prix indiqués TTC comprenant l'accise. GEG Source d'Énergies")
    offer = "Yéli Électricité Verte"
    expected = figures(offer, "BASE", USUAL, {("subscription", "TTC"): YELI[0], ("BASE", "TTC"): YELI[2]})
    expected |= figures(
        offer,
        "HPHC",
        FROM_6,
        {
            ("subscription", "TTC"): YELI[1].removeprefix("- "),
            ("HC", "TTC"): "= 0,1607",
            ("HP", "TTC"): "= 0,2094",
        },
    )
    return Sheet("yeli_verte", d.pdf(), expected, "2025-10-01")


ILEK = {
    "BASE": (
        "13,50 18,67 25,55 32,75 37,62 41,07 49,10 59,42 66,88",
        "17,72 24,59 33,51 42,81 49,32 54,13 65,09 78,81 89,09",
    ),
    "HPHC": (
        "21,51 29,91 34,80 39,61 43,75 52,54 55,55 66,30",
        "28,26 39,14 45,80 52,37 58,14 70,28 75,48 89,98",
    ),
}


def block_without_taxes_then_with() -> Sheet:
    """A block HT, then a block TTC; HC above HP inside one cell; euro signs; an offer for one month."""
    d = Drawing()
    d.text(300, 50, "Grille tarifaire disponible à la souscription du 03 au 30 Novembre 2025")
    d.text(40, 70, "Offre ÉnRFixe+", 16)
    tops = {
        "BASE": (110, "OPTION TARIFAIRE DE BASE", USUAL),
        "HPHC": (320, "OPTION TARIFAIRE HEURES PLEINES / HEURES CREUSES", FROM_6),
    }
    for option, (y, title, powers) in tops.items():
        ht, ttc = (column.replace(" ", "_€ ") + "_€" for column in ILEK[option])
        d.text(50, y, title, 10)
        header = [
            "TARIFS HT@1-2 | TARIFS TTC@3-4",
            "Puissance@0",
            "souscrite@0 | Abonnement mensuel@1 | Prix du kWh@2 | Abonnement mensuel@3 | Prix du kWh@4",
        ]
        merged = ("= 0,1321 €", "= 0,1945 €") if option == "BASE" else ("= ", "= ")
        d.table(
            40,
            y + 18,
            (90, 110, 110, 110, 90),
            header,
            (" ".join(f"{p}_kVA" for p in powers), ht, merged[0], ttc, merged[1]),
        )
    for x, hc, hp in ((40 + 255, "0,1057 €", "0,1428 €"), (40 + 465, "0,1628 €", "0,2073 €")):
        for i, text in enumerate(("Heures creuses", hc, "Heures pleines", hp)):
            d.centred(x, 394 + i * 13, text)
    expected = figures(
        "ÉnRFixe+",
        "BASE",
        USUAL,
        dict(
            zip(
                _BASE,
                (*ILEK["BASE"], "= 0,1321", "= 0,1945"),
                strict=True,
            )
        ),
    )
    expected |= figures(
        "ÉnRFixe+",
        "HPHC",
        FROM_6,
        dict(zip(_HP_HC, (*ILEK["HPHC"], "= 0,1428", "= 0,2073", "= 0,1057", "= 0,1628"), strict=True)),
    )
    return Sheet("ilek_311", d.pdf(), expected, "2025-11-03", "2025-11-30")


WEKIWI = (
    "102,90 136,11 200,22 233,43 266,64 299,85 366,27 432,69 499,11",
    "141,67 189,51 274,42 322,25 370,09 417,92 513,59 609,26 704,92",
)
WEKIWI_HPHC = (
    "182,30 222,77 263,24 303,71 344,18 425,12 506,06 587,00",
    "244,93 301,48 358,03 414,57 471,12 584,21 697,30 810,39",
)


def gross_and_discounted() -> Sheet:
    """Regulated, gross and discounted prices in one table, two bands of powers."""
    d = Drawing()
    d.text(50, 60, "wekiWEB | offre forfait pour particuliers, électricité (prix fixe)", 12)
    d.text(50, 80, "En vigueur au 1 novembre 2025")
    bands = (
        "=2 0,1327 0,1327",
        "=2 0,1952 0,1952",
        "=2 0,1547 0,1603",
        "=2 0,2216 0,2283",
        "=2 0,1147 0,1203",
        "=2 0,1736 0,1803",
    )
    header = [
        "Base@0-8",
        "Prix du kWh (en €/kWh)@3-8",
        "Puissance@0 | Abonnement@1-2 | Tarifs réglementés@3-4 | Tarifs Wekiwi@5-8",
        "souscrite@0 | (en €/an)@1-2",
        (
            "HT@1 | TTC@2 | HT@3 | TTC@4 | Prix brut HT@5 | Prix brut TTC@6"
            " | Prix remisé HT@7 | Prix remisé TTC@8"
        ),
    ]
    powers = [f"{p}_kVA" for p in USUAL]
    d.table(40, 110, (55, 50, 50, 50, 50, 62, 62, 66, 66), header, (" ".join(powers), *WEKIWI, *bands))
    hours = (
        "= 0,1434",
        "= 0,2081",
        "= 0,1611",
        "= 0,2293",
        "= 0,1211",
        "= 0,1813",
        "= 0,1063",
        "= 0,1635",
        "= 0,1297",
        "= 0,1916",
        "= 0,0897",
        "= 0,1436",
    )
    header = [
        "Heures pleines / heures creuses@0-14",
        "Heures pleines - Prix du kWh (en €/kWh)@3-8 | Heures creuses - Prix du kWh (en €/kWh)@9-14",
        (
            "Puissance@0 | Abonnement@1-2 | Tarifs réglementés@3-4 | Tarifs Wekiwi@5-8"
            " | Tarifs réglementés@9-10 | Tarifs Wekiwi@11-14"
        ),
        "souscrite@0 | (en €/an)@1-2 | "
        + " | ".join(
            f"Prix {k}@{i}"
            for i, k in (
                (5, "brut"),
                (6, "brut"),
                (7, "remisé"),
                (8, "remisé"),
                (11, "brut"),
                (12, "brut"),
                (13, "remisé"),
                (14, "remisé"),
            )
        ),
        " | ".join(f"{'HT' if i % 2 else 'TTC'}@{i}" for i in range(1, 15)),
    ]
    d.table(25, 330, (45, 36, 36, *([36] * 12)), header, (" ".join(powers[1:]), *WEKIWI_HPHC, *hours))
    d.text(50, 560, "Wekiwi SAS au capital de 310 000€")
    expected: Expected = {}
    for offer, (base, hphc) in {
        "wekiWEB Aurore fixe (prix brut)": (bands[2:4], hours[2:4] + hours[8:10]),
        "wekiWEB Aurore fixe (prix remisé)": (bands[4:6], hours[4:6] + hours[10:12]),
    }.items():
        expected |= figures(
            offer,
            "BASE",
            USUAL,
            dict(zip(_BASE, (*WEKIWI, *base), strict=True)),
            month=1,
        )
        expected |= figures(
            offer, "HPHC", FROM_6, dict(zip(_HP_HC, (*WEKIWI_HPHC, *hphc), strict=True)), month=1
        )
    return Sheet("wekiwi_aurore", d.pdf(), expected, "2025-11-01")


TOTAL = (
    "8,51 9,36 10,21 11,07 11,98 12,89 13,79",
    "11,73 12,97 14,21 15,47 16,78 18,09 19,39",
    "11,30 12,25 13,20 14,14 15,05",
    "15,74 17,10 18,46 20,21 21,57",
)


def regulated_columns_beside() -> Sheet:
    """Regulated columns with equal figures, two tables of different powers on a line, gas on page 2."""
    d = Drawing()
    d.text(330, 30, "Offre - Heures Eco - 1 nov. 2025", 10)
    d.text(330, 42, "Offre indexée sur le TRVE pour l'électricité. TotalEnergies")
    first, second = ["3", "4", "5", "6", "7", "8", "9"], ["6", "7", "8", "9", "10"]
    header = [
        "Electricité - Option tarifaire Base@0-6",
        "Prix du kWh (en €/kWh)@3-6",
        "Puissance@0 | Abonnement@1-2 | Tarifs Réglementés(4)@3-4 | Offre Heures Eco@5-6",
        "souscrite@0 | mensuel (€)@1-2",
        "HT@1 | TTC(1)@2 | HT@3 | TTC(1)@4 | HT@5 | TTC(1)@6",
    ]
    prices = ("0,1327", "0,1952") * 2
    widths = (34, 32, 32, 36, 36, 36, 36)
    d.table(15, 120, widths, header, (_kva(first), *TOTAL[:2], *(_each(p, first) for p in prices)), size=5)
    header = [
        "Electricité - Option tarifaire Heures Pleines / Heures Creuses@0-10",
        "Prix du kWh (en €/kWh)@3-10",
        "Puissance@0 | Abonnement@1-2 | Heures Pleines@3-6 | Heures Creuses@7-10",
        (
            "souscrite@0 | mensuel (€)@1-2 | Tarifs Réglementés(4)@3-4 | Offre Heures Eco@5-6"
            " | Tarifs Réglementés(4)@7-8 | Offre Heures Eco@9-10"
        ),
        "HT@1 | TTC(1)@2 | HT@3 | TTC(1)@4 | HT@5 | TTC(1)@6 | HT@7 | TTC(1)@8 | HT@9 | TTC(1)@10",
    ]
    hours = ("0,1434", "0,2081") * 2 + ("0,1063", "0,1635") * 2
    d.table(
        262,
        120,
        (32, 30, 30, *([28] * 8)),
        header,
        (_kva(second), *TOTAL[2:], *(_each(p, second) for p in hours)),
        size=5,
    )
    d.next_page()
    header = [
        "GAZ Abonnement@1-2 | Prix de l'énergie (en €/kWh)@3-4",
        "Consommation@0 | HT@1 | TTC@2 | HT@3 | TTC@4",
    ]
    columns = ("Base B0 B1 B2i", "8,07 8,07 20,53 20,53", "10,23 10,23 26,12 26,12")
    d.table(
        60,
        100,
        (70, 60, 60, 60, 60),
        header,
        (*columns, _each("0,0862", first[:4]), _each("0,1215", first[:4])),
    )
    offer = "Heures Eco"
    base = dict(zip(_BASE, (*TOTAL[:2], "= 0,1327", "= 0,1952"), strict=True))
    timed = dict(zip(_HP_HC, (*TOTAL[2:], "= 0,1434", "= 0,2081", "= 0,1063", "= 0,1635"), strict=True))
    expected = figures(offer, "BASE", first, base) | figures(offer, "HPHC", second, timed)
    return Sheet("total_heures_eco", d.pdf(), expected, "2025-11-01")


def _kva(powers: Sequence[str]) -> str:
    return " ".join(f"{power}_kVA" for power in powers)


def _each(cell: str, powers: Sequence[str]) -> str:
    return " ".join([cell] * len(powers))


ENGIE = {
    "supply": ("30,51 28,43 28,26 28,10", "36,61 34,12 33,91 33,72"),
    "network": ("72,01 105,22 138,43 171,64", "105,36 153,95 202,55 251,14"),
}


def three_components() -> Sheet:
    """Supply, network and obligations to add up, €/year, a maximal price beside, a month as date."""
    d = Drawing()
    powers = ["3", "6", "9", "12"]
    d.text(40, 60, "Grille tarifaire - novembre 2025", 14)
    d.text(40, 80, "ENGIE, Société Anonyme au capital de 2.435.285.011 €")
    measure = ["Puissance@0 | Abonnement@1-2 | Prix par kWh@3-4", "(kVA)@0 | (en €/an)@1-2 | (en €/kWh)@3-4"]
    sides = "HTT@1 | TTC*@2 | HTT@3 | TTC*@4"
    widths = (60, 60, 60, 60, 60)
    supply = (" ".join(powers), *ENGIE["supply"], _each("0,09652", powers), _each("0,15180", powers))
    d.table(40, 110, widths, ["Fourniture comptage simple (CS)@0-4", *measure, sides], supply)
    network = (" ".join(powers), *ENGIE["network"], "= 0,04840", "= 0,05808")
    title = "Acheminement sans différenciation temporelle - courte utilisation (CU)@0-4"
    d.table(40, 260, widths, [title, *measure, sides], network)
    header = [
        "Obligation comptage simple (CS)@0-4",
        "Puissance@0 | Prix par kWh à la@1-2 | Prix par kWh maximal@3-4",
        "(kVA)@0 | souscription (en €/kWh)@1-2 | (en €/kWh)@3-4",
        "HTT@1 | TTC*@2 | HTT@3 | TTC*@4",
    ]
    obligation = ("0,01051 0,01051 0,01164 0,01164", "0,01261 0,01261 0,01397 0,01397")
    d.table(
        40,
        410,
        widths,
        header,
        (" ".join(powers), *obligation, _each("0,03253", powers), _each("0,03904", powers)),
    )
    # The sums, added by hand: supply + network + obligations.
    columns = {
        ("subscription", "HT"): "102,52 133,65 166,69 199,74",
        ("subscription", "TTC"): "141,97 188,07 236,46 284,86",
        ("BASE", "HT"): "0,15543 0,15543 0,15656 0,15656",
        ("BASE", "TTC"): "0,22249 0,22249 0,22385 0,22385",
    }
    return Sheet(
        "engie_reference",
        d.pdf(),
        figures("Elec Référence 3 ans", "BASE", powers, columns, month=1),
        "2025-11-01",
    )


BELLE = (
    "7,76 10,32 13,04 15,76 18,32 20,85 26,43 31,70 37,13",
    "10,83 14,57 18,50 22,42 26,16 29,86 37,89 45,54 53,39",
)
CONSTANCE = (
    "9,43 11,99 14,71 17,43 19,99 22,52 28,10 33,37 38,80",
    "12,83 16,57 20,50 24,43 28,16 31,87 39,89 47,55 55,39",
)


def struck_price_above_the_real_one() -> Sheet:
    """Two offers under their titles; in one cell the regulated price with an asterisk, then the real one."""
    d = Drawing()
    offers = {"Prudence": BELLE, "Constance": CONSTANCE}
    header = [
        "OPTION BASE@0-4",
        "Puissance@0 | Abonnement@1-2 | Prix du kWh@3-4",
        "souscrite (kVA)@0 | (€/mois)@1-2 | (€/kWh)@3-4",
        "HTT@1 | TTC@2 | HTT@3 | TTC@4",
    ]
    expected: Expected = {}
    for (name, columns), y, years in zip(offers.items(), (60, 300), ("1 an", "2 ans"), strict=True):
        d.text(150, y, f"{name}   Offre à prix fixes {years}", 12)
        d.table(60, y + 20, (70, 70, 70, 70, 70), header, (" ".join(USUAL), *columns))
        for x, struck, real in ((60 + 245, "0,1327*", "0,1193"), (60 + 315, "0,1952*", "0,1791")):
            d.centred(x, y + 110, struck)
            d.centred(x, y + 123, real)
        offer = f"{name} (fixe {years})"
        typed = dict(zip(_BASE, (*columns, "= 0,1193", "= 0,1791"), strict=True))
        expected |= figures(offer, "BASE", USUAL, typed)
    d.text(
        60,
        560,
        "* Prix barré : Tarif Réglementé de Vente. Grilles tarifaires applicables au 1er novembre 2025,",
    )
    d.text(
        60,
        572,
        "établies avec le TURPE 7 du 1er août 2025. Prudence, Constance, Garance : offre à prix fixes",
    )
    return Sheet("bellenergie_part", d.pdf(), expected, "2025-11-01")


def annex_without_taxes() -> Sheet:
    """The regulator's annex: HT only, a row 24-30, peak days, a closed option, cents, other classes."""
    d = Drawing()
    d.text(
        60, 40, "Annexe B : barèmes des tarifs réglementés de vente d'électricité, consommateurs résidentiels"
    )
    d.next_page()
    d.text(400, 50, "Prix hors taxes (a) au : 01/08/2025")
    d.text(60, 70, "TARIF BLEU - OPTION TEMPO RESIDENTIEL en France métropolitaine continentale")
    tempo = ["6", "9", "12", "15", "18", "24-30", "36"]
    header = [
        "Prix de l'énergie (en c€/kWh)@2-7",
        "Puissance souscrite@0 | Abonnement@1 | Jours Bleus@2-3 | Jours Blancs@4-5 | Jours Rouges@6-7",
        "(en kVA)@0 | annuel@1 | Heures@2 | Heures@3 | Heures@4 | Heures@5 | Heures@6 | Heures@7",
        "(en €/an)@1 | Creuses@2 | Pleines@3 | Creuses@4 | Pleines@5 | Creuses@6 | Pleines@7",
    ]
    fixed = "133,20 166,44 198,72 228,36 259,44 388,08 456,00"
    prices = ("7,27", "9,45", "8,59", "11,42", "9,17", "50,90")
    widths = (80, 60, 50, 50, 50, 50, 50, 50)
    d.table(60, 110, widths, header, (" ".join(tempo), fixed, *(_each(p, tempo) for p in prices)))
    d.text(60, 280, "TARIF BLEU - OPTION EJP RESIDENTIEL en France métropolitaine continentale")
    d.text(60, 290, "EN EXTINCTION - n'est plus proposé")
    ejp = ["9", "12", "15", "18", "36"]
    header = [
        "Puissance souscrite@0 | Abonnement@1 | Prix d'énergie (en c€/kWh)@2-3",
        "(en kVA)@0 | annuel@1 | Heures@2 | Heures de@3",
        "(en €/an)@1 | Normales@2 | Pointe Mobile@3",
    ]
    peak = "164,76 195,24 226,32 256,32 444,84"
    d.table(60, 320, (80, 60, 60, 60), header, (" ".join(ejp), peak, _each("8,82", ejp), _each("87,56", ejp)))
    d.next_page()
    d.text(60, 70, "TARIF BLEU - OPTION BASE NON RESIDENTIEL Prix hors taxes (a) au : 01/08/2025")
    d.table(
        60,
        110,
        (80, 60, 60),
        ["Puissance souscrite (en kVA)@0 | Abonnement (en €/an)@1 | Prix (c€/kWh)@2"],
        ("3 6 9 12", "120,00 150,00 180,00 210,00", _each("13,50", ejp[:4])),
    )
    columns = {("subscription", "HT"): fixed}
    columns |= {(name, "HT"): f"= {price}" for name, price in zip(TEMPO_PRICES, prices, strict=True)}
    expected = figures("Tarif Bleu", "TEMPO", tempo, columns, month=1, cents=True)
    for (offer, option, power, meaning, side), amount in list(expected.items()):
        if power == 24:
            expected[offer, option, 30, meaning, side] = amount
    columns = {("subscription", "HT"): peak, ("HN", "HT"): "= 8,82", ("PM", "HT"): "= 87,56"}
    expected |= figures("Tarif Bleu", "EJP", ejp, columns, month=1, cents=True)
    return Sheet("cre_annex", d.pdf(), expected, "2025-08-01")


SUPER = ("21,51 29,91 34,80 39,61", "28,26 39,14 45,80 52,37")


def super_off_peak() -> Sheet:
    """Three registers of an offer for electric cars, read by the general vocabulary."""
    d = Drawing()
    powers = ["6", "9", "12", "15"]
    d.text(60, 60, "Grille tarifaire applicable au 03/11/2025", 12)
    header = [
        "Puissance@0 | Abonnement mensuel@1-2 | Prix du kWh (€/kWh)@3-8",
        "souscrite@0 | Heures pleines@3-4 | Heures creuses@5-6 | Heures super creuses@7-8",
        "HT@1 | TTC@2 | HT@3 | TTC@4 | HT@5 | TTC@6 | HT@7 | TTC@8",
    ]
    prices = ("0,1600", "0,2280", "0,1100", "0,1680", "0,0900", "0,1440")
    d.table(
        40,
        100,
        (60, 60, 60, 55, 55, 55, 55, 55, 55),
        header,
        (_kva(powers), *SUPER, *(f"= {p}" for p in prices)),
    )
    meanings = (*_HP_HC, ("HSC", "HT"), ("HSC", "TTC"))
    typed = dict(zip(meanings, (*SUPER, *(f"= {p}" for p in prices)), strict=True))
    return Sheet("", d.pdf(), figures("(unknown)", "SUPER_CREUSES", powers, typed), "2025-11-03")


def four_seasonal_registers() -> Sheet:
    """High and low season, each with full and off-peak hours, read by the general vocabulary."""
    d = Drawing()
    powers = ["6", "9", "12", "15"]
    d.text(60, 60, "Grille tarifaire applicable au 03/11/2025", 12)
    header = [
        "Puissance@0 | Abonnement (€/mois)@1-2 | Prix par kWh (en €/kWh)@3-10",
        "souscrite@0 | Heures Pleines@3-4 | Heures Creuses@5-6 | Heures Pleines@7-8 | Heures Creuses@9-10",
        "Haute (HPH)@3-4 | Haute (HCH)@5-6 | Basse (HPB)@7-8 | Basse (HCB)@9-10",
        " | ".join(f"{'HT' if i % 2 else 'TTC'}@{i}" for i in range(1, 11)),
    ]
    prices = ("0,1700", "0,2400", "0,1300", "0,1920", "0,1200", "0,1800", "0,1000", "0,1560")
    d.table(40, 100, (50, 50, 50, *([46] * 8)), header, (_kva(powers), *SUPER, *(f"= {p}" for p in prices)))
    meanings = (*_PAIR, *((r, s) for r in ("HPH", "HCH", "HPB", "HCB") for s in ("HT", "TTC")))
    typed = dict(zip(meanings, (*SUPER, *(f"= {p}" for p in prices)), strict=True))
    return Sheet("", d.pdf(), figures("(unknown)", "SAISON", powers, typed), "2025-11-03")


def drawn_words() -> bytes:
    """A grid whose letters are curves: nothing to read, only to type."""
    d = Drawing()
    for i in range(60):
        d._canvas.bezier(50 + i, 700, 60 + i, 720, 70 + i, 680, 80 + i, 700)  # noqa: SLF001 - our own canvas
    return d.pdf()


LAYOUTS = (
    three_tables_in_cents,
    merged_price_cells,
    ranges_and_stacked_registers,
    one_table_for_two_options,
    simple_and_double,
    block_without_taxes_then_with,
    gross_and_discounted,
    regulated_columns_beside,
    struck_price_above_the_real_one,
    annex_without_taxes,
    three_components,
)
#: Layouts with fewer rows, offers or options than their source expects: doubted for that alone.
SHORTENED = {
    "regulated_columns_beside": {"powers-missing"},
    "struck_price_above_the_real_one": {"option-missing"},
    "annex_without_taxes": {"option-missing"},
    "three_components": {"powers-missing", "option-missing", "part-missing"},
}
WITHOUT_SOURCE = (super_off_peak, four_seasonal_registers)
