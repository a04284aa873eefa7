"""The check of document addresses: only public hosts over https, no machine of an inner network."""

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence

import httpx

from openwatt.ingest.errors import RefusedAddressError
from openwatt.public_hosts import LONGEST_ADDRESS, IPAddress, is_inner_name, is_public_ip, is_public_name

#: From a host's name and a port to the addresses it has, as text.
Resolve = Callable[[str, int], Sequence[str]]


def check_address(address: str | httpx.URL, *, loopback: bool = False) -> httpx.URL:
    """Parses an address as the client does, once, and refuses those of an inner network.

    `loopback` is for tests: this machine may be fetched from, over http and on any port.

    Raises:
        RefusedAddressError: not https on port 443, a user or password in it, or a host of the inside.
    """
    shown = str(address)[:200]
    if len(str(address)) > LONGEST_ADDRESS:
        raise RefusedAddressError(f"{shown}… is longer than {LONGEST_ADDRESS} signs")
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise RefusedAddressError(f"{shown!r} is no address: {error}") from error
    host = url.raw_host.decode("ascii").lower().rstrip(".")
    if url.userinfo:
        raise RefusedAddressError(f"the address at {host} holds a user or a password: give one without")
    if not host or url.scheme not in {"http", "https"}:
        raise RefusedAddressError(f"{shown!r} is not an address that begins with https://")
    if not loopback and url.scheme != "https":
        raise RefusedAddressError(f"{shown} is not encrypted: give its https address")
    if not loopback and url.port not in {None, 443}:
        raise RefusedAddressError(f"{shown} names port {url.port}: documents are only fetched on port 443")
    ip = _written_ip(host)
    if ip is not None:
        _check_ip(host, ip, loopback=loopback)
    elif not (loopback and host == "localhost"):
        _check_name(host)
    return url


def _written_ip(host: str) -> IPAddress | None:
    """The IP address that is written as a host; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_ip(host: str, ip: IPAddress, *, loopback: bool) -> None:
    if not is_public_ip(ip) and not (loopback and ip.is_loopback):
        raise RefusedAddressError(f"{host} leads to {ip}, which is not a public address")


def _check_name(host: str) -> None:
    """Refuses names of the inside, and numbers that resolvers take for an address (127.1, 0x7f000001)."""
    if is_inner_name(host):
        raise RefusedAddressError(f"{host} is a name of an inner network: give a public address")
    if not is_public_name(host):
        raise RefusedAddressError(f"{host} is neither a name nor an address")


def resolve(host: str, port: int) -> list[str]:
    """Resolves a host to its addresses, in this machine's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def resolve_checked(
    host: str, port: int, *, resolve: Resolve, within_s: float, loopback: bool = False
) -> list[str]:
    """Resolves a host and checks each address, so that the connection goes to what was checked.

    Raises:
        RefusedAddressError: one of them is not public; a name that leads inside even once is not fetched.
        OSError: the resolver knows no address, or does not answer in time.
    """
    ips = [ipaddress.ip_address(text) for text in _resolve_within(resolve, host, port, within_s)]
    for ip in ips:
        _check_ip(host, ip, loopback=loopback)
    return [str(ip) for ip in ips]


def _resolve_within(resolve: Resolve, host: str, port: int, within_s: float) -> Sequence[str]:
    """Resolves within a time limit, which the resolver itself does not have."""
    answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(within_s, 0.0))
    except queue.Empty:
        raise TimeoutError(f"the name {host} is not resolved in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
