"""The table of the commands; each is imported when it is called, so that the others cost it no time."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

import click


class Declaration(NamedTuple):
    """Where a command is, and the first sentence of its help."""

    module: str
    help: str


#: Name → declaration; `tests/cli/test_lazy_commands.py` holds each to its command.
DECLARED: Mapping[str, Declaration] = MappingProxyType(
    {
        "backup": Declaration("backup", "Back the database up, and prove that the backup can be restored."),
        "compare": Declaration(
            "bills", "What every contract would have cost, from the cheapest, beside the regulated tariff."
        ),
        "database": Declaration(
            "service", "Keep the embedded PostgreSQL running until a signal ends it, and print where it is."
        ),
        "doctor": Declaration(
            "doctor", "Prove that the whole stack works: service, data, monitoring, logs, reports, machine."
        ),
        "drill": Declaration(
            "drill", "Provoke faults on purpose, and follow each to its log record, its report and its alert."
        ),
        "export": Declaration("tariffs", "Write the whole history of tariffs, every observation included."),
        "ingest": Declaration(
            "ingestion", "Run sources: fetch their documents, read and check them, and publish what is right."
        ),
        "inspect": Declaration(
            "inspection", "Show what FILE says and every reason not to publish it; nothing is stored."
        ),
        "logs": Declaration("logs", "Search the local JSON log."),
        "metrics": Declaration(
            "service", "Serve /metrics of the running service from a small process of its own."
        ),
        "migrate": Declaration(
            "service",
            "Bring the database to this version's schema; the service does so itself when it starts.",
        ),
        "portfolio": Declaration(
            "portfolio", "Bill many homes, each for every contract of its power, as `compare` does for one."
        ),
        "prices": Declaration("prices", "Show what a contract's kilowatt hour costs over time."),
        "reconcile": Declaration(
            "bills", "Compare a load curve with the meter's daily indexes; status 1 when a register differs."
        ),
        "registers": Declaration("bills", "How much of a load curve ran in each register of an option."),
        "restore": Declaration("backup", "Put a backup in the place of the database."),
        "review": Declaration("review", "Decide by hand on documents that were refused."),
        "sentry-alerts": Declaration(
            "sentry", "Set in Sentry the alert rules of a file; as often as you like."
        ),
        "serve": Declaration(
            "service", "Serve the API and the pages until Ctrl-C, with workers of Gunicorn."
        ),
        "settings": Declaration(
            "service", "List every setting with its value and its meaning; secrets are not shown."
        ),
        "sources": Declaration(
            "sources",
            "List every source: its format and cadence, its last run, and its freshness.",
        ),
        "tariffs": Declaration("tariffs", "Show the tariffs of a day."),
        "tempo": Declaration("tariffs", "Show Tempo colours."),
    }
)


class LazyCommands(Mapping[str, click.Command]):
    """The declared commands by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(f"openwatt.cli.{DECLARED[name].module}")
        commands: tuple[click.Command, ...] = module.COMMANDS
        return next(command for command in commands if command.name == name)

    def __iter__(self) -> Iterator[str]:
        return iter(DECLARED)

    def __len__(self) -> int:
        return len(DECLARED)

    def __contains__(self, name: object) -> bool:
        return name in DECLARED


def short_help(name: str, width: int) -> str:
    """The help of a command in a list, cut as click cuts it, without importing the command."""
    return click.Command(name, help=DECLARED[name].help).get_short_help_str(width)
