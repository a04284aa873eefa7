"""The choice of the groups that have a line of their own, so that no line is of too few homes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from unicodedata import combining, normalize

#: The properties of a group, in the order of the columns; None is unknown.
GroupValues = tuple[str | None, ...]


class GroupSize(NamedTuple):
    """The homes of a group, those whose cheapest contract is known, and those that have a saving."""

    homes: int
    ranked: int
    compared: int

    def may_be_shown(self, least: int) -> bool:
        """Whether every figure that a line shows is of so many homes, or of none."""
        return all(count == 0 or count >= least for count in (self.ranked, self.compared))


def shown_groups(sizes: Mapping[GroupValues, GroupSize], *, limit: int, least: int) -> Sequence[GroupValues]:
    """The largest groups, at most so many and none of too few homes, in the order of their names.

    All others are one line together. Who takes the shown groups from the total has that
    line, so it is not of too few homes either: the smallest of the shown groups join it until
    it is not.
    """
    largest = sorted(sizes, key=lambda group: (-sizes[group].homes, _natural(group)))
    shown = [group for group in largest[:limit] if sizes[group].may_be_shown(least)]
    others = set(sizes) - set(shown)
    while not total_size(sizes[group] for group in others).may_be_shown(least):
        smallest = next((group for group in reversed(shown) if sizes[group].ranked), None)
        if smallest is None:
            break
        shown.remove(smallest)
        others.add(smallest)
    return sorted(shown, key=_natural)


def total_size(sizes: Iterable[GroupSize]) -> GroupSize:
    """The size of several groups together."""
    return GroupSize(*map(sum, zip((0, 0, 0), *sizes, strict=True)))


def _natural(group: GroupValues) -> list[tuple[bool, bool, int, str]]:
    """An order in which 9 comes before 12, and what is unknown last."""
    texts = [value or "" for value in group]
    numbers = [int(text) if text.isascii() and text.isdecimal() else None for text in texts]
    return [
        (not text, number is None, number or 0, _without_accents(text))
        for text, number in zip(texts, numbers, strict=True)
    ]


def _without_accents(text: str) -> str:
    """A text by which Île comes before Loire; the text itself decides between those that are then alike."""
    letters = (letter for letter in normalize("NFKD", text.casefold()) if not combining(letter))
    return f"{''.join(letters)}\0{text}"
