"""The options that say what a meter's file leaves open."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from openwatt.meter.options import DIRECTIONS, STAMPS, UNITS, Direction, FileOptions, StampIs, Unit


def of_a_file(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say what a file leaves open, and hands them over as one value."""

    @wraps(command)
    def run(*, stamps: StampIs | None, unit: Unit | None, direction: Direction | None, **rest: Any) -> None:
        command(file_options=FileOptions(stamps, unit, direction), **rest)

    for option in (
        click.option(
            "--stamps",
            type=click.Choice(STAMPS),
            help="Where the file leaves it open: which end of a step.",
        ),
        click.option(
            "--unit",
            type=click.Choice(list(UNITS)),
            help="Where the file leaves it open: the unit.",
        ),
        click.option(
            "--direction",
            type=click.Choice(DIRECTIONS),
            help="Where the file leaves it open: which way energy went.",
        ),
    ):
        run = option(run)
    return run
