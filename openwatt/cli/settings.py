"""The settings of a command."""

import click

from openwatt.settings import Settings, read_settings


def settings_of(context: click.Context) -> Settings:
    """Reads the settings when a command first needs them, so that `--help` works whatever they are.

    Raises:
        SettingsError: naming everything that cannot be used.
    """
    root = context.find_root()
    if root.obj is None:
        root.obj = read_settings()
    settings: Settings = root.obj
    return settings
