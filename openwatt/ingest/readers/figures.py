"""The parser of figures as price sheets print them: amounts, subscribed powers and dates."""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from openwatt.domain.reading import PrintedDay

#: The powers that sheets name when they print a range ("Entre 18 et 23" is the 18 kVA price).
USUAL_POWERS_KVA = (3, 6, 9, 12, 15, 18, 24, 30, 36)

_AMOUNT = re.compile(r"€?(\d{1,4}[.,]\d{2,6})(?:€(?:/\w+)?)?((?:\*|\(\d\)|[¹²³⁴⁵⁶⁷⁸⁹])*)")
_POWER = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?(?:kva)?(?:\*|\(\d\)|[¹²³⁴⁵⁶⁷⁸⁹])*", re.IGNORECASE)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "janvier janv jan",
            "fevrier fevr fev",
            "mars",
            "avril avr",
            "mai",
            "juin",
            "juillet juil",
            "aout",
            "septembre sept",
            "octobre oct",
            "novembre nov",
            "decembre dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = re.compile(
    rf"\b(?P<d>\d{{1,2}}) ?/ ?(?P<m>\d{{1,2}}) ?/ ?(?P<y>20\d\d)\b"
    rf"|\b(?:(?P<d2>\d{{1,2}})(?: ?er\b)?(?: au (?P<end>\d{{1,2}})(?: ?er\b)?)? )?"
    rf"(?P<month>{_MONTH})\.? (?P<y2>20\d\d)\b"
)
#: Words that stand before the day from which a grid applies, in any French sheet.
_LEAD = re.compile(
    r"(?:applicables?|valables?|en vigueur|souscription|a compter|a partir|emission de l'offre"
    r"|version|grilles? tarifaires?|prix(?: hors taxes)?(?: \(a\))?)"
    r"(?: (?:a|au|du|des|le|:|-|–|compter|partir|depuis))*[ :]*$"
)
#: What stands before a date that is not the grid's: a tax, the regulated tariff, another text.
_OTHER_TEXT = re.compile(
    r"(?:tax|turpe|reglement|deliberation|accise|trve?\b|capital|arrete|decision|rcs|c\.?r\.?e)[^.]{0,30}$"
)
_END = re.compile(r"^ ?(?:inclus )?(?:et )?(?:au|jusqu'au) ?$")


def plain(text: str) -> str:
    """Normalises a text for comparison: lower case, no accents, straight apostrophes and dashes."""
    text = text.lower().replace("’", "'").replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " ")
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money as printed: its exact value and the marks behind it (`*`, `(1)`)."""

    value: Decimal
    marks: str


def parse_amount(text: str) -> Amount | None:
    """Parses `0,1952`, `15.47€` or `0,1327*` as an amount; None when the word is something else.

    Whole numbers are no amounts: on a sheet they are powers, pages and footnotes.
    """
    found = _AMOUNT.fullmatch(text.strip())
    return Amount(Decimal(found[1].replace(",", ".")), found[2]) if found else None


@dataclass(frozen=True, slots=True)
class Powers:
    """The subscribed powers of one row, in kVA: one (`low == high`) or a range, both ends included."""

    low: int
    high: int

    def steps(self) -> tuple[int, ...]:
        """The powers for which a row gives a price: itself, or the usual powers inside a printed range."""
        if self.low == self.high:
            return (self.low,)
        return tuple(step for step in USUAL_POWERS_KVA if self.low <= step <= self.high)


def parse_powers(text: str) -> Powers | None:
    """Parses `6`, `6kVA`, `9*` or `24-30` as subscribed powers; None when it is no power up to 36 kVA."""
    found = _POWER.fullmatch(text)
    if not found:
        return None
    low, high = int(found[1]), int(found[2] or found[1])
    if high > 36 or high < low or high == 0 or (found[2] and high == low):
        return None
    return Powers(low, high)


@dataclass(frozen=True, slots=True)
class DatedPhrase:
    """A date in a text: its place, the day with its precision, and the end that a range gives."""

    start: int
    stop: int
    day: PrintedDay
    end: dt.date | None


def find_dates(text: str) -> Iterator[DatedPhrase]:
    """Yields every date of a plain text, in order; impossible ones (31/02) are skipped."""
    for found in _DATE.finditer(text):
        year = int(found["y"] or found["y2"])
        month = int(found["m"]) if found["m"] else _MONTHS[found["month"]]
        number = found["d"] or found["d2"]
        try:
            day = dt.date(year, month, int(number or 1))
            end = dt.date(year, month, int(found["end"])) if found["end"] else None
        except ValueError:
            continue
        printed = PrintedDay(day=day, precision="day" if number else "month", printed=found[0].strip())
        yield DatedPhrase(found.start(), found.end(), printed, end)


def find_validity(text: str, after: str | None = None) -> tuple[PrintedDay | None, dt.date | None, list[str]]:
    """Finds the day from which a sheet's prices apply and the last one, in its plain text.

    `after` is the plain phrase that a source says the date follows; without it,
    the usual words (applicable, valable, en vigueur, version …) lead. The third
    value lists the other days that have as good a claim: a reason to doubt.
    """
    dates = list(find_dates(text))
    claims = []
    for place, date in enumerate(dates):
        before = text[max(0, date.start - 90) : date.start]
        if after is not None:
            found = re.search(rf"{re.escape(after)}(?: (?:a|au|du|le|:|-))*[ :-]*$", before)
        else:
            found = _LEAD.search(before) if not _OTHER_TEXT.search(before[-48:]) else None
        if found:
            claims.append((place, date))
    if not claims:
        return None, None, []
    place, first = claims[0]
    end = first.end
    if end is None and place + 1 < len(dates):
        following = dates[place + 1]
        if _END.match(text[first.stop : following.start]):
            end = following.day.day
            if re.match(r" ?\(?non inclus", text[following.stop :]):
                end -= dt.timedelta(days=1)
    others = sorted({d.day.printed for _, d in claims if d.day.day != first.day.day})
    return first.day, end, others
