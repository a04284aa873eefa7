"""The adding up of prices that a table prints in parts side by side: supply, network, taxes, their total."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from openwatt.domain.reading import Figure, Tax

#: A row of the spine, an option, a meaning (`subscription` or a register) and a tax side.
CellKey = tuple[int, str, str, Tax]
#: The figures of each part of a price: supply, network, obligation, duty, total.
PriceParts = Mapping[CellKey, Mapping[str, Figure]]


def add_up(parts: PriceParts, faults: list[str]) -> Iterator[tuple[CellKey, Figure]]:
    """Yields each price: its total where one is printed, else the sum of its parts.

    A total that is not the sum of the parts beside it is a fault. Without taxes, the duties are
    no part of a price; with them, they must be there, or the sum be proved by the other side.
    """
    faults += _contradictions(parts)
    totalled = {key[2] for key, found in parts.items() if "total" in found}
    for key, found in parts.items():
        side = key[3]
        if key[2] in totalled and "total" not in found:
            faults.append(f"{key[2]} {side} has no total, the other side has one")
            continue
        if "total" in found and len(found) == 1:
            yield key, found["total"]
            continue
        missing = {"supply", "network"} - set(found)
        if missing:
            faults.append(f"no {' and '.join(sorted(missing))} beside the other parts of {key[2]} {side}")
            continue
        own = [
            figure for name, figure in found.items() if name != "total" and (side == "TTC" or name != "duty")
        ]
        whole = sum_of(own)
        if "total" in found:
            total = found["total"]
            if abs(total.amount - whole.amount) > sum(figure.step for figure in own):
                faults.append(
                    f"the parts of {key[2]} {side} add up to {whole.amount}, the total is {total.amount}"
                )
            yield key, total
            continue
        if side == "TTC" and "duty" not in found and (*key[:3], "HT") not in parts:
            faults.append(
                f"the parts of {key[2]} TTC name no tax, and no side without taxes proves their sum"
            )
        yield key, whole


def _contradictions(parts: PriceParts) -> list[str]:
    """What parts of two registers cannot both be: other duties, or a dearer part off peak."""
    found = []
    for (row, option, name, side), peak in parts.items():
        off_peak = parts.get((row, option, name.replace("HP", "HC"), side))
        if "HP" not in name or off_peak is None:
            continue
        for part in set(peak) & set(off_peak):
            high, low = peak[part], off_peak[part]
            if high.amount < low.amount or (part == "duty" and high.amount != low.amount):
                message = f"the {part} is {high.printed} at peak and {low.printed} off peak"
                if message not in found:
                    found.append(message)
    return found


def sum_of(parts: list[Figure]) -> Figure:
    """One figure of several parts, at the place of the first."""
    return Figure(
        amount=sum((part.amount for part in parts), Decimal(0)),
        printed=" + ".join(part.printed for part in parts),
        step=max(part.step for part in parts),
        page=parts[0].page,
        box=parts[0].box,
        parts=tuple(parts),
    )
