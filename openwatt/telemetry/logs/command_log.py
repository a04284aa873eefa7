"""The log of a command until its settings are read: a module of its own, for it loads no library."""

import logging
import sys


def log_to_stderr() -> None:
    """Writes warnings as bare sentences to stderr, until `configure_logs` replaces this handler."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler._openwatt = True  # type: ignore[attr-defined]  # noqa: SLF001  our mark on our handlers
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
