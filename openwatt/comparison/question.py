"""The customer's question: fields of any door become values of the domain, with all faults at once."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from openwatt.comparison.market import Colours, StoredMarket
from openwatt.comparison.present import UnknownContractError, find_present
from openwatt.domain.announced_days import winters_of
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import ComparisonTerms, ContractKey
from openwatt.domain.errors import MeterFileError, OpenWattError, SpanError, message_of
from openwatt.domain.legal_time import PARIS, Span, year_on
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import SUMMER_MONTHS, parse_off_peak_hours, unsaid_day
from openwatt.domain.profiles import PROFILES, last_known_year, profile_curve
from openwatt.domain.tariff import OPTIONS, REGISTERS
from openwatt.domain.usage import Use, use_of_curve, use_of_registers
from openwatt.meter.options import FileOptions

#: The off-peak hours of a home that does not say its own; the answer says that they are assumed.
ASSUMED_OFF_PEAK = "22:00-06:00"
MOST_DAYS = 3660
MOST_KWH = 1_000_000
USUAL_PROFILE = "base"
#: KWh of one register, as they are written.
REGISTER_KWH_PATTERN = rf"({'|'.join(REGISTERS)})=([0-9]{{1,6}}(?:\.[0-9]{{1,3}})?)"
#: A file of a few hours has no day that can be billed.
_NO_DAY = Message("file.no_day")
_USES = ("file", "kwh", "register_kwh")

#: The fields of a question by name. A field that is not given is absent; the value of a faulty one is None.
Fields = Mapping[str, Any]
ReadCurve = Callable[[bytes, dt.datetime, FileOptions], LoadCurve]
#: What a customer says about a file that does not say it itself.
FILE_OPTIONS = ("stamps", "unit", "direction")


class QuestionFault(NamedTuple):
    """One thing wrong with a question: the field and what is wrong with it."""

    field: str
    message: Message


class QuestionError(OpenWattError):
    """A question cannot be answered; `faults` names everything that is wrong with it."""

    def __init__(self, faults: Sequence[QuestionFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerQuestion:
    """What a home used and how its contracts are compared, with all that had to be assumed.

    `curve` is the measured one, None where yearly kWh were given in its place;
    `assumptions` are keys of `assumption_message`, and an answer has those of them that it uses.
    `off_peak_spreads_kwh` where the profile of yearly kWh runs a use in the off-peak hours,
    and `spread` gives their curve over any days.
    """

    power_kva: int
    curve: LoadCurve | None
    use: Use
    terms: ComparisonTerms
    assumptions: tuple[str, ...]
    home: Home
    off_peak_spreads_kwh: bool = False
    spread: Callable[[Span], LoadCurve] | None = None

    def curve_over(self, span: Span) -> LoadCurve | None:
        """The measured curve, else the spread one over some days; None of kWh by register."""
        if self.curve is not None or self.spread is None:
            return self.curve
        return self.spread(span)


def read_question(
    fields: Fields, market: StoredMarket, now: dt.datetime, read_curve: ReadCurve
) -> CustomerQuestion:
    """The question that these fields ask together; `read_curve` reads the bytes of `file`.

    The fields are `power_kva`, one of `file` (with `FILE_OPTIONS`), `kwh` (with `profile`)
    and `register_kwh` (pairs), `off_peak_hours` (the entries of each text), `chosen_weekday`
    (from 0), `peak_days`, the present contract's `option`, `supplier` and `offer`, `prices`,
    `include_outdated`, and the days `from` and `to` (excluded).

    Raises:
        QuestionError: with every fault that the fields have together. Where a field is None or
            `power_kva` is absent, the fault is the caller's, and there may be no other.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    faults: list[QuestionFault] = []
    today = now.astimezone(PARIS).date()
    colours = market.colours()
    faults += _faults_of_use(fields)
    curve = _curve(fields, now, read_curve, faults)
    span = _span(fields, curve, last_known_year(colours["TEMPO"], today), faults)
    present = _present(fields, market, faults)
    by_register = _by_register(fields, faults)
    faults += _faults_of_hours(fields, span)
    if faults or span is None or None in fields.values() or "power_kva" not in fields:
        raise QuestionError(faults)
    if curve is not None and not ("from" in fields or "to" in fields) and (cut := curve.cut_days(span)):
        curve = replace(curve, findings=(*curve.findings, cut))
    assumptions: list[str] = []
    spread: Callable[[Span], LoadCurve] | None = None
    off_peak_spreads_kwh = False
    home = home_of(fields, colours)
    if not home.off_peak_hours:
        home = replace(home, off_peak_hours=(parse_off_peak_hours(ASSUMED_OFF_PEAK),))
        assumptions.append("off_peak")
    if curve is not None:
        use = use_of_curve(curve, home, span)
    elif by_register:
        use = use_of_registers(by_register, span)
        assumptions.append("register_kwh")
    else:
        profile = fields.get("profile", USUAL_PROFILE)
        spread = partial(profile_curve, profile, fields["kwh"], off_peak=home.off_peak_hours)
        use = use_of_curve(spread(span), home, span)
        assumptions.append(profile)
        off_peak_spreads_kwh = PROFILES[profile].runs_off_peak
    return CustomerQuestion(
        power_kva=fields["power_kva"],
        curve=curve,
        use=use,
        terms=ComparisonTerms(
            span=span,
            prices=fields.get("prices", "now"),
            today=today,
            present=present,
            include_outdated=fields.get("include_outdated", False),
        ),
        assumptions=tuple(assumptions),
        home=home,
        off_peak_spreads_kwh=off_peak_spreads_kwh,
        spread=spread,
    )


def assumption_message(key: str) -> Message:
    """The message of an assumption: assumed hours or spread, or the name of a profile."""
    return Message(f"assumption.{key}")


def parse_register_kwh(text: str) -> tuple[str, Decimal]:
    """A register and its kWh, written as HC=1500. Raises ValueError when the text is something else."""
    if not (found := re.fullmatch(REGISTER_KWH_PATTERN, text, re.ASCII)):
        raise ValueError("must be a register and its kWh such as HC=1500")
    return found.group(1), Decimal(found.group(2))


def file_options_of(fields: Fields) -> FileOptions:
    """What the fields say about the file."""
    return FileOptions(*(fields.get(name) for name in FILE_OPTIONS))


def home_of(fields: Fields, colours: Colours) -> Home:
    """What the home's meter is set to, as far as the fields say it."""
    if fields.get("peak_days"):
        colours = {**colours, "EJP": {**colours.get("EJP", {}), **winters_of(fields["peak_days"])}}
    hours = chain.from_iterable(fields.get("off_peak_hours") or ())
    return Home(tuple(hours), fields.get("chosen_weekday"), colours)


def _faults_of_use(fields: Fields) -> list[QuestionFault]:
    given = [name for name in _USES if name in fields]
    faults = [QuestionFault(name, Message.of("question.two_uses", other=given[0])) for name in given[1:]]
    if not given:
        faults.append(QuestionFault("file", Message("question.no_use")))
    faults += [
        QuestionFault(name, Message("question.no_file"))
        for name in FILE_OPTIONS
        if name in fields and "file" not in fields
    ]
    if "profile" in fields and "kwh" not in fields:
        faults.append(QuestionFault("profile", Message("question.no_kwh")))
    return faults


def _faults_of_hours(fields: Fields, span: Span | None) -> list[QuestionFault]:
    """Off-peak hours that leave days of the span without any: of the other season, or before a change."""
    hours = home_of(fields, {}).off_peak_hours
    day = unsaid_day(hours, span) if hours and span else None
    if day is None:
        return []
    what = "hours"
    if all(entry.months for entry in hours):
        what = "summer_hours" if day.month in SUMMER_MONTHS else "winter_hours"
    return [QuestionFault("off_peak_hours", Message.of(f"question.no_{what}", day=Message.day(day)))]


def _curve(
    fields: Fields, now: dt.datetime, read_curve: ReadCurve, faults: list[QuestionFault]
) -> LoadCurve | None:
    if fields.get("file") is None:
        return None
    try:
        return read_curve(fields["file"], now, file_options_of(fields))
    except MeterFileError as error:
        faults.append(QuestionFault("file", error.message))
        return None


def _span(fields: Fields, curve: LoadCurve | None, usual: Span, faults: list[QuestionFault]) -> Span | None:
    """The days to cost: the given ones, those of the file, or one year; None with a fault."""
    start: Any = fields.get("from")
    end: Any = fields.get("to")
    if "file" in fields:
        if curve is None:
            return None
        try:
            span = curve.span(start, end)
        except SpanError as error:
            given = start or end
            faults.append(QuestionFault("to", message_of(error)) if given else QuestionFault("file", _NO_DAY))
            return None
        if span.end_min <= curve.start_min or span.start_min >= curve.end_min:
            days = {"start": Message.day(span.start), "end": Message.day(span.end)}
            message = Message.of("question.no_measurement", **days)
            faults.append(QuestionFault("to" if end else "from", message))
        elif span.days > MOST_DAYS:
            message = Message.of("question.long_span", days=MOST_DAYS)
            faults.append(QuestionFault("to" if end else "from", message))
        return span
    if start is None and end is None:
        return usual
    start, end = start or year_on(end, -1), end or year_on(start, 1)
    if not 365 <= (end - start).days <= 366:
        faults.append(QuestionFault("to" if fields.get("to") else "from", Message("question.one_year")))
        return None
    return Span(start, end)


def _present(fields: Fields, market: StoredMarket, faults: list[QuestionFault]) -> ContractKey | None:
    """The contract that the customer has, by the names under which it is published."""
    if "option" not in fields:
        faults += [
            QuestionFault(name, Message("question.no_option"))
            for name in ("supplier", "offer")
            if name in fields
        ]
        return None
    power_kva = fields.get("power_kva")
    wanted = {name: fields[name] for name in ("supplier", "offer", "option") if name in fields}
    if power_kva is None or None in wanted.values():
        return None  # one of them is faulty, which the caller says
    try:
        return find_present(market.at_power(power_kva).contracts, power_kva=power_kva, **wanted)
    except UnknownContractError as error:
        faults.append(QuestionFault(error.name, message_of(error)))
    return None


def _by_register(fields: Fields, faults: list[QuestionFault]) -> dict[str, Decimal]:
    """KWh by register in the option's order, so that the order of the pairs does not matter."""
    pairs = fields.get("register_kwh") or ()
    names = [name for name, _ in pairs]
    registers = next((known for known in OPTIONS.values() if set(known) == set(names)), None)
    if pairs and (registers is None or len(names) > len(registers)):
        message = Message.of("question.registers", registers=", ".join(names))
        faults.append(QuestionFault("register_kwh", message))
        return {}
    return {name: dict(pairs)[name] for name in registers or ()}
