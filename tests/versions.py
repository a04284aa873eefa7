"""Which version of which program is run by what: docs/operate.md's table is made from this and held to it."""

import re
from dataclasses import dataclass
from typing import Final

#: What runs them, in the order of the table's columns, and on what.
WAYS: Final = {
    "make test": "Debian 12",
    "make test-fresh": "Debian 13",
    "make prove-versions": "Debian 13, sid, npm",
    "make prove": "containers",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One version of a program, the Debian suite or the registry that has it, and what runs it."""

    program: str
    version: str
    suite: str
    by: str


RUNS: Final = (
    Run("Python", "3.11", "bookworm", "make test"),
    Run("Python", "3.13", "trixie", "make test-fresh"),
    Run("Python", "3.14", "sid", "make prove-versions"),
    Run("embedded PostgreSQL", "18", "PyPI", "make test"),
    Run("embedded PostgreSQL", "18", "PyPI", "make test-fresh"),
    Run("PostgreSQL", "15", "bookworm", "make test"),
    Run("PostgreSQL", "14", "npm", "make prove-versions"),
    Run("PostgreSQL", "16", "npm", "make prove-versions"),
    Run("PostgreSQL", "17", "trixie", "make prove-versions"),
    Run("PostgreSQL", "18", "sid", "make prove-versions"),
    Run("PostgreSQL", "18", "sid", "make prove"),
    Run("Prometheus", "2.42", "bookworm", "make test"),
    Run("Prometheus", "2.53", "trixie", "make prove-versions"),
    Run("Prometheus", "3.5", "sid", "make prove-versions"),
    Run("Prometheus", "3.5", "sid", "make prove"),
    Run("Alertmanager", "0.25", "bookworm", "make test"),
    Run("Alertmanager", "0.28", "trixie", "make prove-versions"),
    Run("Alertmanager", "0.33", "sid", "make prove-versions"),
    Run("Alertmanager", "0.33", "sid", "make prove"),
    Run("blackbox exporter", "0.23", "bookworm", "make test"),
    Run("blackbox exporter", "0.26", "trixie", "make prove-versions"),
    Run("blackbox exporter", "0.28", "sid", "make prove-versions"),
    Run("blackbox exporter", "0.28", "sid", "make prove"),
    Run("Redis", "7.0", "bookworm", "make test"),
    Run("Valkey", "8.1", "trixie", "make prove"),
    Run("Docker", "20.10", "bookworm", "make prove"),
    Run("Compose", "2.26", "trixie", "make prove"),
)
#: Program → where its package puts it; the number of a folder of PostgreSQL's is its version.
PROGRAMS: Final = {
    "Python": "usr/bin/python3",
    "PostgreSQL": "usr/lib/postgresql/*/bin/postgres",
    "Prometheus": "usr/bin/prometheus",
    "Alertmanager": "usr/bin/prometheus-alertmanager",
    "blackbox exporter": "usr/bin/prometheus-blackbox-exporter",
    "Redis": "usr/bin/redis-server",
}
_NUMBER: Final = re.compile(r"(?:^|version |Python |v=|PostgreSQL\) )(\d+(?:\.\d+)*)")


def declared(program: str, suite: str) -> str | None:
    """The version of a program that a suite has by the table; None where the table has none."""
    return next((run.version for run in RUNS if (run.program, run.suite) == (program, suite)), None)


def is_of(version: str, said: str) -> bool:
    """Whether what a program says of its version is of a version of the table."""
    number = _NUMBER.search(said)
    return number is not None and f"{number[1]}.".startswith(f"{version}.")


def table() -> str:
    """The table of docs/operate.md and docs/exploitation.md."""
    ways = [f"`{way}` ({on})" for way, on in WAYS.items()]
    lines = [f"| | {' | '.join(ways)} |", f"|---{'|---' * len(WAYS)}|"]
    for program in dict.fromkeys(run.program for run in RUNS):
        cells = [
            ", ".join(run.version for run in RUNS if (run.program, run.by) == (program, way)) for way in WAYS
        ]
        lines.append(f"| {program} | {' | '.join(cells)} |")
    return "\n".join(lines)
