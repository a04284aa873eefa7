"""The console on which commands print tables and progress."""

from typing import NoReturn

import rich.console


class Console(rich.console.Console):
    """A console of rich that leaves a broken pipe to `openwatt.cli`, as every other output does."""

    def on_broken_pipe(self) -> NoReturn:
        """Raises the BrokenPipeError that is being handled."""
        raise  # noqa: PLE0704 - rich calls this where it handles the error
