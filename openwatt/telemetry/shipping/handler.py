"""The logging handler that ships records to Logstash."""

import logging
import logging.handlers
import socket
import ssl
from collections.abc import Callable

from openwatt.telemetry.shipping.shipper import Shipper, ShippingConfig, Snapshot
from openwatt.telemetry.shipping.transports import Peer, transport_for


class LogstashHandler(logging.handlers.SocketHandler):
    """The library's handler with JSON lines instead of pickles, and a connection that no caller waits for.

    `send` puts a line into the shipper's ring. The shipper's thread connects with `makeSocket`
    and sends, so the library's own `sock`, `createSocket` and waits between attempts are not used.
    """

    def __init__(
        self, config: ShippingConfig, *, on_progress: Callable[[Snapshot], None] | None = None
    ) -> None:
        peer = Peer.of(config.url)
        super().__init__(peer.host, peer.port)
        self._tls = ssl.create_default_context() if peer.scheme == "https" else None
        self.shipper = Shipper(config, peer, transport_for(peer, self.makeSocket), on_progress=on_progress)

    def handle(self, record: logging.LogRecord) -> bool:
        """Emits a record that the filters pass, without the library's lock: the shipper has its own."""
        passed: bool | logging.LogRecord = self.filter(record)  # Python 3.12 may return another record
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return bool(passed)

    def makePickle(self, record: logging.LogRecord) -> bytes:  # noqa: N802  the name is the library's
        """The record as one line of JSON."""
        return self.format(record).encode() + b"\n"

    def send(self, s: bytes) -> None:  # type: ignore[override]  # what `makePickle` returns
        """Puts a line into the ring. Never waits for the peer."""
        self.shipper.put(s)

    def makeSocket(self, timeout: float = 2.0) -> socket.socket:  # noqa: N802  the name is the library's
        """A new connection to the peer, for the shipping thread alone."""
        connection = super().makeSocket(timeout)
        return self._tls.wrap_socket(connection, server_hostname=self.host) if self._tls else connection

    def close(self) -> None:
        """Flushes within the shipper's limit, then leaves the rest in the spool."""
        self.shipper.close()
        super().close()
