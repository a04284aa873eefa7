"""The one way in which a reader gives a document up."""

from openwatt.domain.errors import OpenWattError


class UnreadableDocumentError(OpenWattError):
    """A document that no reader can take anything from; the message is the reason."""
