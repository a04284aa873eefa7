"""The command `prices`: what a contract's kilowatt hour costs over time, and now."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import click
from rich import box
from rich.table import Table

from openwatt.catalogue.source_names import declared_sources
from openwatt.cli.console import Console
from openwatt.cli.forms import form_options, print_csv, print_json
from openwatt.cli.market import opened_database
from openwatt.cli.settings import settings_of
from openwatt.cli.tariffs import COLOUR_STYLES
from openwatt.comparison.market import StoredMarket
from openwatt.comparison.present import USUAL_OFFER, USUAL_SUPPLIER
from openwatt.comparison.source_incidents import incident_of_offer, read_incidents
from openwatt.domain.calendar import WEEKDAYS
from openwatt.domain.errors import OpenWattError, message_of
from openwatt.domain.freshness import ExplainedStatus
from openwatt.domain.legal_time import PARIS, minutes_of
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.prices.contract_prices import ContractPrices
from openwatt.prices.instants import parse_instant
from openwatt.prices.intervals import cut_to_slices
from openwatt.prices.question import (
    SLICES_MINUTES,
    PriceFault,
    PriceQuestionError,
    read_instant_question,
    read_span_question,
)
from openwatt.representations.prices import PriceItem, PriceNow, PricePage
from openwatt.sentences.catalogue import sentence

_INSTANT_HELP = "such as 2026-02-01, 2026-02-01T08:30 (legal time) or 2026-02-01T08:30+01:00"
#: Field → the option that gives it, where that has not its name.
_OPTION_OF_FIELD = {"slice_minutes": "slice"}
_READERS: dict[str, Callable[[Any], Any]] = {
    "off_peak_hours": lambda texts: tuple(parse_off_peak_text(text) for text in texts),
    "chosen_weekday": WEEKDAYS.index,
    "from": parse_instant,
    "to": parse_instant,
    "at": parse_instant,
}


def _contract_options(command: Any) -> Any:
    """Adds the options that say which contract in which home, and the form of the answer."""
    for option in (
        click.option("--supplier", show_default=USUAL_SUPPLIER, help="Supplier of the contract."),
        click.option("--offer", show_default=USUAL_OFFER, help="Offer of the contract."),
        click.option(
            "--option", type=click.Choice(list(OPTIONS), case_sensitive=False), help="Option of the contract."
        ),
        click.option(
            "--power-kva", type=click.IntRange(MIN_POWER_KVA, MAX_POWER_KVA), help="Subscribed power in kVA."
        ),
        click.option(
            "--off-peak-hours",
            multiple=True,
            help='Where the option needs them: the home\'s off-peak hours, such as "22:30-06:30" or '
            '"HC (22H30-6H30)"; the last that applies on a day holds.',
        ),
        click.option(
            "--chosen-weekday",
            type=click.Choice(WEEKDAYS),
            help="Where the option needs it: the weekday chosen with a week-end offer.",
        ),
        form_options,
    ):
        command = option(command)
    return command


@click.group("prices", invoke_without_command=True)
@click.option("--from", help=f"First instant, {_INSTANT_HELP}; the beginning of today when left out.")
@click.option("--to", help="First instant after the last; two days later when left out.")
@click.option(
    "--slice",
    "slice_minutes",
    type=click.Choice([str(minutes) for minutes in SLICES_MINUTES]),
    help="Cut into slices of so many minutes.",
)
@_contract_options
@click.pass_context
def prices_command(context: click.Context, /, *, as_json: bool, as_csv: bool, **options: Any) -> None:
    """Show what a contract's kilowatt hour costs over time.

    Without supplier and offer it is the regulated tariff. A price or a colour that is not
    known is never guessed: its line says why.

    Examples: openwatt prices --option TEMPO --power-kva 6; openwatt prices now --option BASE --power-kva 6
    """
    if context.invoked_subcommand is not None:
        if as_json or as_csv or any(options.values()):
            raise click.UsageError(f"give every option after `{context.invoked_subcommand}`")
        return
    now = dt.datetime.now(dt.UTC)
    slice_minutes = options.pop("slice_minutes")
    fields = {**options, "slice_minutes": int(slice_minutes) if slice_minutes else None}
    of_contract, span, status = _answer(context, fields, now, read_span_question)
    intervals = of_contract.intervals(span.start_min, span.end_min)
    known_until_min = of_contract.known_until(intervals, now.astimezone(PARIS).date())
    if span.slice_minutes is not None:
        intervals = [*cut_to_slices(intervals, span.slice_minutes)]
    page = PricePage.of(of_contract.contract, intervals, known_until_min=known_until_min, status=status)
    if as_csv:
        print_csv(page.prices, PriceItem)
    elif as_json:
        print_json(page)
    else:
        _print_prices(page)


@prices_command.command("now")
@click.option("--at", help=f"Another instant than now, {_INSTANT_HELP}.")
@_contract_options
@click.pass_context
def prices_now_command(context: click.Context, /, *, as_json: bool, as_csv: bool, **options: Any) -> None:
    """Show what a contract's kilowatt hour costs now, and what comes next."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    of_contract, at, status = _answer(context, options, now, read_instant_question)
    item = PriceNow.of(of_contract, of_contract.at(minutes_of(at)), at=at, status=status)
    if as_csv:
        print_csv([item], PriceNow)
    elif as_json:
        print_json(item)
    else:
        _print_now(item)


def _answer(
    context: click.Context, options: dict[str, Any], now: dt.datetime, read: Callable[..., Any]
) -> tuple[ContractPrices, Any, ExplainedStatus]:
    """The contract, what a function reads beside it, and the contract's status; a usage error for faults."""
    fields, faults = _fields(options)
    with opened_database(settings_of(context)) as database:
        market = StoredMarket(database, lambda: 0)
        try:
            of_contract, beside = read(fields, market, now)
        except PriceQuestionError as error:
            raise _usage_error([*faults, *error.faults]) from None
        if faults:
            raise _usage_error(faults)
        incidents = read_incidents(database, declared_sources())
    incident = incident_of_offer(of_contract.contract, incidents)
    return of_contract, beside, of_contract.status(now, incident, market.change_days)


def _fields(options: dict[str, Any]) -> tuple[dict[str, Any], list[PriceFault]]:
    """The options that were given as fields of a question, and what is wrong with each; that is then None."""
    fields: dict[str, Any] = {}
    faults = [
        PriceFault(name, Message("prices.missing")) for name in ("option", "power_kva") if not options[name]
    ]
    for name, value in options.items():
        if value is None or value == ():
            continue
        try:
            fields[name] = _READERS[name](value) if name in _READERS else value
        except OpenWattError as error:
            fields[name] = None
            faults.append(PriceFault(name, message_of(error)))
    return fields, faults


def _usage_error(faults: list[PriceFault]) -> click.UsageError:
    """Every fault of a question, one a line."""
    names = (_OPTION_OF_FIELD.get(fault.field, fault.field).replace("_", "-") for fault in faults)
    lines = [f"--{name}: {sentence(fault.message)}" for name, fault in zip(names, faults, strict=True)]
    return click.UsageError("\n".join(lines))


def _print_prices(page: PricePage) -> None:
    contract = page.contract
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{contract.supplier} {contract.offer} {contract.option} {contract.power_kva} kVA",
        caption=f"known until {page.known_until:%Y-%m-%d %H:%M}; {_status(page)}; French legal time",
    )
    for heading in ("from", "to", "register"):
        table.add_column(heading)
    for heading in ("€/kWh", "no taxes"):
        table.add_column(heading, justify="right")
    table.add_column("tariff of")
    for item in page.prices:
        table.add_row(
            f"{item.start:%Y-%m-%d %H:%M}",
            f"{item.end:%m-%d %H:%M}",
            _register(item.register),
            str(item.price_eur_per_kwh_ttc or "–"),
            str(item.price_eur_per_kwh_ht or "–"),
            str(item.applies_from or "–") if item.reason is None else item.reason.message,
        )
    Console().print(table)


def _print_now(item: PriceNow) -> None:
    contract = item.contract
    table = Table(
        title=f"{contract.supplier} {contract.offer} {contract.option} {contract.power_kva} kVA",
        caption=f"{_status(item)}; French legal time",
        show_header=False,
    )
    rows = [
        ("at", f"{item.at:%a %Y-%m-%d %H:%M}"),
        ("register", _register(item.register)),
        ("price", f"{item.price_eur_per_kwh_ttc or '–'} €/kWh"),
        ("since", f"{item.since:%a %Y-%m-%d %H:%M}" if item.since else "–"),
        ("until", f"{item.until:%a %Y-%m-%d %H:%M}" if item.until else "no change is known"),
    ]
    if item.reason is not None:
        rows.append(("why", item.reason.message))
    if item.next is not None:
        price = item.next.price_eur_per_kwh_ttc
        rows.append(("next", f"{_register(item.next.register)} {f'{price} €/kWh' if price else ''}"))
    rows.append(("subscription", f"{item.subscription_eur_per_month_ttc or '–'} €/month"))
    if item.tempo is not None:
        left = item.tempo.days_left
        rows.append(("today, tomorrow", f"{_register(item.tempo.today)} {_register(item.tempo.tomorrow)}"))
        rows.append(("days left", f"{left.BLEU} blue, {left.BLANC} white, {left.ROUGE} red"))
    rows.append(("tariff of", str(item.applies_from or "–")))
    for name, value in rows:
        table.add_row(name, value)
    Console().print(table)


def _register(name: str | None) -> str:
    """A register or a colour as it is printed: on the colour of its day, dim where it is not known."""
    if name is None:
        return "[dim]unknown[/]"
    style = COLOUR_STYLES.get(name.partition("_")[0])
    return f"[{style}] {name} [/]" if style else name


def _status(item: PricePage | PriceNow) -> str:
    return f"data {item.data_status}" + (
        f" ({item.data_status_reason})" if item.data_status_reason is not None else ""
    )


COMMANDS: tuple[click.Command, ...] = (prices_command,)
