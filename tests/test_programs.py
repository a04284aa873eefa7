"""What tests ask of a machine: nothing that CONTRIBUTING does not name, and CI installs all of it."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import INSTALL, PACKAGES, find_program, how_to_get, needs_program

ROOT = Path(__file__).resolve().parents[1]
#: What tests start by name and every Debian has: packages that are essential, or that `make` itself needs.
EVERYWHERE = {
    "bash",
    "cp",
    "env",
    "false",
    "id",
    "mount",
    "nsenter",
    "rm",
    "setpriv",
    "sh",
    "sleep",
    "umount",
    "unshare",
}
FILES = sorted(path for folder in ("tests", "ops") for path in (ROOT / folder).rglob("*.py"))

TWENTY_ONE_SKIPPED = """
import pytest
@pytest.mark.skipif(True, reason="apt-get install jq")
@pytest.mark.parametrize("number", range(20))
def test_by_mark(number): pass
def test_by_call(): pytest.skip("apt-get install jq")
"""


def started(file: Path) -> Iterator[str]:
    """The programs that a file starts by a name that it writes down."""
    for call in (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)):
        command = call.args[0] if call.args else None
        if ast.unparse(call.func).startswith("subprocess.") and isinstance(command, ast.List):
            first = command.elts[0] if command.elts else None
            if isinstance(first, ast.Starred) and isinstance(first.value, ast.Tuple):
                first = first.value.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and "/" not in first.value:
                yield first.value


def test_no_test_starts_a_program_that_a_machine_may_lack_without_saying_so() -> None:
    found = {name: file for file in FILES for name in started(file)}
    assert {"sh", "git", "openssl", "unshare"} <= found.keys()
    assert found.pop("ip") == ROOT / "tests" / "containers" / "leftovers.py"  # which does without it
    assert found.pop("ps") == ROOT / "ops" / "monitoring.py"  # for macOS, which has no /proc
    assert {name: file for name, file in found.items() if name not in {*EVERYWHERE, *PACKAGES}} == {}


def test_contributing_names_what_tests_ask_for_and_ci_installs_it() -> None:
    asked = set(PACKAGES.values())
    for file in FILES:
        for packages in re.findall(rf"{INSTALL}([a-z0-9 -]*[a-z0-9])", file.read_text("utf-8")):
            asked |= set(packages.split())
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    sentence = re.search(r"Tests with real peers need Debian's (.*?);", page, re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`([a-z0-9-]+)`", sentence[1])) == asked
    wanted = re.search(
        r"^wanted=\((.*?)\)", (ROOT / ".ci" / "run").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert wanted is not None
    assert asked <= set(wanted[1].split())


def test_what_is_missing_is_named_by_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.programs.find_program", lambda name: None if name != "jq" else "/usr/bin/jq")
    assert how_to_get("jq") is None
    assert (
        how_to_get("promtool", "jq", "prometheus", "amtool")
        == "apt-get install prometheus prometheus-alertmanager"
    )
    assert needs_program("jq").mark.args == (False,)
    assert needs_program("amtool").mark.kwargs == {"reason": "apt-get install prometheus-alertmanager"}


def test_a_program_of_the_system_is_found_without_its_folder_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("chroot") in {"/usr/sbin/chroot", "/sbin/chroot"}
    assert find_program("no-such-program") is None


def test_a_reason_to_skip_is_said_once(tmp_path: Path) -> None:
    conftest = ast.parse((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    (summary,) = (
        ast.unparse(node) for node in conftest.body if "def pytest_terminal_summary" in ast.unparse(node)
    )
    (tmp_path / "conftest.py").write_text(f"import pytest\nfrom collections import Counter\n{summary}\n")
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(TWENTY_ONE_SKIPPED)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert [line for line in done.stdout.splitlines() if "apt-get" in line] == ["  42 apt-get install jq"]
