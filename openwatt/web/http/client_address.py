"""Whose request it is: the client's address behind our own proxies, and what a limit counts of it."""

import ipaddress
import re
from collections.abc import Mapping

_WRITTEN_ADDRESS = re.compile(
    r"\[(?P<bracketed>[0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?"
    r"|(?P<ipv4>[0-9.]+)(?::[0-9]{1,5})?"
    r"|(?P<bare>[0-9A-Fa-f:.]+)"
)


def client_address(environ: Mapping[str, str], trusted_proxies: int) -> str:
    """The client's address: what the outermost of our own proxies saw.

    Each proxy appends the address of its client to `X-Forwarded-For`, so the
    entry that counts is the `trusted_proxies`-th from the right; anything further
    left was written by the client and can be anything. With no proxy, or when the
    header has fewer entries than it should, the connection's own address is taken.
    """
    peer = environ.get("REMOTE_ADDR") or "unknown"
    if trusted_proxies:
        entries = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        seen = entries[-trusted_proxies].strip() if len(entries) >= trusted_proxies else ""
        return _address(seen) or _address(peer) or peer
    return (_address(peer) or peer) if ":" in peer else peer


def _address(entry: str) -> str | None:
    """The address in what a proxy wrote: alone, in brackets, or with a port; None when it is none.

    An IPv4 client of a socket that listens on both is given as `::ffff:192.0.2.1`: it is
    written as what it is, or all of them would be one IPv6 network.
    """
    match = _WRITTEN_ADDRESS.fullmatch(entry)
    if match is None:
        return None
    try:
        address = ipaddress.ip_address(match["bracketed"] or match["ipv4"] or match["bare"])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_key(client: str) -> str:
    """Whom a limit counts: an address, or the /64 that one IPv6 customer has to himself."""
    if ":" not in client:
        return client
    try:
        return str(ipaddress.ip_network((client, 64), strict=False))
    except ValueError:
        return client
