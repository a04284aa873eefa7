"""What an address that a person types for a source must be before anything is asked there."""

import re
from urllib.parse import urlsplit

LONGEST_ADDRESS = 2000

#: Names that lead to this machine or its own network, as they are written; the fetch looks where others lead.
_OWN_NETWORK = re.compile(r"(?:.*\.)?(?:localhost|localdomain|local|internal|intranet|lan|home\.arpa)")
#: Browsers and resolvers take a last label such as 1 or 0x7f for a number: the whole is an address then.
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)")


def check_public_address(text: str) -> str:
    """The address of a public document: https, a host by its name, nobody's password.

    Numbers in the place of a name are refused whatever they are, because 127.0.0.1 can be
    written in a dozen ways and no supplier publishes at a number. Where a name leads is
    looked at when it is asked, each time.

    Raises:
        ValueError: with what it must be instead.
    """
    if len(text) > LONGEST_ADDRESS:
        raise ValueError(f"is longer than {LONGEST_ADDRESS} characters")
    if not re.fullmatch(r"https://[!-~]+", text) or "\\" in text:
        raise ValueError("must begin with https:// and hold neither spaces nor accents")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise ValueError("is not an address: its host or port cannot be read") from None
    if "@" in parts.netloc:
        raise ValueError("must hold neither user nor password")
    last = host.rpartition(".")[2]
    if ":" in host or _NUMBER.fullmatch(last):
        raise ValueError("must name its host: an address in numbers is not asked")
    if not re.fullmatch(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z][a-z0-9-]*", host):
        raise ValueError("must name a public host such as www.supplier.fr")
    if _OWN_NETWORK.fullmatch(host):
        raise ValueError("names a host of the own network, which is not asked")
    if port == 0:
        raise ValueError("has no port 0")
    return text
