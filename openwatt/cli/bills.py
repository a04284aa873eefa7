"""The commands `registers`, `reconcile` and `compare`, which read a customer's file."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import shipped_words
from openwatt.cli import bill_tables
from openwatt.cli.console import Console
from openwatt.cli.file_options import of_a_file
from openwatt.cli.market import stored_market
from openwatt.cli.settings import settings_of
from openwatt.cli.what_if import find_what_if, of_a_change, print_what_if
from openwatt.comparison.answer import CustomerAnswer, answer_question
from openwatt.comparison.present import USUAL_OFFER, USUAL_SUPPLIER
from openwatt.comparison.question import (
    ASSUMED_OFF_PEAK,
    MOST_KWH,
    USUAL_PROFILE,
    Fields,
    QuestionError,
    assumption_message,
    home_of,
    parse_register_kwh,
    read_question,
)
from openwatt.comparison.what_if import HomeChange
from openwatt.domain.calendar import WEEKDAYS, Home, RegisterCalendar
from openwatt.domain.errors import BillError
from openwatt.domain.legal_time import PARIS, minutes_of
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.domain.profiles import PROFILES
from openwatt.domain.reconciliation import reconcile
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.domain.usage import register_totals
from openwatt.meter.contents import MAX_BYTES, pack
from openwatt.meter.indexes import read_indexes
from openwatt.meter.options import FileOptions
from openwatt.meter.read import read_load_curve
from openwatt.representations.advice import AdviceItem
from openwatt.representations.bills import (
    CoverageItem,
    Days,
    FindingItem,
    Instants,
    LeftOut,
    PartOfYearItem,
    RankedContract,
    RankedItem,
    baseline_item,
)
from openwatt.sentences.catalogue import sentence

#: How the assumed off-peak hours are said where there is an option for them.
_ASSUMED_OFF_PEAK = f"off-peak hours {ASSUMED_OFF_PEAK}: say yours with --off-peak"
_FILE = click.Path(exists=True, path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])


def _of_a_home(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say what the home's meter is set to, and hands them over as fields."""

    @wraps(command)
    def run(
        *, off_peak: Sequence[str], chosen_weekday: str | None, peak_day: Sequence[dt.datetime], **rest: Any
    ) -> None:
        home: dict[str, Any] = {}
        if off_peak:
            home["off_peak_hours"] = tuple(parse_off_peak_text(text) for text in off_peak)
        if chosen_weekday:
            home["chosen_weekday"] = WEEKDAYS.index(chosen_weekday)
        if peak_day:
            home["peak_days"] = tuple(day.date() for day in peak_day)
        command(home=home, **rest)

    for option in (
        click.option(
            "--off-peak",
            multiple=True,
            help='Off-peak hours such as "22:00-06:00", "HC (22H30-6H30)" or "winter from 2026-12-01 '
            '01:00-07:00;14:00-16:00", as the bill prints them; the last that applies on a day holds.',
        ),
        click.option(
            "--chosen-weekday", type=click.Choice(WEEKDAYS), help="The weekday chosen with a week-end offer."
        ),
        click.option(
            "--peak-day",
            multiple=True,
            type=_DAY,
            help="An EJP peak day, in place of those known of its winter; may be repeated.",
        ),
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
@of_a_file
@_of_a_home
@click.pass_context
def registers_command(
    context: click.Context,
    /,
    file: Path,
    home: Fields,
    file_options: FileOptions,
    option: str,
    *,
    as_json: bool,
    **span: str | None,
) -> None:
    """How much of a load curve ran in each register of an option.

    Tempo colours are those of the database, as the service has them.
    """
    curve = _curve(file, file_options)
    start_min = _instant(span["start"]) if span["start"] else curve.start_min
    end_min = _instant(span["end"]) if span["end"] else curve.end_min
    calendar = calendar_for(option)
    totals = register_totals(curve, calendar, _home(context, home, calendar), start_min, end_min)
    if as_json:
        _print_json(
            {
                "wh": totals.wh,
                "span": Instants.of(start_min, end_min),
                "coverage": CoverageItem.of(totals.coverage),
                "findings": [FindingItem.of(finding) for finding in totals.findings],
            }
        )
    else:
        bill_tables.print_registers(totals)


@click.command("reconcile")
@click.argument("curve", type=_FILE)
@click.argument("indexes", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@of_a_file
@_of_a_home
@click.pass_context
def reconcile_command(
    context: click.Context,
    /,
    curve: Path,
    indexes: Path,
    home: Fields,
    file_options: FileOptions,
    *,
    as_json: bool,
) -> None:
    """Compare a load curve with the meter's daily indexes; status 1 when a register differs.

    Tempo colours are those of the database, as the service has them.
    """
    shown = read_indexes(_bytes(indexes))
    calendar = calendar_for(shown.option)
    result = reconcile(_curve(curve, file_options), shown, calendar, _home(context, home, calendar))
    if as_json:
        _print_json(
            {
                "option": result.option,
                "agrees": result.agrees,
                "index_wh": result.index_wh,
                "curve_wh": result.curve_wh,
                "difference_wh": result.difference_wh,
                "span": Instants.of(result.start_min, result.end_min),
                "coverage": CoverageItem.of(result.coverage),
                "findings": [FindingItem.of(finding) for finding in result.findings],
            }
        )
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
@click.option(
    "--include-outdated",
    is_flag=True,
    default=None,
    help="Rank the contracts whose price cannot be today's among the others.",
)
@click.option("--from", type=_DAY, help="First day.")
@click.option("--to", type=_DAY, help="The day after the last.")
@click.option("--option", type=click.Choice(list(OPTIONS)), help="Option of the present contract.")
@click.option("--supplier", show_default=USUAL_SUPPLIER, help="Supplier of the present contract.")
@click.option("--offer", show_default=USUAL_OFFER, help="Offer of the present contract.")
@click.option("--kwh", type=click.IntRange(1, MOST_KWH), help="Without a file: kWh a year.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    show_default=USUAL_PROFILE,
    help="Without a file: how the kWh spread.",
)
@click.option(
    "--register-kwh", multiple=True, help="Without a file: kWh a year of a register, such as HC=1500."
)
@click.option(
    "--details", is_flag=True, help="The bill of each contract, by month and register (with --json)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@of_a_change
@of_a_file
@_of_a_home
@click.pass_context
def compare_command(
    context: click.Context,
    /,
    home: Fields,
    file_options: FileOptions,
    change: HomeChange,
    *,
    details: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """What every contract would have cost, from the cheapest, beside the regulated tariff.

    A price that was last seen before duties or the network tariff changed cannot be
    today's: with --prices now such contracts are listed apart, after the ranking.

    What is given for a car, a heat pump, a shifted use or another power is ranked after the
    answer, beside the home of today.

    Contracts and Tempo colours are those of the database, as the service has them.
    """
    fields = {**_question_fields({**options, **asdict(file_options)}), **home}
    try:
        with (
            Console(stderr=True).status("costing every contract"),
            stored_market(settings_of(context)) as market,
        ):
            question = read_question(fields, market, dt.datetime.now(dt.UTC), read_load_curve)
            answer = answer_question(question, market)
            changed = find_what_if(change, question, answer, market)
    except QuestionError as error:
        raise _usage_error(error) from None
    assumptions = [
        _ASSUMED_OFF_PEAK if key == "off_peak" else sentence(assumption_message(key))
        for key in answer.assumptions
    ]
    if as_json:
        what_if = {} if changed is None else {"what_if": changed}
        _print_json(_answer_json(answer, assumptions, details=details) | what_if)
    else:
        bill_tables.print_answer(answer, assumptions)
        if changed is not None:
            print_what_if(changed)


def _question_fields(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `compare` that were given, as fields of a customer's question."""
    readers: dict[str, Callable[[Any], Any]] = {
        "file": _bytes,
        "from": dt.datetime.date,
        "to": dt.datetime.date,
        "register_kwh": lambda texts: tuple(_register_kwh(text) for text in texts),
    }
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    return {name: readers[name](value) if name in readers else value for name, value in given.items()}


def _usage_error(error: QuestionError) -> click.ClickException:
    """Every fault of a question, one a line; where only the file is at fault the command line is not."""
    names = ("FILE" if one.field == "file" else f"--{one.field.replace('_', '-')}" for one in error.faults)
    lines = [f"{name}: {sentence(one.message)}" for name, one in zip(names, error.faults, strict=True)]
    of_file = all(fault.field == "file" for fault in error.faults)
    return (click.ClickException if of_file else click.UsageError)("\n".join(lines))


def _answer_json(answer: CustomerAnswer, assumptions: list[str], *, details: bool) -> dict[str, Any]:
    """The answer as the API gives it, without what is about an address."""
    comparison, advice = answer.comparison, AdviceItem.of(answer.advice)
    ranked = RankedItem if details else RankedContract
    part = comparison.part_of_year
    of_today = comparison.prices == "now"
    return {
        "span": Days.of(comparison.span),
        "prices": comparison.prices,
        "baseline": baseline_item(comparison),
        "part_of_year": None if part is None else PartOfYearItem.of(part),
        "coverage": CoverageItem.of(comparison.coverage),
        "ranking": [ranked.of(one, comparison) for one in comparison.ranking],
        **({"outdated": [ranked.of(one, comparison) for one in comparison.outdated]} if of_today else {}),
        "left_out": [LeftOut.of(contract, reason) for contract, reason in comparison.left_out],
        "findings": [FindingItem.of(finding) for finding in comparison.findings],
        "advice": {name: item for name in advice.__struct_fields__ if (item := getattr(advice, name))},
        "assumptions": assumptions,
    }


def _home(context: click.Context, fields: Fields, calendar: RegisterCalendar) -> Home:
    """The home; only for the days that a source announces, Tempo's, is the database read."""
    home = home_of(fields, shipped_words())
    if not calendar.needs_colours or calendar.option in home.colours:
        return home
    with stored_market(settings_of(context)) as market:
        return home_of(fields, market.colours())


COMMANDS: tuple[click.Command, ...] = (registers_command, reconcile_command, compare_command)


def _print_json(answer: dict[str, Any]) -> None:
    encoded = msgspec.json.Encoder(decimal_format="number").encode(answer)
    click.echo(msgspec.json.format(encoded, indent=2))


def _bytes(file: Path) -> bytes:
    """The bytes of a file; the files of a folder become one zip, as they may be uploaded."""
    if not file.is_dir():
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    members = (one for one in sorted(file.iterdir()) if one.is_file() and not one.name.startswith("."))
    return pack(_bytes(one) for one in members)


def _curve(file: Path, options: FileOptions) -> LoadCurve:
    return read_load_curve(_bytes(file), dt.datetime.now(dt.UTC), options)


def _instant(text: str) -> int:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BillError(f"{text!r} is no instant such as 2024-01-10 or 2024-01-10T00:00+01:00") from None
    return minutes_of(instant if instant.tzinfo else instant.replace(tzinfo=PARIS))


def _register_kwh(text: str) -> tuple[str, Decimal]:
    try:
        return parse_register_kwh(text)
    except ValueError:
        raise BillError(f"{text!r} is not a register and its kWh such as HC=1500") from None
