"""The keys of a mapping of a source's file, read one by one, with every fault of it."""

import reprlib
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

#: What a fault shows of a wrong value; a few lines of YAML can stand for gigabytes.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlist = _SHORT.maxdict = 20
_SHORT.maxlevel = 3


class MappingKeys:
    """The keys of one mapping of a file, read one by one; whatever is wrong is collected as a fault."""

    def __init__(self, where: str, mapping: object, faults: list[str]) -> None:
        self.where = where
        self.faults = faults
        self.mapping: dict[str, Any] = {}
        if isinstance(mapping, dict):
            self.mapping = {str(key): value for key, value in mapping.items()}
        else:
            self.fault(None, f"is {_SHORT.repr(mapping)}; write `key: value` lines")
        self.known: set[str] = set()

    def fault(self, key: str | None, message: str) -> None:
        """Collects a fault of a key (or of the whole mapping)."""
        self.faults.append(f"{self.where}: {key} {message}" if key else f"{self.where}: {message}")

    def take(self, key: str, read: Callable[[Any], T], remedy: str, default: T | None = None) -> T | None:
        """Reads an optional key with `read`; a ValueError becomes a fault with the remedy."""
        self.known.add(key)
        if key not in self.mapping:
            return default
        try:
            return read(self.mapping[key])
        except (ValueError, TypeError, KeyError):
            self.fault(key, f"is {_SHORT.repr(self.mapping[key])}; {remedy}")
            return default

    def need(self, key: str, read: Callable[[Any], T], remedy: str, stand_in: T) -> T:
        """Reads a required key; its absence is a fault."""
        if key not in self.mapping:
            self.known.add(key)
            self.fault(key, f"is missing; {remedy}")
            return stand_in
        value = self.take(key, read, remedy)
        return stand_in if value is None else value

    def close(self) -> None:
        """Collects a fault for every key that was not read."""
        for key in self.mapping:
            if key not in self.known:
                self.fault(key, f"is not known; remove it, or use one of {', '.join(sorted(self.known))}")
