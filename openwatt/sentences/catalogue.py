"""The catalogue that makes a sentence of a message of the domain; every door uses it."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from openwatt.domain.errors import OpenWattError
from openwatt.domain.messages import Message

#: Languages that have a catalogue; the first is the one of a reader who asks for none.
CODES = ("en", "fr")
_NARROW, _NO_BREAK = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


def sentence(message: Message | str | OpenWattError, code: str = "en", *, on_page: bool = False) -> str:
    """The sentence of a message in a language; a text and an error without a message stay what they are.

    A sentence that leads to fields of the API and options of commands has another wording `on_page`,
    in the section `page`.

    Raises:
        KeyError: when there is no such sentence, or a value is missing: both are mistakes of ours.
    """
    if isinstance(message, OpenWattError):
        message = message.message or str(message)
    if isinstance(message, str):
        return message
    values = {name: _shown(value, code, on_page=on_page) for name, value in message.values.items()}
    known = texts(code)
    text = known.get(f"page.{message.key}") if on_page else None
    return (text or known[message.key]).format_map(values)


def _shown(value: int | str | Message, code: str, *, on_page: bool) -> str:
    if isinstance(value, Message):
        return sentence(value, code, on_page=on_page)
    if isinstance(value, int):
        return f"{value:,}".replace(",", _NARROW) if code == "fr" else f"{value:,}"
    return value


def no_break(text: str) -> str:
    """A French text in which a sign of two parts stays on the line of its word."""
    return re.sub(r"(?<=\S) (?=[:;?!%€»])|(?<=«) ", _NO_BREAK, text)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The texts of nested tables by dotted key."""
    texts: dict[str, str] = {}
    for key, value in table.items():
        texts |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return texts


@cache
def texts(code: str) -> Mapping[str, str]:
    """The sentences of a language by key, their places in braces."""
    text = (files(__package__) / f"{code}.toml").read_text("utf-8")
    return MappingProxyType(flat(tomllib.loads(no_break(text) if code == "fr" else text)))
