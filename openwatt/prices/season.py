"""A Tempo season: how many days of each colour were used, and how many are left by the contract's count."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from openwatt.domain.legal_time import Span
from openwatt.domain.tariff import Colour

#: The first day of a season, as the regulated tariff's terms set it.
_FIRST_MONTH = 9
COLOURS: tuple[Colour, ...] = ("BLEU", "BLANC", "ROUGE")
#: Days a season by the tariff's terms; every other one is blue. They are targets and no check: 2019-20
#: had 18 red days and 47 white ones.
_TARGETS: Mapping[Colour, int] = MappingProxyType({"BLANC": 43, "ROUGE": 22})


@dataclass(frozen=True, slots=True, kw_only=True)
class TempoSeason:
    """The days of a season up to a day, which is counted, by colour; those after it are left."""

    span: Span
    on: dt.date
    used: Mapping[Colour, int]
    targets: Mapping[Colour, int]
    unknown: int
    """Days up to `on` whose colour no source states: any colour may have fewer left than is said."""

    @property
    def left(self) -> Mapping[Colour, int]:
        """What the targets leave; 0 where a colour had more days than its target."""
        return {colour: max(0, self.targets[colour] - self.used[colour]) for colour in COLOURS}


def season_span(day: dt.date) -> Span:
    """The season of a Tempo day: from 1 September to the next, excluded."""
    year = day.year if day.month >= _FIRST_MONTH else day.year - 1
    return Span(dt.date(year, _FIRST_MONTH, 1), dt.date(year + 1, _FIRST_MONTH, 1))


def count_season(colours: Mapping[dt.date, str], on: dt.date) -> TempoSeason:
    """The season of a day, by the colours of the days that are known."""
    span = season_span(on)
    days = [span.start + dt.timedelta(days=n) for n in range((on - span.start).days + 1)]
    counted = Counter(colours.get(day) for day in days)
    blue = span.days - sum(_TARGETS.values())
    return TempoSeason(
        span=span,
        on=on,
        used={colour: counted[colour] for colour in COLOURS},
        targets={"BLEU": blue, **_TARGETS},
        unknown=counted[None],
    )
