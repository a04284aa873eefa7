"""The instants that people and programs write: days, RFC 3339, and legal time without an offset."""

import datetime as dt
import re

from openwatt.domain.errors import OpenWattError
from openwatt.domain.legal_time import PARIS, day_start
from openwatt.domain.messages import Message

#: The `+` of an offset that an address does not write as %2B arrives as a space.
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2})(\.\d+)?)?([Zz]|[+ -]\d{2}:\d{2})?)?", re.ASCII
)


class InstantError(OpenWattError):
    """A text is no instant; `malformed` where it does not even look like one."""

    def __init__(self, message: Message, *, malformed: bool = False) -> None:
        self.malformed = malformed
        super().__init__(message)


def parse_instant(text: str) -> dt.datetime:
    """The instant that a text names: a day means its beginning, a time without offset is legal time.

    Raises:
        InstantError: when it is neither, is not in the calendar, or is a time without offset of
            the hour that does not exist in spring or of the one that exists twice in autumn.
    """
    if not (found := _INSTANT.fullmatch(text)):
        raise InstantError(Message("instant.malformed"), malformed=True)
    day, clock, second, fraction, offset = found.groups()
    # RFC 3339 allows the leap second :60, Python does not: the next second is the same instant.
    seconds = f"{min(int(second or 0), 59):02}{(fraction or '.0')[:7]}"
    try:
        written = f"{day}T{clock or '00:00'}:{seconds}{(offset or '').upper().replace(' ', '+')}"
        instant = dt.datetime.fromisoformat(written) + dt.timedelta(seconds=second == "60")
        if instant.tzinfo is not None:
            return instant.astimezone(PARIS)
        return day_start(instant.date()) if clock is None else _in_legal_time(instant)
    except (ValueError, OverflowError):
        raise InstantError(Message("instant.not_in_calendar")) from None


def _in_legal_time(wall: dt.datetime) -> dt.datetime:
    """The instant at which clocks in Paris show a time.

    Raises:
        InstantError: when there is none, or two of them.
    """
    first, second = (wall.replace(tzinfo=PARIS, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    exists = first.astimezone(dt.UTC).astimezone(PARIS).replace(tzinfo=None) == wall
    offsets = [f"{one:%z}"[:3] + ":00" for one in (first, second)]
    if exists:
        raise InstantError(Message.of("instant.twice", first=offsets[0], second=offsets[1]))
    raise InstantError(Message("instant.skipped"))
