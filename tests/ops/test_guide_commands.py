"""The guide for one small machine uses what every Debian has, or what it says how to bring.

`make prove-systemd` follows the page on such a machine; this is what can be seen without one.
"""

import re

import pytest

from tests.ops.units import SERVICES, setting
from tests.systemd.machine import PAGE, command_blocks

#: Programs of packages that are essential, of apt and of systemd, and commands of the shell itself.
EVERYWHERE = {
    *("apt-get", "cd", "chgrp", "chmod", "echo", "install", "ln", "sed", "tar"),
    *("systemctl", "systemd-sysusers", "systemd-tmpfiles"),
}
#: Program → the package of Debian that brings it.
BROUGHT = {"curl": "curl", "openssl": "openssl", "python3": "python3-venv", "sudo": "sudo"}
#: Folders of files that are installed: those of systemd's package, and those that the page makes before.
FOLDERS = {"/etc/systemd/system", "/etc/openwatt"}

Blocks = dict[tuple[str, int], list[str]]


def missing_programs(blocks: Blocks) -> set[str]:
    """Programs that the commands start and a minimal Debian with the page's packages lacks."""
    lines = [line for block in blocks.values() for line in block]
    packages = {word for line in lines if line.startswith("apt-get install ") for word in line.split()[2:]}
    started = {line.split()[0] for line in lines}
    started |= {line.split()[3] for line in lines if line.startswith("sudo -u ")}
    ours = {name for name in started if name.startswith((".venv/bin/", "ops/"))}
    return {name for name in started - ours - EVERYWHERE if BROUGHT.get(name) not in packages}


def missing_folders(blocks: Blocks) -> set[str]:
    """Folders into which files are installed, and that may not be there."""
    lines = [line for block in blocks.values() for line in block if re.match("install (?!-d )", line)]
    assert lines
    targets = {line.split()[-1] for line in lines if not line.startswith("install -D ")}
    return {target.rpartition("/")[0] for target in targets} - FOLDERS


def test_the_page_uses_no_program_that_a_minimal_debian_lacks() -> None:
    assert missing_programs(command_blocks(PAGE.read_text())) == set()


def test_the_page_puts_no_file_into_a_folder_that_a_minimal_debian_lacks() -> None:
    assert missing_folders(command_blocks(PAGE.read_text())) == set()


@pytest.mark.parametrize(
    ("line", "programs", "folders"),
    [
        ("sudo -u openwatt jq .", {"jq"}, set()),
        ("rsync /var/backups/openwatt there:", {"rsync"}, set()),
        ("install -m 644 one /etc/sysusers.d/openwatt.conf", set(), {"/etc/sysusers.d"}),
    ],
)
def test_what_is_missing_is_seen(line: str, programs: set[str], folders: set[str]) -> None:
    blocks = {**command_blocks(PAGE.read_text()), ("More", 1): [line]}
    assert (missing_programs(blocks), missing_folders(blocks)) == (programs, folders)


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_starts_our_programs_and_the_shell_alone(unit: str) -> None:
    """`/bin/kill` is of a package that a minimal Debian lacks; the shell has a kill of its own."""
    commands = [
        command for name in ("ExecStart", "ExecReload", "ExecStop") for command in setting(unit, name)
    ]
    assert commands
    allowed = ("/opt/openwatt/.venv/bin/", "/bin/sh -c 'kill ")
    assert [command for command in commands if not command.startswith(allowed)] == []
