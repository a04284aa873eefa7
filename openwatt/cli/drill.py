"""The command `openwatt drill`, which injects faults and reports, step by step, whether they were seen."""

import json
import os
import time
from contextlib import closing
from pathlib import Path

import click

from openwatt.cli.addresses import own_address, service_url_option
from openwatt.cli.console import Console
from openwatt.cli.settings import settings_of
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe
from openwatt.domain.errors import OpenWattError
from openwatt.drill.exercises import EXERCISES, Drill
from openwatt.drill.faults import FaultInjector
from openwatt.drill.steps import Step

_COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}
_MOST_MINUTES = 60


class DrillRefusedError(OpenWattError):
    """Raised when a drill cannot begin; the message says what is missing."""


@click.command()
@click.argument("exercises", nargs=-1, type=click.Choice([*EXERCISES, "all"]))
@service_url_option
@click.option(
    "--for",
    "minutes",
    type=click.IntRange(1, _MOST_MINUTES),
    default=30,
    show_default=True,
    help="Minutes after which nothing is provoked any more, whatever happens.",
)
@click.option(
    "--patience",
    "timeout_s",
    type=click.FloatRange(1, 600),
    default=30,
    show_default=True,
    help="Seconds after which a log record or report counts as lost.",
)
@click.option("--yes", is_flag=True, help="Do not ask before provoking faults in production.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def drill(
    context: click.Context,
    *,
    exercises: tuple[str, ...],
    url: str | None,
    minutes: int,
    timeout_s: float,
    yes: bool,
    as_json: bool,
) -> None:
    r"""Provoke faults on purpose, and follow each to its log record, its report and its alert.

    \b
    error      one unhandled exception: answer, log record, Sentry (10 s)
    slow       slow answers until HighLatency fires, then its end (about 15 minutes)
    burst      errors until HighErrorRate fires, then its end (about 15 minutes)
    ingestion  a source that no run has read for a month: IngestionStale and its end
    disk       what a full disk leaves, without filling one: MetricsIncomplete and its end
    clients    clients that never finish a request: SlowClients and its end (10 minutes)
    all        all of them; without a word, only `error`

    The service must have the same OPENWATT_DRILL_TOKEN. Times count from the fault to each
    step, and from its end to the last one. Real people are notified by real alerts: warn them
    first. The exit status is 1 when a step did not come.
    """
    settings = settings_of(context)
    if settings.drill_token is None:
        raise DrillRefusedError(
            "OPENWATT_DRILL_TOKEN is not set: in the containers of ops/stack, `ops/stack drills on` sets it; "
            "elsewhere give the service and this command the same token of 32 or more random characters, and "
            "reload the service"
        )
    if settings.environment == "production" and not yes:
        click.confirm("This is production. Provoke faults there?", abort=True, err=True)
    names = list(EXERCISES) if "all" in exercises else list(dict.fromkeys(exercises)) or ["error"]
    until = time.time() + minutes * 60
    console = Console(stderr=as_json, highlight=False)
    steps = []
    with HttpProbe() as http:
        checked = CheckContext(
            settings=settings,
            environ=os.environ,
            http=http,
            url=url or own_address(settings),
            ops=_ops_folder(),
            timeout_s=timeout_s,
        )
        drill_of = Drill(checked, FaultInjector(checked, settings.drill_token, until))
        # Closed whatever happens to our output: what was provoked ends with it.
        with closing(drill_of.steps(names)) as seen, console.status("provoking ..."):
            for step in seen:
                steps.append(step)
                _show(console, step, checked)
    if as_json:
        click.echo(json.dumps([_as_json(step) for step in steps], indent=1))
    if any(step.status == "failed" for step in steps):
        raise click.exceptions.Exit(1)


def _as_json(step: Step) -> dict[str, object]:
    """A step in its JSON, whose keys are an interface."""
    return {
        "exercise": step.exercise,
        "says": step.message,
        "status": step.status,
        "after_s": step.after_s,
        "remedy": step.remedy,
    }


def _ops_folder() -> Path | None:
    folder = Path("ops")
    return folder if folder.is_dir() else None


def _show(console: Console, step: Step, context: CheckContext) -> None:
    colour = _COLOURS[step.status]
    message = context.discreet(step.message)
    console.print(f"{step.after_s:7.1f} s  [{colour}]{step.status:7}[/]  {step.exercise}: ", end="")
    console.print(message, markup=False)
    if step.remedy:
        console.print(f"{'':20}fix: {step.remedy}", markup=False)


COMMANDS: tuple[click.Command, ...] = (drill,)
