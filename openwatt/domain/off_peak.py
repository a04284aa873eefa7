"""The off-peak hours of a home as bills and the grid operator print them, with their seasons and dates."""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from openwatt.domain.errors import OffPeakError
from openwatt.domain.legal_time import MINUTES_PER_DAY, Span
from openwatt.domain.messages import Message

#: Summer of the grid tariff, as the operator seasons off-peak hours from December 2026: April to October.
SUMMER_MONTHS = frozenset(range(4, 11))
WINTER_MONTHS = frozenset(range(1, 13)) - SUMMER_MONTHS
#: Every meter has eight off-peak hours a day, in one range or several.
USUAL_LENGTH_MIN = 8 * 60

#: Every sign that stands for one of the keyboard; letters lose their accents.
_SIGNS = str.maketrans({"’": "'", "–": "-", "—": "-", "−": "-", "‐": "-", "→": "-", "➔": "-", "⇒": "-"})


def _words(*texts: str) -> tuple[str, ...]:
    return tuple(word for text in texts for word in text.split())


_MONTHS = _words(
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "january february march april may june july august september october november december",
)
_TOKEN = re.compile(
    rf"""
    (?P<summer>
        (?:du\ )?(?:1er|0?1)(?:\ (?:avril|april)|/0?4)\ ?(?:au|to|-)\ ?31(?:\ (?:octobre|october)|/10(?!/))
        |(?:d'|de\ )?(?:avril|april)\ ?(?:a|to|-)\ ?(?:octobre|october)
        |\b(?:ete|summer)\b
    )|(?P<winter>
        (?:du\ )?(?:1er|0?1)(?:\ (?:novembre|november)|/11)\ ?(?:au|to|-)\ ?31(?:\ (?:mars|march)|/0?3(?!/))
        |(?:de\ )?(?:novembre|november)\ ?(?:a|to|-)\ ?(?:mars|march)
        |\b(?:hiver|winter)\b
    )|(?P<date>
        \d{{4}}-\d\d?-\d\d?|\d\d?/\d\d?/\d{{4}}|(?:1er|\d\d?)\ (?:{"|".join(_MONTHS)})\ \d{{4}}
    )|(?P<time>  # no minutes are the first two digits of a year, or the day of 01/11
        \d{{1,2}}\ ?[h:](?:\ ?\d\d(?!\d|/\d\d?(?!\d|\ ?[h:]))(?:[:m]\d\d|\ ?mi?n)?)?
        |\b(?:minuit|midnight|midi|noon)\b
    )|(?P<word>
        off-peak|->|=>|[-/;,+&|]
        |a\ partir\ d[ue]|a\ compter\ du|des\ le|depuis\ le|jusqu'(?:au|a)|[ld]'|[^\W\d_]+
    )|(?P<mark>[:.()\[\]*\ ])
    """,
    re.VERBOSE,
)
#: Between the two ends of a range, and between two ranges.
_THROUGH = frozenset(_words("- -> => / a au to until jusqu'a jusqu'au"))
_NEXT = frozenset(_words("; , + & | / et and puis then ainsi que"))
#: Before the first and before the last day of effect.
_FROM = frozenset(
    [*_words("from since du le"), "a partir du", "a partir de", "a compter du", "des le", "depuis le"]
)
_TO = frozenset(_words("to until au jusqu'au"))
#: Before a range whose ends "and" joins.
_BETWEEN = frozenset(_words("entre between"))
_WITHOUT_MEANING = frozenset(
    _words(
        "heure heures creuse creuses hc h c off-peak hour hours plage plages horaire horaires periode saison",
        "season de la les l' d' en in the tous jours every day par",
    )
)
_KNOWN = _THROUGH | _NEXT | _FROM | _TO | _BETWEEN | _WITHOUT_MEANING


@dataclass(frozen=True, slots=True, order=True)
class HourRange:
    """Minutes of the legal day from `start_min` to `end_min`, the end excluded; it may cross midnight.

    `end_min` is at most `start_min` when midnight is crossed; equal ends mean the whole day.
    """

    start_min: int
    end_min: int

    def __post_init__(self) -> None:
        if not (0 <= self.start_min < MINUTES_PER_DAY and 0 <= self.end_min <= MINUTES_PER_DAY):
            raise OffPeakError(
                Message.of("off_peak.not_within_a_day", start=self.start_min, end=self.end_min)
            )

    @property
    def length_min(self) -> int:
        """How many minutes on a day of 24 hours."""
        return (self.end_min - self.start_min - 1) % MINUTES_PER_DAY + 1

    def __contains__(self, minute: int) -> bool:
        return (minute - self.start_min) % MINUTES_PER_DAY < self.length_min

    def __str__(self) -> str:
        start, end = divmod(self.start_min, 60), divmod(self.end_min, 60)
        return f"{start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02}"


@dataclass(frozen=True, slots=True)
class OffPeakHours:
    """Ranges that are off-peak on some months (none named: all), from and to two days, both included."""

    ranges: tuple[HourRange, ...]
    months: frozenset[int] = frozenset()
    applies_from: dt.date | None = None
    applies_to: dt.date | None = None

    def __str__(self) -> str:
        return "; ".join(map(str, self.ranges))

    @property
    def length_min(self) -> int:
        """How many minutes on a day of 24 hours."""
        return sum(one.length_min for one in self.ranges)

    def applies_on(self, day: dt.date) -> bool:
        """Whether these are the hours of a legal day, unless a later entry is."""
        return (
            (not self.months or day.month in self.months)
            and (self.applies_from is None or self.applies_from <= day)
            and (self.applies_to is None or day <= self.applies_to)
        )


def parse_hour_ranges(text: str) -> tuple[HourRange, ...]:
    """The ranges that a text names, in the order of the day.

    Raises:
        OffPeakError: saying what cannot be read, which hour does not exist, or which ranges overlap;
            and where the text names a season or a date.
    """
    hours = parse_off_peak_hours(text)
    if hours != OffPeakHours(hours.ranges):
        raise OffPeakError(Message.of("off_peak.dated", text=text))
    return hours.ranges


def parse_off_peak_hours(text: str) -> OffPeakHours:
    """The off-peak hours of a text that names one entry.

    Raises:
        OffPeakError: saying what cannot be read, or that there are several.
    """
    entries = parse_off_peak_text(text)
    if len(entries) > 1:
        raise OffPeakError(Message.of("off_peak.several", text=text))
    return entries[0]


def parse_off_peak_text(text: str) -> tuple[OffPeakHours, ...]:
    """Every entry of off-peak hours that a text names, as bills print them, in French or English.

    Accepted: `HC (22H30-6H30)`, `de 22h30 à 06h30 et de 12h30 à 14h30`, `1h/7h30 & 13h/14h30`, each
    before or after any of a season (`été`, `du 1er novembre au 31 mars`) and days of effect
    (`from 2025-11-01`, `à partir du 01/11/2025`, `jusqu'au 31/10/2026`). A range that ends a minute
    before the next hour, as `22h00-23h59` does, is meant to reach it.

    Raises:
        OffPeakError: saying what cannot be read.
    """
    tokens = list(_tokens(text))
    telling = [token.kind for token in tokens if token.kind != "word"]
    # "22h-6h l'hiver, 2h-10h l'été": here what is said of hours follows them.
    follows = len(telling) > 1 and telling[0] == "time" and telling[-1] != "time"
    entries = [_Entry()]
    words: list[str] = []
    for token in tokens:
        entry = entries[-1]
        if token.kind == "word":
            words.append(token.text)
            continue
        if token.kind == "time":
            if entry.closed:
                entry = _Entry()
                entries.append(entry)
            entry.times.append((token.text, words))
        else:
            if entry.times and not follows:
                entry = _Entry(dates={} if token.kind == "date" else dict(entry.shared))
                entries.append(entry)
            entry.add(token, words, text)
            entry.closed = follows
        words = []
    return tuple(entry.hours(text) for entry in entries)


def describe_off_peak(hours: OffPeakHours) -> str:
    """The hours as `parse_off_peak_hours` takes them."""
    season = {SUMMER_MONTHS: ["summer"], WINTER_MONTHS: ["winter"]}.get(hours.months, [])
    days = [f"{word} {day}" for word, day in (("from", hours.applies_from), ("to", hours.applies_to)) if day]
    return " ".join([*season, *days, str(hours)])


def unsaid_day(hours: Sequence[OffPeakHours], span: Span) -> dt.date | None:
    """The first day of a span on which no entry applies, None where each day has its hours."""
    if any(entry == OffPeakHours(entry.ranges) for entry in hours):
        return None
    days = (span.start + dt.timedelta(days=n) for n in range(span.days))
    return next((day for day in days if not any(entry.applies_on(day) for entry in hours)), None)


class _Token(NamedTuple):
    kind: str
    text: str


@dataclass(slots=True)
class _Entry:
    """One entry while its text is read; `shared` dates stand before its season and hold for the next too."""

    times: list[tuple[str, list[str]]] = field(default_factory=list)
    months: frozenset[int] = frozenset()
    dates: dict[str, dt.date] = field(default_factory=dict)
    shared: dict[str, dt.date] = field(default_factory=dict)
    closed: bool = False

    def add(self, token: _Token, words: Sequence[str], text: str) -> None:
        """Takes a season or a day of effect, before which some words stand."""
        if token.kind != "date":
            months = SUMMER_MONTHS if token.kind == "summer" else WINTER_MONTHS
            if self.months not in {frozenset(), months}:
                raise OffPeakError(Message.of("off_peak.two_seasons", text=text))
            self.months = months
            self.shared = dict(self.dates)
            return
        which = next((name for name, of in (("from", _FROM), ("to", _TO)) if {*words} & of), None)
        if which is None:
            raise OffPeakError(Message.of("off_peak.from_or_to", text=text, day=token.text))
        self.dates[which] = _day(token.text, text)

    def hours(self, text: str) -> OffPeakHours:
        """The entry when its text has been read."""
        if not self.times:
            raise OffPeakError(Message.of("off_peak.none", text=text))
        if len(self.times) % 2:
            raise OffPeakError(Message.of("off_peak.no_range", piece=self.times[-1][0], text=text))
        pairs = enumerate(zip(self.times[::2], self.times[1::2], strict=True))
        ranges = tuple(sorted(_range(*ends, text, first=not n) for n, ends in pairs))
        ends = [(one.start_min, one.start_min + one.length_min) for one in ranges]
        minutes = [minute % MINUTES_PER_DAY for start, end in ends for minute in range(start, end)]
        if len(set(minutes)) < len(minutes):
            raise OffPeakError(Message.of("off_peak.overlap", text=text))
        applies_from, applies_to = self.dates.get("from"), self.dates.get("to")
        if applies_from and applies_to and applies_to < applies_from:
            raise OffPeakError(Message.of("off_peak.ends_before", text=text))
        return OffPeakHours(ranges, self.months, applies_from, applies_to)


def _tokens(text: str) -> Iterator[_Token]:
    """The times, seasons, dates and joining words of a text; spaces and marks are left out.

    Raises:
        OffPeakError: naming the first stretch that is none of them.
    """
    letters = unicodedata.normalize("NFKD", text.translate(_SIGNS))
    plain = re.sub(r"\s+", " ", "".join(one for one in letters if not unicodedata.combining(one))).strip()
    low = plain.casefold() if len(plain.casefold()) == len(plain) else plain
    at = stretch = 0
    before = ""
    while at < len(low):
        found = _TOKEN.match(low, at)
        kind, word = (found.lastgroup or "", found.group()) if found else ("", "")
        if not found or (kind == "word" and word not in _KNOWN):
            piece = plain[at:].split()[0].rstrip(":,") if before in _FROM | _TO else ""
            if piece.strip():
                raise OffPeakError(Message.of("off_peak.no_day", piece=piece, text=text))
            piece = re.split(r"\d+ ?[h:]", plain[stretch:])[0].strip(" ;,") or plain[at:]
            raise OffPeakError(Message.of("off_peak.no_range", piece=piece, text=text))
        at = found.end()
        if kind == "word":
            before = word
            if word not in _WITHOUT_MEANING:
                yield _Token(kind, word)
        elif kind != "mark":
            before, stretch = word, at
            yield _Token(kind, plain[found.start() : at].strip())


def _range(start: tuple[str, list[str]], end: tuple[str, list[str]], text: str, *, first: bool) -> HourRange:
    (start_text, before), (end_text, through) = start, end
    joined = {*through} <= _THROUGH or (through in (["et"], ["and"]) and {*before} & _BETWEEN)
    separated = first or {*before} <= _NEXT | _BETWEEN | _FROM
    if len(through) != 1 or not joined or not separated:
        raise OffPeakError(Message.of("off_peak.no_range", piece=start_text, text=text))
    start_min, end_min = _minute(start_text, text) % MINUTES_PER_DAY, _minute(end_text, text)
    if end_min % 60 == 59 and start_min % 60 != 59:
        end_min += 1  # 23h59 as the last minute within
    if start_min == end_min:
        raise OffPeakError(Message.of("off_peak.empty_range", piece=f"{start_text}-{end_text}", text=text))
    return HourRange(start_min, end_min)


def _minute(time: str, text: str) -> int:
    word = time.casefold()
    if word in {"minuit", "midnight"}:
        return MINUTES_PER_DAY
    if word in {"midi", "noon"}:
        return MINUTES_PER_DAY // 2
    hour, minute, second = (int(part) for part in (*re.findall(r"\d+", time), "0", "0")[:3])
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        raise OffPeakError(Message.of("off_peak.no_time", piece=f"{hour:02}:{minute:02}", text=text))
    return hour * 60 + minute


def _day(text: str, whole: str) -> dt.date:
    parts = re.findall(r"[^\W\d_]{3,}|\d+", text.casefold())
    try:
        if len(parts[0]) == 4:
            return dt.date(*map(int, parts))
        day, month, year = parts
        number = int(month) if month.isdecimal() else _MONTHS.index(month) % 12 + 1
        return dt.date(int(year), number, int(day))
    except ValueError:
        raise OffPeakError(Message.of("off_peak.no_day", piece=text, text=whole)) from None
