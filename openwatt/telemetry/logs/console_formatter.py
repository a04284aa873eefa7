"""The console formatter writes a log record for a terminal: the development server and `openwatt logs`."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pythonjsonlogger.core import LogData

from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter

_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_LEVEL_COLOURS = {
    "debug": "\x1b[36m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}
_NOT_A_FIELD = frozenset(
    {"@timestamp", "level", "logger", "event", "service", "environment", "version", "exc_info", "event_id",
     "stack_info", "request_id"}
)  # fmt: skip


def format_line(entry: Mapping[str, Any], *, colour: bool) -> str:
    """Returns local time, level, event and fields as one line; a traceback on the lines that follow.

    Control characters of a value are escaped: a log line is no way to send
    orders to an operator's terminal.
    """
    level = str(entry.get("level", "?"))
    paint = _LEVEL_COLOURS.get(level, "") if colour else ""
    dim, bold, reset = (_DIM, _BOLD, _RESET) if colour else ("", "", "")
    fields = [f"{dim}{_safe(key)}={reset}{_safe(value)}" for key, value in _shown(entry)]
    parts = [
        f"{dim}{_local_time(entry.get('@timestamp'))}{reset}",
        f"{paint}{_safe(level):<8}{reset if paint else ''}",
        f"{bold}{_safe(entry.get('event', ''))}{reset}",
        *fields,
        f"{dim}{_safe(entry.get('logger', ''))}{reset}",
    ]
    lines = [" ".join(part for part in parts if part)]
    for block in (entry.get("exc_info"), entry.get("stack_info")):
        if block:
            lines += [f"    {_safe(line)}" for line in str(block).splitlines()]
    return "\n".join(lines)


def _shown(entry: Mapping[str, Any]) -> list[tuple[str, Any]]:
    shown = [(key, value) for key, value in entry.items() if key not in _NOT_A_FIELD]
    if entry.get("request_id"):
        shown.append(("request_id", entry["request_id"]))
    return shown


def _local_time(timestamp: object) -> str:
    try:
        moment = dt.datetime.fromisoformat(str(timestamp))
    except ValueError:
        return _safe(timestamp)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def _safe(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ConsoleFormatter(JsonFormatter):
    """The fields of the JSON line for a person at a terminal, coloured."""

    def __init__(self, identity: Identity, *, colour: bool = True) -> None:
        super().__init__(identity)
        self._colour = colour

    def jsonify_log_record(self, log_data: LogData) -> str:
        """Returns the line for the terminal."""
        return format_line(log_data, colour=self._colour)
