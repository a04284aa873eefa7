"""The fault of a full disk, without filling one: an empty file among the metrics."""

from collections.abc import Iterator
from contextlib import contextmanager

from openwatt.doctor.results import CheckFailedError
from openwatt.observability import metrics_directory
from openwatt.settings import Settings
from openwatt.telemetry.metrics.worker_files import DRILL_FILE


@contextmanager
def unfilled_file(settings: Settings) -> Iterator[None]:
    """Keeps an empty file among the service's metrics while the block runs, as a full disk leaves it.

    It holds nothing and takes no figure from anybody; should it be left, it counts for an hour at most.

    Raises:
        CheckFailedError: no service of these settings has written metrics on this machine.
    """
    folder = metrics_directory(settings)
    file = folder / DRILL_FILE
    try:
        file.touch()
    except OSError as error:
        raise CheckFailedError(
            f"{folder} cannot be written to: {error.strerror}",
            "drill on the service's machine, with its account, its OPENWATT_DATA_DIR and its OPENWATT_BIND",
        ) from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
