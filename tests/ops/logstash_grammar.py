"""The grammar of Logstash's configuration as a recursive descent, rule by rule as Logstash's own has it.

It is ours, not Logstash: it knows the whole grammar but for expressions as values of conditions'
method calls, which exist nowhere, and refuses the rest with the line where it stopped.
"""

import re
from dataclasses import dataclass, field
from typing import Final, NoReturn

_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*(?:\r?\n|\Z))*")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_BAREWORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]*)?")
_DOUBLE: Final = re.compile(r'"((?:\\"|[^"])*)"', re.DOTALL)
_SINGLE: Final = re.compile(r"'((?:\\'|[^'])*)'", re.DOTALL)
_REGEXP: Final = re.compile(r"/((?:\\/|[^/])*)/", re.DOTALL)
_SELECTOR: Final = re.compile(r"(?:\[[^\]\[,]+\])+")


class LogstashConfigError(Exception):
    """Logstash would not start with this configuration."""


@dataclass(frozen=True)
class Selector:
    """A field in a condition: `[tags]`, `[@metadata][id]`."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Regexp:
    """A pattern between slashes."""

    pattern: str


@dataclass(frozen=True)
class Plugin:
    """`name { option => value … }`; a codec with options is a plugin as a value."""

    name: str
    options: dict[str, "Value"]
    line: int = field(compare=False, default=0)


@dataclass(frozen=True)
class Compare:
    """`left operator right`, with `in`, `not in`, `=~`, `!~` among the operators."""

    left: "Operand"
    operator: str
    right: "Operand"


@dataclass(frozen=True)
class Truth:
    """A field or a value alone: it is there, and is neither false nor null."""

    operand: "Operand"


@dataclass(frozen=True)
class Not:
    """`!(…)` or `![field]`."""

    condition: "Condition"


@dataclass(frozen=True)
class Both:
    """Two conditions joined by `and`, `or`, `xor` or `nand`."""

    left: "Condition"
    operator: str
    right: "Condition"


@dataclass(frozen=True)
class Branch:
    """`if … { } else if … { } else { }`; the condition of `else` is None."""

    cases: list[tuple["Condition | None", list["Step"]]]


Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | Plugin
Operand = str | int | float | Selector | Regexp | list["Operand"]
Condition = Compare | Truth | Not | Both
Step = Plugin | Branch


def parse(text: str) -> dict[str, list[Step]]:
    """The steps of `input`, `filter` and `output`, each section's in the order of the file.

    Raises:
        LogstashConfigError: with the line and what was expected there.
    """
    return _Parser(text).config()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def config(self) -> dict[str, list[Step]]:
        sections: dict[str, list[Step]] = {"input": [], "filter": [], "output": []}
        self._space()
        while self._at < len(self._text):
            kind = self._match(_NAME)
            if kind not in sections:
                self._fail("input, filter or output", at=self._at - len(kind or ""))
            self._space()
            sections[kind] += self._block()
            self._space()
        if not sections["input"] and not sections["filter"] and not sections["output"]:
            self._fail("input, filter or output")
        return sections

    def _block(self) -> list[Step]:
        self._expect("{")
        steps: list[Step] = []
        self._space()
        while not self._take("}"):
            steps.append(self._branch() if re.match(r"if[^A-Za-z0-9_-]", self._rest()) else self._plugin())
            self._space()
        return steps

    def _plugin(self) -> Plugin:
        line = self._line(self._at)
        name = self._match(_NAME) or self._string() or self._fail("the name of a plugin")
        self._space()
        self._expect("{")
        self._space()
        options: dict[str, Value] = {}
        while not self._take("}"):
            option = self._match(_NAME) or self._string() or self._fail("an option or }")
            self._space()
            self._expect("=>")
            self._space()
            if option in options:  # Logstash merges some and takes the last of others: we have no use for it
                self._fail(f"another option than {option}, which is set already")
            options[option] = self._value()
            self._separator()
        return Plugin(name, options, line)

    def _value(self) -> Value:
        if re.match(r"[A-Za-z0-9_-]+\s*\{", self._rest()):
            return self._plugin()
        word = self._match(_BAREWORD)
        if word is not None:
            return {"true": True, "false": False}.get(word, word)
        literal = self._literal()
        if literal is not None:
            return literal
        if self._take("["):
            return self._list()
        if self._take("{"):
            return self._hash()
        return self._fail("a value")

    def _list(self) -> list[Value]:
        values: list[Value] = []
        self._space()
        if self._take("]"):
            return values
        while True:
            values.append(self._value())
            self._space()
            if self._take("]"):
                return values
            self._expect(",")
            self._space()

    def _hash(self) -> dict[str, Value]:
        entries: dict[str, Value] = {}
        self._space()
        while not self._take("}"):
            key = self._match(_NUMBER) or self._match(_BAREWORD) or self._string() or self._fail("a key or }")
            self._space()
            self._expect("=>")
            self._space()
            entries[key] = self._value()
            self._separator()
        return entries

    def _branch(self) -> Branch:
        cases: list[tuple[Condition | None, list[Step]]] = []
        self._expect("if")
        self._space()
        condition: Condition | None = self._condition()
        while True:
            self._space()
            cases.append((condition, self._block()))
            before = self._at
            self._space()
            if condition is None or not re.match(r"else[^A-Za-z0-9_-]", self._rest()):
                self._at = before
                return Branch(cases)
            self._expect("else")
            self._space()
            condition = None
            if re.match(r"if[^A-Za-z0-9_-]", self._rest()):
                self._expect("if")
                self._space()
                condition = self._condition()

    def _condition(self) -> Condition:
        left = self._expression()
        while True:
            before = self._at
            self._space()
            operator = next((word for word in ("and", "or", "xor", "nand") if self._take(word)), None)
            if operator is None:
                self._at = before
                return left
            self._space()
            left = Both(left, operator, self._expression())

    def _expression(self) -> Condition:
        if self._take("!"):
            self._space()
            if self._take("("):
                return Not(self._enclosed())
            path = self._match(_SELECTOR) or self._fail("a field or ( after !")
            return Not(Truth(_selector(path)))
        if self._take("("):
            return self._enclosed()
        left = self._operand()
        before = self._at
        self._space()
        operators = ("==", "!=", "<=", ">=", "=~", "!~", "<", ">", "in")
        operator = next((sign for sign in operators if self._take(sign)), None)
        if operator is None and self._take("not "):
            self._space()
            self._expect("in")
            operator = "not in"
        if operator is None:
            self._at = before
            return Truth(left)
        self._space()
        right = self._operand()
        if operator in {"=~", "!~"} and not isinstance(right, (str, Regexp)):
            self._fail("a pattern")
        return Compare(left, operator, right)

    def _enclosed(self) -> Condition:
        self._space()
        condition = self._condition()
        self._space()
        self._expect(")")
        return condition

    def _operand(self) -> Operand:
        literal = self._literal()
        if literal is not None:
            return literal
        path = self._match(_SELECTOR)
        if path is not None:
            return _selector(path)
        pattern = self._match(_REGEXP)
        if pattern is not None:
            return Regexp(pattern[1:-1].replace("\\/", "/"))
        if self._take("["):
            return [value for value in self._list() if isinstance(value, (str, int, float))]
        return self._fail("a field, a text, a number, a list or a pattern")

    def _literal(self) -> str | int | float | None:
        string = self._string()
        number = self._match(_NUMBER) if string is None else None
        if number is None:
            return string
        return float(number) if "." in number else int(number)

    def _string(self) -> str | None:
        """A text between quotes; escapes are no escapes, as config.support_escapes is off."""
        found = self._match(_DOUBLE) or self._match(_SINGLE)
        return None if found is None else found[1:-1]

    def _separator(self) -> None:
        """Options and entries are parted by white space; a comma between them is an error."""
        before = self._at
        self._space()
        if self._at == before and not self._rest().startswith("}"):
            self._fail("white space or }")

    def _space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _take(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            self._fail(sign)

    def _rest(self) -> str:
        return self._text[self._at : self._at + 80]

    def _line(self, at: int) -> int:
        return self._text.count("\n", 0, at) + 1

    def _fail(self, expected: str, at: int | None = None) -> NoReturn:
        where = self._at if at is None else at
        raise LogstashConfigError(
            f"line {self._line(where)}: expected {expected}, found {self._text[where : where + 30]!r}"
        )


def _selector(text: str) -> Selector:
    return Selector(tuple(re.findall(r"\[([^\]]+)\]", text)))
