"""The header of a table: the words above its first row, without prose or other tables."""

import re
from collections.abc import Sequence

from openwatt.ingest.readers.figures import parse_amount
from openwatt.ingest.readers.grid_pdf.geometry import PowerColumn, lines_of
from openwatt.ingest.readers.grid_pdf.words import Word

_LINK_WORDS = re.compile(
    r"de|la|le|les|des|et|a|un|une|pour|est|sur|du|en|que|aux?|ou|par|votre|vos|avec|dans|son|qui|vous|ne|pas"
    r"|ces?|se|sont|selon|depuis|plus"
)
_ELISIONS = ("l'", "d'", "m'", "n'", "c'", "s'")
_HEADER_WORD = re.compile(
    r"\W*(?:abonnements?|abo|prime|fixe|prix|l'energie|energie|kwh|kilowatt.*|htt?|ttc|hors|taxes|heures?|pleines?|creuses?"
    r"|normales?|pointe|puissances?|souscrite|mensuel|annuel|mois|an|kva|cts?|centimes?|c?€.*|base|option|tarif.*"
    r"|offre|hp|hc|hiver|ete|saison|hautes?|basses?|janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre"
    r"|novembre|decembre|fourniture|acheminement|reseau|contributions?|total|bleus?|blancs?|rouges?|consommation|electricite|regle.*|trve?|brut|remise|[\d*()/:-]+)\b\W*.*"
)
#: Header lines follow each other within this many points; the first stands within the second of the rows.
_LINE_GAP, _FIRST_GAP, _TALLEST = 38.0, 95.0, 170.0


def _is_prose(line: Sequence[Word]) -> bool:
    """Whether a line is a sentence: link words between words that headers do not use."""
    words = [word.plain for word in line]
    links = [w for w in words if _LINK_WORDS.fullmatch(w) or w[:2] in _ELISIONS]
    content = [w for w in words if not _LINK_WORDS.fullmatch(w)]
    if sum(bool(_HEADER_WORD.fullmatch(w)) for w in content) >= 0.6 * len(content):
        return False
    text = " ".join(words)
    return len(text) > 110 or (len(text) > 34 and len(links) >= 3 and len(links) / len(line) >= 0.2)


def _is_option(word: Word, left: float) -> bool:
    """Whether a word opens the name of an option inside the table's band."""
    return word.plain.startswith("option") and word.xc > left


def header_words(
    words: Sequence[Word], spine: PowerColumn, left: float, right: float, others: Sequence[PowerColumn]
) -> list[Word]:
    """Finds the words above a table's first row that belong to its header, without amounts.

    Going up, the header ends at the line that names the option, at a sentence, at
    a gap, or at the last row of a table above.
    """
    floor = spine.top - 0.45 * min(spine.pitch, 14.0)
    above = [w for w in words if left - 20 < w.xc < right and w.yc < spine.top - 0.55 * spine.pitch]
    lines = lines_of(above)
    ceiling = max([line[0].yc for line in lines if _is_prose(line)] + [-1.0])
    ends = [
        other.bottom
        for other in others
        if other.bottom < spine.top and other.x0 < right and other.x1 > left - 35
    ]
    ceiling = max([ceiling, *ends])
    top = spine.top
    for y in sorted({word.yc for line in lines for word in line if word.yc > ceiling + 2}, reverse=True):
        if top - y > (_LINE_GAP if top < spine.top else _FIRST_GAP) or spine.top - y > _TALLEST:
            break
        top = y
        titles = [line for line in lines if any(abs(w.yc - y) < 1 and _is_option(w, left) for w in line)]
        if titles:
            top = min(word.yc for line in titles for word in line)
            break
    return [
        word
        for word in words
        if left - 10 < word.xc < right and top - 1 <= word.yc < floor and parse_amount(word.text) is None
    ]
