"""The ways in which a document cannot be had from its address."""

from openwatt.domain.errors import OpenWattError


class UnreachableError(OpenWattError):
    """An address that did not give its document; the message says why and what to do about it."""


class RefusedAddressError(UnreachableError):
    """An address that is not asked at all, because it leads, or may lead, inside."""
