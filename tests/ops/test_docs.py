"""What the documentation names exists: targets, commands, options, settings, files, units, headings."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from openwatt.cli import main
from openwatt.cli.default_command import GroupWithDefault
from openwatt.reload import AT_A_RESTART, BY_COMMANDS
from openwatt.settings import PREFIX, setting_fields, variable_of
from tests.ops.dockerfile import REPOSITORY

#: Each page for operators in French, and the same in English.
LANGUAGES = [
    ("base-de-donnees.md", "database.md"),
    ("collecte.md", "ingestion.md"),
    ("controle.md", "doctor.md"),
    ("deploiement.md", "deployment.md"),
    ("domotique.md", "home-automation.md"),
    ("exercices.md", "exercises.md"),
    ("exploitation.md", "operate.md"),
    ("foyers-sur-spark.md", "spark.md"),
    ("journaux.md", "logs.md"),
    ("nouveau-fournisseur.md", "new-supplier.md"),
    ("portefeuille.md", "portfolio.md"),
    ("publication.md", "release.md"),
    ("reglages.md", "settings.md"),
    ("surveillance.md", "observability.md"),
    ("tableaux-de-bord.md", "dashboards.md"),
    ("utilisation.md", "use.md"),
]
#: Pages for maintainers, in English as the code is.
MAINTAINERS = {"architecture.md", "glossary.md"}
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
PAGES = [
    *DOCS,
    *sorted((REPOSITORY / "docs" / "decisions").glob("*.md")),
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
]
#: What a visitor of the repository reads before deciding to stay.
MOST_LINES_OF_README = 150
VARIABLES = {variable_of(setting.name) for setting in setting_fields()}
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
#: Names that our own environment variables resemble, and that the text speaks of for that reason.
NOT_OURS = {"OPENWATT_PORT", "OPENWATT_"}
#: Folders of the repository whose files the text names; others are of the reader's machine.
OURS = (
    r"(?:ops|docs|openwatt|tests|bench|integrations)/[\w./*-]*[\w*]"
    r"|logstash\.conf|requirements\.txt|gunicorn\.conf\.py"
)

#: Where a command's name stands: at the beginning, after a prompt, a path, sudo or ops/stack.
CALLED = r"(?:^(?:[#$] )?(?:sudo -u \w+ )?(?:[\w./-]*/)?|ops/stack |&& )"
#: What ops/stack makes on the spot.
MADE = {"ops/secrets", "ops/rendered"}

Faults = Iterator[str]


def code(text: str) -> Iterator[str]:
    """What is written to be typed or looked up: fenced blocks and `spans`."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", outside)


def targets(text: str) -> Faults:
    """Targets that the Makefile lacks."""
    for line in code(text):
        for found in re.findall(r"(?:^|[\s;&])make ((?:[a-z-]+ ?)+)", line):
            yield from (name for name in found.split() if name not in TARGETS and "apt-get" not in line)


def commands(text: str) -> Faults:
    """Commands of ours that do not exist, or lack an option."""
    for line in code(text):
        for words in re.findall(rf"{CALLED}openwatt ([a-z][a-z-]+(?: [^|;&>`]*)?)", line):
            name, *rest = words.split()
            command: click.Command | None = main.commands.get(name)
            if command is None:
                yield f"openwatt {name}"
                continue
            if isinstance(command, click.Group) and rest and rest[0] in command.commands:
                command = command.commands[rest[0]]
            elif isinstance(command, GroupWithDefault):
                command = command.default
            options = {option for each in command.params for option in each.opts} | {"--help"}
            yield from (
                f"openwatt {name} {word}" for word in rest if word[:2] == "--" and word not in options
            )


def settings(text: str) -> Faults:
    """Variables that are no settings."""
    for name in re.findall(rf"{PREFIX}[A-Z_]*", text):
        if name not in VARIABLES | NOT_OURS and name.removesuffix("_FILE") not in VARIABLES:
            yield name


def files(text: str) -> Faults:
    """Files of the repository that are not in it."""
    for line in code(text):
        for name in re.findall(rf"(?<![\w./-])({OURS})", line):
            if name not in MADE and not any(REPOSITORY.glob(name)):
                yield name


def links(text: str) -> Faults:
    """Links to files or headings that do not exist."""
    headings = {slug(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        if re.match(r"https?:|mailto:", target):
            continue
        if path:
            found = (REPOSITORY / "docs" / path).resolve()
            if not found.is_relative_to(REPOSITORY) or not found.exists():
                yield target
        elif heading not in headings:
            yield target


def slug(title: str) -> str:
    """The name of a heading in links, as GitHub and GitLab make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def units(text: str) -> Faults:
    """Units of systemd that we do not bring."""
    for name in re.findall(r"\bopenwatt[\w-]*\.(?:service|socket|timer|sysusers|tmpfiles)\b", text):
        if not (REPOSITORY / "ops/systemd" / name).exists():
            yield name


RULES: tuple[Callable[[str], Faults], ...] = (targets, commands, settings, files, links, units)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_a_page_names_exists(path: Path, rule: Callable[[str], Faults]) -> None:
    assert list(rule(seen_from_docs(path))) == []


def seen_from_docs(path: Path) -> str:
    """The text of a page, with its links as they would be written in a page of docs/."""
    way = os.path.relpath(path.parent, REPOSITORY / "docs")
    return re.sub(r"\]\((?!https?:|mailto:|#)", f"]({way}/", path.read_text())


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (targets, "`make monitoring-start`"),
        (targets, "```console\n$ make up elk-start\n```"),
        (commands, "```console\n$ openwatt tarifs\n```"),
        (commands, "`openwatt tariffs --colour`"),
        (commands, "`.venv/bin/openwatt export --format csv --compress`"),
        (settings, "OPENWATT_WORKER=3"),
        (settings, "OPENWATT_WORKER_FILE"),
        (files, "`ops/docker-compose.yml`"),
        (files, "```console\n# install ops/systemd/*.mount /etc\n```"),
        (links, "[there](../ops/Makefile)"),
        (links, "# A heading\n[there](#another)"),
        (units, "`openwatt-api.service`"),
    ],
)
def test_what_does_not_exist_is_seen(rule: Callable[[str], Faults], text: str) -> None:
    assert len(list(rule(text))) == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (targets, "`make up`, `COMPOSE_PROFILES=bugsink make up`, `make monitoring-up ENGINE=native`"),
        (commands, "```console\n$ .venv/bin/openwatt tariffs --option TEMPO --json\n```"),
        (settings, "OPENWATT_SENTRY_DSN_FILE and OPENWATT_LOG_FILE"),
        (files, "`ops/systemd/*.service`, `/etc/openwatt/openwatt.env`"),
    ],
)
def test_what_exists_is_left_alone(rule: Callable[[str], Faults], text: str) -> None:
    assert list(rule(text)) == []


FENCED = re.compile(r"^```\w*\n.*?^```", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[str]:
    """The fenced blocks of a page, with what a reader puts in left out."""
    found = FENCED.findall(text)
    return [re.sub(r"\bNOM\b|\bNAME\b", "…", block).replace("./sauvegardes", "./backups") for block in found]


def levels(text: str) -> list[str]:
    """The levels of a page's headings, in their order."""
    return re.findall(r"^(#+) ", FENCED.sub("", text), re.MULTILINE)


def tables(text: str) -> list[list[list[str]]]:
    """Of each row of each table the code in its first column."""
    found = re.findall(r"(?:^\|.*\n)+", FENCED.sub("", text), re.MULTILINE)
    return [[re.findall(r"`[^`]+`", row.split("|")[1]) for row in table.splitlines()] for table in found]


@pytest.mark.parametrize("same", [blocks, levels, tables], ids=lambda same: same.__name__)
@pytest.mark.parametrize(("french", "english"), LANGUAGES, ids=[english for _, english in LANGUAGES])
def test_both_languages_say_the_same(french: str, english: str, same: Callable[[str], list[object]]) -> None:
    one, other = (same((REPOSITORY / "docs" / name).read_text()) for name in (french, english))
    assert one
    assert one == other


@pytest.mark.parametrize(("french", "english"), LANGUAGES, ids=[english for _, english in LANGUAGES])
def test_each_language_leads_to_the_other(french: str, english: str) -> None:
    top = {name: (REPOSITORY / "docs" / name).read_text().splitlines()[2] for name in (french, english)}
    assert top[french].startswith(f"*[In English]({english}). ")
    assert top[english].startswith(f"*[En français]({french}). ")


def test_every_page_is_there_in_both_languages() -> None:
    assert {path.name for path in DOCS} - MAINTAINERS == {name for pair in LANGUAGES for name in pair}


def test_readme_is_short_and_leads_to_every_page() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert len(readme.splitlines()) <= MOST_LINES_OF_README
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", readme))
    assert linked == {f"docs/{path.name}" for path in DOCS}


def test_the_lines_that_turn_settings_for_one_machine_on_do_so() -> None:
    page = (REPOSITORY / "docs/deployment.md").read_text()
    block, token = re.findall(r"^# sed -i (.*) /etc/openwatt/openwatt\.env$", page, re.MULTILINE)
    done = subprocess.run(
        ["sh", "-c", f"sed -e {block} -e {token} .env.production.example"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    on = re.findall(r"^OPENWATT_(\w+)=", done.stdout, re.MULTILINE)
    assert on == [
        *("ENVIRONMENT", "LOG_LEVEL", "DATA_DIR", "LOG_FILE", "BACKUP_DIR", "BIND"),
        "ADMIN_TOKEN_FILE",
    ]


@pytest.mark.parametrize("page", ["deploiement.md", "deployment.md"])
def test_the_table_of_what_a_reload_takes_up_is_that_of_the_code(page: str) -> None:
    text = (REPOSITORY / "docs" / page).read_text()
    rows = [row for row in re.findall(r"^\| (.+?) \| .+ \|$", text, re.MULTILINE) if "OPENWATT_BIND" in row]
    (restart,) = rows
    table = (
        text[: text.index(restart)].rpartition("|---|---|")[2],
        text[text.index(restart) :].splitlines()[1],
    )
    reloaded, by_commands = (set(re.findall(rf"{PREFIX}\w+", part)) for part in table)
    assert set(re.findall(rf"{PREFIX}\w+", restart)) == {
        *(variable_of(name) for name in AT_A_RESTART),
        "OPENWATT_DATABASE_URL",
    }
    assert by_commands == {variable_of(name) for name in BY_COMMANDS}
    assert reloaded == VARIABLES - by_commands - {variable_of(name) for name in AT_A_RESTART}
