"""Plain words: what a docstring begins with, and what names are made of."""

import ast
import functools
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGE = Path(__file__).resolve().parents[1] / "openwatt"

#: Words that the libraries and RFCs have other words for → how many names still have them. It may only fall.
MOST_IN_NAMES: Final = {
    "agenda": 0,
    "anew": 0,
    "apart": 0,
    "asked": 0,
    "asker": 0,
    "believe": 0,
    "believes": 0,
    "kept": 0,
    "mend": 0,
    "nobody": 0,
    "patience": 0,
    "patient": 0,
    "said": 0,
    "say": 0,
    "says": 0,
    "settle": 0,
    "stranger": 0,
    "strangers": 0,
    "tell": 0,
    "told": 0,
    "trouble": 0,
    "troubles": 0,
    "unasked": 0,
}
#: The same for the first word of a docstring, which is a sentence about the thing.
MOST_IN_SUMMARIES: Final = {
    "Asks": 0,
    "Begins": 3,
    "Forgets": 2,
    "Lets": 2,
    "Nobody": 0,
    "Nothing": 0,
    "Says": 0,
    "Something": 3,
    "Tells": 2,
    "Told": 0,
}
#: The same for the text of docstrings and comments, but for what stands between backticks.
MOST_IN_PROSE: Final = {
    "anew": 0,
    "asked": 1,  # openwatt/meter
    "at hand": 0,
    "believe": 0,
    "believes": 0,
    "kept": 1,  # openwatt/meter
    "nobody": 0,
    "patience": 0,
    "stranger": 0,
    "strangers": 0,
    "told": 0,
}
#: Names of the API, of commands and of other people's libraries, which stay.
GIVEN: Final = {"drop_kept"}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def trees() -> dict[Path, ast.Module]:
    """The syntax tree of each module of the product."""
    found = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    assert len(found) > 100
    return found


def names(tree: ast.Module) -> Iterator[str]:
    """Every name that a module gives."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case (
                ast.arg(arg=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ):
                yield name


def public(node: ast.AST) -> Iterator[Documented]:
    """A module or class with all that it shows: a function within a function is no interface."""
    if isinstance(node, Documented):
        yield node
        for child in node.body if isinstance(node, ast.Module | ast.ClassDef) else ():
            if not getattr(child, "name", "_").startswith("_"):
                yield from public(child)


def prose(path: Path, tree: ast.Module) -> str:
    """The docstrings and comments of a module, but for what stands between backticks."""
    strings = [
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    with path.open("rb") as file:
        comments = [
            token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT
        ]
    return re.sub(r"`[^`\n]*`", "", "\n".join(strings + comments))


def summaries() -> Iterator[tuple[str, str]]:
    """The first line of each docstring that a reader of the package sees, and where it stands."""
    for path, tree in trees().items():
        for node in public(tree):
            text = ast.get_docstring(node)
            if text:  # ruff's D1 sees to it that there is one
                yield f"{path.relative_to(PACKAGE)}: {getattr(node, 'name', 'module')}", text.splitlines()[0]


def test_a_docstring_begins_with_a_sentence() -> None:
    lines = list(summaries())
    assert len(lines) > 500
    fragments = [
        (where, line) for where, line in lines if not re.fullmatch(r"([A-Z`(/\d]|[a-z]+[_A-Z.]).*\.", line)
    ]
    assert fragments == []


def test_no_more_docstrings_begin_with_a_literary_word() -> None:
    found = Counter(line.split()[0] for _, line in summaries())
    assert {word: found[word] for word in MOST_IN_SUMMARIES if found[word] > MOST_IN_SUMMARIES[word]} == {}


def test_no_more_names_have_a_word_of_literature() -> None:
    parts = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
    found = Counter(
        part.lower()
        for tree in trees().values()
        for name in names(tree)
        if name not in GIVEN
        for part in parts.findall(name)
    )
    assert found["tariff"] > 50
    assert {word: found[word] for word in MOST_IN_NAMES if found[word] > MOST_IN_NAMES[word]} == {}


def test_no_more_prose_has_a_word_of_literature() -> None:
    text = " ".join(prose(path, tree) for path, tree in trees().items()).lower()
    found = {word: len(re.findall(rf"\b{word}\b", text)) for word in MOST_IN_PROSE}
    assert text.count("tariff") > 100
    assert {word: count for word, count in found.items() if count > MOST_IN_PROSE[word]} == {}
