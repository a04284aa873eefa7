"""A model of Elasticsearch: which documents its index templates accept, and a small index to search in.

No Elasticsearch runs here. The rules of each type are those of its documentation and sources: what is
refused whole, what is left out of the index (`_ignored`), what is kept and cannot be searched.
"""

import datetime as dt
import fnmatch
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.ops.logstash_pipeline import Action, Pipeline

_LONGEST_TERM: Final = 32_766  # bytes, of Lucene
#: What a mapping may say of a field, by type: a word that is not here would be refused with the template.
_PARAMETERS: Final = {
    "date": {"format", "ignore_malformed"},
    "keyword": {"ignore_above", "fields"},
    "text": {"norms", "fields", "index_options"},
    "integer": {"ignore_malformed", "coerce"},
    "long": {"ignore_malformed", "coerce"},
    "double": {"ignore_malformed", "coerce"},
    "ip": {"ignore_malformed"},
    "flattened": {"ignore_above", "depth_limit"},
}


class RefusedError(Exception):
    """Elasticsearch answers 400 for the whole document or template."""


class MalformedError(Exception):
    """A value that `ignore_malformed` leaves out of the index; without it the document is refused."""


@dataclass
class Template:
    """A composable index template."""

    patterns: list[str]
    priority: int
    settings: dict[str, Any]
    mappings: dict[str, Any]
    aliases: dict[str, Any]

    @classmethod
    def read(cls, body: dict[str, Any]) -> "Template":
        """A template as it is put.

        Raises:
            RefusedError: it says something that no template can.
        """
        if unknown := body.keys() - {
            "index_patterns",
            "priority",
            "version",
            "_meta",
            "template",
            "composed_of",
        }:
            raise RefusedError(f"unknown in a template: {sorted(unknown)}")
        inner = body["template"]
        if unknown := inner.keys() - {"settings", "mappings", "aliases"}:
            raise RefusedError(f"unknown in a template: {sorted(unknown)}")
        mappings = inner["mappings"]
        if unknown := mappings.keys() - {"dynamic", "date_detection", "properties", "runtime", "_meta"}:
            raise RefusedError(f"unknown in mappings: {sorted(unknown)}")
        for name, mapping in mappings["properties"].items():
            _check_mapping(name, mapping)
        return cls(
            body["index_patterns"], body["priority"], inner["settings"], mappings, inner.get("aliases", {})
        )

    def indexed(self, source: dict[str, Any]) -> set[str]:
        """The names of the fields that were left out of the index.

        Raises:
            RefusedError: the document is refused whole.
        """
        lenient = bool(self.settings.get("index.mapping.ignore_malformed", False))
        return set(_ignored(self.mappings, source, "", lenient=lenient))


@dataclass
class Index:
    """Every index of one Elasticsearch, with its templates and what it has refused."""

    templates: dict[str, Template] = field(default_factory=dict)
    documents: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    ignored: dict[str, set[str]] = field(default_factory=dict)
    dead: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> "Index":
        """An Elasticsearch that was given the templates of a folder."""
        files = sorted(folder.glob("*-template.json"))
        return cls({path.stem: Template.read(json.loads(path.read_text())) for path in files})

    def bulk(self, actions: Iterable[Action]) -> list[int]:
        """Does what an output asks; the status of each action."""
        return [self._do(action) for action in actions]

    def template_of(self, index: str) -> Template:
        """The template of the highest priority among those that match an index's name."""
        matching = [
            template
            for template in self.templates.values()
            if any(fnmatch.fnmatchcase(index, pattern) for pattern in template.patterns)
        ]
        return max(matching, key=lambda template: template.priority)

    def found(self, pattern: str, query: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
        """Index, id and document of everything that a query of `term`, `range` and `bool` finds."""
        return [
            (index, document_id, source)
            for index, kept in sorted(self.documents.items())
            if fnmatch.fnmatchcase(index, pattern) or pattern in self.template_of(index).aliases
            for document_id, source in kept.items()
            if _matches(self.template_of(index), query, source)
        ]

    def all(self) -> list[dict[str, Any]]:
        """Every document."""
        return [source for kept in self.documents.values() for source in kept.values()]

    def _do(self, action: Action) -> int:
        try:
            self._check_place(action)
            self.ignored[action.document_id] = self.template_of(action.index).indexed(action.source)
        except RefusedError as error:
            self.dead.append((action.source, str(error)))
            return 400
        kept = self.documents.setdefault(action.index, {})
        status = 200 if action.document_id in kept else 201
        kept[action.document_id] = action.source
        return status

    def _check_place(self, action: Action) -> None:
        if not 1 <= len(action.document_id.encode()) <= 512:
            raise RefusedError("an id has 1 to 512 bytes")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,254}", action.index):
            raise RefusedError(f"invalid index name {action.index}")
        dated = self.template_of(action.index).settings.get("index.lifecycle.parse_origination_date")
        if dated and not re.fullmatch(r".*-\d{4}.\d{2}.\d{2}(-\d+)?", action.index):
            raise RefusedError(f"no date at the end of {action.index}")


class Stack:
    """Logstash's two pipelines before one Elasticsearch, all of them models."""

    def __init__(self, main: str, dead_letters: str, folder: Path) -> None:
        self.index = Index.of(folder)
        self.main = Pipeline(main)
        self._dead_letters = Pipeline(dead_letters)

    def receive(self, lines: bytes) -> None:
        """What one TCP connection brings."""
        self._store(self.main.tcp(lines))

    def post(self, body: bytes) -> None:
        """What one HTTP post brings."""
        self._store(self.main.http(body))

    def _store(self, actions: list[Action]) -> None:
        self.index.bulk(actions)
        dead, self.index.dead = self.index.dead, []
        for source, reason in dead:
            self.index.bulk(self._dead_letters.dead_letter(source, reason))


def _check_mapping(name: str, mapping: dict[str, Any]) -> None:
    if "properties" in mapping:
        for inner, further in mapping["properties"].items():
            _check_mapping(f"{name}.{inner}", further)
        return
    known = _PARAMETERS.get(mapping.get("type", ""))
    if known is None:
        raise RefusedError(f"{name}: no type {mapping.get('type')}")
    if unknown := mapping.keys() - known - {"type"}:
        raise RefusedError(f"{name}: {mapping['type']} has no {sorted(unknown)}")
    for inner, further in mapping.get("fields", {}).items():
        _check_mapping(f"{name}.{inner}", further)


def _ignored(
    mappings: dict[str, Any], source: dict[str, Any], before: str, *, lenient: bool
) -> Iterator[str]:
    for name, value in source.items():
        if not name.strip() or any(not part.strip() for part in name.split(".")):
            raise RefusedError(f"a field's name cannot be empty: {name!r}")
        mapping = mappings["properties"].get(name)
        if mapping is None:
            if mappings["dynamic"] is not False:
                raise RefusedError(f"{before}{name} would get a type of its own, or be refused")
            continue
        if "properties" in mapping:
            if not isinstance(value, dict):
                raise RefusedError(f"{before}{name} is an object")
            yield from _ignored(mapping, value, f"{before}{name}.", lenient=lenient)
            continue
        try:
            if not _index(mapping, value):
                yield before + name
        except MalformedError as error:
            if not lenient:
                raise RefusedError(f"{before}{name}: {error}") from error
            yield before + name


def _index(mapping: dict[str, Any], value: Any) -> bool:
    """Whether a field's value can be searched for afterwards."""
    kind = mapping["type"]
    if value is None:
        return True
    if isinstance(value, list):
        indexed = [_index(mapping, item) for item in value]  # each may be refused, whatever the one before
        return all(indexed)
    if kind == "flattened":
        return _flattened(mapping, value)
    if isinstance(value, dict):
        raise RefusedError(f"an object where a {kind} is")
    if kind == "keyword":
        return _keyword(mapping, str(value))
    _CHECKS[kind](value)
    return True


def _keyword(mapping: dict[str, Any], text: str) -> bool:
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > mapping["ignore_above"]:
        return False
    _check_term(text)
    return True


def _check_whole(bits: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not -(2**bits) <= math.trunc(_number(value)) < 2**bits:
            raise MalformedError(f"{value} needs more than {bits + 1} bits")

    return check


def _number(value: Any) -> float | int:
    if isinstance(value, bool):
        raise MalformedError(f"{value} is no number")
    if isinstance(value, int):
        if abs(value) >= 2**1024:
            raise MalformedError("a number is not finite")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise MalformedError(f"{value!r} is no number") from None
    if not math.isfinite(number):
        raise MalformedError("a number is not finite")
    return number


def _check_address(value: Any) -> None:
    try:
        ipaddress.ip_address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        raise MalformedError(f"{value!r} is no address") from None


def _check_date(value: Any) -> None:
    # strict_date_optional_time
    if not isinstance(value, str) or not re.fullmatch(
        r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", value
    ):
        raise MalformedError(f"{value!r} is no date")
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        raise MalformedError(f"{value!r} is no date") from None


_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "text": str,
    "integer": _check_whole(31),
    "long": _check_whole(63),
    "double": _number,
    "ip": _check_address,
    "date": _check_date,
}


def _check_term(text: str) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > _LONGEST_TERM:
        raise RefusedError("an immense term")


def _flattened(mapping: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        raise RefusedError("a flattened field is an object")
    whole = True
    for path, leaf in _leaves(value, (), mapping["depth_limit"]):
        if "\0" in (key := ".".join(path)):
            raise RefusedError("a key of a flattened field cannot hold \\0")
        text = json.dumps(leaf) if isinstance(leaf, (bool, int, float)) else leaf
        if len(text.encode("utf-16-le", "surrogatepass")) // 2 > mapping["ignore_above"]:
            whole = False
        else:
            _check_term(f"{key}\0{text}")
    return whole


def _leaves(value: Any, path: tuple[str, ...], limit: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        if len(path) + 1 > limit and path:
            raise RefusedError(f"deeper than {limit}")
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name), limit)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path, limit)
    elif value is not None:
        yield path, value


def _matches(template: Template, query: dict[str, Any], source: dict[str, Any]) -> bool:
    ((kind, body),) = query.items()
    if kind == "bool":
        assert body.keys() <= {"filter", "must", "must_not"}, body
        wanted = [*body.get("filter", []), *body.get("must", [])]
        return all(_matches(template, inner, source) for inner in wanted) and not any(
            _matches(template, inner, source) for inner in body.get("must_not", [])
        )
    ((name, value),) = body.items()
    known = {**template.mappings["properties"], **template.mappings.get("runtime", {})}
    if name not in known:
        return False  # a field that is not indexed cannot be searched
    told = source.get(name)
    if kind == "term":
        return value in (told if isinstance(told, list) else [told])
    assert kind == "range", kind
    bounds = {"gte": lambda a, b: a >= b, "lt": lambda a, b: a < b}
    return told is not None and all(bounds[bound](told, limit) for bound, limit in value.items())
