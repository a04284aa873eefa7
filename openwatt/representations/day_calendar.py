"""Calendars of legal days to subscribe to, by RFC 5545: one day an event."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from openwatt.domain.messages import Message
from openwatt.sentences.catalogue import sentence

if TYPE_CHECKING:
    from icalendar import Event

#: How often a client should look again: tomorrow's colour comes about 11:00, and matters the same evening.
REFRESH_EVERY: Final = dt.timedelta(hours=1)
_PRODUCT: Final = "-//OpenWatt//OpenWatt//EN"
_ONE_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEvent:
    """One legal day of a calendar.

    `uid` stays the same whatever becomes of the event, and `sequence` counts its corrections. `colour`
    is a name of CSS3, as RFC 7986 has it.
    """

    uid: str
    day: dt.date
    summary: Message
    description: Message
    revised_at: dt.datetime
    sequence: int = 0
    colour: str | None = None
    url: str | None = None


def to_icalendar(name: Message, events: Iterable[DayEvent], language: str) -> bytes:
    """A calendar in UTF-8, its sentences in a language: the same bytes for the same events.

    Nothing in it says when it was made, so that a calendar without news keeps its ETag.
    """
    # Loading it takes 6 MB and a fifth of a second, which only a worker with subscribers needs.
    from icalendar import Calendar  # noqa: PLC0415 - 6 MB that few workers need

    title = sentence(name, language)
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", _PRODUCT)
    calendar.add("name", title)
    calendar.add("x-wr-calname", title)
    calendar.add("refresh-interval", REFRESH_EVERY, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for event in events:
        calendar.add_component(_component(event, language))
    content: bytes = calendar.to_ical()
    return content


def _component(event: DayEvent, language: str) -> "Event":
    from icalendar import Event  # noqa: PLC0415 - 6 MB that few workers need

    component = Event()
    component.add("uid", event.uid)
    component.add("dtstart", event.day)
    component.add("dtend", event.day + _ONE_DAY)
    # Without METHOD, DTSTAMP is the last revision too (RFC 5545, 3.8.7.2).
    component.add("dtstamp", event.revised_at.astimezone(dt.UTC))
    component.add("last-modified", event.revised_at.astimezone(dt.UTC))
    component.add("sequence", event.sequence)
    component.add("summary", sentence(event.summary, language))
    component.add("description", sentence(event.description, language))
    component.add("transp", "TRANSPARENT")  # such a day does not count as busy
    if event.colour:
        component.add("color", event.colour)
    if event.url:
        component.add("url", event.url)
    return component
