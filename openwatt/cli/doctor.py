"""The command `openwatt doctor`, which checks the whole stack and says how to fix what fails."""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from openwatt import __version__
from openwatt.cli.addresses import SERVER_ADDRESS, own_address, service_url_option
from openwatt.cli.check_results import ResultPrinter, as_json, open_printer, print_items
from openwatt.doctor.checklist import ITEMS
from openwatt.doctor.context import LOGROTATE, METRICS_URL, CheckContext
from openwatt.doctor.http_probe import HttpProbe, safe_url
from openwatt.doctor.ops import find_ops
from openwatt.doctor.results import CheckResult
from openwatt.doctor.runner import Item, run_checks, select_items
from openwatt.settings import SettingsError, read_settings, read_variables

_NAMES: Final = [item.name for item in ITEMS]


@click.command()
@click.option("--json", "in_json", is_flag=True, help="Print JSON.")
@click.option(
    "--only",
    type=click.Choice(_NAMES),
    metavar="ITEM",
    multiple=True,
    help="Check this item and those it needs; may be repeated. --list names them.",
)
@click.option("--list", "only_list", is_flag=True, help="List the items, and check none.")
@service_url_option
@click.option(
    "--metrics-url",
    type=SERVER_ADDRESS,
    help=f"Address of `openwatt metrics`; by default {METRICS_URL}",
)
@click.option(
    "--ops",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the rules and dashboards that must be loaded; by default ops/ here or beside the code.",
)
@click.option(
    "--logrotate",
    type=click.Path(path_type=Path, dir_okay=False),
    default=LOGROTATE,
    show_default=True,
    help="File with logrotate's rules.",
)
@click.option(
    "--patience",
    "timeout_s",
    type=click.FloatRange(1, 600),
    default=20.0,
    show_default=True,
    help="Seconds after which a record or report that was sent and is not found counts as lost.",
)
@click.pass_context
def doctor(
    context: click.Context, /, *, in_json: bool, only: tuple[str, ...], only_list: bool, **where: Any
) -> None:
    """Prove that the whole stack works: service, data, monitoring, logs, reports, machine.

    Run it with the service's settings. Each line says ok, failed (and what fixes it) or
    skipped (and why); the exit status is 0 when nothing failed, else 1. It sends the service
    a few requests and Sentry one trial event, and changes nothing.
    """
    items = select_items(ITEMS, only)
    if only_list:
        print_items(items)
        return
    began = time.monotonic()
    with open_printer(items, as_json=in_json) as printer, _quiet_logs():
        about, results = _run(items, printer, **where)
        seconds = time.monotonic() - began
        printer.end(results, seconds)
    if in_json:
        click.echo(json.dumps(as_json(about, items, results, seconds), ensure_ascii=False, indent=2))
    context.exit(1 if any(result.status == "failed" for result in results) else 0)


def _run(
    items: Sequence[Item],
    printer: ResultPrinter,
    *,
    url: str | None,
    metrics_url: str | None,
    ops: Path | None,
    logrotate: Path,
    timeout_s: float,
) -> tuple[dict[str, str], list[CheckResult]]:
    """Runs the checks; when the settings cannot be read, all the others are skipped."""
    about = {"version": __version__}
    environ = read_variables()
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        printer.begin(about)
        results = [_without_settings(item, error) for item in items]
        for result in results:
            printer.add(result)
        return about, results
    with HttpProbe() as http:
        context = CheckContext(
            settings=settings,
            environ=environ,
            http=http,
            url=url or own_address(settings),
            metrics_url=metrics_url,
            ops=ops or find_ops(Path.cwd()),
            logrotate=logrotate,
            timeout_s=timeout_s,
        )
        about |= {"service": safe_url(context.url), "environment": settings.environment}
        printer.begin(about)
        return about, run_checks(context, items, printer.add)


def _without_settings(item: Item, error: SettingsError) -> CheckResult:
    if item.name == "settings":
        return CheckResult(item.name, "failed", str(error), item.remedy, 0.0)
    return CheckResult(item.name, "skipped", "because settings failed", "", 0.0)


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Silences logging: the results say what is wrong, and log records would repeat it."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


COMMANDS: tuple[click.Command, ...] = (doctor,)
