"""The vocabulary of headers: measure, tax, register, season, colour, option, whose tariff."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from openwatt.ingest.readers.grid_pdf.geometry import Phrase, overlap, phrases_of
from openwatt.ingest.readers.grid_pdf.words import Word


class AnchorKind(StrEnum):
    """The kinds of meaning that a header word can have."""

    MEASURE = "measure"
    TAX = "tax"
    PERIOD = "period"
    SEASON = "season"
    HALF = "half"
    COLOUR = "colour"
    OPTION = "option"
    OWNER = "owner"
    BILLING = "billing"
    UNIT = "unit"
    COMPONENT = "component"


@dataclass(frozen=True)
class Anchor:
    """A header word with a meaning, and the edges of the phrase in which it stands."""

    kind: AnchorKind
    value: str
    x0: float
    x1: float
    yc: float
    height: float
    text: str

    @property
    def xc(self) -> float:
        """The middle, left to right."""
        return (self.x0 + self.x1) / 2


@dataclass(frozen=True)
class Vocabulary:
    """The words that distinguish the offer's own columns from others', beside the general vocabulary."""

    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def owner(self, word: str) -> str | None:
        """`own`, `other`, or None when the word says nothing about whose tariff it is."""
        if any(word.startswith(o) for o in self.others) or _REGULATED.search(word):
            return "other"
        if word == "offre" or any(word.startswith(o) for o in self.own):
            return "own"
        return None


MEASURE_WORDS = re.compile(r"abonnement|\babo\b|kwh|energie|consommation")
_SUBSCRIPTION = re.compile(r"abonnement|\babo\b|prime fixe|part fixe")
_REGULATED = re.compile(r"\btrve?\b|^reglement|^maxim|^plafond")
_ENERGY = re.compile(r"^(?:[dl]')?(?:energie|consommation|conso|kwh|kilowatt)|/ ?kwh")
_TAX = re.compile(r"(?<![a-z])(ttc|htva|htt|ht)(?![a-z])")
_SEASON = re.compile(r"\b(h[pc])[- ]?(s?h(?:iver)?|s?b|e(?:te)?)\b")
_COLOUR = re.compile(r"^(?:jours?-?)?(bleu|blanc|rouge)(?:s|he|hes|es)?$")
_PERIODS = {"hp": "HP", "hc": "HC", "hsc": "HSC", "pleine": "HP", "normale": "HN", "pointe": "PM"}
_OPTIONS = {
    "hp/hc": "HPHC",
    "hphc": "HPHC",
    "hc/hp": "HPHC",
    "base": "BASE",
    "simple": "BASE",
    "double": "HPHC",
    "tempo": "TEMPO",
    "ejp": "EJP",
    "week-end": "WEEKEND",
    "weekend": "WEEKEND",
    "week-ends": "WEEKEND",
}
#: What a price is added up from, by the first letters of its name.
_COMPONENTS = {
    "fourniture": "supply",
    "energie": "energy",
    "acheminement": "network",
    "reseau": "network",
    "turpe": "network",
    "obligation": "obligation",
    "capacite": "obligation",
    "cee": "obligation",
    "taxe": "duty",
    "contribution": "duty",
    "accise": "duty",
    "cta": "duty",
    "total": "total",
}
_YEAR = re.compile(r"/ ?an\b|annuel")
_MONTH = re.compile(r"/ ?mois|mensuel")
_CENTS = re.compile(r"\bcts?\b|\bc ?€|centimes?|¢")
_PUNCTUATION = "()[].,;:*«»\"'"


def _meanings(phrase: Phrase) -> Iterator[tuple[int, AnchorKind, str]]:
    """Yields every meaning of a phrase, with the place of its word."""
    texts = [word.plain.strip(_PUNCTUATION) for word in phrase.words]
    subscription = bool(_SUBSCRIPTION.search(phrase.text))
    for i, text in enumerate(texts):
        measure = _measure(texts, i, subscription=subscription)
        if measure:
            yield i, AnchorKind.MEASURE, measure
        if found := _TAX.search(phrase.words[i].plain):
            yield i, AnchorKind.TAX, "TTC" if found[1] == "ttc" else "HT"
        found_values = {
            AnchorKind.HALF: _half(texts, i),
            AnchorKind.BILLING: _billing(phrase, i),
            AnchorKind.UNIT: _unit(phrase, i),
            AnchorKind.COMPONENT: _component(texts, i),
        }
        yield from ((i, kind, value) for kind, value in found_values.items() if value)
        if found := _SEASON.search(text):
            yield i, AnchorKind.SEASON, f"{found[1]}{'h' if 'h' in found[2] else 'b'}".upper()
        elif period := _period(texts, i):
            yield i, AnchorKind.PERIOD, period
        elif (found := _COLOUR.match(text)) and texts[i - 1 : i] not in (["tarif"], ["tarifs"]):
            yield i, AnchorKind.COLOUR, found[1].upper()
        elif text in _OPTIONS:
            yield i, AnchorKind.OPTION, _OPTIONS[text]


def _measure(texts: Sequence[str], i: int, *, subscription: bool) -> str | None:
    """Finds subscription or energy; in a phrase on the subscription, "énergie" is a supplier's name."""
    text = texts[i]
    fixed = text == "fixe" and texts[i - 1 : i] in (["prime"], ["part"])
    if fixed or text == "abo" or text.startswith("abonnement"):
        return "subscription"
    price = text == "prix" and texts[i + 1 : i + 2] in (["du"], ["par"], ["de"]) and not subscription
    if price or (_ENERGY.search(text) and not (subscription and text.startswith("energie"))):
        return "energy"
    return None


def _half(texts: Sequence[str], i: int) -> str | None:
    """Finds the half of the year that a word names: "H" the dear one, with the winter, "B" the other."""
    text, following = texts[i], texts[i + 1 : i + 4]
    if text.startswith("hiver") or (text == "novembre" and "mars" in following):
        return "H"
    if text in ("ete", "estival", "estivale") or (text == "avril" and "octobre" in following):
        return "B"
    if text in ("haute", "basse", "hautes", "basses") and not "".join(following[:1]).startswith("tension"):
        return text[0].upper()
    return None


def _billing(phrase: Phrase, i: int) -> str | None:
    """Finds whether a word counts a subscription by the year or by the month."""
    word = phrase.words[i].plain
    before = phrase.words[i - 1].plain if i else ""
    if _YEAR.search(word) or (word == "an" and before in ("par", "/")):
        return "year"
    if _MONTH.search(word) or (word == "mois" and before in ("par", "/")):
        return "month"
    return None


def _unit(phrase: Phrase, i: int) -> str | None:
    """Finds whether a word counts a price in cents or in euros."""
    word = phrase.words[i].plain
    if _CENTS.search(word):
        return "cents"
    return "euros" if "€/kwh" in word and not _CENTS.search(phrase.text) else None


def _component(texts: Sequence[str], i: int) -> str | None:
    """Finds the part of a price that a word names; "hors taxes" and "toutes taxes" name a side."""
    if texts[i - 1 : i] in (["hors"], ["toutes"], ["ttes"]):
        return None
    return next((value for start, value in _COMPONENTS.items() if texts[i].startswith(start)), None)


def _period(texts: Sequence[str], i: int) -> str | None:
    """Finds the hours that a word names: "creuses" HC, after "super" HSC; "sans heures creuses" none."""
    text = texts[i].replace(".", "")
    if text.startswith("creuse"):
        if texts[i - 1 : i] == ["super"]:
            return "HSC"
        return None if texts[max(i - 2, 0) : i - 1] == ["sans"] else "HC"
    for start, period in _PERIODS.items():
        if text == start or (len(start) > 3 and text.startswith(start)):
            return period
    return None


#: Words of headers that neither need a meaning nor have one.
_SILENT = re.compile(
    r"[\W\d_]*|puissances?|souscrites?|kva|tarif\w*|en|de|du|des|la|le|les|par|et|ou|a|au|aux|l'|d'|mois|ans?|euros?"
    r"|eur|compteur|grilles?|prix|electrique|electricite|heures?|h|jours?|offres?|montant|mensuel\w*|annuel\w*|c?€\S*"
    r"|cts?|centimes?|ps|client\w*|option|(?:applic|val)ables?"
)


def unknown_phrases(words: Sequence[Word], vocabulary: Vocabulary) -> Iterator[str]:
    """Yields the phrases of a header that have no meaning for the vocabulary."""
    phrases = phrases_of(words)
    for phrase in phrases:
        silent = all(_SILENT.fullmatch(word.plain.strip(_PUNCTUATION)) for word in phrase.words)
        if not silent and not list(_meanings(phrase)) and not list(read_owners(phrase, vocabulary, phrases)):
            yield " ".join(word.text for word in phrase.words)


def read_anchors(words: Sequence[Word], vocabulary: Vocabulary) -> list[Anchor]:
    """Finds the anchors of a header's words, phrase by phrase."""
    phrases = phrases_of(words)
    anchors = [anchor for phrase in phrases for anchor in anchors_of(phrase)]
    anchors += [anchor for phrase in phrases for anchor in read_owners(phrase, vocabulary, phrases)]
    anchors = _drop_lone_colours(anchors)
    anchors += _unsaid_prices(anchors)
    if any(a.kind is AnchorKind.SEASON for a in anchors):
        anchors = [a for a in anchors if a.kind not in (AnchorKind.PERIOD, AnchorKind.HALF)]
    # One half of the year, or one unit, is of the whole sheet or in a name ("basse tension").
    for kind in (AnchorKind.HALF, AnchorKind.BILLING, AnchorKind.UNIT):
        if len({a.value for a in anchors if a.kind is kind}) < 2:
            anchors = [a for a in anchors if a.kind is not kind]
    return [a for a in anchors if a.kind is not AnchorKind.COMPONENT] + _components(anchors)


def _unsaid_prices(anchors: Sequence[Anchor]) -> list[Anchor]:
    """The prices of a kWh that a header means by hours alone: `Abonnement`, `HP`, `HC`.

    None where any word of it says price or kWh: then the hours stand under or over that word.
    """
    measures = [a for a in anchors if a.kind is AnchorKind.MEASURE]
    if {a.value for a in measures} != {"subscription"}:
        return []
    return [
        replace(a, kind=AnchorKind.MEASURE, value="energy")
        for a in anchors
        if a.kind in (AnchorKind.PERIOD, AnchorKind.SEASON)
        and not any(overlap(a, subscription) > 0 for subscription in measures)
    ]


def _components(anchors: Sequence[Anchor]) -> list[Anchor]:
    """The parts of a price that a header names: none without a network's and a supply's beside it.

    A supply may be called energy, on the line that names the network.
    """
    parts = [a for a in anchors if a.kind is AnchorKind.COMPONENT]
    levels = [a.yc for a in parts if a.value == "network"]
    if not any(a.value == "supply" for a in parts):
        parts = [
            replace(a, value="supply")
            if a.value == "energy" and any(abs(a.yc - level) < a.height / 2 for level in levels)
            else a
            for a in parts
        ]
    parts = [a for a in parts if a.value != "energy"]
    return parts if {"network", "supply"} <= {a.value for a in parts} else []


def anchors_of(phrase: Phrase) -> Iterator[Anchor]:
    """Finds the anchors of one phrase."""
    by_kind: dict[AnchorKind, list[tuple[int, str]]] = {}
    for place, kind, value in _meanings(phrase):
        by_kind.setdefault(kind, []).append((place, value))
    periods = by_kind.get(AnchorKind.PERIOD, [])
    if _names_an_option(phrase, periods):
        by_kind.pop(AnchorKind.PERIOD)
        by_kind.setdefault(AnchorKind.OPTION, []).append((periods[0][0], "HPHC"))
    for kind, places in by_kind.items():
        found = sorted(places)
        merged = [found[0]]
        for place, value in found[1:]:
            # "Heures Creuses (HC)" and "Prix du kWh" say one thing twice; two columns' words stand apart.
            near = (
                place - merged[-1][0] <= 2
                and kind is AnchorKind.MEASURE
                and phrase.words[place].plain != "prix"
            )
            again = value == merged[-1][1] and kind is not AnchorKind.TAX
            if again and (near or not _in_separate_cells(phrase, merged[-1][0], place)):
                continue
            merged.append((place, value))
        yield from _spans(phrase, kind, merged)


def _in_separate_cells(phrase: Phrase, first: int, second: int) -> bool:
    """Whether the gap between two words of a phrase is that of two cells, not of a space."""
    gaps = [b.x0 - a.x1 for a, b in pairwise(phrase.words[first : second + 1])]
    return max(gaps, default=0.0) > 0.45 * phrase.words[first].height


def _names_an_option(phrase: Phrase, periods: list[tuple[int, str]]) -> bool:
    """Whether hours in a phrase name the option ("Heures Pleines / Heures Creuses"), not two columns."""
    values = {value for _, value in periods}
    if not values <= {"HP", "HC"} or not values:
        return False
    texts = [word.plain for word in phrase.words]
    if any(text.strip(_PUNCTUATION).startswith("option") for text in texts):
        return True
    if values != {"HP", "HC"}:
        return False
    first, last = periods[0][0], periods[-1][0]
    between = texts[first : last + 1]
    if any(text in ("/", "-", "–", "et", "&") or ("/" in text and "kwh" not in text) for text in between):
        return True
    return len(periods) == 2 and not _in_separate_cells(phrase, first, last) and first > 1


def _spans(phrase: Phrase, kind: AnchorKind, found: list[tuple[int, str]]) -> Iterator[Anchor]:
    """Makes one anchor per value; where one kind stands twice, the phrase is cut at its widest gap."""
    words = phrase.words
    starts = [0]
    for (a, _), (b, _) in pairwise(found):
        starts.append(max(range(a + 1, b + 1), key=lambda i: words[i].x0 - words[i - 1].x1))
    for (_, value), start, stop in zip(found, starts, [*starts[1:], len(words)], strict=True):
        part = words[start:stop]
        text = " ".join(word.plain for word in part)
        height = max(word.height for word in part)
        yield Anchor(kind, value, part[0].x0, max(w.x1 for w in part), phrase.yc, height, text)


def read_owners(phrase: Phrase, vocabulary: Vocabulary, phrases: Sequence[Phrase]) -> Iterator[Anchor]:
    """Finds whose tariff a phrase announces; "identique au tarif réglementé" announces none."""
    found: list[tuple[int, str]] = []
    for i, word in enumerate(phrase.words):
        owner = vocabulary.owner(word.plain.strip(_PUNCTUATION))
        if owner is None:
            continue
        above = [
            other.text
            for other in phrases
            if 0 <= phrase.yc - other.yc < 1.6 * word.height and overlap(other, phrase) > 0
        ]
        if owner == "other" and any("identique" in text or "indexe" in text for text in above):
            continue
        if not (found and found[-1][1] == owner and not _in_separate_cells(phrase, found[-1][0], i)):
            found.append((i, owner))
    if found:
        yield from _spans(phrase, AnchorKind.OWNER, found)


def _drop_lone_colours(anchors: list[Anchor]) -> list[Anchor]:
    """Drops a colour that stands alone: it is a name ("Tarif Bleu"), not a Tempo day."""
    if len({a.value for a in anchors if a.kind is AnchorKind.COLOUR}) >= 2:
        return anchors
    return [a for a in anchors if a.kind is not AnchorKind.COLOUR]


def _is_parted(anchor: Anchor, below: Sequence[Anchor]) -> bool:
    """Whether an anchor stands over the gap between two that both say the same below it."""
    left = max((b for b in below if b.xc < anchor.xc), key=lambda b: b.xc, default=None)
    right = min((b for b in below if b.xc > anchor.xc), key=lambda b: b.xc, default=None)
    return left is not None and right is not None and left.value == right.value == anchor.value


def leaves(anchors: Sequence[Anchor]) -> list[Anchor]:
    """Drops the anchors of one kind that only repeat, above, what stands below them.

    Neighbours on about one line that say the same and touch are one anchor, as
    when "Prix du" and "kWh" are wrapped.
    """
    lowest: list[Anchor] = []
    for anchor in anchors:
        below = [b for b in anchors if b.yc > anchor.yc + 1]
        if any(b.value == anchor.value and overlap(anchor, b) > 0 for b in below) or _is_parted(
            anchor, below
        ):
            continue
        lowest.append(anchor)
    lowest.sort(key=lambda a: a.xc)
    joined: list[Anchor] = []
    for anchor in lowest:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.value == anchor.value
            and anchor.x0 < last.x1 + 3
            and abs(anchor.yc - last.yc) < 2 * anchor.height
        ):
            joined[-1] = replace(anchor, x0=min(anchor.x0, last.x0), x1=max(anchor.x1, last.x1))
        else:
            joined.append(anchor)
    return joined
