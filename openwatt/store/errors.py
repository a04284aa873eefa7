"""The errors of the store; no error of psycopg leaves the package."""

from openwatt.domain.errors import OpenWattError


class DatabaseUnavailableError(OpenWattError):
    """The database does not answer."""


class SchemaError(OpenWattError):
    """The database's schema and this code do not fit together."""


class PrivilegeError(OpenWattError):
    """The database's server refuses a right that is needed; the message names the remedy."""


class PoolerError(OpenWattError):
    """A pooler before the database does not keep a session for each connection."""


class CorrectionError(OpenWattError):
    """A different figure is already stored for the same contract, day and instant of observation."""


class DecisionError(OpenWattError):
    """A decision is not possible in the present state; the message says why and what can be done."""


class UnknownRunError(OpenWattError):
    """There is no run of this number."""


class BackupError(OpenWattError):
    """A backup cannot be taken, or cannot be restored; nothing was changed."""
