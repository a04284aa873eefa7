"""A model of Logstash that executes a pipeline's configuration: no Logstash runs here.

It knows the plugins of our pipelines, as read in their sources, and the traps among them: what the `json`
codec does to a text field `event` in ECS mode, that the codec reads `@timestamp` and a date filter cannot,
that `%{field}` of a field that is not there stands for itself. What it does not know it refuses.
"""

import datetime as dt
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from tests.ops.logstash_grammar import (
    Both,
    Compare,
    Condition,
    LogstashConfigError,
    Not,
    Operand,
    Plugin,
    Regexp,
    Selector,
    Step,
    Truth,
    Value,
    parse,
)
from tests.ops.logstash_plugins import check_plugins

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::([^}]*))?\}")
_REFERENCE: Final = re.compile(r"%\{([^}]+)\}")
_JODA: Final = {"YYYY": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}
_LONGEST_NUMBER: Final = 1000  # digits: more than that, and its reader of JSON refuses the text


@dataclass
class Event:
    """One record on its way; `@metadata` is apart and is never sent on."""

    data: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Event":
        """An event with its time, which is now where the record tells none that can be read."""
        event = cls({"@version": "1", **data})
        told = data.get("@timestamp")
        try:
            moment = dt.datetime.now(dt.UTC) if told is None else dt.datetime.fromisoformat(told)
        except (TypeError, ValueError):
            moment = dt.datetime.now(dt.UTC)
            event.tag("_timestampparsefailure")
            event.data["_@timestamp"] = told
        event.data["@timestamp"] = (
            moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
        ).astimezone(dt.UTC)
        return event

    def tag(self, word: str) -> None:
        """Adds a word to the tags."""
        tags = self.data.get("tags", [])
        tags = tags if isinstance(tags, list) else [tags]
        self.data["tags"] = tags if word in tags else [*tags, word]

    def get(self, reference: str) -> Any:
        """A field's value, or None."""
        place, path = self._place(reference)
        for name in path:
            if not isinstance(place, dict) or name not in place:
                return None
            place = place[name]
        return place

    def set(self, reference: str, value: Any) -> None:
        """Sets a field.

        Raises:
            TypeError: what should hold the field is a text or a number.
        """
        place, path = self._place(reference)
        for name in path[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise TypeError(f"cannot set {reference}: {name} is {place!r}")
        place[path[-1]] = value

    def remove(self, reference: str) -> Any:
        """Takes a field away and returns its value."""
        place, path = self._place(reference)
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        return place.pop(path[-1], None) if isinstance(place, dict) else None

    def filled(self, text: str) -> str:
        """A text with `%{field}` and `%{+YYYY.MM.dd}` replaced; what is not there stays as it is written."""

        def value(found: re.Match[str]) -> str:
            if found[1].startswith("+"):
                return _dated(found[1][1:], self.data["@timestamp"])
            told = self.get(found[1])
            if told is None:
                return found[0]
            return told if isinstance(told, str) else json.dumps(told, default=str)

        return _REFERENCE.sub(value, text)

    def source(self) -> dict[str, Any]:
        """The document: the fields as JSON has them."""
        moment = self.data["@timestamp"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {**self.data, "@timestamp": moment}

    def _place(self, reference: str) -> tuple[Any, list[str]]:
        path = re.findall(r"\[([^\]]+)\]", reference) if reference.startswith("[") else [reference]
        if path[0] == "@metadata":
            return self.metadata, path[1:]
        return self.data, path


@dataclass(frozen=True)
class Action:
    """What the output asks of Elasticsearch."""

    index: str
    document_id: str
    source: dict[str, Any]


class Pipeline:
    """One pipeline: bytes in, actions for Elasticsearch out."""

    def __init__(self, text: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self._sections = parse(text)
        check_plugins(self._sections)
        self._environment = environment
        self.plugins = {
            plugin.name: plugin for plugin in self._sections["input"] if isinstance(plugin, Plugin)
        }

    def option(self, plugin: Plugin, name: str, default: Any = None) -> Any:
        """An option's value with the environment in it.

        Raises:
            LogstashConfigError: a variable is not set and has no default.
        """
        return self._resolved(plugin.options.get(name, default))

    def tcp(self, stream: bytes) -> list[Action]:
        """What one connection brings: lines, the last of which may be cut."""
        plugin = self.plugins["tcp"]
        events = [
            event for line in stream.split(b"\n") if line.strip() for event in self._decoded(plugin, line)
        ]
        if self.option(plugin, "ecs_compatibility", "v8") == "disabled":
            for event in events:
                event.data.setdefault("host", "192.0.2.1")
                event.data.setdefault("port", 40000)
        return self._through(events)

    def http(self, body: bytes, content_type: str = "application/json") -> list[Action]:
        """What one post brings."""
        plugin = self.plugins["http"]
        if self.option(plugin, "ecs_compatibility", "v8") != "disabled":
            raise LogstashConfigError("this model knows the http input without ECS alone")
        others = self.option(plugin, "additional_codecs", {"application/json": "json"})
        codec = others.get(content_type, plugin.options.get("codec", "plain"))
        events = list(self._decoded(Plugin("http", {"codec": codec}), body))
        for event in events:
            event.set(
                self.option(plugin, "request_headers_target_field", "headers"), {"authorization": "secret"}
            )
            event.set(self.option(plugin, "remote_host_target_field", "host"), "192.0.2.1")
        return self._through(events)

    def dead_letter(self, source: dict[str, Any], reason: str) -> list[Action]:
        """What the input `dead_letter_queue` brings for one refused document."""
        event = Event.of(source)
        event.metadata["dead_letter_queue"] = {"reason": reason}
        return self._through([event])

    def _decoded(self, plugin: Plugin, text: bytes) -> Iterator[Event]:
        codec = plugin.options["codec"]
        name, options = (codec.name, codec.options) if isinstance(codec, Plugin) else (codec, {})
        line = text.decode("utf-8", "replace")
        if name not in {"json", "json_lines"}:
            raise LogstashConfigError(f"this model does not know the codec {name}")
        try:
            read = json.loads(line, parse_constant=_refuse, parse_int=_integer, parse_float=_decimal)
            rows = read if isinstance(read, list) else [read]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("no object")  # noqa: TRY301  as every other fault of the text
            events = [Event.of(row) for row in rows]
            if name == "json" and options.get("ecs_compatibility", "v8") != "disabled" and len(events) == 1:
                events[0].set("[event][original]", line)
        except (ValueError, TypeError, RecursionError):
            events = [Event.of({"message": line, "tags": ["_jsonparsefailure"]})]
        yield from events

    def _through(self, events: list[Event]) -> list[Action]:
        actions = []
        for event in events:
            for step in self._steps(self._sections["filter"], event):
                self._filter(step, event)
            outputs = list(self._steps(self._sections["output"], event))
            actions += [self._action(step, event) for step in outputs]
        return actions

    def _steps(self, steps: list[Step], event: Event) -> Iterator[Plugin]:
        for step in steps:
            if isinstance(step, Plugin):
                yield step
                continue
            for condition, body in step.cases:
                if condition is None or _holds(condition, event):
                    yield from self._steps(body, event)
                    break

    def _filter(self, plugin: Plugin, event: Event) -> None:
        if plugin.name == "mutate":
            _mutate(plugin, event)
        elif plugin.name == "fingerprint" and plugin.options.get("method") == "UUID":
            event.set(str(plugin.options["target"]), str(uuid.uuid4()))
        elif plugin.name == "date":
            _date(plugin, event)
        else:
            raise LogstashConfigError(f"this model does not know {plugin.name} {plugin.options}")
        for name, value in _entries(plugin, "add_field"):
            _add(event, event.filled(name), event.filled(value))
        for name in _names(plugin, "remove_field"):
            event.remove(name)

    def _action(self, plugin: Plugin, event: Event) -> Action:
        wanted = {"action": "index", "data_stream": "false", "ilm_enabled": False, "manage_template": False}
        told = {name: plugin.options.get(name) for name in wanted}
        if plugin.name != "elasticsearch" or told != wanted:
            raise LogstashConfigError(f"this model does not know an output {plugin.name} with {told}")
        return Action(
            index=event.filled(self.option(plugin, "index")),
            document_id=event.filled(self.option(plugin, "document_id")),
            source=event.source(),
        )

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if not isinstance(value, str):
            return value

        def variable(found: re.Match[str]) -> str:
            told = self._environment.get(found[1], found[2])
            if told is None:
                raise LogstashConfigError(
                    f"cannot evaluate ${{{found[1]}}}: it is not set and has no default"
                )
            return told

        return _VARIABLE.sub(variable, value)


def _mutate(plugin: Plugin, event: Event) -> None:
    if unknown := plugin.options.keys() - {"id", "rename", "copy", "add_field", "remove_field"}:
        raise LogstashConfigError(f"this model does not know mutate with {sorted(unknown)}")
    for old, new in _entries(plugin, "rename"):
        if event.get(old) is not None:
            event.set(new, event.remove(old))
    for old, new in _entries(plugin, "copy"):
        if event.get(old) is not None:
            event.set(new, event.get(old))


def _date(plugin: Plugin, event: Event) -> None:
    source, *formats = _names(plugin, "match")
    told = event.get(source)
    if told is None:
        return
    if not isinstance(told, str) or formats != ["ISO8601"]:
        event.tag("_dateparsefailure")
        return
    event.data["@timestamp"] = dt.datetime.fromisoformat(told).astimezone(dt.UTC)


def _entries(plugin: Plugin, option: str) -> list[tuple[str, str]]:
    told = plugin.options.get(option, {})
    assert isinstance(told, dict)
    return [(name, str(value)) for name, value in told.items()]


def _names(plugin: Plugin, option: str) -> list[str]:
    told: Value = plugin.options.get(option, [])
    return [str(name) for name in told] if isinstance(told, list) else [str(told)]


def _add(event: Event, name: str, value: str) -> None:
    """A field that is there already becomes a list of both."""
    there = event.get(name)
    event.set(name, value if there is None else [*(there if isinstance(there, list) else [there]), value])


def _holds(condition: Condition, event: Event) -> bool:
    if isinstance(condition, Not):
        return not _holds(condition.condition, event)
    if isinstance(condition, Truth):
        return _value(condition.operand, event) not in (None, False)
    if isinstance(condition, Both):
        left, right = _holds(condition.left, event), _holds(condition.right, event)
        return {
            "and": left and right,
            "or": left or right,
            "xor": left != right,
            "nand": not (left and right),
        }[condition.operator]
    return _compared(condition, event)


def _compared(condition: Compare, event: Event) -> bool:
    left, right = _value(condition.left, event), _value(condition.right, event)
    match condition.operator:
        case "==":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case "in" | "not in":
            inside = isinstance(right, (list, str)) and left in right
            return inside == (condition.operator == "in")
        case "=~" | "!~":
            found = left is not None and re.search(right.replace(r"\z", r"\Z"), str(left)) is not None
            return found == (condition.operator == "=~")
    raise LogstashConfigError(f"this model does not know the operator {condition.operator}")


def _value(operand: Operand, event: Event) -> Any:
    if isinstance(operand, Selector):
        return event.get("".join(f"[{name}]" for name in operand.path))
    return operand.pattern if isinstance(operand, Regexp) else operand


def _dated(form: str, moment: dt.datetime) -> str:
    parts = re.split(r"(YYYY|MM|dd|HH)", form)
    if any(re.search("[A-Za-z]", part) for part in parts if part not in _JODA):
        raise LogstashConfigError(f"this model does not know the form of date {form}")
    return "".join(moment.strftime(_JODA[part]) if part in _JODA else part for part in parts)


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number of too many digits")
    return int(text)


def _decimal(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number of too many digits")
    return float(text)
