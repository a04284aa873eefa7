import select
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwatt.ingest.errors import RefusedAddressError, UnreachableError
from openwatt.ingest.fetching.addresses import Resolve
from openwatt.ingest.fetching.client import FetchedDocument, Fetcher, FetchLimits
from tests.ingest.fault_server import NO_TLS, PDF, FaultServer, Request, Turns, running
from tests.programs import require_program

NAME = "sheets.example.org"
LIMITS = FetchLimits(request_seconds=5.0, attempts=2, first_wait_seconds=0.01)


class Resolver:
    """Says one thing after another about a name, the last for ever, and counts how often it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        ips = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if not ips:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ips


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with running() as server:
        server.answers["/sheet.pdf"] = lambda request, _: request.reply(200, PDF)
        yield server


def fetched(
    address: str, resolve: Resolve, tls: ssl.SSLContext = NO_TLS, *, loopback: bool = True
) -> FetchedDocument:
    with Fetcher("test", Turns(), LIMITS, resolve=resolve, tls=tls, loopback=loopback) as fetcher:
        found = fetcher.fetch(address, expects="pdf")
    assert isinstance(found, FetchedDocument)
    return found


def test_the_address_that_was_checked_is_the_one_connected_to(server: FaultServer) -> None:
    rebinding = Resolver(["127.0.0.1"], ["10.0.0.1"])
    assert fetched(server.address("/sheet.pdf", NAME), rebinding).content == PDF
    assert rebinding.asked == [(NAME, server.server_port)], (
        "resolved once: there is no second answer to trust"
    )
    assert server.asked[0].headers["Host"] == f"{NAME}:{server.server_port}"


def test_the_next_address_of_a_name_is_tried_when_one_does_not_answer(server: FaultServer) -> None:
    assert fetched(server.address("/sheet.pdf", NAME), Resolver(["::1", "127.0.0.1"])).content == PDF


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_inside_is_refused(ip: str) -> None:
    with pytest.raises(RefusedAddressError, match=f"{NAME} leads to .*, which is not a public address"):
        fetched(f"https://{NAME}/sheet.pdf", Resolver([ip]), loopback=False)


def test_a_name_that_leads_inside_at_the_second_attempt_is_refused(server: FaultServer) -> None:
    server.answers["/sheet.pdf"] = lambda request, _: request.reply(500)
    with pytest.raises(RefusedAddressError, match=r"leads to 10\.0\.0\.1"):
        fetched(server.address("/sheet.pdf", NAME), Resolver(["127.0.0.1"], ["10.0.0.1"]))
    assert len(server.asked) == 1


def test_an_unknown_host_is_unreachable_and_asked_once() -> None:
    nobody = Resolver([])
    with pytest.raises(
        UnreachableError, match=f"no address is known of {NAME}: .*or give the source its new address"
    ):
        fetched(f"https://{NAME}/sheet.pdf", nobody, loopback=False)
    assert len(nobody.asked) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_program("openssl")
    folder = tmp_path_factory.mktemp("tls")
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-days", "2"]
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def encrypted_server(certificate: Path) -> Iterator[FaultServer]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with running(tls) as server:
        server.answers["/sheet.pdf"] = lambda request, _: request.reply(200, PDF)
        yield server


def test_a_certificate_counts_for_the_name_and_not_for_the_address_connected_to(
    encrypted_server: FaultServer, certificate: Path
) -> None:
    trusting = ssl.create_default_context(cafile=certificate / "cert.pem")
    here = Resolver(["127.0.0.1"])
    assert fetched(encrypted_server.address("/sheet.pdf", NAME), here, trusting).content == PDF
    with pytest.raises(
        UnreachableError, match=r"certificate of other\.example\.org is not accepted: Hostname"
    ):
        fetched(encrypted_server.address("/sheet.pdf", "other.example.org"), here, trusting)


def test_a_certificate_of_nobody_is_not_accepted(encrypted_server: FaultServer) -> None:
    here = Resolver(["127.0.0.1"])
    with pytest.raises(UnreachableError, match=r"is not accepted: self-signed certificate; SSL_CERT_FILE"):
        fetched(encrypted_server.address("/sheet.pdf", NAME), here)
    assert not encrypted_server.asked
    assert len(here.asked) == 1, "a certificate does not change by asking again"


def test_a_server_without_encryption_is_unreachable_over_https(server: FaultServer) -> None:
    address = server.address("/sheet.pdf").replace("http:", "https:")
    with pytest.raises(UnreachableError, match=r"cannot be read: .*WRONG_VERSION_NUMBER.*requested 2 times"):
        fetched(address, Resolver(["127.0.0.1"]))


def test_a_proxy_of_the_environment_is_asked_instead(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.address(""))
    asked = f"http://{NAME}/sheet.pdf"
    server.answers[asked] = lambda request, _: request.reply(200, PDF)
    assert fetched(asked, Resolver([])).content == PDF, "the proxy resolves what we cannot"
    assert [request.path for request in server.asked] == [asked]


def test_no_proxy_is_honoured(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", ".example.org")
    assert fetched(server.address("/sheet.pdf", NAME), Resolver(["127.0.0.1"])).content == PDF


def test_https_goes_through_a_proxy_as_a_tunnel_with_the_name(
    encrypted_server: FaultServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tunnel(request: Request, _: int) -> None:
        request.send_response_only(200)
        request.end_headers()
        with socket.create_connection(("127.0.0.1", encrypted_server.server_port)) as onward:
            request.connection.settimeout(5)
            onward.settimeout(5)
            pump(request.connection, onward)

    with running() as proxy:
        target = f"{NAME}:{encrypted_server.server_port}"
        proxy.answers[target] = tunnel
        monkeypatch.setenv("HTTPS_PROXY", f"http://who:secret@127.0.0.1:{proxy.server_port}")
        trusting = ssl.create_default_context(cafile=certificate / "cert.pem")
        found = fetched(encrypted_server.address("/sheet.pdf", NAME), Resolver([]), trusting)
        assert found.content == PDF
        assert [request.path for request in proxy.asked] == [target]
        assert proxy.asked[0].headers["Proxy-Authorization"].startswith("Basic ")
        assert "Proxy-Authorization" not in encrypted_server.asked[0].headers


def pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [], 5)[0]:
            data = ready.recv(65_536)
            if not data:
                return
            (other if ready is one else one).sendall(data)


def test_a_proxy_that_refuses_is_named(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.address(""))
    server.answers[f"{NAME}:443"] = lambda request, _: request.reply(403)
    with pytest.raises(UnreachableError, match=f"the proxy does not lead to {NAME}: 403 Forbidden"):
        fetched(f"https://{NAME}/sheet.pdf", Resolver([]), loopback=False)


def test_a_proxy_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as gone:
        monkeypatch.setenv("HTTPS_PROXY", gone.address(""))
    with pytest.raises(UnreachableError, match=f"the proxy does not lead to {NAME}: it cannot be reached"):
        fetched(f"https://{NAME}/sheet.pdf", Resolver([]), loopback=False)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://proxy:port"])
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UnreachableError, match="the proxy of the environment"):
        fetched(f"https://{NAME}/sheet.pdf", Resolver([]), loopback=False)


def test_a_proxy_does_not_open_the_inside(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.address(""))
    for address, resolve in [
        (f"https://{NAME}/sheet.pdf", Resolver(["10.0.0.1"])),
        ("https://10.0.0.1/sheet.pdf", Resolver([])),
        ("https://metadata.internal/sheet.pdf", Resolver([])),
    ]:
        with pytest.raises(RefusedAddressError):
            fetched(address, resolve, loopback=False)
    assert not server.asked
