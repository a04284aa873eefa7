"""The commands that read a customer's file: its registers, whether they agree, what contracts would cost."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
import msgspec

from openwatt.catalogue.calendars import calendar_for
from openwatt.cli import bill_tables
from openwatt.cli.market import stored_market
from openwatt.cli.settings import settings_of
from openwatt.cli.streams import Console
from openwatt.comparison.present import USUAL_OFFER, USUAL_SUPPLIER, find_present
from openwatt.domain.answers import (
    advice_answer,
    comparison_answer,
    coverage_answer,
    findings_answer,
    reconciliation_answer,
    span_answer,
)
from openwatt.domain.calendar import WEEKDAYS, Home, RegisterCalendar, lay_out
from openwatt.domain.comparison import ContractKey, Question, compare
from openwatt.domain.contract import Contract, Prices
from openwatt.domain.errors import BillError, OpenWattError
from openwatt.domain.legal_time import PARIS, Span, minutes_of
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.profiles import PROFILES, last_known_year, profile_curve
from openwatt.domain.reconciliation import reconcile
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.domain.usage import (
    Use,
    energies_by_register,
    energies_of_stretches,
    findings_of_stretches,
    use_of_curve,
    use_of_registers,
    whole_wh,
)
from openwatt.meter.contents import MAX_BYTES
from openwatt.meter.indexes import read_indexes
from openwatt.meter.read import read_load_curve

P = ParamSpec("P")
R = TypeVar("R")

#: What is assumed of a home that does not say its off-peak hours; the answer says so.
ASSUMED_OFF_PEAK = "22:00-06:00"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])


def _told(command: Callable[P, R]) -> Callable[P, R]:
    """Turns an error of the domain into one line on standard error and status 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except OpenWattError as error:
            raise click.ClickException(str(error)) from None

    return run


def _of_a_home(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say what the home's meter is set to, and hands them over as one `home`."""

    @wraps(command)
    def run(
        *, off_peak: Sequence[str], chosen_weekday: str | None, peak_day: Sequence[dt.datetime], **rest: Any
    ) -> None:
        colours = {"EJP": {day.date(): "PM" for day in peak_day}} if peak_day else {}
        hours = tuple(parse_off_peak_hours(text) for text in off_peak)
        chosen = WEEKDAYS.index(chosen_weekday) if chosen_weekday else None
        command(home=Home(hours, chosen, colours), **rest)

    for option in (
        click.option(
            "--off-peak",
            multiple=True,
            help='Off-peak hours such as "22:00-06:00", "HC (22H30-6H30)" or "winter from 2026-12-01 '
            '01:00-07:00;14:00-16:00"; the last that applies on a day holds.',
        ),
        click.option(
            "--chosen-weekday", type=click.Choice(WEEKDAYS), help="The weekday chosen with a week-end offer."
        ),
        click.option("--peak-day", multiple=True, type=_DAY, help="An EJP peak day; may be repeated."),
    ):
        run = option(run)
    return run


@click.command("registers")
@click.argument("file", type=_FILE)
@click.option(
    "--option", type=click.Choice(list(OPTIONS)), required=True, help="The option whose registers are wanted."
)
@click.option("--from", "start", help="First instant, such as 2024-01-10 or 2024-01-10T00:00+01:00.")
@click.option("--to", "end", help="First instant after the last.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@_told
@_of_a_home
@click.pass_context
def registers_command(
    context: click.Context, /, file: Path, home: Home, option: str, *, as_json: bool, **span: str | None
) -> None:
    """How much of a load curve ran in each register of an option.

    Tempo colours are those of the database, as the service has them.
    """
    curve = _curve(file)
    start_min = _instant(span["start"]) if span["start"] else curve.start_min
    end_min = _instant(span["end"]) if span["end"] else curve.end_min
    calendar = calendar_for(option)
    timeline = lay_out(calendar, _with_colours(context, home, calendar), start_min, end_min)
    energies = energies_by_register(curve, timeline)
    stretches = energies_of_stretches(curve, timeline)
    coverage = curve.coverage(start_min, end_min)
    findings = [*curve.findings, *findings_of_stretches(curve, timeline, stretches)]
    wh = {register: whole_wh(energies[register]) for register in timeline.registers}
    if as_json:
        _print_json(
            {
                "wh": wh,
                "span": span_answer(start_min, end_min),
                "coverage": coverage_answer(coverage),
                "findings": findings_answer(findings),
            }
        )
        return
    bill_tables.print_registers(wh, (start_min, end_min), coverage, findings)


@click.command("reconcile")
@click.argument("curve", type=_FILE)
@click.argument("indexes", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@_told
@_of_a_home
@click.pass_context
def reconcile_command(
    context: click.Context, /, curve: Path, indexes: Path, home: Home, *, as_json: bool
) -> None:
    """Compare a load curve with the meter's daily indexes; status 1 when a register differs.

    Tempo colours are those of the database, as the service has them.
    """
    shown = read_indexes(_bytes(indexes))
    calendar = calendar_for(shown.option)
    result = reconcile(_curve(curve), shown, calendar, _with_colours(context, home, calendar))
    if as_json:
        _print_json(reconciliation_answer(result))
    else:
        bill_tables.print_reconciliation(result)
    if not result.agrees:
        raise SystemExit(1)


@click.command("compare")
@click.argument("file", type=_FILE, required=False)
@click.option(
    "--power-kva", type=click.IntRange(MIN_POWER_KVA, MAX_POWER_KVA), required=True, help="Subscribed power."
)
@click.option(
    "--prices",
    type=click.Choice(["then", "now"]),
    default="now",
    show_default=True,
    help="Prices as they were, or today's.",
)
@click.option("--from", "start", type=_DAY, help="First day.")
@click.option("--to", "end", type=_DAY, help="The day after the last.")
@click.option("--option", type=click.Choice(list(OPTIONS)), help="Option of the present contract.")
@click.option("--supplier", show_default=USUAL_SUPPLIER, help="Supplier of the present contract.")
@click.option("--offer", show_default=USUAL_OFFER, help="Offer of the present contract.")
@click.option("--kwh", type=click.IntRange(1, 1_000_000), help="Without a file: kWh a year.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="base",
    show_default=True,
    help="Without a file: how the kWh spread.",
)
@click.option(
    "--register-kwh", multiple=True, help="Without a file: kWh a year of a register, such as HC=1500."
)
@click.option(
    "--details", is_flag=True, help="The bill of each contract, by month and register (with --json)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@_told
@_of_a_home
@click.pass_context
def compare_command(context: click.Context, /, home: Home, **options: Any) -> None:
    """What every contract would have cost, from the cheapest, beside the regulated tariff.

    Contracts and Tempo colours are those of the database, as the service has them.
    """
    today = dt.datetime.now(PARIS).date()
    assumptions: list[str] = []
    if not home.off_peak_hours:
        home = replace(home, off_peak_hours=(parse_off_peak_hours(ASSUMED_OFF_PEAK),))
        assumptions.append(f"off-peak hours {ASSUMED_OFF_PEAK}: say yours with --off-peak")
    with Console(stderr=True).status("costing every contract"), stored_market(settings_of(context)) as stored:
        home = replace(home, colours={**home.colours, **stored.colours()})
        curve, use, span = _use(options, home, today, assumptions)
        market = stored.market(stored.everything())
        at_power = [one for one in market.contracts if one.power_kva == options["power_kva"]]
        present = _present(options, at_power)
        question = Question(span=span, prices=_prices(options["prices"]), today=today, present=present)
        result = compare(use, replace(market, contracts=at_power), question)
        advice = advice_answer(curve, use, market, question, result)
    if curve is not None and (above := curve.above_power(options["power_kva"])):
        result = replace(result, findings=(*result.findings, above))
    if curve is not None:
        result = replace(result, findings=(*curve.findings, *result.findings))
    if options["as_json"]:
        _print_json(
            comparison_answer(result, details=options["details"])
            | {"advice": advice, "assumptions": assumptions}
        )
    else:
        bill_tables.print_comparison(result, advice, assumptions)


def _with_colours(context: click.Context, home: Home, calendar: RegisterCalendar) -> Home:
    """The home with the announced days of the database, where the calendar needs them and none are given."""
    if not calendar.needs_colours or calendar.option in home.colours:
        return home
    with stored_market(settings_of(context)) as stored:
        return replace(home, colours={**home.colours, **stored.colours()})


COMMANDS: tuple[click.Command, ...] = (registers_command, reconcile_command, compare_command)


def _use(
    options: dict[str, Any], home: Home, today: dt.date, assumptions: list[str]
) -> tuple[LoadCurve | None, Use, Span]:
    """What was used, from a file, from kWh by register, or from yearly kWh; the curve where there is one."""
    chosen = [options[name].date() if options[name] else None for name in ("start", "end")]
    if options["file"] is not None:
        if options["kwh"] or options["register_kwh"]:
            raise BillError("a file and yearly kWh exclude each other")
        curve = _curve(options["file"])
        whole = curve.whole_days()
        span = Span(chosen[0] or whole.start, chosen[1] or whole.end)
        return curve, use_of_curve(curve, home, span), span
    known = last_known_year(home.colours["TEMPO"], today)
    last_year = Span(chosen[0] or known.start, chosen[1] or known.end)
    if options["register_kwh"]:
        assumptions.append("kWh by register are spread evenly over the year's days")
        return None, use_of_registers(_register_kwh(options["register_kwh"]), last_year), last_year
    if not options["kwh"]:
        raise BillError("give a file, or yearly kWh with --kwh or --register-kwh")
    ranges = home.off_peak_hours[-1].ranges
    curve = profile_curve(options["profile"], options["kwh"], last_year, ranges)
    assumptions.append(PROFILES[options["profile"]].assumption)
    return None, use_of_curve(curve, home, last_year), last_year


def _print_json(answer: dict[str, Any]) -> None:
    encoded = msgspec.json.Encoder(decimal_format="number").encode(answer)
    click.echo(msgspec.json.format(encoded, indent=2))


def _bytes(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _curve(file: Path) -> LoadCurve:
    return read_load_curve(_bytes(file), dt.datetime.now(dt.UTC))


def _instant(text: str) -> int:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BillError(f"{text!r} is no instant such as 2024-01-10 or 2024-01-10T00:00+01:00") from None
    return minutes_of(instant if instant.tzinfo else instant.replace(tzinfo=PARIS))


def _prices(word: str) -> Prices:
    return "then" if word == "then" else "now"


def _present(options: dict[str, Any], contracts: Iterable[Contract]) -> ContractKey | None:
    if options["option"] is None:
        for name in ("supplier", "offer"):
            if options[name] is not None:
                raise click.UsageError(f"--{name} is of the present contract: say its --option too")
        return None
    wanted = {name: options[name] for name in ("supplier", "offer", "option", "power_kva")}
    return find_present((contract.key for contract in contracts), **wanted)


def _register_kwh(texts: Sequence[str]) -> dict[str, Decimal]:
    amounts = {}
    for text in texts:
        register, equals, amount = text.partition("=")
        try:
            amounts[register] = Decimal(amount if equals else "")
        except ArithmeticError:
            raise BillError(f"{text!r} is not a register and its kWh such as HC=1500") from None
    return amounts
