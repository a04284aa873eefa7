"""Where commands print tables and progress for people."""

from typing import NoReturn

import rich.console


class Console(rich.console.Console):
    """The console of rich, which leaves a reader that has gone to `openwatt.cli`, as every other output does."""

    def on_broken_pipe(self) -> NoReturn:
        """Raises the BrokenPipeError that is being handled."""
        raise  # noqa: PLE0704 - rich calls this where it handles the error
