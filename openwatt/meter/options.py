"""What a customer says about a file that does not say it itself."""

from dataclasses import dataclass
from typing import Literal

StampIs = Literal["start", "end"]
Unit = Literal["W", "kW", "Wh", "kWh"]
Direction = Literal["consumption", "production"]

STAMPS: tuple[StampIs, ...] = ("start", "end")
#: Thousandths of W or Wh in one of each unit, and whether it is an energy.
UNITS: dict[Unit, tuple[int, bool]] = {
    "W": (1000, False),
    "kW": (1_000_000, False),
    "Wh": (1000, True),
    "kWh": (1_000_000, True),
}
DIRECTIONS: tuple[Direction, ...] = ("consumption", "production")


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Whether stamps start or end their steps, the unit of values, and which way the energy went.

    Each holds where the file leaves it open, and stands back where the file says it.
    """

    stamps: StampIs | None = None
    unit: Unit | None = None
    direction: Direction | None = None


NO_OPTIONS = FileOptions()
