"""The results of checks: ok, failed with a remedy, or skipped with a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from openwatt.domain.errors import OpenWattError

CheckStatus = Literal["ok", "failed", "skipped"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """The verdict of a check; that of a failed one has a remedy."""

    status: CheckStatus
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one item's check: its verdict, and how long it took."""

    item: str
    status: CheckStatus
    message: str
    remedy: str
    seconds: float


class CheckFailedError(OpenWattError):
    """Raised by a check that fails; without a `remedy` that of the item counts."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.remedy = remedy
        super().__init__(message)


class CheckSkippedError(OpenWattError):
    """Raised by a check that does not apply here; the message is the reason."""


def ok(message: str) -> CheckVerdict:
    """The verdict of a check that passed; `message` is what was seen."""
    return CheckVerdict("ok", message)


def required(value: T | None, variable: str) -> T:
    """Returns the value of a setting that a check needs.

    Raises:
        CheckSkippedError: it is not set, so there is nothing to look at.
    """
    if value is None:
        raise CheckSkippedError(f"{variable} is not set")
    return value


def join_names(names: Sequence[str], most: int = 4) -> str:
    """Joins a few names, and says how many more there are."""
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"


def quantity(number: int, word: str, words: str = "") -> str:
    """Writes a number with its noun: `1 alert`, `2 alerts`."""
    return f"{number} {word if number == 1 else words or word + 's'}"


def none_of(faults: Sequence[str], remedy: str, otherwise: Callable[[], str]) -> CheckVerdict:
    """The verdict over a list of faults: ok when it is empty, else failed with the first of them."""
    if faults:
        return CheckVerdict("failed", join_names(faults), remedy)
    return ok(otherwise())
