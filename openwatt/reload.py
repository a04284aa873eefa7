"""The settings that Gunicorn's master serves with; a HUP changes all of them or none."""

import gc
import logging
from typing import Any

from openwatt.app import create_app
from openwatt.bootstrap import prepare_database
from openwatt.domain.errors import OpenWattError
from openwatt.observability import telemetry_config
from openwatt.settings import Settings, SettingsError, read_settings, setting_fields, variable_of
from openwatt.telemetry.start import Telemetry, replace_telemetry, start_telemetry

_logger = logging.getLogger("openwatt.gunicorn")

#: Settings that only a restart changes. Gunicorn would close its listeners before it has others, and lose
#: connections; the data folder holds the embedded PostgreSQL and the counters of all workers.
AT_A_RESTART = ("bind", "data_dir")
#: Settings that the service itself does not use: commands read them each time they are run.
BY_COMMANDS = (
    "contact",
    "backup_keep",
    "prometheus_url",
    "alertmanager_url",
    "grafana_url",
    "elasticsearch_url",
    "cloudwatch_log_group",
    "sentry_url",
    "sentry_token",
)


class Service:
    """The settings in force, with the telemetry and the application made from them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.telemetry: Telemetry = start_telemetry(telemetry_config(settings, multiprocess=True))
        self._application: Any = None
        """The application of the newest reload; None at the start, when wsgi.py makes it."""

    def reload(self) -> None:
        """Applies the present settings, or leaves everything as it was. Never raises."""
        try:
            changed = self._apply(read_settings())
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end Gunicorn's master
            self.telemetry.metrics.settings_refused.set(1)
            _logger.error(  # noqa: TRY400  a sentence with its remedy, no traceback
                "the reload is refused, the former settings stay in force", extra={"reason": _reason(error)}
            )
        else:
            self.telemetry.metrics.settings_refused.set(0)
            _logger.info("settings reloaded", extra={"changed": changed})

    def _apply(self, settings: Settings) -> list[str]:
        """Applies settings and returns the names of the variables whose values are new.

        What may fail comes first, and changes nothing when it does.
        """
        changed = [
            setting.name
            for setting in setting_fields()
            if getattr(settings, setting.name) != getattr(self.settings, setting.name)
        ]
        _check_no_restart_needed(self.settings, settings)
        if "database_url" in changed:
            prepare_database(settings)
        config = telemetry_config(settings, multiprocess=True)
        telemetry = self.telemetry
        if config != telemetry.config:
            telemetry = Telemetry(config, replacing=self.telemetry)
        try:
            application = create_app(settings, telemetry=telemetry)
        except BaseException:
            if telemetry is not self.telemetry:
                telemetry.discard()
            raise
        if telemetry is not self.telemetry:
            replace_telemetry(telemetry)
        self.settings, self.telemetry, self._application = settings, telemetry, application
        return [variable_of(name) for name in changed]

    def install(self, server: Any) -> None:
        """Gives Gunicorn the application of the newest reload: its `on_reload`, before it starts workers."""
        if self._application is not None:
            server.app.callable = self._application
            gc.collect()  # the former application is full of cycles; the workers need not inherit it


def _check_no_restart_needed(former: Settings, new: Settings) -> None:
    faults = [
        f"{variable_of(name)} cannot be changed by a reload "
        f"({getattr(former, name)} is in force, {getattr(new, name)} is set): restart the service"
        for name in AT_A_RESTART
        if getattr(former, name) != getattr(new, name)
    ]
    if bool(former.database_url) != bool(new.database_url):
        faults.append(
            f"{variable_of('database_url')} cannot be set or removed by a reload, for that is "
            "a move from or to the embedded PostgreSQL: restart the service"
        )
    if faults:
        raise SettingsError(faults)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used: {error.strerror}"
    return str(error) if isinstance(error, OpenWattError | ValueError) else f"{type(error).__name__}: {error}"


_service: Service | None = None


def service() -> Service:
    """The service of this process: started by the first call, reloaded by each further one.

    Gunicorn reads its configuration, which calls this, at its start and at each HUP.

    Raises:
        SettingsError: at the start, when the settings cannot be used.
        OSError: at the start, when a file of theirs cannot be used.
    """
    global _service  # noqa: PLW0603  a process serves once, and gunicorn.conf.py is executed again at each HUP
    if _service is None:
        _service = Service(read_settings())
    else:
        _service.reload()
    return _service
