"""The error of a reader that cannot read a document."""

from openwatt.domain.errors import OpenWattError


class UnreadableDocumentError(OpenWattError):
    """Raised for a document that cannot be read; the message is the reason."""
