"""The logging handler in front of log shipping."""

import logging

from openwatt.telemetry.shipping import Shipper


class ShippingHandler(logging.Handler):
    """Puts each record, as the line that its formatter makes, into a shipper's ring."""

    def __init__(self, shipper: Shipper) -> None:
        super().__init__()
        self.shipper = shipper

    def createLock(self) -> None:  # noqa: N802  the name is the library's
        """No lock: the shipper has its own."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits for the peer."""
        try:
            self.shipper.put(self.format(record).encode() + b"\n")
        except Exception:  # noqa: BLE001  a logging call never raises in the code that logs
            self.handleError(record)

    def close(self) -> None:
        """Flushes within the shipper's limit, then leaves the rest in the spool."""
        self.shipper.close()
        super().close()
