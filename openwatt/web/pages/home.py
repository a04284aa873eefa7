"""The front page: a meter's file or yearly kWh in, what every contract would cost out. Nothing is kept."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.source_incidents import trouble_with
from openwatt.domain.bill import to_cents, to_kwh
from openwatt.domain.comparison import Comparison, ContractKey
from openwatt.domain.contract import Contract
from openwatt.domain.errors import OpenWattError
from openwatt.domain.freshness import DataStatus, data_status
from openwatt.domain.heat_map import heat_map
from openwatt.domain.legal_time import PARIS
from openwatt.domain.load_curve import Finding
from openwatt.domain.profiles import PROFILES
from openwatt.domain.tariff import OPTIONS
from openwatt.representations.bills import BillsPage, RankedItem, RankedRow
from openwatt.store.errors import DatabaseUnavailableError, SchemaError
from openwatt.store.offers import StoredOffer, stored_offers
from openwatt.store.tariffs import TariffFilter, tariffs_on
from openwatt.web.api.bill_params import BILL_PARAMETERS
from openwatt.web.customer import Compared, Customer, answer, compared, read_customer
from openwatt.web.http.app_state import current_troubles, stored_market
from openwatt.web.http.bodies import LONGEST_FILE_BODY, CustomerDataError, file_bytes
from openwatt.web.http.params import gather
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.security_headers import forbid_caching
from openwatt.web.http.views import Listing, answers, sent_once
from openwatt.web.pages.charts import (
    CalendarRow,
    Columns,
    HeatPicture,
    counts_of,
    draw_bill,
    draw_calendar,
    draw_heat,
)
from openwatt.web.pages.i18n import Language
from openwatt.web.pages.rendering import Asked, language, link, now, show, tell_in_words

_FIELDS = ("kwh", "profile", "power_kva", "off_peak_hours", "present", "prices")
_USUAL = {"power_kva": "6", "profile": "base", "prices": "now"}
#: A fault of a field that the form has not is shown beside the one it came from.
_FIELD_OF = {"option": "present", "supplier": "present", "offer": "present"}
_FORMS = ("csv", "json")
#: How many contracts are shown at once, beside the regulated and the present one.
_FIRST = 10
#: More contracts of one power than France has.
_ALL = 100_000
_PRIVACY = "Nothing of what you sent is stored or logged."


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contract of the ranking; amounts in EUR for 365 days, `width` in hundredths of the dearest."""

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
    partial: tuple[str, ...]
    status: DataStatus | None
    last_seen: dt.date | None
    """How far today's price can be trusted, and when it was last seen; None at the prices of each day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything that the page says of one customer's use."""

    kwh: Decimal
    last: dt.date
    comparison: Comparison
    shown: list[Line]
    rest: list[Line]
    best: Line | None
    bills: list[tuple[Line, Columns]]
    heat: HeatPicture | None
    calendar: list[CalendarRow]
    days_by_colour: dict[str, int]
    advice: Mapping[str, Any]
    assumed: list[str]
    findings: tuple[Finding, ...]
    notes: list[str]
    download: str | None


home = Blueprint("home", __name__)  # of its own, because it has the limit of bills
tell_in_words(home)
home.after_request(forbid_caching)


@home.route("/", methods=["GET", "POST"])
def home_page() -> Response:
    """The question, and its answer when one was asked: by a form with a file, or by kWh in the address."""
    request.max_content_length = LONGEST_FILE_BODY
    given = request.form if request.method == "POST" else request.args
    texts = {name: given.get(name, "").strip() for name in _FIELDS}
    texts["kwh"] = re.sub(r"\s", "", texts["kwh"])
    texts = {name: text for name, text in texts.items() if text}
    if request.method == "GET" and "kwh" not in texts:
        return _shown(texts, [], None)
    try:
        return _answered(texts, given.get("download", ""))
    except (HTTPException, BadRequestError, DatabaseUnavailableError, SchemaError):
        raise
    except Exception as error:  # noqa: BLE001  its message may quote the file, so that it may not be logged
        raise CustomerDataError(error) from None


def _answered(texts: dict[str, str], download: str) -> Response:
    texts = {"power_kva": _USUAL["power_kva"], **texts}  # what the form shows when nobody chose
    pairs = [(name, text) for name, text in texts.items() if name not in {"present", "profile"}]
    if "kwh" in texts:
        pairs += [(name, text) for name, text in texts.items() if name == "profile"]
    faults: list[Fault] = []
    if present := texts.get("present"):
        names = present.split("~")
        if len(names) == 3:
            pairs += list(zip(("supplier", "offer", "option"), names, strict=True))
        else:
            faults.append(Fault("present", "is not a contract of the list"))
    values, of_texts = gather(pairs, BILL_PARAMETERS)
    sent = request.files.get("file")
    if sent is not None and sent.filename:
        values["file"] = file_bytes(sent)
    market = stored_market()
    try:
        customer = read_customer(values, [*faults, *of_texts], market, answers().clock())
        result = compared(customer, market)
        if download in _FORMS:
            return _downloaded(customer, result, download)
        told = _told(customer, result, market, texts)
    except BadRequestError as error:
        return _shown(texts, error.faults, None, status=error.status)
    except OpenWattError as error:
        return _shown(texts, [Fault("file", str(error))], None, status=422)
    return _shown(texts, [], told)


def _downloaded(customer: Customer, result: Compared, form: str) -> Response:
    """The ranking as the API gives it."""
    page = msgspec.convert(answer(customer, result, details=False) | {"privacy": _PRIVACY}, BillsPage)
    response = sent_once(Listing(page, page.ranking, RankedRow), form, RankedItem)
    response.headers["Content-Disposition"] = f'attachment; filename="openwatt.{form}"'
    return response


def _told(customer: Customer, result: Compared, market: StoredMarket, texts: Mapping[str, str]) -> Told:
    comparison = result.comparison
    regulated = market.at_power(customer.power_kva).regulated
    dearest = max(one.total_ttc for one in comparison.ranking) or 1
    seen = _seen(customer) if comparison.prices == "now" else {}
    lines = [
        Line(
            place=place,
            contract=one.contract,
            total=to_cents(comparison.per_year(one.total_ttc)),
            width=to_cents(100 * one.total_ttc / dearest),
            saving=_per_year(comparison, one.saving_against_regulated),
            saving_against_present=_per_year(comparison, one.saving_against_present),
            regulated=one.contract.key[:2] in regulated,
            present=one.contract.key == customer.question.present,
            closed=one.closed_to_new_customers,
            whole=one.whole,
            partial=one.partial,
            status=seen.get(one.contract.key, _UNSEEN)[0],
            last_seen=seen.get(one.contract.key, _UNSEEN)[1],
        )
        for place, one in enumerate(comparison.ranking, start=1)
    ]
    best = next((one for one in lines if one.whole and not one.closed), None)
    shown = [best] if best else []
    beside = next((one for one in lines if one.present), None) or next(
        (one for one in lines if one.regulated and one.contract.option == "BASE"), None
    )
    if beside is not None and beside is not best:
        shown.append(beside)
    bills = [(one, comparison.bill(one.contract)) for one in shown]
    calendar = draw_calendar(market.colours()["TEMPO"], comparison.span)
    heat = None if customer.curve is None else draw_heat(heat_map(customer.curve, comparison.span))
    return Told(
        kwh=max((to_kwh(bill.energy, 0) for _, bill in bills), default=Decimal(0)),
        last=comparison.span.end - dt.timedelta(days=1),
        comparison=comparison,
        shown=[one for one in lines if _stands_out(one)],
        rest=[one for one in lines if not _stands_out(one)],
        best=best,
        bills=[(one, draw_bill(bill)) for one, bill in bills],
        heat=heat,
        calendar=calendar,
        days_by_colour=counts_of(calendar),
        advice=result.advice,
        assumed=_assumed(customer, texts),
        findings=comparison.findings,
        notes=list(dict.fromkeys(note for one in comparison.ranking for note in one.notes)),
        download=_again(texts) if customer.curve is None else None,
    )


_UNSEEN = (None, None)


def _seen(customer: Customer) -> dict[ContractKey, tuple[DataStatus, dt.date]]:
    """How fresh the tariffs of today are, and when each was last seen."""
    on = customer.question.today
    found = tariffs_on(answers().database, TariffFilter(power_kva=customer.power_kva), on=on, limit=_ALL)
    troubles = current_troubles()
    return {
        (one.tariff.supplier, one.tariff.offer, one.tariff.option, one.tariff.power_kva): (
            data_status(
                one.tariff,
                on=on,
                last_seen_at=one.last_seen_at,
                now=now(),
                trouble=trouble_with(one.tariff, troubles),
            ),
            one.last_seen_at.astimezone(PARIS).date(),
        )
        for one in found
    }


def _stands_out(line: Line) -> bool:
    """Whether a contract is shown at once: the cheapest, the regulated and the present one."""
    return line.place <= _FIRST or line.regulated or line.present


def _per_year(comparison: Comparison, saving: Any) -> Decimal | None:
    return None if saving is None else to_cents(comparison.per_year(saving))


def _assumed(customer: Customer, texts: Mapping[str, str]) -> list[str]:
    """Keys of the texts that say what was assumed."""
    assumed = [] if "off_peak_hours" in texts else ["home.assumed_off_peak"]
    if customer.curve is None:
        assumed.append(f"home.assumed_{texts.get('profile', 'base')}")
    return assumed


def _again(texts: Mapping[str, str]) -> str:
    """The address of this page that asks the same again; the language chosen stays."""
    return link("/", **{name: texts[name] for name in _FIELDS if name in texts})


def _shown(texts: Mapping[str, str], faults: Any, told: Told | None, *, status: int = 200) -> Response:
    """The page with the form as it was filled in."""
    details: dict[str, list[tuple[str, str]]] = {}
    ours = language()
    for fault in faults:
        name = _FIELD_OF.get(fault.parameter, fault.parameter)
        details.setdefault(name if name in {*_FIELDS, "file"} else "file", []).append(_detail(fault, ours))
    offers = stored_offers(answers().database, None)
    return show(
        "home.html",
        status=status,
        keep=not texts and request.method == "GET",  # a form with a home's power or contract is its own
        asked=Asked({}, {**_USUAL, **texts}, frozenset(details)),
        details=details,
        told=told,
        powers=[(power, ours.say("tariffs.kva", kva=power)) for power in _powers(offers)],
        profiles=[(name, ours.say(f"profile.{name}")) for name in PROFILES],
        contracts=_contracts(offers, ours),
    )


def _detail(fault: Fault, ours: Language) -> tuple[str, str]:
    """A fault's sentence and the language it is in: the customer's where it is of a bound."""
    if fault.reached is not None:
        limit, found = ours.number(fault.reached.limit), ours.number(fault.reached.found)
        return ours.code, ours.say(f"bound.{fault.reached.bound}", limit=limit, found=found)
    return "en", fault.message


def _powers(offers: list[StoredOffer]) -> list[int]:
    return sorted({power for offer in offers for power in offer.powers_kva})


def _contracts(offers: list[StoredOffer], ours: Language) -> list[tuple[str, list[tuple[str, str]]]]:
    """By supplier, the regulated one first: each offer and option as the form sends it and as it is shown."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for offer in sorted(offers, key=lambda one: (not one.regulated, one.supplier.casefold(), one.name)):
        groups.setdefault(offer.supplier, []).extend(
            (f"{offer.supplier}~{offer.name}~{option}", f"{offer.name}, {ours.say(f'option.{option}')}")
            for option in OPTIONS
            if option in offer.options
        )
    return list(groups.items())
