"""Parameters of the admin API, and the three actions that override what ingestion did."""

import datetime as dt
import difflib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, get_args
from urllib.parse import urlsplit

from openwatt.domain.messages import Message
from openwatt.public_hosts import LONGEST_ADDRESS, is_public_name
from openwatt.store.runs import Outcome
from openwatt.web.http.bodies import decode_object, read_fields
from openwatt.web.http.parameter_types import (
    BOOLEAN,
    DAY,
    MeaningError,
    ParameterError,
    ParameterType,
    choice,
    integer,
    string,
)
from openwatt.web.http.params import LIMIT, Parameter
from openwatt.web.http.problems import BadRequestError, Fault

#: A run's number, as far as addresses and bodies go: a run a second reaches it in thirty years.
MOST_RUN_ID = 999_999_999
_NO_ADDRESS = Message.of("parameter.address", most=LONGEST_ADDRESS)


def _line(longest: int) -> ParameterType:
    """One line of text; in JSON Schema's words only one of ASCII."""

    def read(text: str) -> str:
        if not text.strip():
            raise ParameterError(Message("parameter.blank"))
        if len(text) > longest or not text.isprintable():
            raise ParameterError(Message.of("parameter.one_line", most=longest))
        return text.strip()

    schema = {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"^[ -~]*[!-~][ -~]*$"}
    return ParameterType(schema, read)


def _address(text: str) -> str:
    """An address that may be stored for a source. Where its name leads is checked when it is fetched.

    Numbers in the place of a name are refused whatever they are: 127.0.0.1 can be
    written in a dozen ways, and no supplier publishes at a number.
    """
    if len(text) > LONGEST_ADDRESS:
        raise ParameterError(_NO_ADDRESS)
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise MeaningError(Message("parameter.address_unreadable")) from None
    if "@" in parts.netloc or port not in {None, 443}:
        raise MeaningError(Message("parameter.address_credentials"))
    if not is_public_name(host):
        raise MeaningError(Message("parameter.address_not_public"))
    return text


_SOURCE_NAME = string(r"[a-z0-9_]{1,80}", Message("parameter.source_name"))
_TEXT = ParameterType({"type": "string"}, str)
_RUN_ID = integer(1, MOST_RUN_ID)
_REASON_TEXT, _PERSON = _line(1000), _line(100)
SOURCE = Parameter("source", "Name of the source.", _SOURCE_NAME, "edf_tarif_bleu")
OUTCOME = Parameter("outcome", "Only runs with this outcome.", choice(*get_args(Outcome)))
UNDECIDED = Parameter(
    "undecided", "Only refused runs that wait for a decision.", BOOLEAN, True, default=False
)
AFTER = Parameter("after", "Only runs older than this one: the value found in `next`.", _RUN_ID)
RUN_PARAMETERS = (SOURCE, OUTCOME, UNDECIDED, AFTER, LIMIT)

_ACTION = Parameter("action", "What is done.", _TEXT, required=True)
_REASON = Parameter("reason", "Why; stored for good.", _REASON_TEXT, required=True)
_DECISION = (
    _ACTION,
    Parameter("run_id", "The refused run.", _RUN_ID, required=True),
    Parameter("reviewer", "Who decides; stored for good.", _PERSON, required=True),
    _REASON,
)
_UNDO = (
    _ACTION,
    Parameter("source", "The source.", _SOURCE_NAME, required=True),
    Parameter("author", "Who wants it; stored for good.", _PERSON, required=True),
    _REASON,
)
_ADDRESS = (
    *_UNDO,
    Parameter(
        "address",
        "Where the source is fetched from instead: https, a public host by its name.",
        string(r"https://[!-~]+", _NO_ADDRESS, _address, maxLength=LONGEST_ADDRESS),
        required=True,
    ),
    Parameter("until", "Last day on which it counts.", DAY, required=True),
)
_FIELDS: Mapping[str, tuple[Parameter, ...]] = MappingProxyType(
    {"approve": _DECISION, "reject": _DECISION, "address": _ADDRESS}
)


def unknown_source(name: str, sources: Collection[str]) -> Fault | None:
    """The fault of a name that is no source's."""
    if name in sources:
        return None
    close = difflib.get_close_matches(name, sources, n=1)
    hint = Message.of("present.meant", names=close[0]) if close else Message("parameter.list_of_sources")
    return Fault("source", Message.of("parameter.no_source", name=name, hint=hint), of_form=False)


def read_override(body: bytes, today: dt.date, sources: Collection[str]) -> dict[str, Any]:
    """The values of one action, `action` among them; an `address` that undoes has none.

    Raises:
        BadRequestError: naming everything that is wrong with it.
    """
    payload = decode_object(body)
    action = payload.get("action")
    if not isinstance(action, str) or action not in _FIELDS:
        what = Message("parameter.missing")
        if "action" in payload:
            what = Message.of("parameter.choice", words=", ".join(_FIELDS))
        raise BadRequestError([Fault("action", what), *_unknown(payload)])
    fields = _FIELDS[action]
    if action == "address" and payload.get("address", "") is None:
        fields = _UNDO
        payload = {name: value for name, value in payload.items() if name != "address"}
        if payload.get("until", "") is None:
            del payload["until"]
    values, faults = read_fields(payload, fields)
    if values.get("source") is not None and (fault := unknown_source(values["source"], sources)):
        faults.append(fault)
    if values.get("until") is not None and values["until"] < today:
        faults.append(
            Fault("until", Message.of("parameter.day_over", today=Message.day(today)), of_form=False)
        )
    if faults:
        raise BadRequestError(faults)
    return values


def _unknown(payload: Mapping[str, Any]) -> list[Fault]:
    known = {field.name for fields in _FIELDS.values() for field in fields}
    return [
        Fault(name[:80], Message("parameter.no_field_of_action")) for name in payload if name not in known
    ]


def _shape(
    actions: list[str], fields: tuple[Parameter, ...], more: Mapping[str, object]
) -> dict[str, object]:
    properties: dict[str, object] = {
        field.name: {"description": field.description, **field.type.schema} for field in fields
    }
    properties["action"] = {"description": _ACTION.description, "type": "string", "enum": actions}
    required = [*(field.name for field in fields), *(name for name in more if name != "until")]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {**properties, **more},
    }


OVERRIDE_BODY: Mapping[str, object] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    _shape(["approve", "reject"], _DECISION, {}),
                    _shape(["address"], _ADDRESS, {}),
                    _shape(["address"], _UNDO, {"address": {"type": "null"}, "until": {"type": "null"}}),
                ]
            },
            "example": {
                "action": "reject",
                "run_id": 12,
                "reviewer": "A. Dupont",
                "reason": "The sheet of another offer.",
            },
        }
    },
}

#: What a document may come as; anything else has no reader.
DOCUMENT_TYPES = ("application/pdf", "text/csv", "application/json", "application/octet-stream")
INSPECT_BODY: Mapping[str, object] = {
    "required": True,
    "content": {
        **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in DOCUMENT_TYPES},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file"],
                "properties": {
                    "file": {"description": "The document.", "type": "string", "format": "binary"},
                    "source": {"description": "Name of its source.", **_SOURCE_NAME.schema},
                },
            }
        },
    },
}
FILE = Parameter("file", "The document.", _TEXT, required=True)
