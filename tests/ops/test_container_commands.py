"""The shell lines in the Compose files, run with stand-ins for what their images have."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ops.dockerfile import REPOSITORY
from tests.ops.test_stack import SHELLCHECK

OPS = REPOSITORY / "ops"
AWKWARD = "with 'quotes' and $(signs)"
#: It tells how it was called, and with what in its environment.
STAND_IN = '#!/bin/sh\nprintf "called with %s\\n" "$*"\nenv | grep -E "PASSWORD=" || true\n'


def service(file: str, name: str) -> dict[str, Any]:
    """A service of a file."""
    found: dict[str, Any] = yaml.safe_load((OPS / file).read_text())["services"][name]
    return found


def lines() -> list[tuple[str, str]]:
    """Every line that a shell reads, with `$$` as Compose hands it on."""
    found = []
    for file in sorted(OPS.glob("docker-compose*.yaml")):
        for name, each in yaml.safe_load(file.read_text())["services"].items():
            if each.get("entrypoint", [""])[-1] == "-ec":
                shell = Path(each["entrypoint"][0]).name
                found.append((shell, f"# {name}\n{each['command'][0]}".replace("$$", "$")))
            test = each.get("healthcheck", {}).get("test", [""])
            if test[0] == "CMD-SHELL":
                found.append(("sh", f"# {name}\n{test[1]}".replace("$$", "$")))
    return found


@pytest.mark.parametrize(("shell", "line"), lines())
def test_a_line_is_what_its_shell_reads(shell: str, line: str) -> None:
    done = subprocess.run(
        [SHELLCHECK, f"--shell={shell}", "-"], input=line, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "called", "secret"),
    [
        ("elasticsearch", "/bin/tini", "elastic_password"),
        ("kibana", "/bin/tini", "kibana_password"),
        ("logstash", "/usr/local/bin/docker-entrypoint", "logstash_password"),
    ],
)
def test_a_password_reaches_the_program_and_no_command_line(
    name: str, called: str, secret: str, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    (tmp_path / secret).write_text(AWKWARD + "\n")
    described = service("docker-compose.elk.yaml", name)
    line = described["command"][0].replace("$$", "$").replace("/run/secrets", str(tmp_path))
    line = line.replace(called, str(program), 1).replace("/tmp/password.yml", f"{tmp_path}/password.yml")  # noqa: S108 - the container's
    done = subprocess.run(
        [*described["entrypoint"], line],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=True,
    )
    told, *environment = done.stdout.splitlines()
    assert told.startswith("called with")
    assert AWKWARD not in told
    if name == "kibana":
        kept = tmp_path / "password.yml"
        assert kept.stat().st_mode & 0o077 == 0
        assert str(kept) in told
        assert yaml.safe_load(kept.read_text()) == {"elasticsearch.password": AWKWARD}
    else:
        assert [line.partition("=")[2] for line in environment] == [AWKWARD]
