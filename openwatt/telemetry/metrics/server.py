"""A small separate process serves /metrics, even while every worker of the application is busy."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import start_http_server
from prometheus_client.registry import Collector

from openwatt.telemetry.metrics.registry import exposition_of


class MetricsServer:
    """Serves a multiprocess directory from construction to `close`.

    The directory may be empty, or become empty: the application need not
    run. `port` 0 takes a free one; `port` then says which.
    """

    def __init__(
        self, port: int, directory: Path, collectors: Iterable[Collector] = (), host: str = "127.0.0.1"
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._server, self._thread = start_http_server(port, host, exposition_of(directory, collectors))
        self.port = int(self._server.server_port)

    def wait(self) -> None:
        """Serves until the process ends."""
        self._thread.join()

    def close(self) -> None:
        """Ends the server and frees its port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
