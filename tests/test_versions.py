"""docs/operate.md says which versions are run here, by programs that were fetched, and by `make prove`."""

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from tests.containers.engine import COMPOSE_SUITE
from tests.containers.images import MADE, VERSIONS
from tests.containers.images import PROGRAMS as RECIPES
from tests.programs import FETCHED
from tests.store.other_postgres import EMBEDDED
from tests.versions import PROGRAMS, RUNS, WAYS, declared, is_of, table

ROOT = Path(__file__).resolve().parents[1]


def systems() -> dict[Path, str]:
    """Every root whose programs can be asked here, with its suite."""
    found = {Path("/"): platform.freedesktop_os_release().get("VERSION_CODENAME", "")}
    others = [*FETCHED.glob("*"), *map(Path, filter(None, os.environ.get("POSTGRES_ROOTS", "").split(":")))]
    return found | {root: root.name for root in others}


@pytest.mark.parametrize(("root", "suite"), systems().items(), ids=str)
def test_a_program_is_of_the_version_that_the_table_says_of_its_debian(root: Path, suite: str) -> None:
    for program, pattern in PROGRAMS.items():
        version = declared(program, suite)
        found = list(root.glob(pattern)) if version else []
        if program == "PostgreSQL":  # its folder's number says it, where its libraries are not this system's
            texts = [f"(PostgreSQL) {path.parts[-3]}" for path in found]
        else:
            said = [
                subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
                for path in found
            ]
            texts = [done.stdout + done.stderr for done in said if done.returncode == 0]
        assert not texts or any(is_of(str(version), text) for text in texts), (program, version, texts)


def test_the_embedded_server_is_of_the_version_that_the_table_says() -> None:
    assert declared("embedded PostgreSQL", "PyPI") == str(EMBEDDED.version)


@pytest.mark.parametrize("page", ["operate.md", "exploitation.md"])
def test_the_pages_for_operators_have_the_table(page: str) -> None:
    assert table() in (ROOT / "docs" / page).read_text("utf-8")


def test_the_image_of_each_program_is_made_of_the_suite_that_the_table_says() -> None:
    made = {(RECIPES[each.recipe], each.suite) for each in MADE if each.recipe in RECIPES}
    made |= {("Docker", "bookworm"), ("Compose", COMPOSE_SUITE)}
    assert made == {(run.program, run.suite) for run in RUNS if run.by == "make prove"}
    assert RECIPES.keys() <= VERSIONS.keys()


def test_each_way_of_the_table_is_one_that_runs_its_versions() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert {run.by for run in RUNS} == WAYS.keys()
    assert all(f"\n{way.removeprefix('make ')}: " in makefile for way in WAYS)
    by_hand = (ROOT / "tests" / "containers" / "prove-versions").read_text("utf-8")
    roots = (ROOT / "tests" / "store" / "make_postgres_roots").read_text("utf-8")
    for run in (each for each in RUNS if each.by == "make prove-versions"):
        if run.program == "PostgreSQL":
            assert f"{run.suite}:{run.version}" in roots
        elif run.program == "Python":
            assert f"tests/fresh/run --suite {run.suite}\n" in by_hand
        else:
            assert run.suite in by_hand
            assert f" {Path(PROGRAMS[run.program]).name}" in by_hand
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    wanted = re.search(r"^wanted=\((.*?)\)", ci, re.DOTALL | re.MULTILINE)
    assert wanted is not None
    packages = {"Python": "python3-venv", "PostgreSQL": "postgresql", "Redis": "redis-server"}
    for run in (each for each in RUNS if each.by == "make test" and each.suite == "bookworm"):
        assert packages.get(run.program, Path(PROGRAMS[run.program]).name) in wanted[1].split()
    assert "make test-fresh" in ci
    fresh = (ROOT / "tests" / "fresh" / "run").read_text("utf-8")
    assert {run.suite for run in RUNS if run.by == "make test-fresh"} - {"PyPI"} == set(
        re.findall(r"^suites=\((\w+)", fresh, re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("3.5", "prometheus, version 3.5.3+ds1 (branch: debian/sid)"),
        ("18", "postgres (PostgreSQL) 18.6 (Debian 18.6-1)"),
        ("8.1", "Valkey server v=8.1.1 sha=00000000:0"),
        ("3.11", "Python 3.11.2"),
        ("20.10", "20.10.24+dfsg1"),
    ],
)
def test_what_a_program_says_of_its_version_is_read(version: str, said: str) -> None:
    assert is_of(version, said)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("3.5", "prometheus, version 3.51.0"),
        ("8.1", "Valkey server v=9.0.0"),
        ("3.11", "Python 3.1"),
        ("3.11", "not found"),
    ],
)
def test_another_version_is_told_apart(version: str, said: str) -> None:
    assert not is_of(version, said)
