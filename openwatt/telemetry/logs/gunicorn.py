"""Gunicorn's own lines in the shape of all others: `logger_class` of gunicorn.conf.py."""

import logging
from typing import Any

from gunicorn.glogging import Logger


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Hands gunicorn's records to the root logger, which `configure_logs` has set up.

    There is no access log: the canonical record of a request says more, once.
    """

    def setup(self, cfg: Any) -> None:
        """Keeps gunicorn's level and leaves everything else to the root logger."""
        super().setup(cfg)
        self._access_log_enabled = False
        for logger in (self.error_log, self.access_log):
            for handler in list(logger.handlers):
                logger.removeHandler(handler)
            logger.propagate = True
        self.access_log.setLevel(logging.CRITICAL)
