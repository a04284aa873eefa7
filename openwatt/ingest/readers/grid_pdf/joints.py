"""The joining of what a sheet prints in pieces: ranges of powers, thousands, words cut in two."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from openwatt.ingest.readers.figures import parse_amount, parse_powers
from openwatt.ingest.readers.grid_pdf.geometry import lines_of, overlap
from openwatt.ingest.readers.grid_pdf.words import Word

_NUMBER = r"(\d{1,2}) ?(?:kva)?"
#: The ways in which sheets write a range of powers, as plain words with single spaces.
_RANGES: tuple[tuple[re.Pattern[str], Callable[[int, int], tuple[int, int]]], ...] = (
    (re.compile(rf"(?:entre|de)? ?{_NUMBER} ?(?:et|a|-|–|/) ?{_NUMBER}"), lambda a, b: (a, b)),
    (
        re.compile(rf"(?:>|plus de|au dela de|au-dela de|superieure? a) ?{_NUMBER}()"),
        lambda a, _: (a + 1, 36),
    ),
    (re.compile(rf"(?:≥|>=|a partir de|des) ?{_NUMBER}()"), lambda a, _: (a, 36)),
    (re.compile(rf"{_NUMBER}() (?:et plus|et au-dela)"), lambda a, _: (a, 36)),
    (re.compile(rf"(?:≤|<=|jusqu'a) ?{_NUMBER}()"), lambda a, _: (1, a)),
    (re.compile(rf"(?:<|moins de) ?{_NUMBER}()"), lambda a, _: (1, a - 1)),
)
_LONGEST_RANGE = 6
_RANGE_WORD = re.compile(
    r"\d{1,2}(?:kva)?|kva|\d{1,2}(?:kva)?(?:-|–|/)\d{1,2}(?:kva)?|entre|et|de|a|-|–|/|plus|au|dela|au-dela|des"
    r"|superieure?|partir|jusqu'a|moins|[<>≤≥]=?(?:\d{1,2}(?:kva)?)?"
)
#: Words of headers that are found again when a line's end or a second run of text cuts them.
_WHOLE = frozenset(
    word + ending
    for words, endings in (
        (
            "abonnement puissance souscrite consommation fourniture contribution obligation heure saison",
            ("", "s"),
        ),
        ("kilowattheure reglemente tarifaire", ("", "s")),
        ("electricite energie mensuel mensuelle annuel annuelle acheminement", ("",)),
        ("pleines creuses kwh hiver taxes", ("",)),
    )
    for word in words.split()
    for ending in endings
)
#: What such a word can begin and end with, where it is cut.
_STARTS = frozenset(word[:i] for word in _WHOLE for i in range(1, len(word))) - _WHOLE
_ENDS = frozenset(word[i:] for word in _WHOLE for i in range(1, len(word))) - _WHOLE
#: The pieces of 1 109,20 · 0,19|52 · 0|,1952.
_PIECES_OF_A_FIGURE = (
    (re.compile(r"[1-9]"), re.compile(r"\d{3}[.,]\d{2}\D*")),
    (re.compile(r"\d+[.,]\d{0,3}"), re.compile(r"\d{1,4}")),
    (re.compile(r"\d+"), re.compile(r"[.,]\d{2,6}")),
)
_GLUED = re.compile(r"(\d{1,4}[.,]\d{1,6})((?:c ?€|€|cts?€?|centimes?)\S*|/\S+)", re.IGNORECASE)


def join_words(words: Sequence[Word]) -> list[Word]:
    """Gives a page's words as a person reads them; what is printed whole stays unchanged."""
    parted = [part for word in words for part in _without_unit(word)]
    lines = [list(_joined_figures(line)) for line in lines_of(parted)]
    lines = [list(_joined_letters(line)) for line in lines]
    return [word for line in join_lines(lines) for word in _joined_ranges(line)]


def _without_unit(word: Word) -> Iterator[Word]:
    """Parts a unit from its amount ("20,01c€"); an amount that is read with it stays whole."""
    found = _GLUED.fullmatch(word.text)
    if not found or parse_amount(word.text):
        yield word
        return
    x = word.x0 + (word.x1 - word.x0) * len(found[1]) / len(word.text)
    yield replace(word, x1=x, text=found[1])
    yield replace(word, x0=x, text=found[2])


def _joined_figures(line: Sequence[Word]) -> Iterator[Word]:
    """Joins `1` and `109,20`, and `0,19` and `52`, where less than a wide space is between them."""
    last: Word | None = None
    for word in line:
        if last is not None and _is_one_figure(last, word):
            last = _one(last, word, last.text + word.text)
            continue
        if last is not None:
            yield last
        last = word
    if last is not None:
        yield last


def _is_one_figure(left: Word, right: Word) -> bool:
    gap, height = right.x0 - left.x1, min(left.height, right.height)
    if gap > 0.55 * height or height < 0.8 * max(left.height, right.height):
        return False
    return any(
        first.fullmatch(left.text) and second.fullmatch(right.text) for first, second in _PIECES_OF_A_FIGURE
    )


def _joined_letters(line: Sequence[Word]) -> Iterator[Word]:
    """Joins the runs of text of one word ("Puis", "sance")."""
    i = 0
    while i < len(line):
        for size in (4, 3, 2):
            parts = line[i : i + size]
            if len(parts) == size and _is_one_word(parts):
                yield _one(parts[0], parts[-1], "".join(part.text for part in parts))
                i += size
                break
        else:
            yield line[i]
            i += 1


def _is_one_word(parts: Sequence[Word]) -> bool:
    if parts[0].plain not in _STARTS or parts[-1].plain not in _ENDS:
        return False
    near = all(b.x0 - a.x1 < 0.6 * a.height for a, b in pairwise(parts))
    whole = "".join(part.plain for part in parts)
    return near and whole in _WHOLE


def join_lines(lines: Sequence[list[Word]]) -> list[list[Word]]:
    """Joins a word that a line's end cuts ("Abonne-", "ment") with its rest on the line below it."""
    for above, below in pairwise(lines):
        for i, start in enumerate(above):
            begun = start.plain.removesuffix("-")
            if begun not in _STARTS:
                continue
            for rest in below:
                near = overlap(start, rest) > 0 and rest.y0 - start.y1 < start.height
                if near and begun + rest.plain in _WHOLE:
                    text = start.text.removesuffix("-") + rest.text
                    above[i] = replace(start, text=text)
                    below.remove(rest)
                    break
    return list(lines)


def _joined_ranges(line: Sequence[Word]) -> Iterator[Word]:
    """Joins `Entre 6 et 8`, `6 à 8`, `24 - 36 kVA` and `> 9` to one word, `6-8`."""
    i = 0
    while i < len(line):
        size, joined = _range_at(line, i)
        yield joined
        i += size


def _range_at(line: Sequence[Word], start: int) -> tuple[int, Word]:
    """The words from a place on that are one range of powers, else the word there."""
    stop = start
    while stop < min(len(line), start + _LONGEST_RANGE) and _RANGE_WORD.fullmatch(line[stop].plain):
        if stop > start and line[stop].x0 - line[stop - 1].x1 > 1.5 * line[stop].height:
            break
        stop += 1
    for end in range(stop, start, -1):
        text = " ".join(word.plain for word in line[start:end])
        for pattern, bounds in _RANGES:
            if found := pattern.fullmatch(text):
                low, high = bounds(int(found[1]), int(found[2] or 0))
                powers = parse_powers(f"{low}-{high}" if low < high else "")
                if powers and powers.steps():
                    return end - start, _one(line[start], line[end - 1], f"{low}-{high}")
    return 1, line[start]


def _one(first: Word, last: Word, text: str) -> Word:
    y0, y1 = min(first.y0, last.y0), max(first.y1, last.y1)
    return Word(first.x0, y0, last.x1, y1, text, struck=first.struck and last.struck)
