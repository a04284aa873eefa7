"""The settings: every OPENWATT_* variable with its type, its default and one sentence of help."""

import dataclasses
import datetime as dt
import difflib
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from openwatt.addresses import (
    Address,
    parse_bind,
    parse_database_address,
    parse_dsn,
    parse_log_receiver,
    parse_redis_address,
    parse_web_address,
)
from openwatt.domain.errors import OpenWattError
from openwatt.price_metrics import parse_contracts

PREFIX = "OPENWATT_"
_LONGEST_SHOWN = 60
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(OpenWattError):
    """Raised when settings cannot be used; `faults` names every one."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


def _setting(default: object, text: str, parse: Callable[[str], Any], *, secret: bool = False) -> Any:
    """Declares a setting: its default, its help, how its text is parsed, and whether it is a secret."""
    return field(
        default=default,
        repr=not secret,
        metadata={"help": text, "parse": parse, "secret": secret},
    )


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
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


def _address(parse: Callable[[str], Address]) -> Callable[[str], str]:
    """Parses an address and writes it in the one form that every library reads alike."""
    return lambda text: parse(text).text


def _bind(text: str) -> str:
    parse_bind(text)
    return text


def _contracts(text: str) -> str:
    parse_contracts(text)
    return text


def _text(text: str) -> str:
    """Reads a text that goes into log records, metrics and paths, which must be Unicode without controls."""
    if not all(unicodedata.category(sign) not in {"Cc", "Cs"} for sign in text):
        raise ValueError("must be one line of text in UTF-8, without tabs or other control characters")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


#: The first words of the service's own addresses: a sub-path that began so would be confused with them.
RESERVED_PATHS = frozenset(
    {
        ".well-known",
        "docs",
        "favicon.ico",
        "health",
        "history",
        "metrics",
        "now",
        "openapi.json",
        "problems",
        "robots.txt",
        "sitemap.xml",
        "static",
        "status",
        "tariffs",
        "v1",
        "version",
    }
)


def read_sub_path(text: str) -> str:
    """Reads the path under which a proxy shows the service.

    Raises:
        ValueError: when it is no plain path, or begins like an address of the service itself.
    """
    path = text.removesuffix("/")
    names = path.split("/")[1:]
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path) or len(path) > 200 or {".", ".."} & set(names):
        raise ValueError("must be a path such as /electricite, of letters, digits and . _ ~ -")
    if names[0] in RESERVED_PATHS:
        raise ValueError(f"must not begin with /{names[0]}, which is an address of the service itself")
    return path


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return text.upper()


def _limit(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", text):
        raise ValueError("must be a number of requests in a time, like 600/minute")
    return text


def _token(text: str) -> str:
    if not re.fullmatch(r"[!-~]{32,512}", text):
        raise ValueError(
            "must be 32 to 512 signs without spaces or accents; `openssl rand -hex 32` makes one"
        )
    return text


def _interface_token(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,4096}", text):
        raise ValueError("must be one word without spaces or accents: copy the token again")
    return text


def _day(text: str) -> dt.date:
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise ValueError("must be a day, as 2027-06-30") from None


def _contact(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+|[!-~]+@[!-~]+", text) or set(text) & set("()\\"):
        raise ValueError("must be the address of a page (https://…) or a mail address")
    return text


#: However many cores there are: the memory limits that ship with the product count with so many.
MAX_DEFAULT_WORKERS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. A field `x` is the variable OPENWATT_X."""

    data_dir: Path = _setting(
        Path("var"), "Folder of the embedded PostgreSQL and of all other files of OpenWatt.", _path
    )
    database_url: str | None = _setting(
        None,
        "PostgreSQL (14 or newer) that replaces the embedded one, as postgresql://user@host/database.",
        _address(parse_database_address),
        secret=True,
    )
    bind: str = _setting(
        "127.0.0.1:8000", "Address and port on which the service listens, or a socket as unix:/path.", _bind
    )
    workers: int = _setting(
        min((os.cpu_count() or 1) + 1, MAX_DEFAULT_WORKERS),
        "Number of worker processes; by default one more than the cores.",
        _whole_number(1, 256),
    )
    threads: int = _setting(
        4, "Threads per worker, and the most connections that it opens to the database.", _whole_number(1, 64)
    )
    trusted_proxies: int = _setting(
        0,
        "Number of your own proxies before the service; the client's address is read from their headers.",
        _whole_number(0, 10),
    )
    sub_path: str | None = _setting(
        None,
        "Path under which a proxy publishes the service, as /electricite; by default what a trusted proxy "
        "sends in X-Forwarded-Prefix.",
        read_sub_path,
    )
    limit_api: str = _setting(
        "12000/minute", "Most requests per client address to /v1, as 600/minute or 10/second.", _limit
    )
    limit_bills: str = _setting(
        "1200/minute",
        "Most requests per client address to the front page, /v1/bills and /v1/registers, which read a file.",
        _limit,
    )
    limit_pages: str = _setting(
        "3000/minute", "Most requests per client address to pages, documentation and contract.", _limit
    )
    redis_url: str | None = _setting(
        None,
        "Redis or Valkey in which all workers count requests; without it each worker counts its share.",
        _address(parse_redis_address),
        secret=True,
    )
    log_level: str = _setting("INFO", "Lowest level that is logged: DEBUG, INFO, WARNING, ERROR.", _level)
    log_file: Path | None = _setting(
        None, "File for the JSON log, in addition to stdout; it may be rotated at any time.", _path
    )
    logstash_url: str | None = _setting(
        None,
        "Logstash that receives the log: tcp://host:5000, or http://host:8080, which acknowledges.",
        _address(parse_log_receiver),
        secret=True,
    )
    log_spool_mb: int = _setting(
        256,
        "Disk space per worker for log records while Logstash is unreachable, in MB.",
        _whole_number(4, 100_000),
    )
    sentry_dsn: str | None = _setting(
        None, "DSN of the Sentry project that receives error reports.", _address(parse_dsn), secret=True
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
        "Token with which `openwatt drill` provokes faults; without it its routes do not exist.",
        _token,
        secret=True,
    )
    price_metrics: str | None = _setting(
        None,
        "Contracts whose present price is a metric, each as option=TEMPO&power_kva=6, parted by spaces.",
        _contracts,
    )
    contact: str | None = _setting(
        None, "Page or mail address that the ingestion sends to suppliers in its User-Agent.", _contact
    )
    security_contact: str | None = _setting(
        None,
        "Page or mail address in /.well-known/security.txt, to report a vulnerability of this installation; "
        "without it there is no such file.",
        _contact,
    )
    security_expires: dt.date | None = _setting(
        None, "Day until which that contact holds, as 2027-06-30; by default half a year from today.", _day
    )
    backup_dir: Path | None = _setting(
        None, "Folder of the backups of `openwatt backup`; the age of the newest is monitored.", _path
    )
    backup_keep: int = _setting(14, "Number of backups that stay in that folder.", _whole_number(1, 10_000))
    prometheus_url: str | None = _setting(
        None,
        "Prometheus that `openwatt doctor` and `openwatt drill` query.",
        _address(parse_web_address),
        secret=True,
    )
    alertmanager_url: str | None = _setting(
        None,
        "Alertmanager that `openwatt doctor` and `openwatt drill` query.",
        _address(parse_web_address),
        secret=True,
    )
    grafana_url: str | None = _setting(
        None,
        "Grafana that `openwatt doctor` queries; a name and password may stand in the address.",
        _address(parse_web_address),
        secret=True,
    )
    elasticsearch_url: str | None = _setting(
        None,
        "Elasticsearch in which `openwatt doctor` and `openwatt drill` search log records; a name and "
        "password may stand in the address.",
        _address(parse_web_address),
        secret=True,
    )
    cloudwatch_log_group: str | None = _setting(
        None,
        "CloudWatch log group in which `openwatt doctor` and `openwatt drill` search log records.",
        _text,
    )
    sentry_url: str | None = _setting(
        None,
        "API of Sentry or Bugsink, to read reports and to set alert rules, as https://sentry.io.",
        _address(parse_web_address),
        secret=True,
    )
    sentry_token: str | None = _setting(
        None, "Token for the API of Sentry or Bugsink.", _interface_token, secret=True
    )
    environment: str = _setting(
        "development", "Environment of this installation: development, staging or production.", _text
    )
    revision: str = _setting(
        "unknown",
        "Revision of the deployed code, shown by /version; it is set when an image is built.",
        _text,
    )
    secret_files: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)  # no variable

    def describe(self) -> Iterator[tuple[str, str | None, str]]:
        """Yields the variable, the value as text and the help of each setting; a secret is only `(set)`."""
        for setting in setting_fields():
            value = getattr(self, setting.name)
            shown = None if value is None else "(set)" if setting.metadata["secret"] else str(value)
            yield variable_of(setting.name), shown, setting.metadata["help"]

    def current_secret(self, name: str) -> str | None:
        """Reads a secret again from its file (SettingsError where it cannot be used), if it stands in one."""
        path = self.secret_files.get(name)
        now = self if path is None else read_settings({f"{variable_of(name)}_FILE": path})
        return getattr(now, name)  # type: ignore[no-any-return]  # every secret is text


def setting_fields() -> tuple[dataclasses.Field[Any], ...]:
    """Returns the fields of `Settings` that are variables."""
    return tuple(one for one in dataclasses.fields(Settings) if "parse" in one.metadata)


def _safe_name(variable: str) -> str:
    """The name of an unknown variable, without a secret that a line such as `X: secret==` adds to it."""
    for setting in setting_fields():
        known = variable_of(setting.name)
        if setting.metadata["secret"] and variable.startswith(known):
            return f"{known}..."
    return re.sub(r"(?a)\W.*", "...", variable, flags=re.DOTALL)[:_LONGEST_SHOWN]


def _quoted(text: str) -> str:
    """Quotes a wrong value, unless it is an address: one in the wrong variable may contain a password."""
    if "://" in text or "@" in text:
        return ""
    return f" (it is {text[:_LONGEST_SHOWN]!r}{'...' if len(text) > _LONGEST_SHOWN else ''})"


def variable_of(name: str) -> str:
    """Names the environment variable of a field."""
    return PREFIX + name.upper()


def _with_files(
    environ: Mapping[str, str], fields: Mapping[str, dataclasses.Field[Any]], faults: list[str]
) -> dict[str, str]:
    """Replaces each OPENWATT_X_FILE of a secret by the content of its file."""
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
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            # The path is not repeated: who confuses the two variables has put the secret there.
            faults.append(
                f"{variable}_FILE cannot be read ({reason}): it must be the path of a file with the secret"
            )
            continue
        if not texts[variable]:
            faults.append(f"{variable}_FILE names an empty file: write the secret into it")
    return texts


def read_variables() -> dict[str, str]:
    """Reads the environment of this process, then the file `.env` of the working directory."""
    try:
        written = dotenv_values(".env")
    except UnicodeDecodeError:
        raise SettingsError(["the file .env here is not text in UTF-8: write it again as such"]) from None
    return {k: v for k, v in written.items() if v is not None} | dict(os.environ)


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from the environment, then from the file `.env` of the working directory.

    An empty variable counts as absent. A secret may stand in a file that OPENWATT_X_FILE
    names, as container engines hand them out. `environ`, where given, replaces both.

    Raises:
        SettingsError: naming every unknown variable and every value that cannot be used, and what
            would do; no part of a secret's value is repeated.
    """
    if environ is None:
        environ = read_variables()
    fields = {variable_of(f.name): f for f in setting_fields()}
    faults, values = list[str](), dict[str, Any]()
    for variable, text in sorted(_with_files(environ, fields, faults).items()):
        if not variable.startswith(PREFIX) or not text:
            continue
        if variable not in fields:
            close = difflib.get_close_matches(variable, fields, n=1, cutoff=0.85)
            hint = f"did you mean {close[0]}?" if close else "see .env.example for those that exist"
            faults.append(f"{_safe_name(variable)} is not a setting of OpenWatt: {hint}")
            continue
        setting = fields[variable]
        try:
            values[setting.name] = setting.metadata["parse"](text)
        except ValueError as error:
            faults.append(f"{variable} {error}{'' if setting.metadata['secret'] else _quoted(text)}")
    files = {f.name: environ[f"{v}_FILE"] for v, f in fields.items() if environ.get(f"{v}_FILE")}
    settings = Settings(**values, secret_files=files)
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
