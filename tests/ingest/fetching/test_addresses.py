import ipaddress
import socket
import threading
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwatt.ingest.declarations import load_sources
from openwatt.ingest.errors import RefusedAddressError
from openwatt.ingest.fetching.addresses import check_address, resolve_checked
from openwatt.public_hosts import IPAddress, is_public_ip

#: Written by hand from the registries of IANA, not from what Python knows of them.
INNER_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
INNER_V6 = [
    ipaddress.IPv6Network(text)
    for text in (
        "::/128",
        "::1/128",
        "::/96",
        "100::/64",
        "2001::/32",
        "2001:db8::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
]


@st.composite
def inner_v4(draw: st.DrawFn) -> ipaddress.IPv4Address:
    network = draw(st.sampled_from(INNER_V4))
    return ipaddress.IPv4Address(int(network[0]) + draw(st.integers(0, network.num_addresses - 1)))


@st.composite
def inner(draw: st.DrawFn) -> IPAddress:
    v4 = draw(inner_v4())
    network = draw(st.sampled_from(INNER_V6))
    v6 = ipaddress.IPv6Address(int(network[0]) + draw(st.integers(0, network.num_addresses - 1)))
    mapped = ipaddress.IPv6Address((0xFFFF << 32) + int(v4))
    nat64 = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(v4))
    either: list[IPAddress] = [v4, v6, mapped, nat64]
    return draw(st.sampled_from(either))


def written(ip: IPAddress) -> str:
    return f"[{ip}]" if ip.version == 6 else str(ip)


@given(inner())
def test_no_inner_address_is_public_however_it_is_written(
    ip: IPAddress,
) -> None:
    assert not is_public_ip(ip)
    with pytest.raises(RefusedAddressError):
        check_address(f"https://{written(ip)}/sheet.pdf")
    with pytest.raises(RefusedAddressError, match="not a public address"):
        resolve_checked("sheets.example.org", 443, resolve=lambda *_: [str(ip)], within_s=5)


@pytest.mark.parametrize("network", [*INNER_V4, *INNER_V6], ids=str)
def test_an_inner_block_is_inner_from_its_first_address_to_its_last(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> None:
    assert not is_public_ip(network[0])
    assert not is_public_ip(network[-1])


@given(st.ip_addresses(v=4).filter(lambda ip: not any(ip in network for network in INNER_V4)))
def test_the_rest_of_ipv4_is_public_ip(ip: ipaddress.IPv4Address) -> None:
    special = any(ip in ipaddress.IPv4Network(text) for text in ("192.0.0.0/24", "192.88.99.0/24"))
    assert special or is_public_ip(ip)


@pytest.mark.parametrize("text", ["2a01:cb00::1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_ipv6_addresses_are_public(text: str) -> None:
    assert is_public_ip(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://sheets.example.org/a.pdf", "not encrypted: give its https address"),
        ("ftp://sheets.example.org/a.pdf", "begins with https"),
        ("file:///etc/passwd", "begins with https"),
        ("sheets.example.org/a.pdf", "begins with https"),
        ("", "begins with https"),
        ("https:///a.pdf", "begins with https"),
        ("https://user@sheets.example.org/", "holds a user or a password"),
        (r"https://sheets.example.org\@127.0.0.1/", "holds a user or a password"),
        ("https://sheets.example.org:22/", "names port 22"),
        ("https://sheets.example.org:80/", "names port 80"),
        ("https://sheets.example.org:99999/", "names port 99999"),
        ("https://localhost/", "inner network"),
        ("https://LOCALHOST./", "inner network"),
        ("https://db.localhost/", "inner network"),
        ("https://printer.local/", "inner network"),
        ("https://metadata.google.internal/", "inner network"),
        ("https://nas.home.arpa/", "inner network"),
        ("https://intranet/", "inner network"),
        ("https://2130706433/", "inner network"),
        ("https://127.1/", "neither a name nor an address"),
        ("https://0177.0.0.1/", "no address"),
        ("https://127.0.0.0x1/", "neither a name nor an address"),
        ("https://127.0.0.1/", "not a public address"),
        ("https://[::1]/", "not a public address"),
        ("https://[fe80::1%25eth0]/", "not a public address|neither"),
        ("https://１２７.0.0.1/", "not a public address|no address"),
        ("https://a b.example.org/", "no address|neither"),
        ("https://sheets.example.org/" + "a" * 2000, "longer than 2000"),
        ("https://①②.fr/", "no address"),
        ("https://exa\nmple.org/", "no address"),
    ],
)
def test_an_address_that_may_lead_inside_is_refused(address: str, reason: str) -> None:
    with pytest.raises(RefusedAddressError, match=reason):
        check_address(address)


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: f"https://{text}"))
def test_whatever_is_written_is_checked_or_refused(address: str) -> None:
    try:
        url = check_address(address)
    except RefusedAddressError:
        return
    assert url.scheme == "https"
    assert url.port in {None, 443}
    assert not url.userinfo
    assert "." in url.host or ":" in url.host


def test_every_shipped_source_has_an_address_that_may_be_asked() -> None:
    addresses = [source.address for source in load_sources().values() if source.address]
    assert len(addresses) > 20
    for address in addresses:
        assert check_address(address) == httpx.URL(address)


def test_a_name_that_leads_inside_even_once_is_refused() -> None:
    with pytest.raises(RefusedAddressError, match=r"leads to 10\.0\.0\.1"):
        resolve_checked("sheets.example.org", 443, resolve=lambda *_: ["8.8.8.8", "10.0.0.1"], within_s=5)


def test_this_machine_may_be_asked_where_a_test_allows_it_and_nothing_else_inside() -> None:
    assert check_address("http://127.0.0.1:8080/", loopback=True).port == 8080
    with pytest.raises(RefusedAddressError, match="not a public address"):
        check_address("http://192.168.0.1:8080/", loopback=True)


def test_a_resolver_that_does_not_answer_is_left_when_its_time_is_over() -> None:
    done = threading.Event()

    def asleep(*_: object) -> list[str]:
        done.wait(30)
        return []

    start = time.monotonic()
    with pytest.raises(TimeoutError):
        resolve_checked("sheets.example.org", 443, resolve=asleep, within_s=0.1)
    assert time.monotonic() - start < 10
    done.set()


def test_a_resolver_that_knows_no_address_says_so() -> None:
    def nobody(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(socket.gaierror):
        resolve_checked("sheets.example.org", 443, resolve=nobody, within_s=5)
