"""What workers tell about themselves, through the files that they share and under the real Gunicorn."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.running import new_home, wait_until
from tests.telemetry.metrics.master_script import MASTER

WORKERS = """
import time

def work(requests):
    def report():
        metrics.worker.report(threads=4, busy=0, waiting=0, connections={})
        ends = time.process_time() + 0.2
        while time.process_time() < ends:
            pass
        metrics.worker.report(
            threads=4, busy=min(requests, 4), waiting=max(requests - 4, 0), connections={"all": requests}
        )
    pid = fork(report)
    os.waitpid(pid, 0)
    return server.WORKERS[pid]

worker_slots.child_exit(work(1))  # its slot is free again
server.WORKERS.clear()
work(3)
work(6)
sys.stdout.write(scraped())
"""


def samples(text: str) -> dict[tuple[str, str], float]:
    """Name and the one label's value → value."""
    return {
        (sample.name.removeprefix("openwatt_worker_"), "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("openwatt_worker")
    }


def test_workers_tell_their_state_by_place_and_a_new_one_goes_on_with_the_counters(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MASTER + WORKERS, str(tmp_path)]
    found = samples(subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout)
    assert found["openwatt_workers_expected", ""] == 2
    assert (found["starts_total", "1"], found["starts_total", "2"]) == (2, 1)
    assert found["cpu_seconds_total", "1"] > 0.35 > found["cpu_seconds_total", "2"] > 0.15
    assert (found["threads", "busy"], found["threads", "waiting"], found["threads", "most"]) == (7, 2, 8)
    for worker in ("1", "2"):
        assert abs(time.time() - found["seen_timestamp_seconds", worker]) < 60
        assert 10e6 < found["resident_bytes", worker] < 1e9
    assert not [key for key in found if key[1] == "0"], "the master is no worker"


def test_a_killed_worker_is_counted_and_one_that_hangs_is_seen_no_more() -> None:
    with new_home() as home:
        service = home.service().ready()

        def told() -> dict[tuple[str, str], float]:
            return samples(service.get("/metrics").body.decode())

        first = wait_until(lambda: found if ("seen_timestamp_seconds", "2") in (found := told()) else {})
        assert first["starts_total", "1"] == first["starts_total", "2"] == 1
        killed, frozen = service.both_workers()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: sum(v for (name, _), v in told().items() if name == "starts_total") == 3)
        service.both_workers()
        os.kill(frozen, signal.SIGSTOP)
        try:
            stands = time.time()
            later = wait_until(
                lambda: (
                    seen
                    if max(seen := [v for (name, _), v in told().items() if name == "seen_timestamp_seconds"])
                    > stands + 1.5
                    else []
                )
            )
            assert len(later) == 2
            assert min(later) < stands + 0.5
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert service.end() == 0
