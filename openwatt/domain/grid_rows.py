"""The checks of which rows a grid has: its powers, and how its periods follow each other."""

import datetime as dt
from collections.abc import Iterator, Sequence

from openwatt.domain.likeness import RegulatedTariffs
from openwatt.domain.reading import Disagreement, Line

#: The powers at which the regulated tariff and most offers are sold.
USUAL_POWERS_KVA = (3, 6, 9, 12, 15, 18, 24, 30, 36)
_MISSING = "powers-missing"


def regulated_powers(
    lines: Sequence[Line], powers: Sequence[int], tariffs: RegulatedTariffs
) -> Sequence[int]:
    """The powers that one regulated option's dated rows must have: of those of the source, the ones sold."""
    day, option = lines[0].first_day, lines[0].option
    eve = day - dt.timedelta(days=1)
    sold, sold_before, begun = (
        {power for power in range(1, 37) if find(on, option, power) is not None}
        for find, on in ((tariffs.on, day), (tariffs.on, eve), (tariffs.begun_on, day))
    )
    read = {line.power_kva for line in lines}
    if set(powers) & sold_before <= begun:
        return sorted((set(powers) & sold) | (read & sold)) or powers
    # Of this period the references hold a part or nothing: what was sold goes on, a usual power may be new.
    return sorted((set(powers) & (sold | sold_before)) | (read & set(USUAL_POWERS_KVA)))


def missing_powers(lines: Sequence[Line], powers: Sequence[int] | None) -> Iterator[Disagreement]:
    """Which powers one option's rows lack, or have too many of; with None, by the steps of those read."""
    read = [line.power_kva for line in lines]
    if powers is not None:
        missing = [power for power in powers if power not in read]
        added = [power for power in read if power not in powers]
        if missing or added:
            parts = [f"{', '.join(map(str, missing))} kVA not read"] if missing else []
            parts += [f"{', '.join(map(str, added))} kVA not known of this grid"] if added else []
            yield _MISSING, list(lines), "; ".join(parts) + ": correct the source if the grid changed", ""
        return
    ladder = _ladder(read)
    missing = [power for power in ladder if power not in read]
    if missing:
        message = f"{', '.join(map(str, missing))} kVA is missing between {read[0]} and {read[-1]} kVA"
        yield _MISSING, list(lines), message, ""
    elif read and (read[-1] != 36 or read[0] > 9):
        message = f"the grid begins at {read[0]} and ends at {read[-1]} kVA; grids end at 36"
        yield _MISSING, list(lines), message, ""


def _ladder(read: Sequence[int]) -> list[int]:
    """The powers between the first and the last read: every step, or the nine usual ones."""
    if not read:
        return []
    if any(power not in USUAL_POWERS_KVA for power in read):
        return list(range(read[0], read[-1] + 1))
    return [power for power in USUAL_POWERS_KVA if read[0] <= power <= read[-1]]


def wrong_ends(lines: Sequence[Line]) -> Iterator[Disagreement]:
    """Periods that end before they begin, or on another day than the eve of the next in the document."""
    periods: dict[tuple[str, str, int], list[Line]] = {}
    for line in lines:
        if line.applies_from is not None:
            periods.setdefault((line.offer, line.option, line.power_kva), []).append(line)
    for rows in periods.values():
        rows.sort(key=lambda line: line.first_day)
        for line, following in zip(rows, [*rows[1:], None], strict=True):
            if line.applies_to is None:
                continue
            eve = None if following is None else following.first_day - dt.timedelta(days=1)
            if line.applies_to < line.first_day or eve not in (None, line.applies_to):
                message = f"the prices of {line.first_day} end on {line.applies_to}"
                message += "" if eve is None else f", the next begin on {eve + dt.timedelta(days=1)}"
                yield "date-doubtful", [line], message, ""
