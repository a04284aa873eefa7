"""The columns of a table that show another tariff for comparison, apart from the offer's own."""

from collections.abc import Sequence
from itertools import groupby

from openwatt.ingest.readers.grid_pdf.geometry import (
    AmountColumn,
    PowerColumn,
    cut,
    overlap,
    phrases_of,
    share_out,
)
from openwatt.ingest.readers.grid_pdf.meanings import HeaderReader
from openwatt.ingest.readers.grid_pdf.vocabulary import (
    MEASURE_WORDS,
    Anchor,
    AnchorKind,
    Vocabulary,
    read_owners,
)
from openwatt.ingest.readers.grid_pdf.words import Word


def others_columns(
    reader: HeaderReader, heading: Sequence[Word], spine: PowerColumn, vocabulary: Vocabulary
) -> list[bool]:
    """Tells for each column whether it shows another tariff than the offer's.

    A measure can name the other tariff itself ("Abonnement TRV"): its columns
    are the other's. Else, on a header line that names another tariff ("Tarifs
    réglementés"), every other phrase names the offer's columns, whatever its
    words: suppliers print their own name, the offer's or nothing but "prix".
    Lines are read downwards, each shared out over the columns still the offer's.
    """
    columns, measured = reader.columns, reader.measured
    other = [False] * len(columns)
    levels = []
    for anchor in (a for a in reader.anchors if a.kind is AnchorKind.OWNER and a.value == "other"):
        named = [
            i
            for i, leaf in measured.items()
            if overlap(leaf, anchor) > 0 and abs(leaf.yc - anchor.yc) < 3 * anchor.height
        ]
        if MEASURE_WORDS.search(anchor.text) and named and len(named) < len(columns):
            for i in named:
                other[i] = True
        else:
            levels.append(anchor.yc)
    levels.sort()
    energy = [i in measured and measured[i].value == "energy" for i in range(len(columns))]
    for _, ys in groupby(levels, key=lambda y: sum(y - z > 4 for z in levels)):
        line = [
            a for a in _line_of(list(ys), heading, spine, vocabulary) if not _over_others(a, columns, other)
        ]
        among = _reached(line, columns, other, energy)
        shares = share_out([columns[i] for i in among], line)
        if shares is not None:
            for i, share in zip(among, shares, strict=True):
                other[i] = line[share].value == "other"
    return other


def _line_of(
    level: Sequence[float], heading: Sequence[Word], spine: PowerColumn, vocabulary: Vocabulary
) -> list[Anchor]:
    """Every phrase at the height of those that name another tariff, as an owner, from left to right."""
    middle = sum(level) / len(level)
    words = sorted(
        (w for w in heading if w.x0 > spine.x1 - 4 and abs(w.yc - middle) < 0.6 * w.height),
        key=lambda w: w.x0,
    )
    owners: list[Anchor] = []
    phrases = phrases_of(heading)
    for phrase in cut(words):
        owned = list(read_owners(phrase, vocabulary, phrases))
        height = max(word.height for word in phrase.words)
        silent = Anchor(AnchorKind.OWNER, "own", phrase.x0, phrase.x1, phrase.yc, height, phrase.text)
        owners += owned or [silent]
    return owners


def _over_others(anchor: Anchor, columns: Sequence[AmountColumn], other: Sequence[bool]) -> bool:
    """Whether a phrase stands over columns that are already known to be another tariff's."""
    nearest = min(range(len(columns)), key=lambda i: abs((columns[i].x0 + columns[i].x1) / 2 - anchor.xc))
    return other[nearest]


def _reached(
    line: Sequence[Anchor], columns: Sequence[AmountColumn], other: Sequence[bool], energy: Sequence[bool]
) -> list[int]:
    """The columns that a line of owners speaks of: the prices alone when all of it stands above them."""
    remaining = [i for i in range(len(columns)) if not other[i]]
    prices = [i for i in remaining if energy[i]]
    if prices and line:
        left, right = columns[prices[0]].x0 - 25, columns[prices[-1]].x1 + 25
        if all(left < anchor.xc < right for anchor in line):
            return prices
    return remaining
