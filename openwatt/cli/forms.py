"""The forms in which a command prints what it found: a table, JSON or CSV."""

import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from openwatt.representations.csv_rows import to_csv


def form_options(command: Any) -> Any:
    """Adds the two options that choose another form than the table."""
    command = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: msgspec.Struct | Sequence[msgspec.Struct]) -> None:
    """Prints an answer as JSON, its decimals as numbers written digit for digit."""
    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    sys.stdout.buffer.write(msgspec.json.format(encoded, indent=2) + b"\n")


def print_csv(items: Sequence[msgspec.Struct], row_type: type[msgspec.Struct]) -> None:
    """Prints items as CSV, a row each."""
    sys.stdout.write(to_csv(items, row_type).decode())
