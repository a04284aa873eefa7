"""The market of a portfolio: the one that is published now, or one that a file has."""

import click

from openwatt.cli.market import stored_market
from openwatt.cli.output import open_output
from openwatt.cli.settings import settings_of
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.market_file import encode_market
from openwatt.settings import Settings


def present_market(settings: Settings) -> PortfolioMarket:
    """The contracts, calendars, duties and announced days of the database, read once."""
    with stored_market(settings) as stored:
        return PortfolioMarket(stored.market(stored.everything()), stored.colours())


@click.command("market")
@click.argument("file", type=click.Path(allow_dash=True))
@click.pass_context
def market_command(context: click.Context, /, file: str) -> None:
    """Write the market of now to FILE, with which runs can be repeated.

    The market is all that bills rest on: contracts, register calendars, duties and
    announced days, as JSON with a checksum. `openwatt portfolio HOMES --market FILE` takes it
    instead of the database's. `-` is standard output.
    """
    data = encode_market(present_market(settings_of(context)))
    with open_output(file) as stream:
        stream.write(data.decode())
