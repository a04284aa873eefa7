"""The JSON formatter gives every log record one shape: ours, gunicorn's and the libraries'."""

import functools
import ipaddress
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec
from pythonjsonlogger.core import LogData
from pythonjsonlogger.msgspec import MsgspecFormatter

from openwatt.telemetry import context as contexts
from openwatt.telemetry.logs.fields import EXTRA_FIELDS, FIXED_FIELDS
from openwatt.telemetry.redaction import redact, redact_text

_LONGEST_TEXT: Final = 32_000
_LEVELS = {
    number: logging.getLevelName(number).lower()
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The service that logs: the same three words are in log lines, Sentry and `openwatt_build_info`."""

    service: str = "openwatt"
    environment: str = "development"
    version: str = "unknown"


class _EventIds:
    """Unique ids of records: a random part for each process, then a number."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        prefix = os.urandom(9).hex()
        numbers = iter(range(sys.maxsize))
        self.next: Callable[[], str] = lambda: f"{prefix}-{next(numbers):x}"


_event_ids = _EventIds()


class JsonFormatter(MsgspecFormatter):
    """A record as one line of JSON: the fixed fields in their order, then the extras.

    A record that several handlers write is encoded once.
    """

    def __init__(self, identity: Identity) -> None:
        super().__init__("%(message)s")
        self._encoder = msgspec.json.Encoder(enc_hook=_as_text, decimal_format="number")
        self._identity = identity
        self._second: tuple[int, str] = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line without its newline; a fault of a value stands in the line and is never raised."""
        cached = record.__dict__.get("_openwatt_line")
        if cached is not None and cached[0] is self:
            return str(cached[1])
        try:
            line = super().format(record)
        except Exception as error:  # noqa: BLE001  a caller's wrong arguments must not cost the record
            line = self.jsonify_log_record(self._unformattable(record, error))
        record.__dict__["_openwatt_line"] = (self, line)
        return line

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fills one line's fields in their order, secrets redacted."""
        context = contexts.current()
        log_data["@timestamp"] = self._timestamp(record.created)
        log_data["level"] = _LEVELS.get(record.levelno) or record.levelname.lower()
        log_data["logger"] = record.name
        log_data["event"] = redact_text(record.message[:_LONGEST_TEXT])
        if context is not None:
            log_data["request_id"] = context.request_id
            if context.trace_id is not None:
                log_data["trace_id"] = context.trace_id
        log_data["service"] = self._identity.service
        log_data["environment"] = self._identity.environment
        log_data["version"] = self._identity.version
        exc_info = message_dict.pop("exc_info", None)
        if exc_info:
            log_data["exc_info"] = _ends_of(redact_text(str(exc_info)))
        log_data["event_id"] = _event_ids.next()
        stack = message_dict.pop("stack_info", None)
        if stack:
            log_data["stack_info"] = _text(stack)
        reserved = self.reserved_attrs
        other = {}
        fields = record.__dict__
        if message_dict:  # a message that is a mapping, whose keys are anything
            fields = fields | {str(key): value for key, value in message_dict.items()}
        for name, value in fields.items():
            if name in reserved or name[:1] == "_" or value is None:
                continue
            kind = _KINDS.get(name)
            shown = kind(value) if kind is not None else None
            if shown is not None:
                log_data[name] = shown
            else:
                other[name] = value
        if other:
            log_data["extra"] = redact(other)

    def jsonify_log_record(self, log_data: LogData) -> str:
        """JSON with numbers digit for digit; NaN and infinities, which JSON has not, become null."""
        try:
            return self._encoder.encode(log_data).decode()
        except UnicodeEncodeError:  # a path or a header that was no UTF-8
            return self._encoder.encode(_encodable(log_data)).decode()

    def _timestamp(self, created: float) -> str:
        second = int(created)
        cached, prefix = self._second
        if cached != second:
            prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
            self._second = (second, prefix)
        return f"{prefix}{int((created - second) * 1000):03d}Z"

    def _unformattable(self, record: logging.LogRecord, error: Exception) -> LogData:
        plain = logging.LogRecord(record.name, record.levelno, "", 0, "", None, None)
        plain.created = record.created
        try:
            plain.message = str(record.msg)
        except Exception:  # noqa: BLE001  a value's own __str__ may raise anything
            plain.message = f"[a {type(record.msg).__name__} that cannot be shown]"
        data: LogData = {}
        self.add_fields(data, plain, {"error": f"the record could not be formatted: {type(error).__name__}"})
        return data


def _ends_of(text: str) -> str:
    """A long text without its middle: the first frames and the error are what is read."""
    if len(text) <= _LONGEST_TEXT:
        return text
    half = _LONGEST_TEXT // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"


def _as_text(value: object) -> str:
    return str(_encodable(redact_text(str(value))))


def _encodable(value: Any) -> Any:
    """The same value with lone surrogates, which UTF-8 has not, shown as their escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def _keyword(value: object) -> str | list[str] | None:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_text(str(item)) for item in value]
    return None if isinstance(value, dict) else redact_text(str(value))


def _text(value: object) -> str:
    return _ends_of(redact_text(str(value)))


def _integer(value: object) -> int | None:
    return value if type(value) is int and -(2**31) <= value < 2**31 else None


def _long(value: object) -> int | None:
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _double(value: object) -> float | Decimal | None:
    if type(value) is float:
        return value
    if type(value) is int:
        return value if value.bit_length() < 1024 else None
    if isinstance(value, Decimal) and value.is_finite():
        return value if value.adjusted() < 308 and len(value.as_tuple().digits) < 400 else None
    return None


def _address(value: object) -> str | None:
    text = str(value)
    return text if _is_address(text) else None


@functools.lru_cache(4096)  # reading one takes 2 µs, and the same clients come again
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # with a zone it is none to Elasticsearch


_KINDS_BY_TYPE: dict[str, Callable[[object], Any]] = {
    "keyword": _keyword,
    "text": _text,
    "integer": _integer,
    "long": _long,
    "double": _double,
    "ip": _address,
}
_KINDS = {name: _KINDS_BY_TYPE[kind] for name, kind in EXTRA_FIELDS.items() if name not in FIXED_FIELDS}
