"""A group that runs a command of its own where its first argument names none of its subcommands."""

from collections.abc import Sequence
from typing import Any

import click


class DefaultCommand(click.Command):
    """The command that such a group runs by default; its help lists the group's other commands."""

    group: click.Group | None = None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the options, then the commands of the group."""
        super().format_options(ctx, formatter)
        if self.group is not None:
            self.group.format_commands(ctx, formatter)


class GroupWithDefault(click.Group):
    """Commands beside a default one, which reads the same command line as if it stood alone."""

    def __init__(self, default: DefaultCommand, commands: Sequence[click.Command]) -> None:
        super().__init__(
            default.name,
            commands=commands,
            params=default.params,
            help=default.help,
            invoke_without_command=True,
        )
        self.default = default
        default.group = self

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:  # noqa: ARG002 (click asks for it)
        """None before a subcommand: the parameters are the default command's, which reads them itself."""
        return []

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Reads the command line of a subcommand that is named first, or else of the default command."""
        if args and args[0] in self.commands:
            return super().make_context(info_name, args, parent, **extra)
        return self.default.make_context(info_name, args, parent, **extra)
