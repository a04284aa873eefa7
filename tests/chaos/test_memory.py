"""A worker's memory is bounded, whatever one client asks within its limits."""

import http.client
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.chaos.running import Home, Service

MEGABYTE = 1024 * 1024
#: The response cache holds 8 MB at most; the rest is what the allocator keeps, and the counts of addresses.
MAY_GROW = 16 * MEGABYTE

Ask = Callable[[int], tuple[str, Mapping[str, str]]]
EMOJI = "%F0%9F%98%80"


def _forwarded(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


#: What a client chooses freely, by the number of a request.
CHOSEN: Mapping[str, Ask] = {
    "query": lambda n: (f"/v1/tariffs?supplier={n}-{EMOJI * 90}&offer={EMOJI * 100}", {}),
    "accept": lambda n: ("/v1/offers?supplier=zz", {"Accept": f"*/*,a/{n}" + "y" * 7900}),
    "short accept": lambda n: ("/v1/offers?supplier=zz", {"Accept": f"text/csv,a/{n}"}),
    "accept-encoding": lambda n: ("/v1/offers", {"Accept-Encoding": f"gzip,a{n}" + "y" * 7900}),
    "short accept-encoding": lambda n: ("/v1/offers", {"Accept-Encoding": f"gzip,a{n}" + "y" * 900}),
    "accept-language": lambda n: ("/tariffs", {"Accept-Language": f"fr,a{n}" + "y" * 7900}),
    "if-none-match": lambda n: ("/v1/offers", {"If-None-Match": f'"{n}' + "y" * 7900 + '"'}),
    "unknown parameter": lambda n: (f"/v1/offers?x{n}=" + "y" * 3900, {}),
    "unknown path": lambda n: (f"/v1/{n}" + "x" * 3900, {}),
    "order": lambda n: ("/v1/offers?" + "&" * (n % 3000) + "supplier=zz", {}),
    "request id": lambda n: ("/docs", {"X-Request-ID": f"{n:0120}"}),
    "trace": lambda n: ("/docs", {"traceparent": f"00-{n:032x}-{1:016x}-01"}),
    "address": lambda n: ("/docs", _forwarded(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")),
    "network": lambda n: ("/docs", _forwarded(f"2001:db8:{n >> 16:x}:{n & 65535:x}::1")),
    "no address": lambda n: ("/docs", _forwarded(f"{n}" + "z" * 7900)),
    "bill": lambda n: (f"/v1/bills?power_kva=6&kwh={n + 1}", {}),
    "page of a bill": lambda n: (f"/?power_kva=6&kwh={n + 1}", {}),
}


def resident(pid: int) -> int:
    """The memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.fixture
def one_worker(home: Home) -> Iterator[Service]:
    started = home.service(
        OPENWATT_WORKERS="1",
        OPENWATT_THREADS="2",
        OPENWATT_TRUSTED_PROXIES="1",
        OPENWATT_LIMIT_BILLS="9000000/minute",
        OPENWATT_LOG_LEVEL="ERROR",
    ).ready()
    yield started
    assert started.end() == 0, started.said()


def send(service: Service, kind: str, requests: int, *, times: int) -> None:
    """Sends so many requests of a kind, each so many times: what is asked once is not kept at all."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=40)
    for number in range(requests):
        path, headers = CHOSEN[kind](number)
        for _ in range(times):
            connection.request("GET", path, headers=dict(headers))
            with connection.getresponse() as response:
                response.read()
                assert response.status in {200, 304, 400, 404}, kind
    connection.close()


def test_a_worker_s_memory_is_bounded_whatever_is_asked(one_worker: Service) -> None:
    for kind in CHOSEN:
        send(one_worker, kind, 5, times=2)
    (worker,) = one_worker.workers()
    before = resident(worker)
    send(one_worker, "accept", 1500, times=1)  # 12 MB of headers
    grown = resident(worker) - before
    assert grown < 3 * MEGABYTE, f"{grown / MEGABYTE:.1f} MB"


@pytest.mark.slow
def test_a_worker_s_memory_is_bounded_however_long_it_is_asked(one_worker: Service) -> None:
    (worker,) = one_worker.workers()
    for kind in CHOSEN:
        send(one_worker, kind, 30, times=2)
    before = resident(worker)
    for kind in CHOSEN:
        send(one_worker, kind, 300 if "bill" in kind else 2000, times=2)
        grown = resident(worker) - before
        assert grown < MAY_GROW, f"{kind}: {grown / MEGABYTE:.1f} MB"
