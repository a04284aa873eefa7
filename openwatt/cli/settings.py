"""How a command comes to its settings."""

import click

from openwatt.settings import Settings, read_settings


def settings_of(context: click.Context) -> Settings:
    """The settings, read when a command first needs them: `--help` works whatever the environment holds.

    Raises:
        SettingsError: naming everything that cannot be used.
    """
    root = context.find_root()
    if root.obj is None:
        root.obj = read_settings()
    settings: Settings = root.obj
    return settings
