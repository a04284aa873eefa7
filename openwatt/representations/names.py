"""Types of JSON fields that every answer shares: instants, and the names of options and registers."""

import datetime as dt
from typing import Annotated

from msgspec import Meta

from openwatt.domain.tariff import OPTIONS, REGISTERS

#: An instant with its offset; without the bound msgspec would not say that it is a `date-time`.
Instant = Annotated[dt.datetime, Meta(tz=True)]
#: Texts of closed lists, which the contract has once.
OptionName = Annotated[str, Meta(extra_json_schema={"enum": list(OPTIONS)})]
RegisterName = Annotated[str, Meta(extra_json_schema={"enum": list(REGISTERS)})]
