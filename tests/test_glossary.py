"""The glossary has every word of the field in JSON keys, command-line options and metrics, and no other."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.cli import main
from openwatt.settings import Settings
from tests.conftest import close_app

ROOT = Path(__file__).resolve().parents[1]
#: Ordinary words of English and of software in those names: they mean nothing else here.
ORDINARY: Final = frozenset((ROOT / "tests" / "ordinary_words.txt").read_text("utf-8").split())
#: Words of two parts, which mean something else than their parts.
PAIRS: Final = {"off_peak": ("off", "peak")}


def glossary() -> dict[str, str]:
    """The words of the glossary, and what they mean."""
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a word stands there twice"
    return dict(rows)


def words(names: Iterable[str]) -> set[str]:
    """The words of names, in the singular and in small letters."""
    return {singular(word.lower()) for name in names for word in re.split(r"[^A-Za-z0-9]+", name) if word}


def singular(word: str) -> str:
    """The singular of a word, as far as the names here need it."""
    irregular = {"breaches": "breach", "duties": "duty", "entries": "entry", "indexes": "index"}
    if word in irregular:
        return irregular[word]
    return word if len(word) <= 3 or word.endswith(("ss", "us")) else word.removesuffix("s")


def keys(node: Any) -> Iterator[str]:
    """The names of properties, parameters and values in a contract."""
    if isinstance(node, dict):
        yield from node.get("properties", {}) if isinstance(node.get("properties"), dict) else ()
        parameters = node.get("parameters", ())
        yield from (parameter["name"] for parameter in parameters if "name" in parameter)
        yield from (value for value in node.get("enum", ()) if isinstance(value, str))
        for value in node.values():
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)


def options(command: click.Command) -> Iterator[str]:
    """The names of a command, its options and what is under it."""
    yield "" if command is main else command.name or ""
    for parameter in command.params:
        yield from parameter.opts
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), each)
            assert found is not None
            yield from options(found)


def spoken(client: FlaskClient) -> set[str]:
    """Every word in the contract's keys, the commands' options and the metrics' names."""
    whole = create_app(Settings(database_url="postgresql://unused/unused", admin_token="a" * 32))
    contract, metrics = whole.test_client().get("/openapi.json").json, client.get("/metrics").text
    close_app(whole)
    found = {
        "contract": words(keys(contract)),
        "commands": words(options(main)),
        "metrics": words(re.findall(r"^# TYPE (\w+)", metrics, re.MULTILINE)),
    }
    assert min(map(len, found.values())) > 30
    return set().union(*found.values())


def test_every_word_of_the_field_is_in_the_glossary(client: FlaskClient) -> None:
    assert spoken(client) - ORDINARY - set(map(singular, glossary())) == set()


def test_every_word_of_the_glossary_is_used(client: FlaskClient) -> None:
    product = "\n".join(
        path.read_text("utf-8").lower()
        for pattern in ("*.py", "*.sql", "*.yaml")
        for path in (ROOT / "openwatt").rglob(pattern)
    )
    said = spoken(client)
    unused = {
        word
        for word in glossary()
        if singular(word) not in said
        and not said.issuperset(PAIRS.get(word, (word,)))
        and not re.search(rf"(?<![a-z]){word}", product)
    }
    assert unused == set()


def test_an_ordinary_word_is_used_and_is_none_of_the_field(client: FlaskClient) -> None:
    assert ORDINARY & set(glossary()) == set()
    assert ORDINARY - spoken(client) == set()


def test_every_word_has_its_meaning() -> None:
    assert len(glossary()) > 60
    assert all(glossary().values())
