"""The languages of the pages: their texts, from one file each, and their way to write figures."""

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from types import MappingProxyType

from openwatt.domain.legal_time import PARIS
from openwatt.sentences.catalogue import flat, no_break

#: The first is spoken to whoever asks for none of them.
CODES = ("fr", "en")

_NARROW = "\N{NARROW NO-BREAK SPACE}"
_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its texts by dotted key, and the way it writes numbers, amounts and days."""

    code: str
    texts: Mapping[str, str]

    def text(self, key: str, **values: object) -> str:
        """The text of a key, its `{names}` filled in.

        Raises:
            KeyError: when there is no such text, or a value is missing: both are mistakes of ours.
        """
        text = self.texts[key]
        return text.format_map(values) if values else text

    def number(self, value: Decimal | float, decimals: int = 0, *, signed: bool = False) -> str:
        """A number with thousands apart, and its sign where that is wanted."""
        text = f"{value:{'+' if signed else ''},.{decimals}f}".replace("-", "\N{MINUS SIGN}")
        if self.code == "fr":
            text = text.replace(",", _NARROW).replace(".", ",")
        return text

    def eur(self, value: Decimal | float, decimals: int = 2, *, signed: bool = False) -> str:
        """An amount in EUR."""
        text = self.number(value, decimals, signed=signed)
        if self.code == "fr":
            return f"{text}{_NO_BREAK}€"
        sign, digits = (text[0], text[1:]) if text[0] in "+\N{MINUS SIGN}" else ("", text)
        return f"{sign}€{digits}"

    def percent(self, value: Decimal | float, decimals: int = 1, *, signed: bool = False) -> str:
        """A number of hundredths."""
        space = _NO_BREAK if self.code == "fr" else ""
        return f"{self.number(value, decimals, signed=signed)}{space}%"

    def month(self, number: int) -> str:
        """The short name of a month from 1 to 12."""
        return self.texts["dates.months"].split()[number - 1]

    def weekday(self, number: int) -> str:
        """The short name of a weekday from 0, Monday."""
        return self.texts["dates.weekdays"].split()[number]

    def day(self, day: dt.date) -> str:
        """A legal day, its month shortened."""
        first = self.code == "fr" and day.day == 1
        return f"{day.day}{'er' if first else ''} {self.month(day.month)} {day.year}"

    def instant(self, instant: dt.datetime) -> str:
        """An instant in legal time, to the minute."""
        local = instant.astimezone(PARIS)
        return f"{self.day(local.date())}, {local:%H:%M}"


def _read(code: str) -> Language:
    text = (files(__package__) / "texts" / f"{code}.toml").read_text("utf-8")
    text = no_break(text) if code == "fr" else text
    return Language(code, MappingProxyType(flat(tomllib.loads(text))))


LANGUAGES: Mapping[str, Language] = MappingProxyType({code: _read(code) for code in CODES})
