"""The checks of settings: they fit the environment, and files of secrets are closed to others."""

import stat
from collections.abc import Iterator
from pathlib import Path

from openwatt.doctor.context import CheckContext
from openwatt.doctor.results import CheckSkippedError, CheckVerdict, ok, quantity
from openwatt.settings import Settings, setting_fields, variable_of

ENVIRONMENTS = ("development", "staging", "production")
#: Container engines mount secrets here, for one process alone, with rights of their own choice.
ENGINE_SECRETS = Path("/run/secrets")


def check_settings(context: CheckContext) -> CheckVerdict:
    """Checks that in production no setting is missing or wrong; that each can be read is known by now."""
    faults = list(_faults(context.settings))
    if faults:
        return CheckVerdict(
            "failed", "; ".join(message for message, _ in faults), "; ".join(fix for _, fix in faults)
        )
    default = Settings()
    changed = sum(getattr(context.settings, f.name) != getattr(default, f.name) for f in setting_fields())
    return ok(f"{context.settings.environment}; {quantity(changed, 'setting')} beside the defaults")


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with the settings, and what fixes it."""
    if settings.environment not in ENVIRONMENTS:
        yield (
            f"OPENWATT_ENVIRONMENT is {settings.environment!r}, none of {', '.join(ENVIRONMENTS)}",
            "say OPENWATT_ENVIRONMENT=production where users are served",
        )
    if settings.sentry_url and not settings.sentry_token:
        yield (
            "OPENWATT_SENTRY_URL is set without OPENWATT_SENTRY_TOKEN",
            "make a token in Sentry's or Bugsink's settings and put it into OPENWATT_SENTRY_TOKEN_FILE",
        )
    if settings.environment != "production":
        return
    if not settings.sentry_dsn:
        yield (
            "OPENWATT_SENTRY_DSN is not set: errors are not reported",
            "copy the DSN of your project in Sentry or Bugsink into OPENWATT_SENTRY_DSN",
        )
    if not settings.redis_url and settings.workers > 1:
        yield (
            f"{settings.workers} workers count limits each by itself: OPENWATT_REDIS_URL is not set",
            "start Redis or Valkey and set OPENWATT_REDIS_URL, or OPENWATT_WORKERS=1",
        )
    if settings.log_level == "DEBUG":
        yield "OPENWATT_LOG_LEVEL is DEBUG", "set OPENWATT_LOG_LEVEL=INFO"
    if settings.backup_dir is None:
        yield (
            "OPENWATT_BACKUP_DIR is not set: the backups are not watched",
            "set OPENWATT_BACKUP_DIR and let `openwatt backup` run daily",
        )


def check_secret_files(context: CheckContext) -> CheckVerdict:
    """Checks that files of secrets, `.env` included, are closed to others and writable by the owner alone."""
    files = context.secret_files()
    if _holds_secret(Path(".env")):
        files[".env"] = Path(".env")
    if not files:
        raise CheckSkippedError("no secret stands in a file")
    faults, wrong = [], []
    for name, path in files.items():
        mode = path.stat().st_mode
        refused = stat.S_IWGRP | stat.S_IWOTH
        if ENGINE_SECRETS not in path.resolve().parents:
            refused |= stat.S_IROTH
        if mode & refused:
            may = "write" if mode & 0o022 else "read"
            faults.append(f"others may {may} {path} ({mode & 0o777:o}), which {name} names")
            wrong.append(str(path))
    if faults:
        return CheckVerdict("failed", "; ".join(faults), f"chmod 600 {' '.join(wrong)}")
    return ok(f"{quantity(len(files), 'file')}, closed to other users")


def _holds_secret(env_file: Path) -> bool:
    """Whether a line of the file sets a secret."""
    names = {variable_of(f.name) for f in setting_fields() if f.metadata["secret"]}
    try:
        lines = env_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    set_here = {name.strip().removeprefix("export ") for name, _, value in
                (line.partition("=") for line in lines) if value.strip()}  # fmt: skip
    return bool(names & set_here)
