"""The beginning of a script that is a Gunicorn master without Gunicorn: it forks workers that count."""

MASTER = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from openwatt.telemetry.metrics import worker_slots
directory = Path(sys.argv[1])
worker_slots.prepare(directory)
from openwatt.telemetry.metrics.registry import Metrics
metrics = Metrics()
server = SimpleNamespace(WORKERS={})

def fork(work):
    worker = SimpleNamespace()
    worker_slots.pre_fork(server, worker)
    pid = os.fork()
    if pid == 0:
        worker_slots.post_fork(worker)
        metrics.worker.started(expected=2)
        work()
        sys.stdout.flush()
        os._exit(0)
    server.WORKERS[pid] = worker
    return pid

def count(times=10):
    for _ in range(times):
        metrics.observe_request("GET", "/v1/tariffs", 200, 0.01)

def scraped():
    from prometheus_client import generate_latest
    return generate_latest(metrics.exposition()).decode()
"""
