"""Parameters of requests: read with all faults at once, and described in the OpenAPI document."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from openwatt.domain.messages import Message
from openwatt.web.http.parameter_types import MeaningError, ParameterError, ParameterType, choice, integer
from openwatt.web.http.problems import BadRequestError, Fault

LONGEST_QUERY = 4000
_MOST_PARAMETERS = 50
MOST_ROWS, USUAL_ROWS = 1000, 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter, or one field of a body.

    One that may be given `most` times has a tuple of values; its type is that of one of them.
    """

    name: str
    description: str
    type: ParameterType
    example: object = field(default=None)
    required: bool = False
    most: int = 1
    default: object = field(default=None)
    """What it is when left out, where that is always the same; for the contract."""
    deprecated: bool = False

    @property
    def many(self) -> bool:
        """Whether it may be given more than once."""
        return self.most > 1


def read_query(query: bytes, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The values of a query string by parameter name; absent ones are absent.

    Raises:
        BadRequestError: with every unknown, repeated, empty, missing or unreadable parameter.
    """
    values, faults = gather_query(query, parameters)
    if faults:
        raise BadRequestError(faults)
    return values


def gather_query(query: bytes, parameters: Sequence[Parameter]) -> tuple[dict[str, Any], list[Fault]]:
    """The same with the faults beside the values, for who has more to look at; a faulty value is None."""
    if len(query) > LONGEST_QUERY:
        # Not 414: that is for addresses that no server reads to their end (Gunicorn, from 8,190 bytes).
        return {}, [Fault("query", Message.of("parameter.too_long", most=LONGEST_QUERY))]
    try:
        pairs = parse_qsl(
            query.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except UnicodeDecodeError:
        return {}, [Fault("query", Message("parameter.not_utf8"))]
    except ValueError:
        return {}, [Fault("query", Message.of("parameter.too_many", most=_MOST_PARAMETERS))]
    return gather(pairs, parameters)


def gather(
    pairs: Iterable[tuple[str, str]], parameters: Sequence[Parameter]
) -> tuple[dict[str, Any], list[Fault]]:
    """The values of named texts, and everything that is wrong with them; a faulty value is None."""
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, text in pairs:
        parameter = known.get(name)
        if parameter is None:
            names = ", ".join(known) or Message("parameter.none")
            faults.append(Fault(_shown(name), Message.of("parameter.unknown", names=names)))
        elif name in values and not parameter.many:
            faults.append(Fault(name, Message("parameter.twice")))
        elif parameter.many and len(values.get(name) or ()) >= parameter.most:
            faults.append(Fault(name, Message.of("parameter.too_often", most=parameter.most)))
            values[name] = None
        else:
            before = values.setdefault(name, () if parameter.many else None)
            try:
                value = parameter.type.read(_clean(text))
            except ParameterError as error:
                of_form, given = not isinstance(error, MeaningError), repr(_shown(text))[1:-1]
                faults.append(Fault(name, error.message, of_form, given))
                values[name] = None
            else:
                if not parameter.many:
                    values[name] = value
                elif before is not None:
                    values[name] = (*before, value)
    faults += [
        Fault(name, Message("parameter.missing"))
        for name, one in known.items()
        if one.required and name not in values
    ]
    return values, faults


def _shown(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"


def _clean(text: str) -> str:
    if not text:
        raise ParameterError(Message("parameter.empty"))
    if _CONTROL.search(text):
        raise ParameterError(Message("parameter.control_characters"))
    return text


LIMIT = Parameter(
    "limit",
    f"Most rows of one answer, {USUAL_ROWS} when left out.",
    integer(1, MOST_ROWS),
    example=10,
    default=USUAL_ROWS,
)
FORMAT = Parameter(
    "format",
    "Form of the answer; without it the Accept header decides, JSON when that says nothing.",
    choice("json", "csv"),
    example="json",
)
