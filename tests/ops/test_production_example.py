""".env.production.example: complete, and what it proposes can be read."""

import re
from pathlib import Path

from openwatt.settings import PREFIX, read_settings, setting_fields, variable_of
from tests.ops.dockerfile import REPOSITORY

TEXT = (REPOSITORY / ".env.production.example").read_text()
LINES = dict(re.findall(rf"^#?({PREFIX}\w+)=(.*)$", TEXT, re.MULTILINE))
#: Set when an image is built, not by an operator.
NOT_FOR_OPERATORS = {"OPENWATT_REVISION"}


def test_every_setting_of_a_production_is_there_and_secrets_stand_in_files() -> None:
    secret = {s.name: s.metadata["secret"] for s in setting_fields()}
    wanted = {variable_of(name) for name in secret} - NOT_FOR_OPERATORS
    told = {name if name in wanted else name.removesuffix("_FILE") for name in LINES}  # LOG_FILE is a setting
    assert told == wanted
    with_passwords = {"DATABASE_URL", "REDIS_URL", "SENTRY_DSN", "ADMIN_TOKEN", "DRILL_TOKEN", "SENTRY_TOKEN"}
    assert {f"{PREFIX}{name}_FILE" for name in with_passwords} <= set(LINES)


def test_what_is_on_is_only_what_is_right_everywhere() -> None:
    on = dict(re.findall(rf"^({PREFIX}\w+)=(.*)$", TEXT, re.MULTILINE))
    assert on == {"OPENWATT_ENVIRONMENT": "production", "OPENWATT_LOG_LEVEL": "INFO"}
    assert read_settings(on).environment == "production"


def test_with_every_line_on_it_can_be_read(tmp_path: Path) -> None:
    contents = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "SENTRY_DSN": "https://k@h/1"}
    lines = dict(LINES)
    for variable in [variable for variable in lines if variable.endswith("_FILE")]:
        name = variable.removeprefix(PREFIX).removesuffix("_FILE")
        text = contents.get(name, "https://h.example.org" if name.endswith("_URL") else "0" * 40)
        (tmp_path / name).write_text(text)
        lines[variable] = str(tmp_path / name)
    assert read_settings(lines).limit_api == "12000/minute"


def test_the_block_for_one_machine_agrees_with_systemds_units() -> None:
    unit = (REPOSITORY / "ops/systemd/openwatt.service").read_text()
    for setting, variable in (("StateDirectory", "DATA_DIR"), ("LogsDirectory", "LOG_FILE")):
        (folder,) = re.findall(rf"^{setting}=(\w+)$", unit, re.MULTILINE)
        assert f"/{folder}" in LINES[f"{PREFIX}{variable}"]
    socket = (REPOSITORY / "ops/systemd/openwatt.socket").read_text()
    assert f"ListenStream={LINES[f'{PREFIX}BIND']}\n" in socket
    backup = (REPOSITORY / "ops/systemd/openwatt-backup.service").read_text()
    assert f"ReadWritePaths={LINES[f'{PREFIX}BACKUP_DIR']}\n" in backup
