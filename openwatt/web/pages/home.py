"""The home page: it takes a meter's file or yearly kWh and shows the comparison. Nothing is stored."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.question import USUAL_PROFILE, CustomerQuestion
from openwatt.comparison.source_incidents import incident_of_offer
from openwatt.domain.bill import to_cents, to_kwh
from openwatt.domain.comparison import Comparison, ContractKey
from openwatt.domain.contract import Contract
from openwatt.domain.errors import OffPeakError, OpenWattError, message_of
from openwatt.domain.freshness import DataStatus, data_status
from openwatt.domain.heat_map import heat_map
from openwatt.domain.legal_time import PARIS
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import SUMMER_MONTHS, WINTER_MONTHS, OffPeakHours, parse_off_peak_text
from openwatt.domain.part_of_year import PartOfYear
from openwatt.domain.profiles import PROFILES
from openwatt.domain.tariff import OPTIONS
from openwatt.meter.contents import pack
from openwatt.meter.options import DIRECTIONS, STAMPS, UNITS
from openwatt.representations.advice import AdviceItem
from openwatt.representations.bills import RankedItem
from openwatt.representations.figures import cents
from openwatt.sentences.catalogue import sentence
from openwatt.store.errors import DatabaseUnavailableError, SchemaError
from openwatt.store.offers import StoredOffer, stored_offers
from openwatt.store.tariffs import TariffFilter, tariffs_on
from openwatt.web.api.bill_params import BILL_PARAMETERS, FILE_OPTIONS, LONGEST_HOURS, read_bill_question
from openwatt.web.api.bills import PRIVACY, answer_of, bills_collection
from openwatt.web.http.app_state import app_state
from openwatt.web.http.bodies import LONGEST_FILE_BODY, CustomerDataError, file_bytes
from openwatt.web.http.params import gather
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.responses import uncached_response
from openwatt.web.http.security_headers import forbid_caching
from openwatt.web.pages.charts import (
    BillColumns,
    CalendarRow,
    HeatPicture,
    counts_of,
    draw_bill,
    draw_calendar,
    draw_heat,
)
from openwatt.web.pages.i18n import Language
from openwatt.web.pages.rendering import FormValues, language, link, now, register_error_pages, show

#: Off-peak hours that differ with the season have a field for each.
_SEASONS = {"off_peak_summer": SUMMER_MONTHS, "off_peak_winter": WINTER_MONTHS}
_FIELDS = ("kwh", "profile", "power_kva", "off_peak_hours", *_SEASONS, "present", "prices")
_HOURS = {"off_peak_hours": frozenset[int](), **_SEASONS}
_SENT_AS_THEY_ARE = frozenset(_FIELDS) - {"present", "profile", *_HOURS}
#: What is said about a file that leaves it open; it counts with a file alone.
_FILE_FIELDS = tuple(field.name for field in FILE_OPTIONS)
_USUAL = {"power_kva": "6", "profile": USUAL_PROFILE, "prices": "now"}
#: A fault of a field that the form has not is shown beside the one it came from.
_FIELD_OF = {"option": "present", "supplier": "present", "offer": "present"}
_FORMS = ("csv", "json")
#: How many contracts are shown at once, beside the regulated and the present one.
_FIRST = 10
#: More contracts of one power than France has.
_ALL = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingLine:
    """One contract of the ranking; `width` is in hundredths of the dearest.

    Amounts are in EUR for 365 days, or for the span alone where that cannot stand for a year.
    """

    place: int
    contract: Contract
    total: Decimal
    width: Decimal
    saving: Decimal | None
    saving_against_present: Decimal | None
    regulated: bool
    present: bool
    closed: bool
    whole: bool
    unseen: tuple[str, ...]
    status: DataStatus | None
    last_seen: dt.date | None
    """How far today's price can be trusted, and when it was last seen; None at the prices of each day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """Everything that the page says of one customer's use."""

    kwh: Decimal
    last: dt.date
    comparison: Comparison
    part: PartOfYear | None
    """What the span lacks of a year."""
    unseen_colours: list[str]
    """Of the days of Tempo, those that the span lacks whole."""
    measured: bool
    """Whether the use is of a file."""
    shown: list[RankingLine]
    rest: list[RankingLine]
    best: RankingLine | None
    bills: list[tuple[RankingLine, BillColumns]]
    heat: HeatPicture | None
    calendar: list[CalendarRow]
    days_by_colour: dict[str, int]
    advice: AdviceItem
    assumptions: Sequence[str]
    notes: list[Message]
    download: str | None


home = Blueprint("home", __name__)  # of its own, because it has the limit of bills
register_error_pages(home)
home.after_request(forbid_caching)


@home.route("/", methods=["GET", "POST"])
def home_page() -> Response:
    """The question, and its answer when there is one: by a form with a file, or by kWh in the address."""
    request.max_content_length = LONGEST_FILE_BODY
    given = request.form if request.method == "POST" else request.args
    texts = {name: given.get(name, "").strip() for name in (*_FIELDS, *_FILE_FIELDS)}
    texts["kwh"] = re.sub(r"\s", "", texts["kwh"])
    texts = {name: text for name, text in texts.items() if text}
    if request.method == "GET" and "kwh" not in texts:
        return _page(texts, [], None)
    try:
        return _answer_page(texts, given.get("download", ""))
    except (HTTPException, BadRequestError, DatabaseUnavailableError, SchemaError):
        raise
    except Exception as error:  # noqa: BLE001  its message may quote the file, so that it may not be logged
        raise CustomerDataError(error) from None


def _answer_page(texts: dict[str, str], download: str) -> Response:
    texts = {"power_kva": _USUAL["power_kva"], **texts}  # what the form shows without a choice
    pairs = [(name, text) for name, text in texts.items() if name in _SENT_AS_THEY_ARE]
    if "kwh" in texts:
        pairs += [(name, text) for name, text in texts.items() if name == "profile"]
    faults: list[Fault] = []
    if present := texts.get("present"):
        names = present.split("~")
        if len(names) == 3:
            pairs += list(zip(("supplier", "offer", "option"), names, strict=True))
        else:
            faults.append(Fault("present", "is not a contract of the list"))
    sent = [one for one in request.files.getlist("file") if one.filename]
    if sent:
        pairs += [(name, text) for name, text in texts.items() if name in _FILE_FIELDS]
    values, of_texts = gather(pairs, (*BILL_PARAMETERS, *FILE_OPTIONS))
    _add_hours(texts, values, faults)
    try:
        if sent:
            values["file"] = file_bytes(sent[0]) if len(sent) == 1 else pack(map(file_bytes, sent))
        question = read_bill_question(values, [*faults, *of_texts], app_state().clock())
        answer = answer_of(question)
        if download in _FORMS:
            ranking = bills_collection(values, question, answer, PRIVACY)
            response = uncached_response(ranking, download, RankedItem)
            response.headers["Content-Disposition"] = f'attachment; filename="openwatt.{download}"'
            return response
        view = _home_view(question, answer, texts)
    except BadRequestError as error:
        faults = [_of_missing_season(fault, texts) for fault in error.faults]
        return _page(texts, faults, None, status=error.status)
    except OpenWattError as error:
        return _page(texts, [Fault("file", error.message or str(error))], None, status=422)
    return _page(texts, [], view)


def _add_hours(texts: Mapping[str, str], values: dict[str, Any], faults: list[Fault]) -> None:
    """The off-peak hours of the year, then those of each season, which replace them in their months."""
    found: list[tuple[OffPeakHours, ...]] = []
    for name, months in _HOURS.items():
        if name not in texts:
            continue
        if len(texts[name]) > LONGEST_HOURS:
            message = Message.of("off_peak.too_long", most=LONGEST_HOURS)
            faults.append(Fault(name, message, of_form=False))
            continue
        try:
            entries = parse_off_peak_text(texts[name])
        except OffPeakError as error:
            faults.append(Fault(name, message_of(error), of_form=False))
            continue
        if months and any(entry.months not in {frozenset(), months} for entry in entries):
            faults.append(Fault(name, Message("off_peak.other_season"), of_form=False))
            continue
        found.append(tuple(replace(entry, months=months or entry.months) for entry in entries))
    if any(name in texts for name in _HOURS):
        faulty = {fault.parameter for fault in faults} & {*_HOURS}
        values["off_peak_hours"] = None if faulty else tuple(found)


def _of_missing_season(fault: Fault, texts: Mapping[str, str]) -> Fault:
    """The fault beside the field that is empty, where the hours of one season only were given."""
    empty = [name for name in _SEASONS if name not in texts]
    alone = fault.parameter == "off_peak_hours" and "off_peak_hours" not in texts and len(empty) == 1
    return fault._replace(parameter=empty[0]) if alone else fault


def _home_view(question: CustomerQuestion, answer: CustomerAnswer, texts: Mapping[str, str]) -> HomeView:
    comparison = answer.comparison
    dearest = max(one.total_ttc for one in comparison.ranking) or 1
    seen = _freshness(question) if comparison.prices == "now" else {}
    part = comparison.part_of_year

    def shown_amount(amount: Fraction | None) -> Decimal | None:
        return cents(amount if part else comparison.per_year(amount))

    lines = [
        RankingLine(
            place=place,
            contract=one.contract,
            total=shown_amount(one.total_ttc) or Decimal(0),
            width=to_cents(100 * one.total_ttc / dearest),
            saving=shown_amount(one.saving_against_regulated),
            saving_against_present=shown_amount(one.saving_against_present),
            regulated=one.is_regulated,
            present=one.contract.key == question.terms.present,
            closed=one.closed_to_new_customers,
            whole=one.whole,
            unseen=one.unseen,
            status=seen.get(one.contract.key, _UNSEEN)[0],
            last_seen=seen.get(one.contract.key, _UNSEEN)[1],
        )
        for place, one in enumerate(comparison.ranking, start=1)
    ]
    best = next((one for one in lines if one.whole and not one.closed and not one.unseen), None)
    shown = [best] if best else []
    beside = next((one for one in lines if one.present), None) or next(
        (one for one in lines if one.regulated and one.contract.option == "BASE"), None
    )
    if beside is not None and beside is not best:
        shown.append(beside)
    bills = [(one, comparison.bill(one.contract)) for one in shown]
    calendar = draw_calendar(app_state().market.colours()["TEMPO"], comparison.span)
    heat = None if question.curve is None else draw_heat(heat_map(question.curve, comparison.span))
    return HomeView(
        kwh=max((to_kwh(bill.energy, 0) for _, bill in bills), default=Decimal(0)),
        last=comparison.span.end - dt.timedelta(days=1),
        comparison=comparison,
        part=part,
        unseen_colours=_unseen_colours(part),
        measured=question.curve is not None,
        shown=[one for one in lines if _stands_out(one)],
        rest=[one for one in lines if not _stands_out(one)],
        best=best,
        bills=[(one, draw_bill(bill)) for one, bill in bills],
        heat=heat,
        calendar=calendar,
        days_by_colour=counts_of(calendar),
        advice=AdviceItem.of(answer.advice),
        assumptions=answer.assumptions,
        notes=list(dict.fromkeys(note for one in comparison.ranking for note in one.notes)),
        download=_own_address(texts) if question.curve is None else None,
    )


def _unseen_colours(part: PartOfYear | None) -> list[str]:
    unseen = part.unseen.get("TEMPO", ()) if part else ()
    return [colour for colour in ("BLEU", "BLANC", "ROUGE") if {f"{colour}_HP", f"{colour}_HC"} <= {*unseen}]


_UNSEEN = (None, None)


def _freshness(question: CustomerQuestion) -> dict[ContractKey, tuple[DataStatus, dt.date]]:
    """How fresh the tariffs of today are, and when each was last seen."""
    on = question.terms.today
    found = tariffs_on(app_state().database, TariffFilter(power_kva=question.power_kva), on=on, limit=_ALL)
    incidents = app_state().source_incidents.current()
    return {
        (one.supplier, one.offer, one.option, one.power_kva): (
            data_status(
                one,
                on=on,
                last_seen_at=one.last_seen_at,
                now=now(),
                incident=incident_of_offer(one, incidents),
            ),
            one.last_seen_at.astimezone(PARIS).date(),
        )
        for one in found
    }


def _stands_out(line: RankingLine) -> bool:
    """Whether a contract is shown at once: the cheapest, the regulated and the present one."""
    return line.place <= _FIRST or line.regulated or line.present


def _own_address(texts: Mapping[str, str]) -> str:
    """The address of this page that asks the same again; the language chosen stays."""
    return link("/", **{name: texts[name] for name in _FIELDS if name in texts})


def _page(
    texts: Mapping[str, str], faults: Sequence[Fault], view: HomeView | None, *, status: int = 200
) -> Response:
    """The page with the form as it was filled in."""
    details: dict[str, list[tuple[str, str]]] = {}
    ours = language()
    for fault in faults:
        name = _FIELD_OF.get(fault.parameter, fault.parameter)
        details.setdefault(name if name in {*_FIELDS, *_FILE_FIELDS, "file"} else "file", []).append(
            _detail(fault, ours)
        )
    offers = stored_offers(app_state().database, None)
    return show(
        "home.html",
        status=status,
        keep=not texts and request.method == "GET",  # a form with a home's power or contract is its own
        form=FormValues({}, {**_USUAL, **texts}, frozenset(details)),
        details=details,
        view=view,
        powers=[(power, ours.text("tariffs.kva", kva=power)) for power in _powers(offers)],
        file_choices=_file_choices(ours),
        file_leaves_open=any(_leaves_open(fault) for fault in faults),
        profiles=[(name, ours.text(f"profile.{name}")) for name in PROFILES],
        contracts=_contracts(offers, ours),
    )


def _file_choices(ours: Language) -> list[tuple[str, list[tuple[str, str]]]]:
    """What may be said about a file, by field: each choice as the form sends it and as it is shown."""
    choices = {"stamps": STAMPS, "unit": tuple(UNITS), "direction": DIRECTIONS}
    return [
        (name, [(value, ours.text(f"file_option.{name}_{value}")) for value in choices[name]])
        for name in _FILE_FIELDS
    ]


def _leaves_open(fault: Fault) -> bool:
    """Whether a file is refused only because it may mean two things: the form asks which."""
    return isinstance(fault.message, Message) and fault.message.key.startswith("ambiguous.")


def _detail(fault: Fault, ours: Language) -> tuple[str, str]:
    """A fault's sentence and the language it is in: the customer's where it is a message."""
    if isinstance(fault.message, str):
        return "en", fault.message
    text = sentence(fault.message, ours.code, on_page=True)
    return ours.code, f"{text[:1].upper()}{text[1:]}."


def _powers(offers: list[StoredOffer]) -> list[int]:
    return sorted({power for offer in offers for power in offer.powers_kva})


def _contracts(offers: list[StoredOffer], ours: Language) -> list[tuple[str, list[tuple[str, str]]]]:
    """By supplier, the regulated one first: each offer and option as the form sends it and as it is shown."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for offer in sorted(offers, key=lambda one: (not one.regulated, one.supplier.casefold(), one.name)):
        groups.setdefault(offer.supplier, []).extend(
            (f"{offer.supplier}~{offer.name}~{option}", f"{offer.name}, {ours.text(f'option.{option}')}")
            for option in OPTIONS
            if option in offer.options
        )
    return list(groups.items())
