"""What a look at one part of the stack found: well, broken and how to fix it, or not looked at and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from openwatt.domain.errors import OpenWattError

Status = Literal["ok", "failed", "skipped"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says; of a failure also what fixes it."""

    status: Status
    says: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One item's verdict, with the seconds that it took."""

    item: str
    status: Status
    says: str
    remedy: str
    seconds: float


class CheckFailedError(OpenWattError):
    """A check found its part broken, deep inside; without a `remedy` that of the item holds."""

    def __init__(self, says: str, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(says)


class CheckSkippedError(OpenWattError):
    """A check cannot look at its part, and that is nobody's fault: the reason stands in the message."""


def ok(says: str) -> Verdict:
    """All is well; `says` is what was seen."""
    return Verdict("ok", says)


def required(value: T | None, variable: str) -> T:
    """A setting that a check needs.

    Raises:
        CheckSkippedError: it is not set, so there is nothing to look at.
    """
    if value is None:
        raise CheckSkippedError(f"{variable} is not set")
    return value


def join_names(names: Sequence[str], most: int = 4) -> str:
    """A few names, and how many more there are."""
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"


def quantity(number: int, word: str, words: str = "") -> str:
    """`1 alert`, `2 alerts`."""
    return f"{number} {word if number == 1 else words or word + 's'}"


def none_of(faults: Sequence[str], remedy: str, otherwise: Callable[[], str]) -> Verdict:
    """Well when there is no fault, else broken with the first of them."""
    if faults:
        return Verdict("failed", join_names(faults), remedy)
    return ok(otherwise())
