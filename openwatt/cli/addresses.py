"""The addresses of servers among the options of commands."""

from typing import Any

import click

from openwatt.addresses import AddressError, parse_bind, parse_web_address
from openwatt.doctor.http_probe import socket_url
from openwatt.settings import Settings


class _ServerAddress(click.ParamType[str]):
    """`http://…`, `https://…`, or a unix socket as `unix:/path`; a wrong one is not repeated."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            if str(value).startswith("unix:"):
                return socket_url(str(parse_bind(value).socket))
            return parse_web_address(value).text
        except AddressError as error:
            self.fail(f"it {error}", param, ctx)


SERVER_ADDRESS = _ServerAddress()

service_url_option = click.option(
    "--url",
    type=SERVER_ADDRESS,
    help="Address of the service, a socket as unix:/path; by default that of OPENWATT_BIND on this machine.",
)


def own_address(settings: Settings) -> str:
    """The address at which a service with these settings is reached on its own machine."""
    bind = parse_bind(settings.bind)
    if bind.socket is not None:
        return socket_url(bind.socket)
    if bind.port is None:
        return "http://127.0.0.1:8000"
    everywhere = {"", "0.0.0.0", "[::]"}  # noqa: S104 - read here, not listened on
    return f"http://{'127.0.0.1' if bind.host in everywhere else bind.host}:{bind.port}"
