"""The stable codes of faults: the keys of their sentences. A test holds the list of them."""

from typing import Annotated, Final

import msgspec

from openwatt.domain.messages import Message
from openwatt.sentences.catalogue import texts

#: Sections of the sentences that say what is wrong with a request, in the order in which they are explained.
FAULT_SECTIONS: Final = (
    "parameter",
    "body",
    "question",
    "present",
    "instant",
    "prices",
    "off_peak",
    "refused",
    "ambiguous",
    "file",
    "row",
    "cell",
    "bound",
    "carried",
    "command",
)
#: Sentences there that are a part of another one.
_PARTS: Final = frozenset(
    {
        "parameter.given",
        "parameter.none",
        "parameter.list_of_sources",
        "present.meant",
        "present.or",
        "present.nothing_sold",
        "present.lists",
        "present.suppliers",
        "present.offers",
        "present.options",
        "refused.file",
    }
)
#: Those of other sections.
_MORE: Final = (
    "what_if.no_hours",
    "what_if.no_car",
    "what_if.two_contracts",
    "left_out.every_contract",
    "outdated.every_price",
)
#: What is said in plain words and has no code of its own.
_OTHER: Final = "other"

FaultCode = Annotated[
    str,
    msgspec.Meta(
        description="A stable word for what is wrong, for programs: each is explained on the page of the "
        "problem's type. New ones may come; none changes its meaning."
    ),
]


def fault_codes() -> list[str]:
    """Every code that a fault may have."""
    known = [key for key in texts("en") if key.partition(".")[0] in FAULT_SECTIONS and key not in _PARTS]
    known.sort(key=lambda key: FAULT_SECTIONS.index(key.partition(".")[0]))
    return [*known, *_MORE, _OTHER]


def code_of(message: Message) -> str:
    """The code of what a message says; of a refused file, what the file is and not what to bring instead."""
    what = message.values.get("what")
    if message.key == "text":
        return _OTHER
    return what.key if message.key == "refused.file" and isinstance(what, Message) else message.key
