"""The version of the published data: a number that moves with each publication, read from the database."""

import time

from openwatt.store.database import Database

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
