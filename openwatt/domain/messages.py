"""Messages for customers: a key with values, of which a door (API, page, command) makes a sentence."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said, in no language: a key of `openwatt/sentences/*.toml` and the values of its places.

    A value that is itself a message becomes a sentence of the same language.
    """

    key: str
    values: Mapping[str, "int | str | Message"] = field(default_factory=dict)

    @classmethod
    def of(cls, key: str, **values: "int | str | Message") -> "Message":
        """The message of a key and values."""
        return cls(key, values)

    @classmethod
    def day(cls, day: dt.date) -> "Message":
        """A day, as a value of a message."""
        return cls("day", {"year": f"{day.year:04}", "month": f"{day.month:02}", "day": f"{day.day:02}"})

    @classmethod
    def decimal(cls, number: Decimal) -> "Message":
        """A number with decimals, as a value of a message."""
        whole, _, decimals = str(number).partition(".")
        return cls("decimal", {"whole": whole, "decimals": decimals})

    @classmethod
    def amount(cls, number: Decimal) -> "Message":
        """A number of at least 0 with its thousands apart, as a value of a message."""
        whole, _, decimals = f"{number:f}".partition(".")
        return (
            cls("decimal", {"whole": int(whole), "decimals": decimals})
            if decimals
            else cls("whole", {"whole": int(whole)})
        )

    @classmethod
    def each(cls, messages: "Iterable[Message]") -> "Message | None":
        """Several messages one after another, each once; None where there are none."""
        joined = None
        for message in dict.fromkeys(messages):
            joined = message if joined is None else cls.of("several", first=joined, next=message)
        return joined

    def __hash__(self) -> int:
        return hash((self.key, frozenset(self.values.items())))

    def __str__(self) -> str:
        return f"{self.key} {dict(self.values)}" if self.values else self.key
