"""Settings: read whole, or refused with every fault; written down where people look."""

import re
from pathlib import Path

import pytest

from openwatt.settings import PREFIX, Settings, SettingsError, read_settings, setting_fields, variable_of

ROOT = Path(__file__).resolve().parents[1]
VARIABLES = {variable_of(setting.name) for setting in setting_fields()}


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()
    assert read_settings({"OPENWATT_WORKERS": ""}) == Settings()


def test_values_are_typed() -> None:
    settings = read_settings({"OPENWATT_WORKERS": "3", "OPENWATT_DATA_DIR": "/srv/data", "PATH": "/bin"})
    assert (settings.workers, settings.data_dir) == (3, Path("/srv/data"))


def test_every_fault_is_named_and_an_unknown_variable_gets_its_neighbour() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"OPENWATT_WORKER": "2", "OPENWATT_THREADS": "many", "OPENWATT_SURPRISE_PARTY": "1"})
    assert len(caught.value.faults) == 3
    assert "did you mean OPENWATT_WORKERS?" in str(caught.value)
    assert "OPENWATT_THREADS must be a whole number from 1 to 64 (it is 'many')" in str(caught.value)
    assert "see .env.example" in str(caught.value)


def test_a_secret_is_never_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"OPENWATT_DATABASE_URL": "mysql://me:hunter2@host/db"})
    assert "hunter2" not in str(caught.value)
    settings = read_settings({"OPENWATT_DATABASE_URL": "postgresql://me:hunter2@host/db"})
    shown = {variable: value for variable, value, _ in settings.describe()}
    assert shown["OPENWATT_DATABASE_URL"] == "(set)"


def test_the_file_env_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("OPENWATT_WORKERS=5\nOPENWATT_THREADS=6\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENWATT_THREADS", "7")
    settings = read_settings()
    assert (settings.workers, settings.threads) == (5, 7)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "empty").write_text("\n")
    token = (tmp_path / "token").read_text().strip()
    assert read_settings({"OPENWATT_ADMIN_TOKEN_FILE": str(tmp_path / "token")}).admin_token == token
    with pytest.raises(SettingsError) as caught:
        read_settings(
            {
                "OPENWATT_ADMIN_TOKEN_FILE": str(tmp_path / "empty"),
                "OPENWATT_DRILL_TOKEN_FILE": str(tmp_path / "absent"),
                "OPENWATT_SENTRY_TOKEN_FILE": str(tmp_path / "token"),
                "OPENWATT_SENTRY_TOKEN": "x",
                "OPENWATT_WORKERS_FILE": str(tmp_path / "token"),
            }
        )
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    assert "OPENWATT_ADMIN_TOKEN_FILE names an empty file" in text
    assert "OPENWATT_DRILL_TOKEN_FILE cannot be read" in text
    assert "OPENWATT_SENTRY_TOKEN and OPENWATT_SENTRY_TOKEN_FILE are both set: keep one" in text
    assert "OPENWATT_WORKERS_FILE is not a setting of OpenWatt" in text


def test_a_weak_token_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"OPENWATT_ADMIN_TOKEN": "letmein"})
    assert "OPENWATT_ADMIN_TOKEN must be 32 to 512 signs" in str(caught.value)
    assert "letmein" not in str(caught.value)


@pytest.mark.parametrize("file", ["docs/settings.md", "docs/reglages.md", ".env.example"])
def test_every_setting_is_written_down(file: str) -> None:
    written = set(re.findall(rf"{PREFIX}[A-Z_]+", (ROOT / file).read_text()))
    assert written == VARIABLES


def test_the_example_is_a_file_that_can_be_used() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    values = dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?OPENWATT_\w+=", line))
    assert values.keys() == VARIABLES
    assert isinstance(read_settings(values), Settings)


def test_a_secret_in_a_file_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://me:first-password@host/db\n")
    settings = read_settings({"OPENWATT_DATABASE_URL_FILE": str(file), "OPENWATT_REDIS_URL": "redis://h"})
    file.write_text("postgresql://me:second-password@host/db\n")
    assert settings.current_secret("database_url") == "postgresql://me:second-password@host/db"
    assert settings.database_url == "postgresql://me:first-password@host/db"
    assert settings.current_secret("redis_url") == "redis://h"
    for wrong in ("mysql://me:third-password@host/db", ""):
        file.write_text(wrong)
        with pytest.raises(SettingsError, match="OPENWATT_DATABASE_URL") as caught:
            settings.current_secret("database_url")
        assert "third-password" not in str(caught.value)
    file.unlink()
    with pytest.raises(SettingsError, match="OPENWATT_DATABASE_URL_FILE cannot be read"):
        settings.current_secret("database_url")
