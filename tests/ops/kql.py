"""The part of Kibana's query language that our searches use: parsed strictly, and applied to documents."""

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<quoted>"(?:\\.|[^"\\])*")|(?P<sign>>=|<=|>|<|:|\(|\))|(?P<word>[^\s()<>:"]+))'
)
_KEYWORDS: Final = {"and", "or", "not"}


class KqlError(Exception):
    """Kibana would not accept the query."""


@dataclass(frozen=True)
class Query:
    """A query: which fields it asks for, and whether a document is found."""

    fields: frozenset[str]
    matches: Callable[[Mapping[str, Any]], bool]


def parse(text: str) -> Query:
    """A query from its text; an empty one finds everything.

    Raises:
        KqlError: naming what was expected where.
    """
    if not text.strip():
        return Query(frozenset(), lambda _: True)
    parser = _Parser(text)
    query = parser.either()
    if parser.next is not None:
        parser.fail("the end, and or or")
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise KqlError(f"cannot read {text[at:]!r}")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind]))
            at = found.end()

    @property
    def next(self) -> str | None:
        return self._tokens[0][1] if self._tokens else None

    def fail(self, expected: str) -> NoReturn:
        raise KqlError(f"expected {expected}, found {self.next!r}")

    def either(self) -> Query:
        query = self._both()
        while self._take("or"):
            query = _joined(query, self._both(), any)
        return query

    def _both(self) -> Query:
        query = self._single()
        while self._take("and"):
            query = _joined(query, self._single(), all)
        return query

    def _single(self) -> Query:
        if self._take("not"):
            inner = self._single()
            return Query(inner.fields, lambda document: not inner.matches(document))
        if self._take("("):
            inner = self.either()
            if not self._take(")"):
                self.fail(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Query:
        kind, name = self._tokens.pop(0) if self._tokens else ("", "")
        if kind != "word" or name in _KEYWORDS:
            raise KqlError(f"expected a field, found {name!r}")
        sign = self.next
        if sign not in {":", ">", ">=", "<", "<="}:
            self.fail(f"a comparison after {name}")
        self._tokens.pop(0)
        test = self._values() if sign == ":" else self._bound(sign)
        return Query(frozenset({name}), lambda document: any(test(value) for value in _told(document, name)))

    def _values(self) -> Callable[[Any], bool]:
        if not self._take("("):
            return self._value()
        tests = [self._value()]
        while self._take("or"):
            tests.append(self._value())
        if not self._take(")"):
            self.fail("or or )")
        return lambda told: any(test(told) for test in tests)

    def _value(self) -> Callable[[Any], bool]:
        kind, text = self._tokens.pop(0) if self._tokens else ("", "")
        if kind == "quoted":
            wanted = re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda told: str(told) == wanted
        if kind != "word" or text in _KEYWORDS:
            raise KqlError(f"expected a value, found {text!r}")
        return lambda told: fnmatch.fnmatchcase(str(told), text)

    def _bound(self, sign: str) -> Callable[[Any], bool]:
        _, text = self._tokens.pop(0) if self._tokens else ("", "")
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            raise KqlError(f"expected a number after {sign}, found {text!r}")
        limit = float(text)
        tests: dict[str, Callable[[Any], bool]] = {
            ">": lambda told: told > limit,
            ">=": lambda told: told >= limit,
            "<": lambda told: told < limit,
            "<=": lambda told: told <= limit,
        }
        return tests[sign]

    def _take(self, word: str) -> bool:
        if self.next != word:
            return False
        self._tokens.pop(0)
        return True


def _joined(left: Query, right: Query, how: Callable[[list[bool]], bool]) -> Query:
    return Query(
        left.fields | right.fields, lambda document: how([left.matches(document), right.matches(document)])
    )


def _told(document: Mapping[str, Any], name: str) -> list[Any]:
    """The values of a field, `a.b` being b of the object a; a keyword beside a text is the text."""
    value: Any = document
    for part in name.removesuffix(".keyword").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]
