"""The guesses at what a sheet says of itself: its supplier, its offers, its date, its own phrases."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from openwatt.ingest.readers.figures import find_dates, find_validity, parse_amount, plain
from openwatt.ingest.readers.grid_pdf.geometry import Phrase, lines_of, phrases_of
from openwatt.ingest.readers.grid_pdf.words import Page

#: A name is no longer than this; so many of what else a value could be are given.
_LONGEST_NAME, _MOST_OTHERS = 60, 6
_COMPANY = re.compile(
    r"((?:[A-ZÀ-Ý][\w'’&+-]*\s){1,4})[-–,(]?\s?(?:SASU?|S\.A\.S\.?|S\.?A\.?|SCIC|[Ss]ociété \w+)\b"
    r"[^.]{0,60}?capital"
)
_SITE = re.compile(
    r"\b(?:www\.|https?://)?((?:[\w-]+\.)*[\w-]+\.(?:fr|com|net|eu|energy|org))\b", re.IGNORECASE
)
#: Sites that sheets name and that are no supplier's: the network, the state, the ombudsman.
_OTHERS_SITES = frozenset(
    ("enedis", "gouv", "energie-info", "energie-mediateur", "service-public", "legifrance", "cre", "grdf")
)
_OFFER = re.compile(
    r"\b[Oo]ffres?\s(?:d['’]électricité\s|de marché\s)?[«\"“]?\s?"
    r"([A-ZÀ-Ý][\w'’&+%-]*(?:\s(?!Option|Puissance|Tarif|Grille|Prix)(?:[A-ZÀ-Ý&+\d][\w'’&+%-]*|ans?|fixe))*)"
)
_BEFORE_OFFER = re.compile(r"^([A-ZÀ-Ý][\w'’&+-]+(?:\s[A-ZÀ-Ý&+\d][\w'’&+-]*)*)\s(?:[-–:]\s)?[Oo]ffre\b")
_NOT_A_NAME = re.compile(
    r"option|tarif|grille|prix|page|annexe|kva|kwh|abonnement|puissance|conditions?|€|\d\d/\d\d|20\d\d",
    re.IGNORECASE,
)
_TAIL = re.compile(r"(?: (?:a|au|aux|du|des|de|le|la|:|-|–|1|1er))*[ :–-]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A value, where on the sheet it stands, and what else it could be, with its place.

    `names` are the values that stand in titles too.
    """

    value: str | None
    seen: str = ""
    others: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def guess_supplier(pages: Sequence[Page]) -> Guess:
    """The company whose capital the sheet states, as the law demands of one; else the one of its site."""
    lines = list(_lines(pages))
    found: dict[str, str] = {}
    for page, text in lines:
        for match in _COMPANY.finditer(text):
            found.setdefault(match[1].strip(" ,-–"), f"page {page}: « {match[0]} »")
    for page, text in lines:
        for match in _SITE.finditer(text):
            label = match[1].lower().rpartition(".")[0].rpartition(".")[2]
            if label not in _OTHERS_SITES:
                found.setdefault(_as_printed(label, lines), f"page {page}: « {match[0]} »")
    return _first(found)


def _as_printed(label: str, lines: Sequence[tuple[int, str]]) -> str:
    """A site's name as the sheet's words write it ("mint-energie": "Mint Énergie"), else with capitals."""
    letters = "[ '-]?".join(re.escape(letter) for letter in label if letter.isalnum())
    pattern = re.compile(rf"(?<![\w@./-]){letters}(?![\w@/-]|\.\w)")
    for _, text in lines:
        flat = plain(text)
        if len(flat) == len(text) and (found := pattern.search(flat)):
            return text[found.start() : found.end()]
    return label.replace("-", " ").title()


def guess_offer(pages: Sequence[Page], supplier: str | None) -> Guess:
    """What follows the word offer, or stands in the largest letters of a page."""
    patterns = (_OFFER, _BEFORE_OFFER)
    named = [(n, m[1], m[0]) for n, text in _lines(pages) for p in patterns for m in p.finditer(text)]
    titled = [(page.number, text, text) for page in pages for text in map(_printed, _titles(page))]
    found: dict[str, str] = {}
    for page, name, text in [*named, *titled]:
        known = {plain(other) for other in [supplier or "", *found]}
        if not _NOT_A_NAME.search(name) and plain(name).removeprefix("offre ") not in known:
            found.setdefault(name[:_LONGEST_NAME], f"page {page}: « {text} »")
    large = " ".join(plain(text) for _, text, _ in titled)
    return _first(found, names={name[:_LONGEST_NAME] for _, name, _ in named if plain(name) in large})


def guess_marks(pages: Sequence[Page]) -> tuple[str, ...]:
    """The marks behind amounts (`*`, `(1)`), the most frequent first: of another tariff's, perhaps."""
    amounts = (parse_amount(word.text) for page in pages for word in page.words)
    marks = Counter(amount.marks for amount in amounts if amount and amount.marks)
    return tuple(mark for mark, _ in marks.most_common(3))


def title_words(names: Sequence[str]) -> dict[str, str]:
    """Each name with the last of its words that no other has; names without one are left out."""
    words = {name: plain(name).split() for name in names}
    found = {}
    for name in names:
        others = {word for other, own in words.items() if other != name for word in own}
        own = [word for word in words[name] if len(word) > 2 and word not in others]
        if own:
            found[name] = own[-1]
    return found


def guess_date_words(pages: Sequence[Page]) -> tuple[Guess, bool]:
    """The words before the day from which the prices apply, and whether each page has its own day.

    The other days of the sheet are what it could be.
    """
    candidates: dict[str, None] = {}
    leads: list[tuple[str, str, dt.date]] = []
    for page in pages:
        first = find_validity(page.text)[0]
        for date in find_dates(page.text):
            words = _TAIL.sub("", page.text[max(0, date.start - 60) : date.start]).split()
            seen = f"page {page.number}: « {' '.join(words[-4:])} … {date.day.printed} »"
            candidates.setdefault(seen)
            if first is not None and first.day == date.day.day and (lead := _lead(page.text, words)):
                leads.append((lead, seen, date.day.day))
    chosen = leads[0] if leads else (None, "", dt.date.min)
    others = tuple(text for text in candidates if text != chosen[1])[:_MOST_OTHERS]
    days = {day for lead, _, day in leads if lead == chosen[0]}
    return Guess(value=chosen[0], seen=chosen[1], others=others), len(days) > 1


def _lead(text: str, words: Sequence[str]) -> str | None:
    """The fewest words before a page's first day that lead to it and to no other day of the page."""
    day = find_validity(text)[0]
    for count in range(2, min(len(words), 5) + 1):
        lead = " ".join(words[-count:])
        first, _, others = find_validity(text, lead)
        if first == day and not others:
            return lead
    return None


def guess_phrases(pages: Sequence[Page], names: Sequence[str | None]) -> tuple[str, ...]:
    """Up to three phrases by which a sheet can be known again: names that it prints, else its titles."""
    squeezed = "".join(page.text for page in pages).replace(" ", "")
    wanted = [plain(name) for name in names if name]
    wanted += [
        title.text for page in pages for title in _titles(page) if not re.search(r"20\d\d", title.text)
    ]
    found: list[str] = []
    for phrase in wanted:
        new = not any(phrase in other or other in phrase for other in found)
        if new and len(phrase) > 3 and phrase.replace(" ", "") in squeezed:
            found.append(phrase)
    return tuple(found[:3])


def _titles(page: Page) -> list[Phrase]:
    """The phrases of a page in clearly larger letters than the others, the largest first."""
    phrases = [phrase for phrase in phrases_of(page.words) if any(c.isalpha() for c in phrase.text)]
    if not phrases:
        return []
    usual = median(phrase.words[0].height for phrase in phrases)
    large = [phrase for phrase in phrases if phrase.words[0].height > 1.25 * usual]
    return sorted(large, key=lambda phrase: -phrase.words[0].height)[:_MOST_OTHERS]


def _lines(pages: Sequence[Page]) -> Iterator[tuple[int, str]]:
    """Every line of a sheet as it is printed, with its page; a page without a grid is one line."""
    for page in pages:
        if page.prose is not None:
            yield page.number, page.prose
        for line in lines_of(page.words):
            yield page.number, " ".join(word.text for word in line)


def _printed(phrase: Phrase) -> str:
    return " ".join(word.text for word in phrase.words)


def _first(found: Mapping[str, str], names: set[str] | None = None) -> Guess:
    values = list(found)
    if not values:
        return Guess(value=None)
    return Guess(
        value=values[0],
        seen=found[values[0]],
        others=tuple(f"{value} ({found[value]})" for value in values[1:_MOST_OTHERS]),
        names=tuple(value for value in values if names is None or value in names),
    )
