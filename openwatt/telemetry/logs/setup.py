"""Sets up the root logger: which handlers it has, with which formatters and level."""

import logging
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openwatt.telemetry.logs.console_formatter import ConsoleFormatter
from openwatt.telemetry.logs.handlers import ConsoleHandler, FileHandler, RequestRecordsHandler
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
from openwatt.telemetry.logs.threads import log_thread_death


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Where log lines go and from which level on.

    `console_format` selects lines for people instead of JSON; None: on a terminal in
    development only. A command whose result is on stdout logs to stderr; one that draws on
    a terminal shows only `errors` there.
    """

    identity: Identity
    level: str = "INFO"
    file: Path | None = None
    console_format: bool | None = None
    stream: Literal["stdout", "stderr", "errors"] = "stdout"


def configure_logs(config: LogConfig, *further: logging.Handler) -> None:
    """Makes the root logger write our lines, and only those; a second call replaces the first.

    Raises:
        ValueError: the level is not one of logging's.
        OSError: the file cannot be opened.
    """
    install_handlers(make_handlers(config, *further), config.level)


def make_handlers(config: LogConfig, *further: logging.Handler) -> list[logging.Handler]:
    """Makes the handlers of a configuration; `further` ones (shipping) get the JSON formatter.

    Raises:
        OSError: the file cannot be opened.
    """
    formatter = JsonFormatter(config.identity)
    output = sys.stdout if config.stream == "stdout" else sys.stderr
    console_format = config.console_format
    if console_format is None:
        console_format = config.identity.environment == "development" and output.isatty()
    console = ConsoleHandler(output)
    console.setFormatter(ConsoleFormatter(config.identity) if console_format else formatter)
    if config.stream == "errors":
        console.setLevel(logging.ERROR)
    # Shipping comes first: what a killed process has printed is in its ring.
    for handler in further:
        handler.setFormatter(formatter)
    handlers: list[logging.Handler] = [RequestRecordsHandler(), *further, console]
    if config.file is not None:
        handlers.append(FileHandler(config.file))
        handlers[-1].setFormatter(formatter)
    return handlers


def install_handlers(handlers: list[logging.Handler], level: str) -> None:
    """Replaces our handlers of the root logger by these, and closes the former ones."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    for handler in [old for old in root.handlers if getattr(old, "_openwatt", False)]:
        root.removeHandler(handler)
        if handler not in handlers:
            handler.close()
    for handler in handlers:
        handler._openwatt = True  # type: ignore[attr-defined]  # noqa: SLF001  our mark on our handlers
        root.addHandler(handler)
    logging.captureWarnings(capture=True)
    threading.excepthook = log_thread_death
