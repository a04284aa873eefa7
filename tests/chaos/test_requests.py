"""What the running service writes down of clients that lie or leave."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.running import Home, Service, wait_until

SHARE = 10


@pytest.fixture
def behind_a_proxy(home: Home) -> Iterator[Service]:
    """A service of two workers that trusts one proxy."""
    started = home.service(OPENWATT_TRUSTED_PROXIES="1", OPENWATT_LIMIT_PAGES=f"{2 * SHARE}/hour").ready()
    yield started
    assert started.end() == 0


def send(service: Service, path: str, *headers: str, wait: bool = True) -> int:
    """Sends a request as it is written; its status, or 0 when nobody waits for it."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        if not wait:
            return 0
        with connection.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            answer.read()
        return status


def records(service: Service) -> list[dict[str, Any]]:
    """The canonical records that are whole so far."""
    written = service.said().rpartition("\n")[0].splitlines()
    lines = [json.loads(line) for line in written if line.startswith("{")]
    return [line for line in lines if line["logger"] == "openwatt.access"]


def test_what_a_gone_client_asked_is_written_down_once(behind_a_proxy: Service) -> None:
    ids = {f"gone-client-{number}" for number in range(20)}
    for name in sorted(ids):
        send(behind_a_proxy, f"/v1/tariffs?limit=1000&supplier={name}", f"X-Request-ID: {name}", wait=False)
    wait_until(lambda: ids <= {record["request_id"] for record in records(behind_a_proxy)})
    wait_until(
        lambda: b"\nhttp_requests_in_progress 1.0\n" in behind_a_proxy.get("/metrics").body  # the scrape
    )
    written = [record for record in records(behind_a_proxy) if record["request_id"] in ids]
    assert Counter(record["request_id"] for record in written) == dict.fromkeys(ids, 1)
    assert {record["status"] for record in written} == {200}


def test_no_spelling_of_a_forged_header_gives_another_allowance(behind_a_proxy: Service) -> None:
    seen_by_proxy = "X-Forwarded-For: 198.51.100.7"
    statuses: Counter[int] = Counter()
    for number in range(4 * SHARE):
        forged = f"6.6.6.{number}"
        for before in (
            [f"x-forwarded-for: {forged}"],
            [f"X_Forwarded_For: {forged}"],
            [f"X-Forwarded-For: {forged}, ", "X-Forwarded-For: garbage"],
            [f"Forwarded: for={forged}", f"X-Real-IP: {forged}"],
        ):
            statuses[send(behind_a_proxy, "/docs", *before, seen_by_proxy)] += 1
        statuses[send(behind_a_proxy, "/docs", seen_by_proxy, f"X_Forwarded_For: {forged}")] += 1
    assert statuses.keys() <= {200, 429}
    assert SHARE <= statuses[200] <= 2 * SHARE
    clients = {record["client"] for record in records(behind_a_proxy) if record["path"] == "/docs"}
    assert clients == {"198.51.100.7"}
