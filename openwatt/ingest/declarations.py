"""The declarations of sources: one YAML file each, with what the pages of its document do not say."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from openwatt.domain.doubts import RULES, Expected
from openwatt.domain.errors import OpenWattError
from openwatt.domain.reading import Tax
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS, SourceKind
from openwatt.ingest.fetching.media import MediaKind
from openwatt.ingest.mapping_keys import MappingKeys
from openwatt.ingest.readers.figures import plain

#: The sources that ship with the product.
FOLDER = Path(__file__).parent / "sources"

#: Stands in a draft for what a person has to write; a file that still has it is not complete.
TO_COMPLETE = "TO COMPLETE"
#: A source's file has a few hundred bytes.
_MAX_FILE_BYTES = 100_000

#: What reads a source's document; `none_yet` marks an address whose document is not described yet.
Format = Literal["grid_pdf", "cre_csv", "rte_tempo_json", "none_yet"]
_FORMATS: tuple[Format, ...] = get_args(Format)
#: Format → the kind of document at the source's address.
MEDIA_KINDS: Mapping[Format, MediaKind] = {"grid_pdf": "pdf", "cre_csv": "csv", "rte_tempo_json": "json"}


class SourceError(OpenWattError):
    """Raised when files of sources break the rules; `faults` has each fault with file, key and remedy."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredOffer:
    """One offer that a source declares.

    `title` is the word that stands above its tables where a document holds
    several offers; `column` the word in the header of its columns where variants
    share a table; `options` the powers that its grid is known to print, per option.
    """

    name: str
    title: str | None = None
    column: str | None = None
    options: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A signed permission to publish despite a doubt, until a day, included.

    It is written under `exceptions` in the source's file.
    """

    rule: str
    what: str
    why: str
    who: str
    until: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDeclaration:
    """The declaration of a source: an address, how its document is read, and what its pages do not say."""

    name: str
    supplier: str
    kind: SourceKind = "supplier"
    format: Format
    address: str | None
    cadence_days: int
    offers: tuple[DeclaredOffer, ...] = ()
    note: str | None = None
    recognise: tuple[str, ...] = ()
    decoys: tuple[str, ...] = ()
    ignored_mark: str | None = None
    compose: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    page_phrases: tuple[str, ...] = ()
    taxes: tuple[Tax, ...] = ("HT", "TTC")
    default_tax: Tax | None = None
    date_after: str | None = None
    date_per_page: bool = False
    regulated: bool = False
    discounted: bool = False
    ht_rounded: bool = False
    option: str | None = None
    waivers: tuple[Waiver, ...] = ()


def load_sources(folder: Path = FOLDER) -> dict[str, SourceDeclaration]:
    """Reads every source of a folder, by its name, in the order of names.

    Raises:
        SourceError: with every fault of every file, not only the first.
    """
    faults: list[str] = []
    sources: dict[str, SourceDeclaration] = {}
    for path in sorted(folder.glob("*.yaml")):
        source = _load(path, faults)
        if source is not None:
            sources[source.name] = source
    if not sources and not faults:
        faults.append(f"{folder}: no *.yaml file; put one file per source there")
    if faults:
        raise SourceError(faults)
    return sources


def load_source(path: Path) -> SourceDeclaration:
    """Reads the file of one source.

    Raises:
        SourceError: with every fault of the file, not only the first.
        OSError: it cannot be opened.
    """
    faults: list[str] = []
    source = _load(path, faults)
    if source is None:
        raise SourceError(faults)
    return source


def keys_to_complete(source: SourceDeclaration) -> list[str]:
    """The keys for which a draft's file still has no value."""
    unset = plain(TO_COMPLETE)
    found = ["supplier"] if plain(source.supplier) == unset else []
    found += ["recognise"] if unset in source.recognise else []
    return found + [
        f"offers[{i}].name" for i, offer in enumerate(source.offers) if plain(offer.name) == unset
    ]


def recognise(text: str, sources: Iterable[SourceDeclaration]) -> SourceDeclaration | None:
    """Finds the one source all of whose `recognise` phrases are in a document's plain text; else None."""
    squeezed = text.replace(" ", "")
    found = [
        source
        for source in sources
        if source.recognise and all(phrase.replace(" ", "") in squeezed for phrase in source.recognise)
    ]
    return found[0] if len(found) == 1 else None


def expectations(source: SourceDeclaration) -> Expected:
    """Gives the checks what a source knows of its grid."""
    columns = [offer for offer in source.offers if offer.column]
    return Expected(
        offers={offer.name: offer.options for offer in source.offers},
        taxes=source.taxes,
        regulated=source.regulated,
        discounted=source.discounted,
        ht_rounded=source.ht_rounded,
        cheaper=tuple((gross.name, cheap.name) for gross, cheap in pairwise(columns)),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value.strip()


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(value)
    return tuple(_text(item) for item in value)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _plain_texts(value: object) -> tuple[str, ...]:
    return tuple(plain(item) for item in _texts(value))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _days(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 366:
        raise ValueError(value)
    return value


def _date(value: object) -> dt.date:
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise TypeError(value)
    return value


def _one_of(*allowed: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in allowed:
            raise ValueError(value)
        return str(value)

    return read


def _address(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"https://[\w.-]+/\S*", text):
        raise ValueError(text)
    return text


def _taxes(value: object) -> tuple[Tax, ...]:
    texts = _texts(value)
    if not set(texts) <= {"HT", "TTC"} or len(set(texts)) < len(texts):
        raise ValueError(value)
    sides: tuple[Tax, ...] = ("HT", "TTC")
    return tuple(side for side in sides if side in texts)


def _powers(value: object) -> tuple[int, ...]:
    """Reads `3-36` (every step) or `3 6 9 12` as rising powers in kVA."""
    text = str(value)
    if found := re.fullmatch(r"(\d+)-(\d+)", text):
        powers = list(range(int(found[1]), int(found[2]) + 1))
    else:
        powers = [int(word) for word in text.split()]
    rising = all(a < b for a, b in pairwise(powers))
    if not powers or not rising or not MIN_POWER_KVA <= powers[0] <= powers[-1] <= MAX_POWER_KVA:
        raise ValueError(value)
    return tuple(powers)


def _options(value: object) -> dict[str, tuple[int, ...]]:
    if not isinstance(value, dict) or not value or not set(value) <= set(OPTIONS):
        raise ValueError(value)
    return {str(option): _powers(powers) for option, powers in value.items()}


def _composition(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not value or not set(value) <= set(OPTIONS):
        raise ValueError(value)
    return {str(option): _plain_texts(titles) for option, titles in value.items()}


class _UniqueKeys(yaml.SafeLoader):
    """A YAML loader for which a key written twice is an error, not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's own signature
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=deep)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {name!r} stands twice; keep one", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _load(path: Path, faults: list[str]) -> SourceDeclaration | None:
    """Reads one file as a source; None, and faults added, when it breaks a rule."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            faults.append(f"{path.name}: is larger than {_MAX_FILE_BYTES} bytes: is it the file of a source?")
            return None
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except RecursionError:
        faults.append(f"{path.name}: not readable YAML (too many levels); is it the file of a source?")
        return None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        faults.append(
            f"{path.name}: not readable YAML ({str(error).replace(chr(10), ' ')}); correct the line"
        )
        return None
    before = len(faults)
    keys = MappingKeys(path.name, document, faults)
    sides: tuple[Tax, ...] = ("HT", "TTC")
    name = keys.need("name", _text, f"write name: {path.stem}", path.stem)
    if name != path.stem:
        keys.fault("name", f"is {name!r}; the file's name says {path.stem!r}: make them the same")
    form = keys.need("format", _one_of(*_FORMATS), f"use one of {', '.join(_FORMATS)}", "none_yet")
    source = SourceDeclaration(
        name=name,
        supplier=keys.need("supplier", _text, "write the supplier's name", "?"),
        kind=_kind(keys.take("kind", _one_of("regulator", "supplier"), "use regulator or supplier")),
        format=_format(form),
        address=keys.take("address", _address, "write an https:// address"),
        cadence_days=keys.need("cadence_days", _days, "write a number of days from 1 to 366", 1),
        offers=tuple(
            _offer(f"{path.name}: offers[{i}]", item, faults)
            for i, item in enumerate(keys.take("offers", _list, "write a list of offers") or [])
        ),
        note=keys.take("note", _text, "write a sentence"),
        recognise=keys.take("recognise", _plain_texts, "write a list of phrases of the document", ()) or (),
        decoys=keys.take("decoys", _plain_texts, "write a list of words", ()) or (),
        ignored_mark=keys.take("ignored_mark", _text, "write the mark in quotes"),
        compose=keys.take("compose", _composition, "write an option with its tables' titles", {}) or {},
        page_phrases=keys.take("page_phrases", _plain_texts, "write a list of phrases", ()) or (),
        taxes=keys.take("taxes", _taxes, "use [HT], [TTC] or [HT, TTC]", sides) or sides,
        default_tax=_side(keys.take("default_tax", _one_of("HT", "TTC"), "use HT or TTC")),
        date_after=keys.take("date_after", lambda v: plain(_text(v)), "write the words before the date"),
        date_per_page=bool(keys.take("date_per_page", _flag, "use true or false")),
        regulated=bool(keys.take("regulated", _flag, "use true or false")),
        discounted=bool(keys.take("discounted", _flag, "use true or false")),
        ht_rounded=bool(keys.take("ht_rounded", _flag, "use true or false")),
        option=keys.take("option", _one_of(*OPTIONS), f"use one of {', '.join(OPTIONS)}"),
        waivers=tuple(
            _waiver(f"{path.name}: exceptions[{i}]", item, faults)
            for i, item in enumerate(keys.take("exceptions", _list, "write a list") or [])
        ),
    )
    keys.close()
    if source.format in ("grid_pdf", "cre_csv") and not source.offers:
        keys.fault("offers", "is missing; name at least one offer with its options")
    if source.format == "grid_pdf" and not source.recognise:
        keys.fault("recognise", "is missing; write phrases by which the document is known")
    if source.format == "cre_csv" and source.option is None:
        keys.fault("option", f"is missing; use one of {', '.join(OPTIONS)}")
    if source.note is None and (source.format == "none_yet" or source.address is None):
        keys.fault("note", "is missing; say what is known of the address, or how the document comes")
    return source if len(faults) == before else None


def _format(text: str) -> Format:
    return next(known for known in _FORMATS if known == text)


def _kind(text: str | None) -> SourceKind:
    """Who publishes a source's document: a secondary one is never fetched."""
    return "regulator" if text == "regulator" else "supplier"


def _side(text: str | None) -> Tax | None:
    return None if text is None else "TTC" if text == "TTC" else "HT"


def _offer(where: str, item: object, faults: list[str]) -> DeclaredOffer:
    keys = MappingKeys(where, item, faults)
    offer = DeclaredOffer(
        name=keys.need("name", _text, "write the offer's name", "?"),
        title=keys.take("title", lambda v: plain(_text(v)), "write a word of the title above its tables"),
        column=keys.take("column", lambda v: plain(_text(v)), "write a word of its columns' header"),
        options=keys.need(
            "options", _options, "write an option with its powers, as BASE: 3-36 or HPHC: 6 9 12 15", {}
        ),
    )
    keys.close()
    return offer


def _waiver(where: str, item: object, faults: list[str]) -> Waiver:
    keys = MappingKeys(where, item, faults)
    waiver = Waiver(
        rule=keys.need("rule", _one_of(*RULES), f"use one of {', '.join(RULES)}", ""),
        what=keys.need("what", _text, "write words of the doubt's place or message", "?"),
        why=keys.need("why", _text, "say why the figures are right or accepted", "?"),
        who=keys.need("who", _text, "write the name of the person who looked", "?"),
        until=keys.need("until", _date, "write the last day as 2026-01-31", dt.date.min),
    )
    keys.close()
    return waiver
