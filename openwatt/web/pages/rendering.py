"""The rendering of a page: its language, its frame, its security policy, its form and its errors."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, g, render_template, request
from werkzeug.exceptions import RequestURITooLarge

from openwatt.domain.legal_time import PARIS
from openwatt.domain.messages import Message
from openwatt.domain.tariff import OPTIONS
from openwatt.sentences.catalogue import sentence
from openwatt.sentences.recorded import recorded_text
from openwatt.store.offers import StoredOffer
from openwatt.telemetry import context as contexts
from openwatt.web.http.app_state import app_state
from openwatt.web.http.parameter_types import ParameterError
from openwatt.web.http.params import LONGEST_QUERY, Parameter
from openwatt.web.http.problems import Fault, Problem, register_error_handlers
from openwatt.web.http.public_address import public_address
from openwatt.web.http.sub_path import address
from openwatt.web.pages.i18n import CODES, LANGUAGES, Language

#: Everything comes from this host and nothing is inline: no script, no style, no picture.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
#: As long as the answers of the API: freshness is computed again every minute.
_CACHE_CONTROL = "public, max-age=60"
_LANG = "lang"


@dataclass(frozen=True, slots=True)
class FormValues:
    """The fields of a form: values by parameter name, texts to show again, and the names at fault.

    The first of these has the focus when the page is loaded.
    """

    values: dict[str, Any]
    texts: dict[str, str]
    faults: frozenset[str]
    first_fault: str | None = None

    def get(self, parameter: Parameter, default: Any = None) -> Any:
        """The value of a parameter, or `default` where it was left out or at fault."""
        return self.values.get(parameter.name, default)


def read_form(parameters: Sequence[Parameter]) -> FormValues:
    """The choices in the address of a page.

    Unlike in the API an empty one is left out, because a form sends every field,
    and an unknown one is no fault, because links carry marks of others.

    Raises:
        RequestURITooLarge: when so long a query can have no meaning.
    """
    if len(request.query_string) > LONGEST_QUERY:
        raise RequestURITooLarge
    given = dict(parse_qsl(request.query_string.decode("utf-8", "replace")))
    texts = {one.name: given[one.name].strip() for one in parameters if given.get(one.name, "").strip()}
    values: dict[str, Any] = {}
    faults: set[str] = set()
    for parameter in parameters:
        if parameter.name in texts:
            try:
                values[parameter.name] = parameter.type.read(texts[parameter.name])
            except ParameterError:
                faults.add(parameter.name)
    return FormValues(values, texts, frozenset(faults))


def now() -> dt.datetime:
    """The instant of this request, in whole minutes, as in the answers of the API."""
    return app_state().clock().replace(second=0, microsecond=0)


def today() -> dt.date:
    """The legal day in France."""
    return now().astimezone(PARIS).date()


def _chosen_language() -> str | None:
    code = request.args.get(_LANG, "")
    return code if code in LANGUAGES else None


def language() -> Language:
    """The language of this request: what its address says, else what the browser prefers, else French."""
    if "language" not in g:
        code = _chosen_language() or request.accept_languages.best_match(CODES, CODES[0])
        g.language = LANGUAGES[code]
    return g.language  # type: ignore[no-any-return]  # flask types it as Any


def link(path: str, **query: object) -> str:
    """The address of a page with some parameters, None left out. A chosen language stays chosen."""
    chosen = {name: str(value) for name, value in query.items() if value is not None}
    if _LANG not in query and (code := _chosen_language()):
        chosen[_LANG] = code
    return f"{address(path)}?{urlencode(chosen)}" if chosen else address(path)


def in_language(code: str) -> str:
    """The address of this page in another language. What was posted is not in it."""
    query = dict(parse_qsl(request.query_string.decode("utf-8", "replace")))
    return f"{address(request.path)}?{urlencode(query | {_LANG: code})}"


def _own_address(named: Mapping[str, str], code: str | None) -> str:
    """The absolute address of this page for search engines, in a language or in the browser's own."""
    query = {**named, **({_LANG: code} if code else {})}
    return public_address(request.path) + (f"?{urlencode(query)}" if query else "")


def sentence_start(text: str) -> str:
    """A sentence that begins with a capital letter and ends with a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def show(
    template: str,
    *,
    status: int = 200,
    keep: bool = True,
    named: Mapping[str, str] = MappingProxyType({}),
    **facts: object,
) -> Response:
    """A page of a template in the language of the request; `keep` lets others keep it for a minute.

    A page that no cache may keep is one household's, or of this moment: search engines do not list it.
    `named` are the choices that make another page, so that they belong to its address there.
    """
    ours = language()
    listed = keep and status == 200
    text = render_template(
        template,
        lang=ours,
        t=ours.text,
        sentence=lambda message: sentence(message, ours.code, on_page=True),
        link=link,
        address=address,
        in_language=in_language,
        chosen_language=_chosen_language(),
        codes=CODES,
        canonical=_own_address(named, _chosen_language()) if listed else None,
        alternates=[(code or "x-default", _own_address(named, code)) for code in (*CODES, None)],
        public_address=public_address,
        **facts,
    )
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["Content-Language"] = ours.code
    response.headers["Vary"] = "Accept-Language"
    response.headers["Cache-Control"] = _CACHE_CONTROL if listed else "no-store"
    if not listed:
        response.headers["X-Robots-Tag"] = "noindex"
    return response


def problem_page(status: int, detail: Message | None, faults: Sequence[Fault]) -> Response:
    """The page of a request that failed: what is wrong, what helps, and the way back."""
    ours = language()
    found = Problem.of(status, detail, faults, ours.code)
    return show(
        "problem.html",
        status=status,
        problem=found,
        faults=[(one.parameter, sentence_start(one.sentence(ours.code, on_page=True))) for one in faults],
        of_api=request.path.startswith("/v1/"),
        request_id=context.request_id if (context := contexts.current()) else None,
    )


def recorded(text: str) -> str:
    """The filter of templates for titles and notes of the catalogue, in the language of the request."""
    return recorded_text(text, language().code)


def register_error_pages(blueprint: Blueprint) -> None:
    """Makes every error of a blueprint a page."""
    register_error_handlers(blueprint, problem_page)


def option_choices(offers: list[StoredOffer]) -> list[tuple[str, str]]:
    """The options of some offers, in the field's order, with their names."""
    sold = {option for offer in offers for option in offer.options}
    return [(option, language().text(f"option.{option}")) for option in OPTIONS if option in sold]


def contract_choices(offers: Sequence[StoredOffer]) -> list[tuple[str, list[tuple[str, str]]]]:
    """By supplier, the regulated one first: each offer and option as a form sends it and as it is shown."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for offer in sorted(offers, key=lambda one: (not one.regulated, one.supplier.casefold(), one.name)):
        groups.setdefault(offer.supplier, []).extend(
            (
                f"{offer.supplier}~{offer.name}~{option}",
                f"{offer.name}, {language().text(f'option.{option}')}",
            )
            for option in OPTIONS
            if option in offer.options
        )
    return list(groups.items())


def power_choices(offers: list[StoredOffer]) -> list[tuple[int, str]]:
    """The subscribed powers of some offers."""
    sold = sorted({power for offer in offers for power in offer.powers_kva})
    return [(power, language().text("tariffs.kva", kva=power)) for power in sold]
