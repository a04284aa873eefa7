"""A customer's question as values of the domain, and its answer: the same for the API and for the page."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from openwatt.comparison.market import Colours, StoredMarket
from openwatt.comparison.present import UnknownContractError, find_present
from openwatt.domain.answers import advice_answer, bill_answer, comparison_answer
from openwatt.domain.calendar import WEEKDAYS, Home
from openwatt.domain.comparison import Comparison, ContractKey, Question, compare
from openwatt.domain.errors import MeterFileError, OpenWattError, SpanError
from openwatt.domain.legal_time import PARIS, Span
from openwatt.domain.load_curve import Finding, LoadCurve
from openwatt.domain.off_peak import SUMMER_MONTHS, WINTER_MONTHS, OffPeakHours, parse_off_peak_hours
from openwatt.domain.profiles import PROFILES, last_known_year, profile_curve
from openwatt.domain.tariff import OPTIONS
from openwatt.domain.usage import Use, use_of_curve, use_of_registers
from openwatt.meter.bounds import MeterBoundError, Reached
from openwatt.web.api.bill_params import BILL_PARAMETERS
from openwatt.web.http.params import LONGEST_QUERY
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.sub_path import address
from openwatt.web.http.uploads import read_load_curve

#: What is assumed of a home that does not say its off-peak hours; the answer says so.
ASSUMED_OFF_PEAK = "22:00-06:00"
MOST_DAYS = 3660
_USES = ("file", "kwh", "register_kwh")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """What a customer asks: what was used and how it is compared, with all that had to be assumed.

    `curve` is the measured one, None where yearly kWh were given in its place;
    `address` asks the same again, None where that needs the file or no address can hold it.
    """

    power_kva: int
    curve: LoadCurve | None
    use: Use
    question: Question
    assumptions: tuple[str, ...]
    address: str | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is odd about the measurements by themselves."""
        return () if self.curve is None else self.curve.findings


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison and the advice that goes with it, as the domain tells it."""

    comparison: Comparison
    advice: Mapping[str, Any]


class _Faults(list[Fault]):
    """The faults of a question, those of form first found."""

    def add(self, parameter: str, message: str, reached: Reached | None = None) -> None:
        """One more, of values that are each right by themselves."""
        self.append(Fault(parameter, message, of_form=False, reached=reached))


def read_customer(
    values: Values, faults: Sequence[Fault], market: StoredMarket, now: dt.datetime
) -> Customer:
    """The question in fields that were read by `params.gather` with the parameters of `bill_params`.

    `file` holds the file's bytes. A value that is faulty is None, and `faults` holds its fault.

    Raises:
        BadRequestError: with those faults and every other one that the fields have together.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    found = _Faults(faults)
    today = now.astimezone(PARIS).date()
    assumptions: list[str] = []
    colours = market.colours()
    given = [name for name in _USES if name in values]
    if not given:
        found.add("file", "is missing, and so are kwh and register_kwh; one of them is needed")
    for name in given[1:]:
        found.add(name, f"is given beside {given[0]}; they exclude each other")
    if "profile" in values and "kwh" not in values:
        found.add("profile", "says how kwh spread over a year, and no kwh are given")
    curve = _curve(values, now, found)
    span = _span(values, curve, last_known_year(colours["TEMPO"], today), found)
    present = _present(values, market, found)
    home = home_of(values, colours)
    if not home.off_peak_hours:
        home = replace(home, off_peak_hours=(parse_off_peak_hours(ASSUMED_OFF_PEAK),))
        assumptions.append(f"off-peak hours {ASSUMED_OFF_PEAK}, for none are said")
    by_register = _by_register(values, found)
    if found or span is None:
        raise BadRequestError(found)
    use, assumed = _use(values, curve, home, span, by_register)
    question = Question(span=span, prices=values.get("prices", "now"), today=today, present=present)
    return Customer(
        power_kva=values["power_kva"],
        curve=curve,
        use=use,
        question=question,
        assumptions=(*assumptions, *assumed),
        address=None if curve is not None else _address(values, question),
    )


def home_of(values: Values, colours: Colours) -> Home:
    """What the home's meter is set to, as far as the fields say it."""
    if values.get("peak_days"):
        colours = {**colours, "EJP": dict.fromkeys(values["peak_days"], "PM")}
    return Home(values.get("off_peak_hours") or (), values.get("chosen_weekday"), colours)


def compared(customer: Customer, market: StoredMarket) -> Compared:
    """Every contract of the customer's power, from the cheapest, and what the home could change.

    Raises:
        BadRequestError: when no contract can be costed, with the reasons.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    found = market.at_power(customer.power_kva)
    contracts = dict(found.contracts)
    # Advice on the power needs the same offer at others.
    offers = found.regulated | ({customer.question.present[:2]} if customer.question.present else set())
    for offer in sorted(offers):
        contracts |= market.of_offer(*offer).contracts
    try:
        comparison = compare(customer.use, market.market(found), customer.question)
        advice = advice_answer(
            customer.curve, customer.use, market.market(found, contracts), customer.question, comparison
        )
    except OpenWattError as error:
        raise BadRequestError([Fault("power_kva", str(error), of_form=False)]) from None
    above = customer.curve and customer.curve.above_power(customer.power_kva)
    findings = (*customer.findings, *comparison.findings, *([above] if above else []))
    return Compared(replace(comparison, findings=findings), advice)


def answer(customer: Customer, result: Compared, *, details: bool) -> dict[str, Any]:
    """The comparison as plain mappings; the present contract has its bill, with `details` each has."""
    told = comparison_answer(result.comparison, details=details)
    present = customer.question.present
    for line, ranked in zip(told["ranking"], result.comparison.ranking, strict=True):
        if ranked.contract.key == present and not details:
            line["bill"] = bill_answer(result.comparison.bill(ranked.contract))
    return told | {
        "advice": result.advice,
        "assumptions": list(customer.assumptions),
        "address": customer.address,
    }


def _curve(values: Values, now: dt.datetime, faults: _Faults) -> LoadCurve | None:
    if values.get("file") is None:
        return None
    try:
        return read_load_curve(values["file"], now)
    except MeterFileError as error:
        faults.add("file", str(error), error.reached if isinstance(error, MeterBoundError) else None)
        return None


def _span(values: Values, curve: LoadCurve | None, usual: Span, faults: _Faults) -> Span | None:
    """The days to cost: those that are asked for, of the file or of one year; None with a fault."""
    start: Any = values.get("from")
    end: Any = values.get("to")
    if "file" in values:
        if curve is None:
            return None
        try:
            whole = curve.whole_days()
            span = Span(start or whole.start, end or whole.end)
        except SpanError as error:
            faults.add("to" if start or end else "file", str(error))
            return None
        if span.end_min <= curve.start_min or span.start_min >= curve.end_min:
            faults.add("to" if end else "from", f"no measurement lies from {span.start} to {span.end}")
        elif span.days > MOST_DAYS:
            faults.add("to" if end else "from", f"a span is at most {MOST_DAYS} days long")
        return span
    if start is None and end is None:
        return usual
    start, end = start or _year_on(end, -1), end or _year_on(start, 1)
    if not 365 <= (end - start).days <= 366:
        faults.add("to" if values.get("to") else "from", "without a file the span is one year")
        return None
    return Span(start, end)


def _year_on(day: dt.date, years: int) -> dt.date:
    """The same day of another year; that of 29 February is 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return dt.date(day.year + years, 3, 1)


def _present(values: Values, market: StoredMarket, faults: _Faults) -> ContractKey | None:
    """The contract that the customer has, by the names under which it is kept."""
    if "option" not in values:
        for name in ("supplier", "offer"):
            if name in values:
                faults.add(name, "is of the present contract, whose option is missing")
        return None
    power_kva = values.get("power_kva")
    wanted = {name: values[name] for name in ("supplier", "offer", "option") if name in values}
    if power_kva is None or None in wanted.values():
        return None  # one of them is faulty, and said so
    try:
        return find_present(market.at_power(power_kva).contracts, power_kva=power_kva, **wanted)
    except UnknownContractError as error:
        faults.add(error.name, str(error))
    return None


def _by_register(values: Values, faults: _Faults) -> dict[str, Decimal]:
    """KWh by register in the option's order, so that one question has one answer however it is asked."""
    pairs = values.get("register_kwh") or ()
    names = [name for name, _ in pairs]
    registers = next((known for known in OPTIONS.values() if set(known) == set(names)), None)
    if pairs and (registers is None or len(names) > len(registers)):
        faults.add("register_kwh", f"{', '.join(names)} are not the registers of one option, each once")
        return {}
    return {name: dict(pairs)[name] for name in registers or ()}


def _use(
    values: Values, curve: LoadCurve | None, home: Home, span: Span, by_register: Mapping[str, Decimal]
) -> tuple[Use, list[str]]:
    """What was used, and what had to be assumed for it."""
    if curve is not None:
        return use_of_curve(curve, home, span), []
    if by_register:
        return use_of_registers(by_register, span), ["kWh by register are spread evenly over the year's days"]
    profile = values.get("profile", "base")
    spread = profile_curve(profile, values["kwh"], span, home.off_peak_hours[-1].ranges)
    return use_of_curve(spread, home, span), [PROFILES[profile].assumption]


def _address(values: Values, question: Question) -> str | None:
    """The address that asks this question again, its days said and its fields in one order.

    None where an address cannot hold so much.
    """
    told = {**values, "from": question.span.start, "to": question.span.end}
    if question.present:
        told["supplier"], told["offer"] = question.present[:2]
    pairs = [
        (parameter.name, _text(parameter.name, value))
        for parameter in BILL_PARAMETERS
        if parameter.name in told
        for value in (told[parameter.name] if parameter.many else [told[parameter.name]])
    ]
    query = urlencode(pairs)
    fits = all(len(told.get(one.name) or ()) <= one.most for one in BILL_PARAMETERS if one.many)
    return f"{address('/v1/bills')}?{query}" if fits and len(query) <= LONGEST_QUERY else None


def _text(name: str, value: Any) -> str:
    """A value as it is written in an address."""
    match name, value:
        case "chosen_weekday", int():
            return WEEKDAYS[value]
        case "register_kwh", (register, kwh):
            return f"{register}={kwh}"
        case "details", bool():
            return str(value).lower()
        case "off_peak_hours", OffPeakHours():
            season = {SUMMER_MONTHS: ["summer"], WINTER_MONTHS: ["winter"]}.get(value.months, [])
            days = [
                f"{word} {day}"
                for word, day in (("from", value.applies_from), ("to", value.applies_to))
                if day
            ]
            return " ".join([*season, *days, str(value)])
        case _:
            return str(value)
