"""Titles and notes of the shipped catalogue, which are stored in English as they were recorded, in French."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType

from openwatt.sentences.catalogue import no_break

_PLACE = re.compile(r"\\\{(\w+)\\\}")
_ISO_DAY = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_AMOUNT = re.compile(r"\d+\.\d+")
_PART = "; "


@lru_cache(maxsize=4096)  # a page has a hundred of them, and each is compared with every pattern
def recorded_text(text: str, code: str) -> str:
    """A recorded text in a language: by itself, else clause by clause; what has no translation stays."""
    if code != "fr":
        return text
    known = recorded_patterns()
    translated = _translated(text, known["texts"])
    if translated is None:
        clauses = ((one, _translated(one, known["clauses"])) for one in text.split(_PART))
        translated = no_break(" ; ".join(found or one for one, found in clauses))
    return translated


def _translated(text: str, patterns: Mapping[re.Pattern[str], str]) -> str | None:
    for pattern, french in patterns.items():
        if found := pattern.fullmatch(text):
            values = {name: _in_french(value) for name, value in found.groupdict().items()}
            return no_break(french.format_map(values))
    return None


def _in_french(value: str) -> str:
    """A day or a number as French texts write it."""
    return value.replace(".", ",") if _AMOUNT.fullmatch(value) else _ISO_DAY.sub(r"\3/\2/\1", value)


@cache
def recorded_patterns() -> Mapping[str, Mapping[re.Pattern[str], str]]:
    """The translations of whole texts and of clauses, by what they match."""
    tables = tomllib.loads((files(__package__) / "recorded_fr.toml").read_text("utf-8"))
    return MappingProxyType(
        {name: {_pattern(one): other for one, other in table} for name, table in tables.items()}
    )


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(_PLACE.sub(r"(?P<\1>.+)", re.escape(text)))
