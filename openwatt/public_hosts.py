"""The rule for public hosts: which names and addresses are public, and which lead to an inner network."""

import ipaddress
import re

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: The longest address of a document; real ones have some hundred signs.
LONGEST_ADDRESS = 2_000
#: Ends of names that only exist inside (RFC 6761, 6762, 8375, ICANN's reserved `internal`).
_INNER_DOMAINS = (
    *("localhost", "localdomain", "local", "internal", "intranet"),
    *("lan", "home", "corp", "home.arpa"),
)
#: A last label that begins with a digit makes the whole a number to browsers and resolvers: 0x7f000001.
_NAME = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,62}")

#: The only block in which public IPv6 addresses are given out (IANA, RFC 4291).
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: Blocks in it that carry an IPv4 address of somebody's choice (6to4, Teredo).
_TUNNELS = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("2001::/32"))
#: How a network without IPv4 writes an IPv4 address (NAT64, RFC 6052): it counts as that address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public_name(host: str) -> bool:
    """Whether a host, in lower case, is a name that may be public; its addresses are checked apart."""
    return _NAME.fullmatch(host) is not None and not is_inner_name(host)


def is_inner_name(host: str) -> bool:
    """Whether a host, in lower case, is a name of the inside: one label, or under a reserved domain."""
    return "." not in host or host.endswith(tuple(f".{domain}" for domain in _INNER_DOMAINS))


def is_public_ip(ip: IPAddress) -> bool:
    """Whether an address belongs to the internet at large: not private, loopback, link-local."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public_ip(ip.ipv4_mapped)
        if ip in _NAT64:
            return is_public_ip(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip not in _GLOBAL_UNICAST or any(ip in tunnel for tunnel in _TUNNELS):
            return False
    return ip.is_global and not (ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_link_local)
