"""The installation that is checked: its settings, its service and the servers beside it."""

import datetime as dt
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openwatt.addresses import AddressError, parse_address
from openwatt.bootstrap import locate_database
from openwatt.doctor.http_probe import HttpProbe
from openwatt.doctor.results import CheckSkippedError
from openwatt.settings import Settings, setting_fields, variable_of
from openwatt.store.database import Database
from openwatt.telemetry.redaction import FILTERED, redact_text

#: Where `openwatt metrics` listens by default.
METRICS_URL = "http://127.0.0.1:9101/metrics"
#: Where logrotate's rules begin; it includes those of packages.
LOGROTATE = Path("/etc/logrotate.conf")
#: A request that every service answers and logs: one short statement, no parameter.
SENT_REQUEST = "/v1/suppliers"
#: A shorter secret is looked for as a whole word: `pass` is none within `passed`.
_LONGEST_WORD = 12


@dataclass(kw_only=True)
class CheckContext:
    """The context of every check; `timeout_s` is how long a sent record is searched for."""

    settings: Settings
    environ: Mapping[str, str]
    """The variables that the settings were read from: they name the files of secrets."""
    http: HttpProbe
    url: str = "http://127.0.0.1:8000"
    metrics_url: str | None = None
    ops: Path | None = None
    logrotate: Path = LOGROTATE
    timeout_s: float = 20.0
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    _sent: str | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def in_production(self) -> bool:
        """Whether this is production, where nothing may be missing."""
        return self.settings.environment == "production"

    def sent_request(self) -> str:
        """Sends one request to the service, the first time, and returns its id; its log record is searched.

        Raises:
            CheckSkippedError: this service's log would not tell of it.
            ProbeError: the service does not answer.
        """
        with self._lock:
            if self._sent is None:
                if self.settings.log_level not in {"DEBUG", "INFO"}:
                    raise CheckSkippedError(
                        f"OPENWATT_LOG_LEVEL is {self.settings.log_level}: a request leaves no record"
                    )
                made = f"doctor-{uuid.uuid4()}"
                self.http.request(self.url, SENT_REQUEST, headers={"X-Request-ID": made})
                self._sent = made
            return self._sent

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Opens the database of the service; an embedded one that is down is not started."""
        opened = Database(locate_database(self.settings, start=False), most_connections=1)
        try:
            yield opened
        finally:
            opened.close()

    def ops_folder(self) -> Path:
        """The folder `ops` that ships beside the product.

        Raises:
            CheckSkippedError: it is not there.
        """
        if self.ops is None:
            raise CheckSkippedError("there is no folder ops/ here or beside the code: name it with --ops")
        return self.ops

    def without_secrets(self, text: str) -> str:
        """Removes every secret of the settings from a text of ours."""
        for secret in sorted(set(self._secrets()), key=len, reverse=True):
            pattern = re.escape(secret)
            if len(secret) < _LONGEST_WORD:
                pattern = rf"(?<!\w){pattern}(?!\w)"
            text = re.sub(pattern, FILTERED, text)
        return text

    def discreet(self, text: str) -> str:
        """Removes from a text of a server or a library every secret, and what looks like one."""
        return redact_text(self.without_secrets(text))

    def _secrets(self) -> Iterator[str]:
        for setting in setting_fields():
            value = getattr(self.settings, setting.name)
            if not setting.metadata["secret"] or value is None:
                continue
            try:
                yield from parse_address(value).secrets()
            except AddressError:  # a token
                yield value

    def secret_files(self) -> dict[str, Path]:
        """The files of the secrets that stand in a file of their own, by variable."""
        variables = [f"{variable_of(f.name)}_FILE" for f in setting_fields() if f.metadata["secret"]]
        return {name: Path(self.environ[name]) for name in variables if self.environ.get(name)}
