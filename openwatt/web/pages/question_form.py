"""The form of the home page: its fields, its faults in the reader's words, and one line that sums it up."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from openwatt.comparison.question import USUAL_PROFILE
from openwatt.meter.options import DIRECTIONS, STAMPS, UNITS
from openwatt.web.api.bill_params import FILE_OPTIONS
from openwatt.web.http.problems import Fault
from openwatt.web.pages.answer import HomeView
from openwatt.web.pages.i18n import Language
from openwatt.web.pages.measured_use import EXAMPLE, EXAMPLE_FIELD
from openwatt.web.pages.ranking import CHOICE_FIELDS
from openwatt.web.pages.rendering import sentence_start
from openwatt.web.pages.typed_numbers import whole_kwh
from openwatt.web.pages.understand import UNDERSTAND_FIELDS

#: Off-peak hours of the year, and those of each season where they differ.
HOURS = ("off_peak_hours", "off_peak_summer", "off_peak_winter")
#: Fields that an address holds too, in its order.
FIELDS = (
    EXAMPLE_FIELD,
    "kwh",
    "profile",
    "power_kva",
    *HOURS,
    "present",
    "prices",
    "include_outdated",
    *CHOICE_FIELDS,
    *UNDERSTAND_FIELDS,
)
#: What is said about a file that leaves it open; it counts with a file alone.
FILE_FIELDS = tuple(field.name for field in FILE_OPTIONS)
#: What the form shows without a choice.
USUAL = {"power_kva": "6", "profile": USUAL_PROFILE, "prices": "now"}
#: Where each field stands in the form.
_IN_FORM = (
    "file",
    *FILE_FIELDS,
    "kwh",
    "profile",
    "power_kva",
    "present",
    "prices",
    *HOURS,
)
#: A fault of a field that the form has not is shown beside the one it came from.
_FIELD_OF = {"option": "present", "supplier": "present", "offer": "present"}
#: Faults that have a text of their own, whatever their field.
_OWN_TEXTS = {"question.no_use": "no_use", "question.two_uses": "two_uses"}


class FieldFault(NamedTuple):
    """What is wrong with one field of the form, in the reader's language."""

    field: str
    text: str
    details: tuple[str, ...]


def typed_texts(given: Mapping[str, str]) -> dict[str, str]:
    """The fields that were filled in, without spaces around them; kWh as digits where they are a number.

    Typed kWh replace the example home.
    """
    texts = {name: text for name in (*FIELDS, *FILE_FIELDS) if (text := given.get(name, "").strip())}
    if "kwh" in texts:
        texts["kwh"] = whole_kwh(texts["kwh"]) or texts["kwh"]
    if "kwh" in texts or texts.get(EXAMPLE_FIELD) != EXAMPLE:
        texts.pop(EXAMPLE_FIELD, None)
    return texts


def field_faults(faults: Sequence[Fault], ours: Language) -> list[FieldFault]:
    """The faults by field, in the order of the form."""
    by_field: dict[str, list[Fault]] = {}
    for fault in faults:
        name = _FIELD_OF.get(fault.parameter, fault.parameter)
        by_field.setdefault(name if name in _IN_FORM else "file", []).append(fault)
    return [
        FieldFault(name, _text(name, by_field[name], ours), tuple(_details(by_field[name], ours)))
        for name in _IN_FORM
        if name in by_field
    ]


def leaves_open(fault: Fault) -> bool:
    """Whether a file is refused only because it may mean two things: the form asks which."""
    return fault.message.key.startswith("ambiguous.")


def file_choices(ours: Language) -> list[tuple[str, list[tuple[str, str]]]]:
    """What may be said about a file, by field: each choice as the form sends it and as it is shown."""
    choices = {"stamps": STAMPS, "unit": tuple(UNITS), "direction": DIRECTIONS}
    return [
        (name, [(value, ours.text(f"file_option.{name}_{value}")) for value in choices[name]])
        for name in FILE_FIELDS
    ]


def summary_parts(texts: Mapping[str, str], view: HomeView, ours: Language) -> list[str]:
    """The question as the parts of one line."""
    return [*_parts(texts, view, ours)]


def _text(name: str, faults: Sequence[Fault], ours: Language) -> str:
    """The sentence of a field's faults: what to do, in the words of the form."""
    keys = {fault.message.key for fault in faults}
    own = next((text for key, text in _OWN_TEXTS.items() if key in keys), None)
    if own is None and any(map(leaves_open, faults)):
        own = "file_open"
    return ours.text(f"fault.{own or name}")


def _details(faults: Sequence[Fault], ours: Language) -> Iterator[str]:
    """What is wrong in particular; where a parameter is not of its type, the form has its own words."""
    for fault in faults:
        if fault.message.key not in _OWN_TEXTS and not fault.message.key.startswith("parameter."):
            yield sentence_start(fault.sentence(ours.code, on_page=True))


def _parts(texts: Mapping[str, str], view: HomeView, ours: Language) -> Iterator[str]:
    if EXAMPLE_FIELD in texts:
        yield ours.text("home.asked_example", kwh=ours.number(view.kwh))
    elif view.measured:
        yield ours.text(
            "home.asked_file", start=ours.day(view.comparison.span.start), end=ours.day(view.last)
        )
    else:
        yield ours.text("home.asked_kwh", kwh=ours.number(int(texts["kwh"])))
        yield ours.text(f"profile.{texts.get('profile', USUAL['profile'])}")
    yield ours.text("tariffs.kva", kva=texts["power_kva"])
    if "present" in texts:
        _, offer, option = texts["present"].split("~")
        yield f"{offer}, {ours.text(f'option.{option}')}"
    hours = [texts[name] for name in HOURS if name in texts]
    if hours:
        yield ours.text("home.asked_hours", hours=", ".join(hours))
    if texts.get("prices") == "then":
        yield ours.text("home.asked_then")
