"""The admin API of a real service: Gunicorn's workers, the embedded database, and processes apart."""

import json
import threading
from pathlib import Path

from tests.chaos.running import Answer, Home, Service, alive, processes, wait_until
from tests.ingest.drawn_sheets import simple_and_double
from tests.ingest.refused_runs import SOURCE, misprinted

TOKEN = "a-token-of-the-tests-that-is-long-enough"  # noqa: S105 - it opens nothing else
HOLDER = {"Authorization": f"Bearer {TOKEN}"}


def inspect(service: Service, document: bytes) -> Answer:
    headers = {**HOLDER, "Content-Type": "application/pdf"}
    return service.get("/v1/admin/inspect", method="POST", headers=headers, body=document)


def test_a_refused_document_is_looked_at_and_approved_over_http(home: Home, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.pdf"
    sheet.write_bytes(misprinted())
    service = home.service(OPENWATT_ADMIN_TOKEN=TOKEN, OPENWATT_WORKERS="1").ready()
    done = home.command("ingest", SOURCE, "--file", str(sheet))
    assert done.returncode == 3, done.stderr
    assert service.get("/v1/admin/runs").status == 401

    seen = inspect(service, misprinted())
    assert (seen.status, seen.json()["outcome"]) == (200, "refused")
    (run,) = service.get("/v1/admin/runs?undecided=true", headers=HOLDER).json()["runs"]
    told = {"action": "approve", "run_id": run["run_id"], "reviewer": "A. Dupont", "reason": "printed so"}
    headers = {**HOLDER, "Content-Type": "application/json"}
    approved = service.get(
        "/v1/admin/overrides", method="POST", headers=headers, body=json.dumps(told).encode()
    )
    assert (approved.status, approved.json()["published"]) == (200, 1), approved.body
    wait_until(lambda: service.get("/v1/health/ingest").json()["status"] == "fresh")
    shown = service.get("/v1/tariffs?offer=Y%C3%A9li+%C3%89lectricit%C3%A9+Verte&option=HPHC&power_kva=15")
    assert [one["subscription_eur_per_year_ttc"] for one in shown.json()["tariffs"]] == [284.76]
    assert service.end() == 0
    assert TOKEN not in service.said()


def test_a_service_that_is_ended_finishes_what_is_inspected(home: Home) -> None:
    service = home.service(OPENWATT_ADMIN_TOKEN=TOKEN, OPENWATT_WORKERS="1").ready()
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(inspect(service, simple_and_double().pdf)))
    asking.start()

    def reading() -> list[int]:
        workers = service.workers()
        found = processes()
        return [pid for pid, parent, _, said in found if parent in workers and "openwatt.cli.limited" in said]

    pids = wait_until(reading)
    assert service.end() == 0
    asking.join()
    assert [(answer.status, answer.json()["outcome"]) for answer in answers] == [(200, "published")]
    assert not any(alive(pid) for pid in pids)
