"""Messages for customers: a key with values, of which a door (API, page, command) makes a sentence."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


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

    def __hash__(self) -> int:
        return hash((self.key, frozenset(self.values.items())))

    def __str__(self) -> str:
        return f"{self.key} {dict(self.values)}" if self.values else self.key
