"""What a worker refuses to serve, and how the threads for one kind of request are kept from the others."""

import socket
import threading
import time

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from openwatt.web.http.connections import ClientConnection
from openwatt.web.http.thread_pools import ThreadPool
from openwatt.web.http.worker import Worker


def test_a_certificate_is_refused_with_its_remedy() -> None:
    config = Config()
    config.set("certfile", "certificate.pem")
    with pytest.raises(RuntimeError, match="let the proxy before it hold the certificate"):
        Worker.check_config(config, Logger(config))


def test_a_lane_is_stuck_when_every_thread_is_busy_and_none_becomes_free() -> None:
    pool = ThreadPool(2)
    ends = [socket.socketpair() for _ in range(3)]
    peers = ["192.0.2.1", "192.0.2.1", "192.0.2.9"]
    conns = [
        ClientConnection(Config(), ours, (peer, 1), ("", 1), "")  # behind a proxy of ours no address counts
        for (ours, _), peer in zip(ends, peers, strict=True)
    ]
    long_ago = time.monotonic() - 100
    pool.freed_at = long_ago
    pool.requests[conns[0]] = long_ago
    assert pool.stuck_seconds() == 0, "a thread is free"
    pool.requests[conns[1]] = long_ago
    pool.requests[conns[2]] = time.monotonic()  # it waits: that frees nobody
    assert pool.stuck_seconds() >= 100
    assert (pool.busy, pool.waiting, pool.count("192.0.2.1"), pool.count("192.0.2.9")) == (2, 1, 2, 1)
    assert pool.busy_since(long_ago + 1) == conns[:2]
    pool.freed_at = time.monotonic()
    assert pool.stuck_seconds() < 50
    for conn, (_, theirs) in zip(conns, ends, strict=True):
        conn.close()
        theirs.close()


def test_no_more_requests_run_than_a_lane_has_threads() -> None:
    pool, release, running = ThreadPool(2), threading.Event(), threading.Semaphore(0)

    def work() -> None:
        running.release()
        release.wait(10)

    futures = [pool.executor.submit(work) for _ in range(5)]
    assert running.acquire(timeout=10)
    assert running.acquire(timeout=10)
    assert not running.acquire(timeout=0.2)
    release.set()
    for future in futures:
        future.result(10)
    pool.executor.shutdown()
