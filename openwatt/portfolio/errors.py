"""The errors that stop a portfolio as a whole; a fault of one home is a row with its reason."""

from importlib import import_module

from openwatt.domain.errors import OpenWattError


class PortfolioError(OpenWattError):
    """A portfolio cannot be billed on these terms; the message says what to change."""


def need_pyarrow() -> None:
    """Refuses Parquet where its library is not installed.

    Raises:
        PortfolioError: naming the extra that brings it.
    """
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        message = "Parquet needs the extra `portfolio`: pip install 'openwatt[portfolio]' (CSV needs nothing)"
        raise PortfolioError(message) from None


def need_distributed() -> None:
    """Refuses a cluster where Dask is not installed.

    Raises:
        PortfolioError: naming the extra that brings it.
    """
    try:
        import_module("distributed")
    except ImportError:
        raise PortfolioError("a cluster needs the extra `cluster`: pip install 'openwatt[cluster]'") from None
