"""The home page: it takes a meter's file or yearly kWh and shows the comparison. Nothing is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from openwatt.domain.errors import OffPeakError, OpenWattError, message_of
from openwatt.domain.example_home import EXAMPLE_OFF_PEAK, EXAMPLE_POWER_KVA
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import SUMMER_MONTHS, WINTER_MONTHS, OffPeakHours, parse_off_peak_text
from openwatt.domain.profiles import PROFILES
from openwatt.store.errors import DatabaseUnavailableError, SchemaError
from openwatt.store.offers import StoredOffer, stored_offers
from openwatt.web.api.bill_params import BILL_PARAMETERS, FILE_OPTIONS, LONGEST_HOURS, read_bill_question
from openwatt.web.api.bills import answer_of
from openwatt.web.http.app_state import app_state
from openwatt.web.http.bodies import LONGEST_FILE_BODY, CustomerDataError
from openwatt.web.http.params import gather
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.security_headers import forbid_caching
from openwatt.web.pages.answer import HomeView, home_view
from openwatt.web.pages.answer_tables import PrintedSheet, printed_sheet
from openwatt.web.pages.downloads import DOWNLOADS, DownloadedAnswer, download_response
from openwatt.web.pages.measured_use import EXAMPLE, EXAMPLE_FIELD, MeasuredUse, recognised_facts
from openwatt.web.pages.question_form import (
    FIELDS,
    FILE_FIELDS,
    HOURS,
    USUAL,
    field_faults,
    file_choices,
    leaves_open,
    summary_parts,
    typed_texts,
)
from openwatt.web.pages.ranking import CHOICE_FIELDS, RankingChoice
from openwatt.web.pages.rendering import (
    FormValues,
    contract_choices,
    language,
    link,
    register_error_pages,
    show,
)
from openwatt.web.pages.understand import (
    UNDERSTAND_FIELDS,
    Understanding,
    requested_part,
    texts_of_part,
    understand,
)

#: Off-peak hours that differ with the season have a field for each.
_SEASONS = {"off_peak_summer": SUMMER_MONTHS, "off_peak_winter": WINTER_MONTHS}
_MONTHS = {name: _SEASONS.get(name, frozenset[int]()) for name in HOURS}
_SENT_AS_THEY_ARE = frozenset(FIELDS) - {
    *(EXAMPLE_FIELD, "present", "profile"),
    *(*HOURS, *CHOICE_FIELDS, *UNDERSTAND_FIELDS),
}
#: The example home: its contract is the one that most homes have.
_EXAMPLE = {
    EXAMPLE_FIELD: EXAMPLE,
    "power_kva": str(EXAMPLE_POWER_KVA),
    "off_peak_hours": EXAMPLE_OFF_PEAK,
    "present": "EDF~Tarif Bleu~BASE",
}


home = Blueprint("home", __name__)  # of its own, because it has the limit of bills
register_error_pages(home)
home.after_request(forbid_caching)


@home.route("/", methods=["GET", "POST"])
def home_page() -> Response:
    """The question, and its answer when there is one: by a form with a file, or by kWh in the address."""
    request.max_content_length = LONGEST_FILE_BODY
    given = request.form if request.method == "POST" else request.args
    left_out = CHOICE_FIELDS if "show_all" in given else ()
    texts = {name: text for name, text in typed_texts(given).items() if name not in left_out}
    texts |= texts_of_part(given)
    if request.method != "POST" and not {"kwh", EXAMPLE_FIELD} & texts.keys():
        return _page(texts, [], None)
    try:
        return _answer_page(texts, given.get("download", ""))
    except (HTTPException, BadRequestError, DatabaseUnavailableError, SchemaError):
        raise
    except Exception as error:  # noqa: BLE001  its message may quote the file, so that it may not be logged
        raise CustomerDataError(error) from None


def _answer_page(texts: dict[str, str], download: str) -> Response:
    texts = {"power_kva": USUAL["power_kva"], **texts}
    use = MeasuredUse(texts)
    if use.files:
        texts.pop(EXAMPLE_FIELD, None)
    values, faults = _values(texts, of_file=bool(use.files))
    try:
        if (data := use.data()) is not None:
            values["file"] = data
        question = read_bill_question(values, faults, app_state().clock(), use.read)
        if question.terms.present is not None:  # as it is sold, however it was written
            texts["present"] = "~".join(question.terms.present[:3])
        if request.method == "POST" and use.has_address and not download:
            return Response(
                status=303, headers={"Location": f"{_own_address(texts)}#{_anchor(request.form)}"}
            )
        answer = answer_of(question)
        view = home_view(question, answer, RankingChoice.of(texts))
        if download in DOWNLOADS:
            return download_response(DownloadedAnswer(texts, values, question, answer, view), download)
        understanding = understand(texts, question, answer)
    except BadRequestError as error:
        faults = [_of_missing_season(fault, texts) for fault in error.faults]
        return _page(texts, faults, None, status=error.status, use=use)
    except OpenWattError as error:
        return _page(texts, [Fault("file", message_of(error))], None, status=422)
    printed = printed_sheet(texts, question, view, language())
    return _page(texts, [], view, understanding=understanding, use=use, printed=printed)


def _anchor(given: Mapping[str, str]) -> str:
    """Where an answer opens: at the part whose button was pressed, else at its beginning."""
    if "show_all" in given or given.get("part") == "ranking":
        return "ranking"
    return requested_part(given) or "answer"


def _values(texts: Mapping[str, str], *, of_file: bool) -> tuple[dict[str, Any], list[Fault]]:
    """The values of the parameters of bills that the texts stand for, and the faults of the texts."""
    sent = {
        *_SENT_AS_THEY_ARE,
        *(("profile",) if "kwh" in texts else ()),
        *(FILE_FIELDS if of_file else ()),
    }
    pairs = [(name, text) for name, text in texts.items() if name in sent]
    faults: list[Fault] = []
    if present := texts.get("present"):
        names = present.split("~")
        if len(names) == 3:
            pairs += list(zip(("supplier", "offer", "option"), names, strict=True))
        else:
            faults.append(Fault("present", Message("parameter.not_in_list")))
    values, of_texts = gather(pairs, (*BILL_PARAMETERS, *FILE_OPTIONS))
    _add_hours(texts, values, faults)
    return values, [*faults, *of_texts]


def _add_hours(texts: Mapping[str, str], values: dict[str, Any], faults: list[Fault]) -> None:
    """The off-peak hours of the year, then those of each season, which replace them in their months."""
    found: list[tuple[OffPeakHours, ...]] = []
    for name, months in _MONTHS.items():
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
    if any(name in texts for name in HOURS):
        faulty = {fault.parameter for fault in faults} & {*HOURS}
        values["off_peak_hours"] = None if faulty else tuple(found)


def _of_missing_season(fault: Fault, texts: Mapping[str, str]) -> Fault:
    """The fault beside the field that is empty, where the hours of one season only were given."""
    empty = [name for name in _SEASONS if name not in texts]
    alone = fault.parameter == "off_peak_hours" and "off_peak_hours" not in texts and len(empty) == 1
    return fault._replace(parameter=empty[0]) if alone else fault


def _own_address(texts: Mapping[str, str], **changed: str | None) -> str:
    """The address of this page that asks the same again, or with changes; the language chosen stays.

    It has the power always and another field where it says something else than the form shows by itself.
    """
    chosen = {
        name: texts[name]
        for name in FIELDS
        if name in texts and (name == "power_kva" or texts[name] != USUAL.get(name))
    }
    return link("/", **(chosen | changed))


def _page(
    texts: Mapping[str, str],
    faults: Sequence[Fault],
    view: HomeView | None,
    *,
    understanding: Understanding | None = None,
    status: int = 200,
    use: MeasuredUse | None = None,
    printed: PrintedSheet | None = None,
) -> Response:
    """The page with the form as it was filled in."""
    ours = language()
    by_field = {fault.field: fault for fault in field_faults(faults, ours)}
    offers = stored_offers(app_state().database, None)
    return show(
        "home.html",
        status=status,
        keep=not texts and request.method != "POST",  # a form with a home's power or contract is its own
        form=FormValues({}, {**USUAL, **texts}, frozenset(by_field), next(iter(by_field), None)),
        faults=by_field,
        view=view,
        question_line=summary_parts(texts, view, ours) if view else [],
        understanding=understanding,
        printed=printed,
        measured_use=use.carried() if use else None,
        recognised=recognised_facts(curve, ours) if view and use and (curve := use.file_curve) else [],
        shared=_own_address(texts) if view and use and use.has_address else None,
        example=link("/", **_EXAMPLE),
        in_other_language=lambda code: _own_address(texts, lang=code),
        at_prices_now=_own_address(texts, prices=None),
        with_outdated=_own_address(texts, include_outdated="true"),
        without_outdated=_own_address(texts, include_outdated=None),
        powers=[(power, ours.text("tariffs.kva", kva=power)) for power in _powers(offers)],
        file_choices=file_choices(ours),
        file_leaves_open=any(map(leaves_open, faults)),
        profiles=[(name, ours.text(f"profile.{name}")) for name in PROFILES],
        contracts=contract_choices(offers),
    )


def _powers(offers: list[StoredOffer]) -> list[int]:
    return sorted({power for offer in offers for power in offer.powers_kva})
