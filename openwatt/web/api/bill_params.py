"""The fields of a customer's question, the same in an address, in a form and in JSON; and how it is read."""

import datetime as dt
import gzip
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from openwatt.comparison.question import (
    MOST_KWH,
    REGISTER_KWH_PATTERN,
    CustomerQuestion,
    Fields,
    QuestionError,
    ReadCurve,
    parse_register_kwh,
    read_question,
)
from openwatt.domain.calendar import WEEKDAYS
from openwatt.domain.errors import OffPeakError, message_of
from openwatt.domain.legal_time import PARIS, minutes_of
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import OffPeakHours, describe_off_peak, parse_off_peak_text
from openwatt.domain.profiles import PROFILES
from openwatt.domain.tariff import OPTIONS
from openwatt.meter.options import DIRECTIONS, STAMPS, UNITS
from openwatt.web.api.tariff_params import OFFER, OPTION, POWER_KVA, SUPPLIER
from openwatt.web.http.app_state import app_state
from openwatt.web.http.parameter_types import (
    BOOLEAN,
    MeaningError,
    ParameterError,
    ParameterType,
    choice,
    day,
    day_or_instant,
    integer,
    string,
)
from openwatt.web.http.params import LONGEST_QUERY, Parameter
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.sub_path import address
from openwatt.web.http.uploads import read_load_curve

_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$"
#: A text of a bill that names both seasons with their days has some 150 signs.
LONGEST_HOURS = 300
#: The signs that off-peak hours are written with, in English and French, and as a bill is copied.
_HOURS = rf"[ -~\u00a0-\u00ff\u0300-\u036f\u2009\u2010-\u2015\u2019\u202f\u2192]{{1,{LONGEST_HOURS}}}"
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})?)?"
)
#: What a file can tell of: no meter of the grid recorded a curve before.
FIRST_YEAR, LAST_YEAR = 2000, 2100


def _file(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise ParameterError(Message("parameter.base64")) from None


def _off_peak(text: str) -> tuple[OffPeakHours, ...]:
    try:
        return parse_off_peak_text(text)
    except OffPeakError as error:
        raise MeaningError(message_of(error)) from None


def _of_this_century(value: dt.date) -> dt.date:
    if not FIRST_YEAR <= value.year < LAST_YEAR:
        raise MeaningError(Message("parameter.day_not_of_century"))
    return value


def _minute(text: str) -> int:
    """An instant in minutes UTC: a day means its beginning in Paris, a time without offset is legal time."""
    if not (found := _INSTANT.fullmatch(text)) or not text.isascii():
        raise ParameterError(Message.of("parameter.instant", example="2026-02-01T08:30:00+01:00"))
    day, clock, offset = found.groups()
    try:
        instant = dt.datetime.fromisoformat(f"{day}T{clock or '00:00'}{(offset or '').upper()}")
    except ValueError:
        raise MeaningError(Message("parameter.instant_not_in_calendar")) from None
    if not FIRST_YEAR <= instant.year < LAST_YEAR:
        raise MeaningError(Message("parameter.instant_not_of_century"))
    return minutes_of(instant if instant.tzinfo else instant.replace(tzinfo=PARIS))


#: A winter's day at 500 W, for the documentation.
_EXAMPLE = b64encode(
    gzip.compress(
        b"".join(
            b"2024-01-%02dT%02d:%02d:00+01:00;500\n" % (10 + n // 48, n % 48 // 2, n % 2 * 30)
            for n in range(1, 49)
        ),
        mtime=0,
    )
).decode()

FILE = Parameter(
    "file",
    "The meter's file as its maker exports it (CSV, XLSX, JSON; gzip and zip too), up to 32 MB. "
    "The reader is chosen by what is in it.",
    ParameterType({"type": "string", "contentEncoding": "base64", "pattern": _BASE64}, _file),
    _EXAMPLE,
)
FILE_OPTIONS = (
    Parameter(
        "stamps",
        "Where the file does not say it: whether its times are the starts or the ends of steps.",
        choice(*STAMPS),
    ),
    Parameter("unit", "Where the file does not say it: the unit of its values.", choice(*UNITS)),
    Parameter(
        "direction",
        "Where the file does not say it: whether it is of consumption or of production, which is refused.",
        choice(*DIRECTIONS),
    ),
)
OFF_PEAK_HOURS = Parameter(
    "off_peak_hours",
    "Off-peak hours of the home as bills and the grid operator print them, such as `22:00-06:00`, "
    "`HC (22H30-6H30)`, `winter from 2026-12-01 01:00-07:00;14:00-16:00` or, both seasons in one text, "
    "`été : 2h-6h et 11h-15h ; hiver : 22h30-6h30`; of several, the last that applies on a day holds.",
    string(_HOURS, Message.of("off_peak.signs", most=LONGEST_HOURS), _off_peak),
    "22:30-06:30",
    most=6,
)
_WEEKDAY = choice(*WEEKDAYS)
CHOSEN_WEEKDAY = Parameter(
    "chosen_weekday",
    "The weekday chosen with a week-end offer.",
    ParameterType(_WEEKDAY.schema, lambda text: WEEKDAYS.index(_WEEKDAY.read(text))),
)
_DAY = day(_of_this_century)
#: 22 a season, of ten seasons.
PEAK_DAYS = Parameter("peak_days", "EJP peak days, in place of those known of their winters.", _DAY, most=220)
HOME = (OFF_PEAK_HOURS, CHOSEN_WEEKDAY, PEAK_DAYS)

REGISTERS_OF = replace(OPTION, description="The option whose registers are wanted.", required=True)
FROM_INSTANT, TO_INSTANT = (
    Parameter(
        name,
        description,
        day_or_instant(_minute),
        example,
    )
    for name, description, example in (
        (
            "from",
            "First instant, or a day, which means its beginning; the file's when left out.",
            "2024-01-10",
        ),
        ("to", "First instant after the last; the file's end when left out.", "2024-01-11"),
    )
)
REGISTER_FIELDS = (replace(FILE, required=True), *FILE_OPTIONS, REGISTERS_OF, *HOME, FROM_INSTANT, TO_INSTANT)

KWH = Parameter(
    "kwh",
    "Instead of a file: kWh of a year, spread by `profile`.",
    integer(1, MOST_KWH, "kWh"),
    5000,
)
PROFILE = Parameter(
    "profile",
    "How `kwh` spread over the year: `base` when left out.",
    choice(*PROFILES),
    "electric_heating",
)
REGISTER_KWH = Parameter(
    "register_kwh",
    "Instead of a file: kWh of a year of each register of one option, as `HP=3000` and `HC=2000`.",
    string(REGISTER_KWH_PATTERN, Message("parameter.register_kwh"), parse_register_kwh),
    most=max(map(len, OPTIONS.values())),
)
PRESENT_OPTION = replace(OPTION, description="Option of the present contract; its bill is given in detail.")
PRESENT_SUPPLIER = replace(SUPPLIER, description="Supplier of the present contract; EDF when left out.")
PRESENT_OFFER = replace(OFFER, description="Offer of the present contract; Tarif Bleu when left out.")
PRICES = Parameter(
    "prices",
    "`then`: prices as they were on each day; `now`, when left out: today's on every day.",
    choice("then", "now"),
    "now",
    default="now",
)
INCLUDE_OUTDATED = Parameter(
    "include_outdated",
    "Whether contracts whose price cannot be today's are ranked among the others; false when left out.",
    BOOLEAN,
    default=False,
)
FROM_DAY = Parameter("from", "First day; the first whole day of the file when left out.", _DAY, "2025-09-01")
TO_DAY = Parameter("to", "The day after the last; that of the file when left out.", _DAY, "2026-09-01")
DETAILS = Parameter(
    "details",
    "Whether the bill of every contract is given by month and register.",
    BOOLEAN,
    default=False,
)
BILL_FIELDS = (
    replace(FILE, example=None),
    *FILE_OPTIONS,
    replace(POWER_KVA, required=True),
    KWH,
    PROFILE,
    REGISTER_KWH,
    *HOME,
    PRESENT_OPTION,
    PRESENT_SUPPLIER,
    PRESENT_OFFER,
    PRICES,
    INCLUDE_OUTDATED,
    FROM_DAY,
    TO_DAY,
    DETAILS,
)
#: An address asks for one year, and holds 50 parameters at most.
BILL_PARAMETERS = tuple(
    replace(field, most=25) if field is PEAK_DAYS else field
    for field in BILL_FIELDS
    if field.name != "file" and field not in FILE_OPTIONS
)


def read_bill_question(
    values: Fields, faults: Sequence[Fault], now: dt.datetime, read_curve: ReadCurve | None = None
) -> CustomerQuestion:
    """The customer's question in values that were read by `params.gather`.

    A file is read in the sandbox, where `read_curve` does not replace that.

    Raises:
        BadRequestError: with those faults and every other one that the values have together.
        UploadsBusyError: when other files are being read.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    try:
        question = read_question(values, app_state().market, now, read_curve or read_load_curve)
    except QuestionError as error:
        raise BadRequestError([*faults, *faults_of(error)]) from None
    if faults:
        raise BadRequestError(faults)
    return question


def faults_of(error: QuestionError) -> list[Fault]:
    """What is wrong with a question whose values are each right by themselves."""
    return [Fault(one.field, one.message, of_form=False) for one in error.faults]


def address_of(values: Fields, question: CustomerQuestion) -> str | None:
    """The address that asks this question again, its days said and its fields in one order.

    None where that needs a file, or where an address cannot hold so much.
    """
    if question.curve is not None:
        return None
    span, present = question.terms.span, question.terms.present
    fields = {**values, "from": span.start, "to": span.end}
    if present:
        fields["supplier"], fields["offer"] = present[:2]
    if "off_peak_hours" in fields:  # one text may hold several entries, an address has one for each
        fields["off_peak_hours"] = tuple(chain.from_iterable(fields["off_peak_hours"]))
    pairs = [
        (parameter.name, _text(parameter.name, value))
        for parameter in BILL_PARAMETERS
        if parameter.name in fields
        for value in (fields[parameter.name] if parameter.many else [fields[parameter.name]])
    ]
    query = urlencode(pairs)
    fits = all(len(fields.get(one.name) or ()) <= one.most for one in BILL_PARAMETERS if one.many)
    return f"{address('/v1/bills')}?{query}" if fits and len(query) <= LONGEST_QUERY else None


def _text(name: str, value: Any) -> str:
    """A value as it is written in an address."""
    match name, value:
        case "chosen_weekday", int():
            return WEEKDAYS[value]
        case "register_kwh", (register, kwh):
            return f"{register}={kwh}"
        case "details" | "include_outdated", bool():
            return str(value).lower()
        case "off_peak_hours", OffPeakHours():
            return describe_off_peak(value)
        case _:
            return str(value)
