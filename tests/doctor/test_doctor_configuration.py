"""Settings that can be read and still are wrong, and files of secrets that others may read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openwatt.doctor import configuration
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe
from openwatt.doctor.results import CheckSkippedError, CheckVerdict
from openwatt.settings import Settings, read_settings

COMPLETE: dict[str, Any] = {
    "environment": "production",
    "sentry_dsn": "https://key@h/1",
    "redis_url": "redis://h",
    "backup_dir": Path("backups"),
    "workers": 2,
}


@pytest.fixture
def check() -> Iterator[Callable[..., CheckVerdict]]:
    with HttpProbe() as http:

        def look(
            looked: Callable[[CheckContext], CheckVerdict], told: dict[str, str] | Settings
        ) -> CheckVerdict:
            environ = told if isinstance(told, dict) else {}
            settings = read_settings(told) if isinstance(told, dict) else told
            return looked(CheckContext(settings=settings, environ=environ, http=http))

        yield look


@pytest.mark.parametrize(
    ("changes", "message", "remedy"),
    [
        ({"sentry_dsn": None}, "OPENWATT_SENTRY_DSN is not set", "OPENWATT_SENTRY_DSN"),
        ({"redis_url": None}, "2 workers count limits each by itself", "OPENWATT_REDIS_URL"),
        ({"backup_dir": None}, "OPENWATT_BACKUP_DIR is not set", "openwatt backup"),
        ({"log_level": "DEBUG"}, "OPENWATT_LOG_LEVEL is DEBUG", "OPENWATT_LOG_LEVEL=INFO"),
        ({"sentry_url": "https://h"}, "without OPENWATT_SENTRY_TOKEN", "OPENWATT_SENTRY_TOKEN_FILE"),
        ({"environment": "Production"}, "'Production'", "OPENWATT_ENVIRONMENT=production"),
        ({}, "production; 5 settings beside the defaults", ""),
        ({"redis_url": None, "workers": 1}, "production", ""),
    ],
)
def test_production_lacks_nothing(
    check: Callable[..., CheckVerdict], changes: dict[str, Any], message: str, remedy: str
) -> None:
    found = check(configuration.check_settings, Settings(**(COMPLETE | changes)))
    assert found.status == ("failed" if remedy else "ok")
    assert message in found.message
    assert remedy in found.remedy


def test_every_fault_is_named_with_its_remedy(check: Callable[..., CheckVerdict]) -> None:
    found = check(
        configuration.check_settings, Settings(environment="production", workers=2, log_level="DEBUG")
    )
    assert found.message.count(";") == found.remedy.count(";") == 3


def test_a_workstation_may_lack_all_of_it(check: Callable[..., CheckVerdict]) -> None:
    assert check(configuration.check_settings, Settings(workers=4, log_level="DEBUG")).status == "ok"


@pytest.mark.parametrize(
    ("mode", "fault"),
    [(0o600, ""), (0o640, ""), (0o440, ""), (0o644, "read"), (0o660, "write"), (0o602, "write")],
)
def test_a_secrets_file_is_closed_to_others(
    check: Callable[..., CheckVerdict], tmp_path: Path, mode: int, fault: str
) -> None:
    token = tmp_path / "token"
    token.write_text("t" * 40)
    token.chmod(mode)
    found = check(configuration.check_secret_files, {"OPENWATT_SENTRY_TOKEN_FILE": str(token)})
    assert found.status == ("failed" if fault else "ok"), found
    if fault:
        assert f"others may {fault} {token} ({mode:o})" in found.message
        assert found.remedy == f"chmod 600 {token}"


def test_what_an_engine_mounts_has_the_engines_rights(
    check: Callable[..., CheckVerdict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "ENGINE_SECRETS", tmp_path)
    token = tmp_path / "token"
    token.write_text("t" * 40)
    for mode, status in ((0o444, "ok"), (0o646, "failed")):
        token.chmod(mode)
        assert (
            check(configuration.check_secret_files, {"OPENWATT_SENTRY_TOKEN_FILE": str(token)}).status
            == status
        )


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ("OPENWATT_REDIS_URL=redis://:secret@h", True),
        ("export OPENWATT_SENTRY_DSN=https://key@h/1", True),
        ("OPENWATT_REDIS_URL=", False),
        ("OPENWATT_WORKERS=2", False),
    ],
)
def test_an_env_file_is_one_of_them_when_it_holds_a_secret(
    check: Callable[..., CheckVerdict],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    held: object,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"# settings\n{line}\n")
    (tmp_path / ".env").chmod(0o644)
    if held:
        assert "others may read .env" in check(configuration.check_secret_files, {}).message
    else:
        with pytest.raises(CheckSkippedError):
            check(configuration.check_secret_files, {})
