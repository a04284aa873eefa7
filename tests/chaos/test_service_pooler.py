"""The service behind PgBouncer: refused by name where sessions are not kept, at work where they are."""

from tests.chaos.running import PATIENCE_S, Home, load
from tests.pgbouncer import pgbouncer


def test_a_pooler_that_keeps_no_sessions_stops_the_start_and_leaves_the_next_one_alone(
    empty_home: Home, filled_url: str
) -> None:
    with pgbouncer(filled_url, "transaction") as url:
        service = empty_home.service(OPENWATT_DATABASE_URL=url)
        assert service.process.wait(PATIENCE_S) == 1
        assert (
            "OpenWatt cannot start: OPENWATT_DATABASE_URL leads to a pooler, such as PgBouncer"
            in service.said()
        )
        assert "Traceback" not in service.said()
        done = empty_home.command("doctor", "--only", "database", OPENWATT_DATABASE_URL=url)
        assert "failed database OPENWATT_DATABASE_URL leads to a pooler" in " ".join(done.stdout.split())
        assert "fix: set pool_mode = session" in " ".join(done.stdout.split())
    assert empty_home.command("migrate", OPENWATT_DATABASE_URL=filled_url).returncode == 0


def test_a_pooler_that_keeps_sessions_serves_under_load(empty_home: Home, filled_url: str) -> None:
    with pgbouncer(filled_url, "session") as url:
        for _start in range(2):
            service = empty_home.service(OPENWATT_DATABASE_URL=url).ready()
            with load(service, clients=8) as running:
                answers = [service.get() for _ in range(20)]
            assert {answer.status for answer in answers} == {200}
            assert {answer.status for _, _, answer in running.answers} == {200}
            assert service.end() == 0
