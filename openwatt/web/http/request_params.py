"""The parameters of one request as values, and the instant at which it is answered."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import request

from openwatt.domain.freshness import NEVER
from openwatt.domain.legal_time import PARIS, day_start
from openwatt.web.http.params import Parameter
from openwatt.web.http.problems import Fault
from openwatt.web.http.sub_path import address


@dataclass(slots=True)
class RequestParams:
    """The parameters of a request by name, `now`, and until when an answer made from them is true.

    A view whose answer depends on `now` calls `expire_at`; reading `today` does it by itself.
    `faults` are those of the parameters, for a view that raises them with its own;
    every other one is only called without.
    """

    values: Mapping[str, Any]
    now: dt.datetime
    faults: tuple[Fault, ...] = ()
    valid_until: dt.datetime = NEVER

    def get(self, parameter: Parameter, default: Any = None) -> Any:
        """The value of a parameter, or `default` where the request leaves it out."""
        return self.values.get(parameter.name, default)

    @property
    def today(self) -> dt.date:
        """The legal day in France; what is made of it is true until midnight."""
        today = self.now.astimezone(PARIS).date()
        self.expire_at(day_start(today + dt.timedelta(days=1)))
        return today

    def expire_at(self, instant: dt.datetime) -> None:
        """Declares that the answer may be another one from an instant on."""
        self.valid_until = min(self.valid_until, instant)

    def address(self, **changed: object) -> str:
        """This request's own address with some parameters changed."""
        query = dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))
        query |= {name: str(value) for name, value in changed.items()}
        # In one order, because the response is cached for every order of the parameters.
        return f"{address(request.path)}?{urlencode(sorted(query.items()))}"
