"""The vocabulary of tables: what a header cell names, in which unit, and which words mean another file.

All that is known of makers' words stands here; nothing else in the readers knows a maker's name.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from openwatt.meter.options import Unit

Role = Literal[
    "start", "end", "stamp", "date", "time", "time_start", "time_end", "value", "unit", "step", "direction",
    "physical", "home", "production", "index", "maximum", "register", "other",
]  # fmt: skip

#: Words that change no meaning.
_FILLERS = frozenset([
    "de", "du", "des", "d", "l", "la", "le", "les", "et", "en", "par", "a", "au", "the", "of", "in",
    "and", "pour", "dans", "sur", "mon", "ma", "mes", "my",
])  # fmt: skip
_START = frozenset({"debut", "start", "begin", "from", "since", "datedebut"})
_END = frozenset({"fin", "end", "until", "datefin", "to"})
_DAY = frozenset({"date", "jour", "day", "dates", "mois", "month"})
_CLOCK = frozenset({"heure", "heures", "time", "hour"})
#: A moment: together with a day or alone.
_MOMENT = frozenset({"horodatage", "timestamp", "datetime", "stamp", "instant"})
#: The grid operator's words for the moment at which it has closed a step: the end of it.
_OPERATOR_END = (frozenset({"horodate"}), frozenset({"date", "heure", "releve", "distributeur"}))
#: What may stand beside a day or clock without making it something else.
_OF_A_MOMENT = frozenset([
    "utc", "local", "locale", "paris", "pas", "periode", "mesure", "releve", "consommation", "plage",
    "horaire",
])  # fmt: skip
_VALUE = frozenset([
    "valeur", "value", "puissance", "power", "consommation", "conso", "consumption", "energie", "energy",
    "soutirage", "soutiree", "usage", "import", "imported", "grid", "watts", "watt", "w", "kw", "wh",
    "kwh",
])  # fmt: skip
_PRODUCTION = frozenset([
    "production", "prod", "injection", "injectee", "injecte", "reinjection", "surplus", "export",
    "exported", "return", "returned", "generation",
])  # fmt: skip
_CONSUMPTION = frozenset([
    "consommation", "cons", "conso", "soutirage", "soutiree", "consumption", "import",
])  # fmt: skip
_INDEX = frozenset({"index", "eas"})
_MAXIMUM = frozenset(["max", "maximale", "maximum", "maxi", "maximales"])
_NOT_ENERGY = frozenset([
    "prix", "price", "cout", "cost", "montant", "tarif", "eur", "euro", "euros", "temperature", "nature",
    "indice", "etat", "type", "etape", "identifiant",
])  # fmt: skip
_EXACT: dict[frozenset[str], Role] = {
    frozenset({"unite"}): "unit",
    frozenset({"unit"}): "unit",
    frozenset({"pas"}): "step",
    frozenset({"pas", "minutes"}): "step",
    frozenset({"step"}): "step",
    frozenset({"interval"}): "step",
    frozenset({"grandeur", "metier"}): "direction",
    frozenset({"sens"}): "direction",
    frozenset({"direction"}): "direction",
    frozenset({"flow", "direction"}): "direction",
    frozenset({"grandeur", "physique"}): "physical",
    frozenset({"identifiant", "prm"}): "home",
    frozenset({"prm"}): "home",
    frozenset({"pdl"}): "home",
    frozenset({"hp"}): "register",
    frozenset({"hc"}): "register",
}
#: Header cells of the row above the values in which the grid operator says what an export holds.
METADATA_LEAD = "identifiant prm"

_UNIT = re.compile(r"(?<![a-z0-9])(kwh|mwh|wh|kw|mw|w|watts?|kva|va|kvarh?|varh?|m3|m³|litres?)(?![a-z0-9])")
_SPELLINGS: dict[str, Unit] = {"kwh": "kWh", "wh": "Wh", "kw": "kW", "w": "W", "watt": "W", "watts": "W"}


@dataclass(frozen=True, slots=True)
class HeaderCell:
    """What a header cell names: its role, the unit that stands in it, and which way the energy goes."""

    role: Role
    unit: str = ""
    words: frozenset[str] = frozenset()

    @property
    def is_consumption(self) -> bool:
        """Whether it names consumption."""
        return bool(self.words & _CONSUMPTION)


def plain(text: str) -> str:
    """A text in small letters without accents, its signs turned to spaces."""
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    return re.sub(r"[^a-z0-9³]+", " ", "".join(c for c in decomposed if not unicodedata.combining(c))).strip()


def header_cell(text: str) -> HeaderCell:
    """What a cell of a header names."""
    if len(text) > 100:
        return HeaderCell("other")
    words_text = plain(text)
    unit = found.group(1) if (found := _UNIT.search(words_text)) else ""
    words = frozenset(words_text.split()) - _FILLERS
    return HeaderCell(_role(words, unit), unit, words)


def _role(words: frozenset[str], unit: str) -> Role:
    if words in _EXACT:
        return _EXACT[words]
    if any(words >= one for one in _OPERATOR_END):
        return "start" if words & _START else "end"
    if words & _NOT_ENERGY:
        return "other"
    if not unit and (moment := _role_of_moment(words)) is not None:
        return moment
    return _role_of_quantity(words, unit)


def _role_of_quantity(words: frozenset[str], unit: str) -> Role:
    kinds: tuple[tuple[frozenset[str], Role], ...] = (
        (_INDEX, "index"),
        (_PRODUCTION, "production"),
        (_MAXIMUM, "maximum"),
        (_VALUE, "value"),
    )
    for known, role in kinds:
        if words & known:
            return role
    return "value" if unit and words <= {unit} else "other"


def _role_of_moment(words: frozenset[str]) -> Role | None:
    day, clock = bool(words & _DAY), bool(words & _CLOCK)
    if not (day or clock or words & (_START | _END | _MOMENT)):
        return None
    if words - (_DAY | _CLOCK | _START | _END | _MOMENT | _OF_A_MOMENT):
        return None
    start, end = bool(words & _START), bool(words & _END)
    if clock and not day and not words & _MOMENT:
        return "time_start" if start and not end else "time_end" if end and not start else "time"
    if start != end:
        return "start" if start else "end"
    return "date" if day and not clock and not words & _MOMENT else "stamp"


def unit_of(text: str) -> Unit | None:
    """The unit of power or energy that a cell names, None where it is another one."""
    return _SPELLINGS.get(plain(text))


def direction_of(texts: Iterable[str]) -> Literal["consumption", "production"] | None:
    """Which way the energy goes by some texts; None where they say nothing, or both."""
    words = {word for text in texts for word in plain(text).split()}
    produced, consumed = bool(words & _PRODUCTION), bool(words & _CONSUMPTION)
    return None if produced == consumed else "production" if produced else "consumption"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file that is no load curve: how it is recognised, what it is, and what to bring instead.

    It is recognised when every pattern is found in the plain text of the file's first rows.
    """

    key: str
    patterns: tuple[str, ...]
    bring: str = "enedis"
    values: tuple[tuple[str, str], ...] = ()


def _foreign(tool: str, *patterns: str) -> Kind:
    return Kind("foreign", patterns, values=(("tool", tool),))


#: What a first row's words betray before any table is looked for.
KINDS: tuple[Kind, ...] = (
    Kind("sensor", (r"^entity id state last (changed|updated)",)),
    Kind("shelly", (r"(^| )(total )?act energy( |$)",)),
    Kind("sessions", (r"(^| )(loadpoint|charge point)( |$)",)),
    Kind("water", (r"(^| )(eau|veolia|suez|saur|water)( |$)", r"(^| )(m3|m³|litres?)( |$)")),
    Kind("gas", (r"(^| )(gaz|grdf|gazpar|pce|gas)( |$)",)),
    _foreign("Datadis / e-distribución (ES)", r"(^| )(cups|consumo kwh|consumo_kwh|fecha)( |$)"),
    _foreign("Fluvius / ORES (BE)", r"(^| )(ean code|van datum|afname dag|afname)( |$)"),
    _foreign("Netzbetreiber (DE, AT, CH)", r"(^| )(zahlpunkt|zahlernummer|verbrauch|messwert)( |$)"),
    _foreign("e-distribuzione (IT)", r"(^| )(consumo attiva|pod|fascia)( |$)"),
    _foreign("Octopus Energy (UK)", r"(^| )estimated carbon", r"consumption"),
    _foreign("Green Button (US, CA)", r"(^| )(espi|green button|electric usage|usage kwh)( |$)"),
)
_COMPILED = tuple((kind, tuple(re.compile(one, re.MULTILINE) for one in kind.patterns)) for kind in KINDS)


def kind_of(lines: Sequence[str]) -> Kind | None:
    """The kind of file that some first lines betray, None where they do not."""
    text = "\n".join(map(plain, lines))
    for kind, patterns in _COMPILED:
        if all(pattern.search(text) for pattern in patterns):
            return kind
    return None


#: A stretch of days in one cell, as suppliers print months: du 12/01/25 au 11/02/25.
PERIOD = re.compile(r"du \d{1,2}/\d{1,2}/\d{2,4} au \d{1,2}/\d{1,2}/\d{2,4}", re.IGNORECASE)
#: A month in place of a stamp: 11/2025, 2025-11, novembre 2025.
MONTH = re.compile(r"(\d{1,2}[/-]\d{4}|\d{4}[/-]\d{1,2}|[^\W\d_]{3,9}\.? \d{4})")
#: The title of the sheet that the grid operator's account gives.
ACCOUNT_TITLE = "export des donnees de la courbe de charge"
#: EDF's account names its files so in their first line.
EDF_TITLE = re.compile(r"recapitulatif de (ma|mes) ")
