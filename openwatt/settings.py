"""Every OPENWATT_* variable: typed, frozen, with its default and the sentence that explains it."""

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values

from openwatt.domain.errors import OpenWattError

PREFIX = "OPENWATT_"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(OpenWattError):
    """The environment holds settings that OpenWatt cannot use. `faults` names every one."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


def _setting(default: object, explanation: str, read: Callable[[str], Any], *, secret: bool = False) -> Any:
    """A dataclass field that knows how to read itself from a variable's text."""
    return field(default=default, metadata={"explanation": explanation, "read": read, "secret": secret})


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError("must be a number from 0 to 1")
    return share


def _address(*schemes: str) -> Callable[[str], str]:
    """Reads an address; its value is not repeated in errors, for it may hold a password."""

    def read(text: str) -> str:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return text

    return read


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return text.upper()


def _limit(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", text):
        raise ValueError("must be a number of requests in a time, like 600/minute")
    return text


def _redis_address(text: str) -> str:
    try:
        urlsplit(text).port  # noqa: B018 - reading it is the check
    except ValueError:
        raise ValueError(
            "must end like @host:6379/0; signs such as / # ? in its password are written %2F %23 %3F"
        ) from None
    return _address("redis", "rediss", "unix")(text)


def _token(text: str) -> str:
    if not re.fullmatch(r"[!-~]{32,512}", text):
        raise ValueError(
            "must be 32 to 512 signs without spaces or accents; `openssl rand -hex 32` makes one"
        )
    return text


def _contact(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+|[!-~]+@[!-~]+", text) or set(text) & set("()\\"):
        raise ValueError("must be the address of a page (https://…) or a mail address")
    return text


def _cores() -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment asks for. A field `x` is the variable OPENWATT_X."""

    data_dir: Path = _setting(
        Path("var"), "Folder of the embedded PostgreSQL and of everything OpenWatt keeps on disk.", Path
    )
    database_url: str | None = _setting(
        None,
        "Another PostgreSQL (14 or newer) instead of the embedded one, as postgresql://user@host/database.",
        _address("postgresql", "postgres"),
        secret=True,
    )
    bind: str = _setting("127.0.0.1:8000", "Address and port on which the service listens.", str)
    workers: int = _setting(
        min(_cores() + 1, 9), "Worker processes; by default one more than the cores.", _whole_number(1, 256)
    )
    threads: int = _setting(
        4, "Threads of a worker, and the most connections it opens to the database.", _whole_number(1, 64)
    )
    trusted_proxies: int = _setting(
        0,
        "How many proxies of yours stand before the service; the client's address is taken from before them.",
        _whole_number(0, 10),
    )
    limit_api: str = _setting(
        "12000/minute", "Most requests of one client address to /v1, as 600/minute or 10/second.", _limit
    )
    limit_bills: str = _setting(
        "1200/minute",
        "The same to the front page, /v1/bills and /v1/registers, which read a whole file.",
        _limit,
    )
    limit_pages: str = _setting(
        "3000/minute", "Most requests of one client address to pages, documentation and contract.", _limit
    )
    redis_url: str | None = _setting(
        None,
        "Redis or Valkey in which all workers count together; without it each counts its share by itself.",
        _redis_address,
        secret=True,
    )
    log_level: str = _setting("INFO", "Least level of what is logged: DEBUG, INFO, WARNING, ERROR.", _level)
    log_file: Path | None = _setting(
        None, "File for the JSON log, beside stdout; it may be rotated at any time.", Path
    )
    logstash_url: str | None = _setting(
        None,
        "Logstash to ship the log to: tcp://host:5000, or http://host:8080, which acknowledges.",
        _address("tcp", "http", "https"),
        secret=True,
    )
    log_spool_mb: int = _setting(
        256, "Disk for log records of one worker while Logstash is away, in MB.", _whole_number(4, 100_000)
    )
    sentry_dsn: str | None = _setting(
        None, "Sentry project to which errors are reported.", _address("http", "https"), secret=True
    )
    sentry_traces_sample_rate: float = _setting(
        0.0, "Share of requests that Sentry traces, 0 to 1; each traced one costs half a millisecond.", _share
    )
    admin_token: str | None = _setting(
        None,
        "Token of the admin API, 32 signs or more; without it its routes do not exist.",
        _token,
        secret=True,
    )
    drill_token: str | None = _setting(
        None,
        "Token that lets `openwatt drill` provoke faults on purpose; without it its routes do not exist.",
        _token,
        secret=True,
    )
    contact: str | None = _setting(
        None, "Page or mail address that the ingestion tells suppliers in its User-Agent.", _contact
    )
    backup_dir: Path | None = _setting(
        None, "Folder into which `openwatt backup` writes, and whose newest backup is watched.", Path
    )
    backup_keep: int = _setting(14, "How many backups are kept in that folder.", _whole_number(1, 10_000))
    prometheus_url: str | None = _setting(
        None, "Prometheus that `openwatt doctor` and `drill` ask.", _address("http", "https"), secret=True
    )
    alertmanager_url: str | None = _setting(
        None, "Alertmanager that they ask.", _address("http", "https"), secret=True
    )
    grafana_url: str | None = _setting(
        None,
        "Grafana that they ask; a name and password may stand in it.",
        _address("http", "https"),
        secret=True,
    )
    elasticsearch_url: str | None = _setting(
        None,
        "Elasticsearch in which they look for log records; a name and password may stand in it.",
        _address("http", "https"),
        secret=True,
    )
    cloudwatch_log_group: str | None = _setting(
        None, "CloudWatch log group in which they look for log records.", str
    )
    sentry_url: str | None = _setting(
        None,
        "Interface of Sentry or Bugsink, to read reports back and set its alerts, as https://sentry.io.",
        _address("http", "https"),
        secret=True,
    )
    sentry_token: str | None = _setting(None, "Token for that interface.", str, secret=True)
    environment: str = _setting("development", "Where this runs: development, staging, production.", str)
    revision: str = _setting(
        "unknown", "Revision of the deployed code, shown by /version; set it when an image is built.", str
    )
    secret_files: Mapping[str, Path] = field(default_factory=dict, compare=False, repr=False)
    """No variable: the file of each secret that stands in one, by the field's name."""

    def described(self) -> Iterator[tuple[str, str, str]]:
        """Variable, value as text and explanation of each setting; a secret's value is not told."""
        for setting in setting_fields():
            value = getattr(self, setting.name)
            secret = setting.metadata["secret"] and value is not None
            shown = "(set)" if secret else "" if value is None else str(value)
            yield variable_of(setting.name), shown, setting.metadata["explanation"]

    def current_secret(self, name: str) -> str | None:
        """A secret as its file holds it now, for files change while a process runs; else as it was read.

        Raises:
            SettingsError: the file can no longer be used.
        """
        path = self.secret_files.get(name)
        if path is None:
            return getattr(self, name)  # type: ignore[no-any-return]  # every secret is text
        variable, faults = variable_of(name), list[str]()
        fields = {variable_of(f.name): f for f in setting_fields() if f.name == name}
        text = _with_files({f"{variable}_FILE": str(path)}, fields, faults).get(variable, "")
        try:
            if not faults:
                return fields[variable].metadata["read"](text)  # type: ignore[no-any-return]  # as above
        except ValueError as error:
            faults.append(f"{variable} {error}")
        raise SettingsError(faults)


def setting_fields() -> tuple[dataclasses.Field[Any], ...]:
    """The fields of `Settings` that are variables."""
    return tuple(one for one in dataclasses.fields(Settings) if "read" in one.metadata)


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def _with_files(
    environ: Mapping[str, str], fields: Mapping[str, dataclasses.Field[Any]], faults: list[str]
) -> dict[str, str]:
    """The variables, with each OPENWATT_X_FILE of a secret replaced by what stands in its file."""
    texts = dict(environ)
    for variable, setting in fields.items():
        path = texts.pop(f"{variable}_FILE", "") if setting.metadata["secret"] else ""
        if not path:
            continue
        if texts.get(variable):
            faults.append(f"{variable} and {variable}_FILE are both set: keep one")
            continue
        try:
            texts[variable] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            faults.append(f"{variable}_FILE cannot be read: {path}: {reason}")
            continue
        if not texts[variable]:
            faults.append(f"{variable}_FILE names an empty file: {path}")
    return texts


def variables() -> dict[str, str]:
    """The variables of this process: its environment, then the file `.env` of the working directory."""
    return {k: v for k, v in dotenv_values(".env").items() if v is not None} | dict(os.environ)


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process: its environment, then the file `.env` of the working directory.

    An empty variable counts as absent. A secret may stand in a file that OPENWATT_X_FILE
    names, as container engines hand them out. `environ`, where given, replaces both.

    Raises:
        SettingsError: naming every unknown variable and every value that cannot be used.
    """
    if environ is None:
        environ = variables()
    fields = {variable_of(f.name): f for f in setting_fields()}
    faults: list[str] = []
    values: dict[str, Any] = {}
    for variable, text in sorted(_with_files(environ, fields, faults).items()):
        if not variable.startswith(PREFIX) or not text:
            continue
        if variable not in fields:
            close = difflib.get_close_matches(variable, fields, n=1, cutoff=0.85)
            hint = f"did you mean {close[0]}?" if close else "see .env.example for those that exist"
            faults.append(f"{variable} is not a setting of OpenWatt: {hint}")
            continue
        setting = fields[variable]
        try:
            values[setting.name] = setting.metadata["read"](text)
        except ValueError as error:
            shown = "" if setting.metadata["secret"] else f" (it is {text!r})"
            faults.append(f"{variable} {error}{shown}")
    values["secret_files"] = {
        fields[variable].name: Path(environ[f"{variable}_FILE"])
        for variable in fields
        if fields[variable].metadata["secret"] and environ.get(f"{variable}_FILE")
    }
    settings = Settings(**values)
    for name in ("limit_api", "limit_bills", "limit_pages"):
        most = int(getattr(settings, name).partition("/")[0])
        if most < settings.workers:
            faults.append(
                f"{variable_of(name)} must be at least {settings.workers}, the number of workers, "
                f"for each must be able to count its share of it (it is {getattr(settings, name)!r})"
            )
    if faults:
        raise SettingsError(faults)
    return settings
