"""What a forge and an editor read of the repository is valid, and calls what exists."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ops.dockerfile import REPOSITORY
from tests.ops.test_docs import TARGETS

FORGE = REPOSITORY / ".github"
WORKFLOWS = sorted((FORGE / "workflows").glob("*.yaml"))
FORMS = sorted(path for path in (FORGE / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    """The steps of a workflow."""
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.dependabot", [FORGE / "dependabot.yml"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [FORGE / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
)
def test_a_file_of_the_forge_is_valid(schema: str, files: list[Path]) -> None:
    assert files
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", schema, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_call_what_a_developer_calls() -> None:
    commands = {
        path.stem: [step["run"] for step in steps(path) if "apt-get" not in step.get("run", "apt-get")]
        for path in WORKFLOWS
    }
    assert commands == {"check": [".ci/run"], "prove": ["make prove IMAGES=real"]}
    assert (REPOSITORY / ".ci" / "run").stat().st_mode & 0o111
    assert "prove" in TARGETS


def test_the_hooks_are_the_projects_own_programs() -> None:
    (repository,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repository["repo"] == "local"
    programs = [hook["entry"].split()[0] for hook in repository["hooks"]]
    assert programs == [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy"]
    development = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["dependency-groups"][
        "dev"
    ]
    assert {"ruff", "mypy"} <= {re.split(r"[>=]", package)[0] for package in development}


def test_an_editor_breaks_lines_where_ruff_does() -> None:
    longest = project()["tool"]["ruff"]["line-length"]
    assert f"\nmax_line_length = {longest}\n" in (REPOSITORY / ".editorconfig").read_text("utf-8")
