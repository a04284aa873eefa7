"""Commands are imported when they are called, and are what is declared of them."""

import subprocess
import sys

import click
import pytest

from openwatt.cli import main
from openwatt.cli.commands import DECLARED, short_help

#: What only some commands need, and takes the longest to import.
HEAVY = {"flask", "numpy", "psycopg", "httpx", "rich", "msgspec", "prometheus_client", "sentry_sdk", "yaml"}


def imported(*arguments: str) -> set[str]:
    """The modules that a command line imports, by their first names; ours in full."""
    code = (
        "import sys\nfrom openwatt.cli import main\n"
        "try: main(sys.argv[1:], prog_name='openwatt')\n"
        "finally: sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout
    names = done.stderr.split()
    return {name if name.startswith("openwatt") else name.partition(".")[0] for name in names}


def test_there_are_commands() -> None:
    assert len(DECLARED) > 20
    assert set(main.commands) == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
@pytest.mark.parametrize("width", [30, 58, 1000])
def test_the_declared_help_is_the_commands_own(name: str, width: int) -> None:
    command = main.commands[name]
    assert command.name == name
    assert not command.hidden
    assert short_help(name, width) == command.get_short_help_str(width)


def test_help_lists_every_command_as_click_itself_would() -> None:
    context = click.Context(main, info_name="openwatt", terminal_width=100)
    plain = click.Group("openwatt", commands=dict(main.commands))
    ours, theirs = click.HelpFormatter(width=100), click.HelpFormatter(width=100)
    main.format_commands(context, ours)
    plain.format_commands(context, theirs)
    assert ours.getvalue() == theirs.getvalue()
    assert "sentry-alerts" in ours.getvalue()


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_what_needs_no_command_imports_none(argument: str) -> None:
    names = imported(argument)
    assert not names & HEAVY
    assert {name for name in names if name.startswith("openwatt")} == {
        "openwatt",
        "openwatt.cli",
        "openwatt.cli.commands",
        "openwatt.cli.streams",
        "openwatt.domain",
        "openwatt.domain.errors",
        "openwatt.domain.messages",
    }


@pytest.mark.parametrize(("name", "other"), [("tariffs", "bills"), ("compare", "ingestion")])
def test_a_command_imports_neither_the_others_nor_the_web(name: str, other: str) -> None:
    names = imported(name, "--help")
    assert f"openwatt.cli.{DECLARED[name].module}" in names
    assert f"openwatt.cli.{other}" not in names
    assert not names & {"flask", "werkzeug", "gunicorn", "pypdfium2", "openwatt.web"}
