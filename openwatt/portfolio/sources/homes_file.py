"""The reader of the file of homes, a CSV of subscribed powers and off-peak hours."""

import csv
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from openwatt.domain.errors import OffPeakError
from openwatt.domain.off_peak import OffPeakHours, parse_off_peak_text
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA
from openwatt.portfolio.billing.kernel import HomeSetting
from openwatt.portfolio.errors import PortfolioError
from openwatt.sentences.catalogue import sentence

_COLUMNS = ("home", "power_kva", "off_peak_hours")
_MOST_FAULTS = 10
#: Between the entries of a home whose off-peak hours change with the season or from a day.
_BETWEEN = "|"
#: More than two seasons with several days of effect take; the time to read a text grows with its square.
_MOST_CHARACTERS = 1000


def read_homes_file(path: Path, default: HomeSetting) -> Mapping[str, HomeSetting]:
    """The setting of each home that a CSV names, parted by commas or semicolons.

    The column `home` is needed, `power_kva` and `off_peak_hours` are not; an empty cell
    means the default. Several entries of off-peak hours are parted by `|`.

    Raises:
        PortfolioError: naming each line that cannot be used.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            lines = csv.DictReader(stream, delimiter=";" if ";" in first else ",", strict=True)
            return _settings(path, lines.fieldnames or (), lines, default)
    except OSError as error:
        raise PortfolioError(f"{path} cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise PortfolioError(f"{path} is no CSV in UTF-8: {error}") from None


def _settings(
    path: Path,
    columns: Iterable[str],
    lines: Iterable[Mapping[str | None, str | None]],
    default: HomeSetting,
) -> Mapping[str, HomeSetting]:
    if "home" not in columns or set(columns) - set(_COLUMNS):
        names = ", ".join(columns) or "none"
        raise PortfolioError(
            f"{path} has columns {names}; it needs home, and may have power_kva, off_peak_hours"
        )
    settings: dict[str, HomeSetting] = {}
    faults = []
    for number, line in enumerate(lines, start=2):
        try:
            home, setting = _line(line, default)
        except (PortfolioError, OffPeakError) as error:
            faults.append(f"line {number}: {sentence(error)}")
            continue
        if home in settings:
            faults.append(f"line {number}: home {home!r} is named twice")
        settings[home] = setting
    if faults:
        more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise PortfolioError(f"{path}: {'; '.join(faults[:_MOST_FAULTS])}{more}")
    return settings


def parse_hours(text: str) -> tuple[OffPeakHours, ...]:
    """The off-peak hours of one cell, whose entries are parted by `|`; the same text gives the same value.

    Raises:
        OffPeakError: naming what cannot be read.
        PortfolioError: when the cell is longer than any bill's words.
    """
    if len(text) > _MOST_CHARACTERS:
        raise PortfolioError(f"off_peak_hours have more than {_MOST_CHARACTERS:,} characters")
    return _parse_hours(text.strip())


@lru_cache(maxsize=4096)
def _parse_hours(text: str) -> tuple[OffPeakHours, ...]:
    return tuple(entry for one in text.split(_BETWEEN) for entry in parse_off_peak_text(one))


def refuse_power(power_kva: int) -> None:
    """Refuses what is no subscribed power.

    Raises:
        PortfolioError: when it is none.
    """
    if not MIN_POWER_KVA <= power_kva <= MAX_POWER_KVA:
        raise _no_power(str(power_kva))


def _line(line: Mapping[str | None, str | None], default: HomeSetting) -> tuple[str, HomeSetting]:
    home, power, hours = ((line.get(column) or "").strip() for column in _COLUMNS)
    if not home:
        raise PortfolioError("no home is named")
    if None in line:
        raise PortfolioError("it has more cells than there are columns")
    return home, HomeSetting(
        _power_kva(power) if power else default.power_kva,
        parse_hours(hours) if hours else default.off_peak_hours,
    )


def _power_kva(text: str) -> int:
    if not text.isdecimal():
        raise _no_power(text)
    refuse_power(int(text))
    return int(text)


def _no_power(text: str) -> PortfolioError:
    return PortfolioError(f"power_kva {text!r} is no whole number from {MIN_POWER_KVA} to {MAX_POWER_KVA}")
