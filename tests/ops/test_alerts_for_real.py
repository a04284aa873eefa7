"""The product's own rules in a real Prometheus, on the real service, to a real receiver."""

from tests.chaos.running import load, new_home
from tests.ops.monitoring import monitoring, needs_monitoring

pytestmark = needs_monitoring


def test_a_service_that_dies_is_told_alone_and_its_return_too() -> None:
    with new_home() as home:
        service = home.service().ready()
        with monitoring(service) as watched, load(service):
            assert len(watched.targets()) == 6
            service.end()
            told = watched.wait_for("ServiceDown")
            assert told
