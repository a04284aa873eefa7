"""The search for a customer's present contract by the names that a person types."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

from openwatt.domain.comparison import ContractKey
from openwatt.domain.errors import OpenWattError
from openwatt.domain.messages import Message

#: Whose contract is meant where an option is given alone: the regulated one.
USUAL_SUPPLIER, USUAL_OFFER = "EDF", "Tarif Bleu"
#: Names that a message suggests, at most.
_MOST_SUGGESTED = 3


class UnknownContractError(OpenWattError):
    """No contract has these names; `name` is the first of supplier, offer and option that is not known."""

    def __init__(self, name: str, message: Message) -> None:
        self.name = name
        super().__init__(message)


def find_present(
    contracts: Iterable[ContractKey],
    *,
    option: str,
    power_kva: int,
    supplier: str | None = None,
    offer: str | None = None,
) -> ContractKey:
    """The contract that is meant by names in any case of letters, with or without accents and spaces.

    Raises:
        UnknownContractError: there is none, with the names that may have been meant.
    """
    wanted = (supplier or USUAL_SUPPLIER, offer or USUAL_OFFER, option)
    left = [key for key in contracts if key[3] == power_kva]
    for place, name in enumerate(("supplier", "offer", "option")):
        known = sorted({str(key[place]) for key in left})
        meant = _meant(wanted[place], known)
        if meant is None:
            suggestion = _suggested(wanted[place], known, name)
            contract = " ".join(wanted)
            message = Message.of(
                "present.unknown", contract=contract, power_kva=power_kva, suggestion=suggestion
            )
            raise UnknownContractError(name, message)
        left = [key for key in left if key[place] == meant]
    return left[0]


def _meant(wanted: str, known: Sequence[str]) -> str | None:
    """The known name that is meant; of several that are written alike, the one that is written so."""
    if wanted in known:
        return wanted
    return next((name for name in known if _folded(name) == _folded(wanted)), None)


def _folded(name: str) -> str:
    """A name as it is compared: in lower case, without accents and spaces, with straight apostrophes."""
    letters = unicodedata.normalize("NFKD", name.replace("’", "'")).casefold()
    return "".join(sign for sign in letters if not (unicodedata.combining(sign) or sign.isspace()))


def _suggested(wanted: str, known: Sequence[str], name: str) -> Message:
    by_folded = {_folded(one): one for one in known}
    close = difflib.get_close_matches(_folded(wanted), by_folded, n=_MOST_SUGGESTED, cutoff=0.5)
    if close:
        *others, last = (Message.of("text", text=by_folded[one]) for one in close)
        for other in reversed(others):
            last = Message.of("present.or", first=other, next=last)
        return Message.of("present.meant", names=last)
    if not known:
        return Message("present.nothing_sold")
    if name == "supplier":
        return Message("present.lists")
    return Message.of(f"present.{name}s", names=", ".join(known))
