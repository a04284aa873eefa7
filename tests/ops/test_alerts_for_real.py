"""The product's own rules in a real Prometheus, on the real service under load, to a real receiver."""

import pytest

from tests.chaos.running import Home, Service, load, new_home, wait_until
from tests.ops.monitoring import Monitoring, monitoring, needs_monitoring
from tests.ops.rule_files import alerts, recorded

pytestmark = needs_monitoring


def started_again(home: Home, port: int) -> Service:
    """A service on the port of one that ended."""
    service = home.service(OPENWATT_BIND=f"127.0.0.1:{port}")
    service.port = port
    return service.ready()


def loaded_rules(watched: Monitoring) -> dict[str, str]:
    """The health of each rule that Prometheus has."""
    return {
        rule["name"]: rule["health"] for group in watched.ask("rules")["groups"] for rule in group["rules"]
    }


def test_a_service_that_dies_is_told_alone_and_so_is_its_return() -> None:
    with new_home() as home:
        service = home.service().ready()
        with monitoring(service, secrets={"slack_api_url": "/slack"}) as watched:
            with load(service):
                assert {job for job, _ in watched.targets()} == {
                    "openwatt-api", "openwatt-metrics", "openwatt-probes", "prometheus", "alertmanager"
                }  # fmt: skip
                wait_until(lambda: set(loaded_rules(watched).values()) == {"ok"})
                assert set(loaded_rules(watched)) == {*alerts(), *recorded()}
                wait_until(lambda: (watched.value("openwatt:requests:rate5m") or 0) > 1)
                assert watched.value("openwatt:errors:ratio5m") == 0
                assert watched.firing() == {"Watchdog"}
                assert watched.wait_for("Watchdog")["labels"]["severity"] == "heartbeat"

            service.end()
            told = watched.wait_for("ServiceDown")
            assert told["labels"]["severity"] == "page"
            assert told["labels"]["environment"] == "production"
            assert "runbook" not in told["labels"]
            assert told["annotations"]["runbook_url"] == "ops/runbook.md#servicedown"
            # The database is not ready either, and the budget burns: both follow from it and wake nobody.
            wait_until(lambda: {"ServiceNotReady", "AvailabilityBurnsFast"} <= watched.suppressed())
            names = {
                each["labels"]["alertname"]
                for message in watched.receiver.messages
                for each in message.get("alerts", [])
            }
            assert names == {"Watchdog", "ServiceDown"}
            assert {message["path"] for message in watched.receiver.messages} == {
                "/heartbeat", "/alerts", "/slack"
            }  # fmt: skip
            (slack,) = next(each for each in watched.receiver.messages if each["path"] == "/slack")[
                "attachments"
            ]
            assert slack["title"] == "[ALERTE 1] ServiceDown (production) : OpenWatt ne répond plus"
            assert slack["title_link"] == "ops/runbook.md#servicedown"
            assert "Que faire : ops/runbook.md#servicedown" in slack["text"]
            assert "Tableau de bord : http://127.0.0.1:3001/d/openwatt-overview" in slack["text"]

            again = started_again(home, service.port)
            watched.wait_for("ServiceDown", "resolved")
            wait_until(lambda: not {"ServiceDown", "ServiceNotReady"} & watched.firing())
            wait_until(watched.all_up)
            assert again.end() == 0, again.said()


@pytest.mark.slow
def test_a_dead_alertmanager_is_seen_and_alerts_arrive_when_it_is_back() -> None:
    with new_home() as home:
        service = home.service().ready()
        with monitoring(service) as watched:
            watched.stack.down(["alertmanager"])
            wait_until(lambda: "TargetMissing" in watched.firing(), 90)
            wait_until(lambda: "AlertsNotDelivered" in watched.firing(), 90)
            assert watched.receiver.told("AlertsNotDelivered") == []
            watched.stack.up()
            wait_until(lambda: "TargetMissing" not in watched.firing(), 90)
            assert watched.wait_for("AlertsNotDelivered", seconds=90)["labels"]["job"] == "prometheus"
        assert service.end() == 0, service.said()
