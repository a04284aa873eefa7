"""The steps of an alert: pending and firing in Prometheus, sent by Alertmanager, resolved after the fault."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress

from msgspec import Struct

from openwatt.doctor.alerting import status_of
from openwatt.doctor.http_probe import safe_url
from openwatt.doctor.ops import seconds_of
from openwatt.doctor.prometheus import get_data
from openwatt.doctor.results import CheckSkippedError, required
from openwatt.drill.steps import DrillRun, Step, StepFailedError


class _ActiveAlert(Struct):
    labels: dict[str, str]
    state: str


class _ActiveAlerts(Struct):
    """The pending and firing alerts of Prometheus."""

    alerts: list[_ActiveAlert]


class _Receiver(Struct):
    name: str


class _Held(Struct):
    """An alert that Alertmanager holds."""

    labels: dict[str, str]
    receivers: list[_Receiver]


#: What sending takes after the group is gathered.
_SENDING_S = 3.0


def state(run: DrillRun, labels: Mapping[str, str]) -> str | None:
    """`pending` or `firing`, the furthest state of the alerts with these labels; None when there is none."""
    states = {
        alert.state
        for alert in get_data(run.context, _ActiveAlerts, "alerts").alerts
        if labels.items() <= alert.labels.items()
    }
    return "firing" if "firing" in states else "pending" if "pending" in states else None


def receivers(run: DrillRun, labels: Mapping[str, str]) -> list[str] | None:
    """The receivers of the alerts with these labels in Alertmanager; None while there is no such alert."""
    url = required(run.context.settings.alertmanager_url, "OPENWATT_ALERTMANAGER_URL")
    alerts = run.context.http.request_as(list[_Held], url, "/api/v2/alerts")
    held = [alert for alert in alerts if labels.items() <= alert.labels.items()]
    if not held:
        return None
    return sorted({receiver.name for alert in held for receiver in alert.receivers})


def group_wait_s(run: DrillRun) -> float:
    """The longest time that Alertmanager gathers a group before it sends it, in seconds."""
    url = required(run.context.settings.alertmanager_url, "OPENWATT_ALERTMANAGER_URL")
    config = status_of(run.context, url).config.original
    return max((seconds_of(wait) for wait in re.findall(r"group_wait: *(\w+)", config)), default=30.0)


def require_inactive(run: DrillRun, labels: Mapping[str, str]) -> None:
    """Refuses an exercise whose alert is there already; to be called before anything is provoked.

    Raises:
        StepFailedError: it is pending or firing.
    """
    with suppress(CheckSkippedError):  # without Prometheus `follow` is what is skipped
        if (found := state(run, labels)) is not None:
            name = labels["alertname"]
            raise StepFailedError(
                run.failed(
                    f"{name} is {found} before anything was provoked",
                    "that is no drill: see its heading in ops/runbook.md, then drill again",
                )
            )


def follow(run: DrillRun, labels: Mapping[str, str], fault: AbstractContextManager[object]) -> Iterator[Step]:
    """Yields the steps of an alert around a fault that lasts as long as the context manager.

    The times of the first steps count from the fault's beginning, those of the last from its end.

    Raises:
        StepFailedError: a step did not come in time; the fault is over then.
    """
    name = labels["alertname"]
    rules = f"look at the rule's own expression in Prometheus, and at the heading {name} in ops/runbook.md"
    with fault:
        run.again()
        run.wait(lambda: state(run, labels), f"{name} pending in Prometheus", rules)
        yield run.passed(f"{name} is pending")
        run.wait(
            lambda: True if state(run, labels) == "firing" else None,
            f"{name} firing in Prometheus",
            f"{rules}; a longer --for leaves it more time",
        )
        yield run.passed(f"{name} is firing")
        try:
            found = run.wait(
                lambda: receivers(run, labels),
                f"{name} in Alertmanager",
                "let Prometheus know where Alertmanager is: `openwatt doctor` says more",
                seconds=120,
            )
            yield run.passed(
                f"{name} is in Alertmanager ({safe_url(run.context.settings.alertmanager_url or '')}), "
                f"which sends it to: {', '.join(found) or 'no receiver'}"
            )
            # An alert that ends before its group was sent is never notified.
            time.sleep(max(0.0, min(group_wait_s(run) + _SENDING_S, run.left_s())))
        except CheckSkippedError as error:
            yield run.skipped(f"Alertmanager: {error}")
    run.again()
    run.wait(
        lambda: True if state(run, labels) is None else None,
        f"{name} resolved",
        "the fault is over and the alert is not: look at the rule's expression in Prometheus",
    )
    yield run.passed(f"{name} is resolved")
