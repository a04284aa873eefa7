"""The part of CloudWatch Logs Insights' language that our queries use, parsed strictly; no AWS is asked."""

import re
from dataclasses import dataclass, field
from typing import Final, NoReturn

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<span>\d+(?:ms|s|m|h|d|w)\b)"""
    r"""|(?P<number>\d+(?:\.\d+)?)|(?P<regexp>/(?:\\/|[^/\n])+/(?=\s|$|\)))"""
    r"""|(?P<sign>!=|<=|>=|=~|[=<>(),|*/+\[\]-])|(?P<word>@{0,2}[A-Za-z_][\w.]*)|(?P<quoted>`[^`]+`))"""
)
#: What CloudWatch itself knows of every event; a field of ours that begins with @ has two of them there.
SYSTEM: Final = frozenset({"@timestamp", "@message", "@logStream", "@log", "@ingestionTime"})
_FUNCTIONS: Final = {
    "count", "count_distinct", "sum", "avg", "min", "max", "pct", "stddev", "earliest", "latest",
    "sortsFirst", "sortsLast", "bin", "floor", "ceil", "abs", "strlen", "toupper", "tolower", "ispresent",
    "isempty", "isblank", "coalesce", "strcontains", "datefloor", "fromMillis", "toMillis",
}  # fmt: skip
_OPERATORS: Final = {"=", "!=", "<", "<=", ">", ">=", "=~", "+", "-", "*", "/", "and", "or", "in", "like"}


class InsightsError(Exception):
    """CloudWatch would not run the query, or it would ask for what is gone."""


@dataclass
class InsightsQuery:
    """What a query asks of the log's own fields, and its commands in their order."""

    fields: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)


def parse(text: str) -> InsightsQuery:
    """A query's commands and the log fields that it needs.

    Raises:
        InsightsError: the text is none, or a command after `stats` asks for a field that it has not kept.
    """
    return _Parser("\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise InsightsError(f"cannot read {text[at : at + 30]!r}")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind]))
            at = found.end()
        self._found = InsightsQuery()
        self._named: set[str] = set()  # by `as`
        self._only: set[str] | None = None  # after stats nothing else is there

    def query(self) -> InsightsQuery:
        while True:
            self._command()
            if not self._tokens:
                return self._found
            self._expect("|")

    def _command(self) -> None:
        command = self._word("a command")
        self._found.commands.append(command)
        if command in {"fields", "display"}:
            self._listed()
        elif command == "filter":
            self._expression()
        elif command == "stats":
            self._stats()
        elif command == "sort":
            self._expression()
            if self._word("asc or desc") not in {"asc", "desc"}:
                self._fail("asc or desc")
        elif command == "limit":
            kind, number = self._next()
            if kind != "number" or not 1 <= int(number) <= 10_000:
                self._fail("a number up to 10000")
        else:
            raise InsightsError(f"no command {command}")

    def _stats(self) -> None:
        kept = self._listed()
        if self._take("by"):
            kept |= self._listed()
        self._only = kept

    def _listed(self) -> set[str]:
        """Expressions with commas; the names under which each can be asked for afterwards."""
        names = set()
        while True:
            start = self._tokens[0][1] if self._tokens else ""
            alone = len(self._tokens) < 2 or self._tokens[1][1] in {",", "|", "as", "by"}
            self._expression()
            if self._take("as"):
                start = self._word("a name")
                self._named.add(start)
            elif not alone:
                start = ""
            names.add(start)
            if not self._take(","):
                return names

    def _expression(self) -> None:
        self._operand()
        while self._tokens and self._tokens[0][1] in _OPERATORS | {"not"}:
            if self._take("not"):
                if not self._tokens or self._tokens[0][1] not in {"in", "like"}:
                    self._fail("in or like after not")
                continue
            self._next()
            self._operand()

    def _operand(self) -> None:
        kind, text = self._next()
        if kind in {"text", "number", "span", "regexp"}:
            return
        if text == "*":
            return
        if text == "not":
            self._operand()
        elif text in {"(", "["}:
            close = {"(": ")", "[": "]"}[text]
            self._expression()
            while self._take(","):
                self._expression()
            self._expect(close)
        elif kind == "word" and self._take("("):
            if text not in _FUNCTIONS:
                raise InsightsError(f"no function {text}")
            while not self._take(")"):
                self._expression()
                self._take(",")
        elif kind in {"word", "quoted"}:
            self._asked(text.strip("`"))
        else:
            raise InsightsError(f"expected a field or a value, found {text!r}")

    def _asked(self, name: str) -> None:
        if self._only is not None and name not in self._only:
            raise InsightsError(f"{name} is gone after stats")
        if self._only is None and name not in self._named | SYSTEM:
            self._found.fields.add(name.removeprefix("@") if name.startswith("@@") else name)

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise InsightsError("the query ends too early")
        return self._tokens.pop(0)

    def _word(self, expected: str) -> str:
        kind, text = self._next()
        if kind != "word":
            raise InsightsError(f"expected {expected}, found {text!r}")
        return text

    def _take(self, sign: str) -> bool:
        if not self._tokens or self._tokens[0][1] != sign:
            return False
        self._tokens.pop(0)
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            self._fail(sign)

    def _fail(self, expected: str) -> NoReturn:
        raise InsightsError(
            f"expected {expected}, found {self._tokens[0][1] if self._tokens else 'the end'!r}"
        )
