"""Refusals of what is no load curve: each says what a file is, and what to bring instead and from where."""

from collections.abc import Set as AbstractSet

from openwatt.domain.errors import MeterFileError
from openwatt.domain.messages import Message
from openwatt.meter.vocabulary import Kind


def refused(what: str, bring: str = "enedis", **values: str) -> MeterFileError:
    """The refusal of a kind of file; `bring` is a key of what would serve."""
    what_it_is = Message.of(f"refused.{what}", **values)
    return MeterFileError(Message.of("refused.file", what=what_it_is, bring=Message(f"bring.{bring}")))


def reason_of(refusal: MeterFileError) -> Message:
    """What a refused file is, without what to bring instead."""
    what = refusal.message.values.get("what")
    return what if isinstance(what, Message) else refusal.message


def refused_kind(kind: Kind) -> MeterFileError:
    """The refusal of a file that its first rows betray."""
    return refused(kind.key, kind.bring, **dict(kind.values))


def ambiguous(what: str, **values: str) -> MeterFileError:
    """The refusal of a file that allows two meanings, which names both and how to say which."""
    return MeterFileError(Message.of(f"ambiguous.{what}", **values))


def refuse_two_homes(homes: AbstractSet[str]) -> None:
    """Refuses measurements of more than one meter; of each the last four digits are named.

    Raises:
        MeterFileError: when there are several.
    """
    if len(homes) > 1:
        shown = ", ".join(f"…{home[-4:]}" for home in sorted(homes)[:5])
        raise MeterFileError(Message.of("refused.two_homes", count=len(homes), homes=shown))
