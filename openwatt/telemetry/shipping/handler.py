"""The logging handler in front of log shipping."""

import logging

from openwatt.telemetry.shipping.shipper import Shipper


class ShippingHandler(logging.Handler):
    """Puts each record, as the line that its formatter makes, into a shipper's ring."""

    def __init__(self, shipper: Shipper) -> None:
        super().__init__()
        self.shipper = shipper

    def handle(self, record: logging.LogRecord) -> bool:
        """Emits a record that the filters pass, without the library's lock: the shipper has its own."""
        passed: bool | logging.LogRecord = self.filter(record)  # Python 3.12 may answer with another record
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return bool(passed)

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
