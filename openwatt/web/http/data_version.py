"""The version of the published data: a number that moves with each publication, read from the database."""

import time
from collections.abc import Callable

from openwatt.store.database import Database
from openwatt.store.tariffs import Horizon, read_horizon

#: How old the known version may be; within it the database is not queried.
MAX_AGE_S = 1.0


class DataVersion:
    """The version of the published data, at most `MAX_AGE_S` old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = 0
        self._valid_until = 0.0

    def known(self) -> int | None:
        """The version, where the database need not be queried for it."""
        return self._version if time.monotonic() < self._valid_until else None

    def current(self) -> int:
        """The version.

        Raises:
            DatabaseUnavailableError: the database has to be queried and does not answer.
        """
        version = self.known()
        if version is None:
            version = self._database.read_number("database/data_version")
            self._version, self._valid_until = version, time.monotonic() + MAX_AGE_S
        return version


class DataHorizon:
    """The last rows of the data, read once for each version."""

    def __init__(self, database: Database, version: Callable[[], int]) -> None:
        self._database = database
        self._version = version
        self._read: tuple[int, Horizon | None] = (-1, None)

    def current(self) -> Horizon:
        """The last rows of now. Raises DatabaseUnavailableError when they have to be read and cannot."""
        version = self._version()
        read, horizon = self._read
        if horizon is None or read != version:
            horizon = read_horizon(self._database)
            self._read = version, horizon
        return horizon
