"""A group with a default command reads a command line as the default command alone would."""

import click
import pytest
from click.testing import CliRunner

from openwatt.cli.default_command import DefaultCommand, GroupWithDefault


@click.command("cook", cls=DefaultCommand)
@click.argument("dish")
@click.option("--out", required=True, help="Where to put it.")
def cook(dish: str, out: str) -> None:
    """Cook a dish."""
    click.echo(f"cooked {dish} into {out}")


@click.command("list")
@click.option("--long", is_flag=True)
def list_(*, long: bool) -> None:
    """List the dishes."""
    click.echo(f"listed, long: {long}")


@click.group(commands=[GroupWithDefault(cook, [list_])])
def main() -> None:
    """A kitchen."""


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("cook soup --out bowl", "cooked soup into bowl\n"),
        ("cook --out bowl soup", "cooked soup into bowl\n"),
        ("cook --out list soup", "cooked soup into list\n"),
        ("cook ./list --out bowl", "cooked ./list into bowl\n"),
        ("cook --out bowl -- list", "cooked list into bowl\n"),
        ("cook list --long", "listed, long: True\n"),
    ],
)
def test_the_first_argument_alone_chooses(line: str, printed: str) -> None:
    assert CliRunner().invoke(main, line.split()).stdout == printed


def test_errors_name_the_usage_of_what_was_called() -> None:
    default = CliRunner().invoke(main, ["cook", "soup"])
    assert default.exit_code == 2
    assert default.stderr.startswith("Usage: main cook [OPTIONS] DISH\n")
    assert "Missing option '--out'" in default.stderr
    named = CliRunner().invoke(main, ["cook", "list", "soup"])
    assert named.exit_code == 2
    assert named.stderr.startswith("Usage: main cook list [OPTIONS]\n")


def test_the_help_is_that_of_the_default_command_and_lists_the_others() -> None:
    text = CliRunner().invoke(main, ["cook", "--help"]).stdout
    assert text.startswith("Usage: main cook [OPTIONS] DISH\n\n  Cook a dish.\n\nOptions:\n  --out TEXT")
    assert text.endswith("Commands:\n  list  List the dishes.\n")
    assert CliRunner().invoke(main, ["--help"]).stdout.endswith("Commands:\n  cook  Cook a dish.\n")
