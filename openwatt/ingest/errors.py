"""The errors of the ingestion: a document that cannot be fetched, or that cannot be read."""

from openwatt.domain.errors import OpenWattError


class UnreachableError(OpenWattError):
    """Raised when an address did not give its document; the message says why and what to do about it."""


class RefusedAddressError(UnreachableError):
    """Raised for an address that is not requested, because it leads, or may lead, to an inner network."""


class UnreadableDocumentError(OpenWattError):
    """Raised for a document that cannot be read; the message is the reason."""
