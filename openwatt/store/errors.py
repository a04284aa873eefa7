"""What can go wrong with the database, said once at this border; no psycopg error leaves the package."""

from openwatt.domain.errors import OpenWattError


class DatabaseUnavailableError(OpenWattError):
    """The database does not answer."""


class SchemaError(OpenWattError):
    """The database's schema and this code do not fit together."""


class RefusedError(OpenWattError):
    """The database's server refuses what is needed to make it ready; the message names the remedy."""


class PoolerError(OpenWattError):
    """A pooler before the database does not keep a session for each connection."""


class CorrectionError(OpenWattError):
    """A different figure is already kept for the same contract, day and instant of observation."""


class DecisionError(OpenWattError):
    """A decision that cannot be taken as things stand; the message says why and what can be done."""


class UnknownRunError(OpenWattError):
    """There is no run of this number."""


class BackupError(OpenWattError):
    """A backup cannot be taken, or cannot be restored; nothing was changed."""
