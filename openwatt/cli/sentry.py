"""The command `openwatt sentry-alerts`, which sets Sentry's alert rules."""

from pathlib import Path

import click

from openwatt.cli.settings import settings_of
from openwatt.sentry_alerts import SentryAlerts, read_alert_file


@click.command("sentry-alerts")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=Path("ops/sentry/alerts.yaml"),
    show_default=True,
    help="The rules.",
)
@click.pass_context
def sentry_alerts(context: click.Context, *, dry_run: bool, path: Path) -> None:
    """Set in Sentry the alert rules of a file; as often as you like.

    It needs OPENWATT_SENTRY_URL, OPENWATT_SENTRY_TOKEN and OPENWATT_SENTRY_DSN, whose project gets the rules.
    """
    settings = settings_of(context)
    wanted = read_alert_file(path)
    if not (settings.sentry_url and settings.sentry_token and settings.sentry_dsn):
        raise click.ClickException(
            "set OPENWATT_SENTRY_URL (https://sentry.io), OPENWATT_SENTRY_TOKEN and OPENWATT_SENTRY_DSN"
        )
    with SentryAlerts(settings.sentry_url, settings.sentry_token, settings.sentry_dsn) as sentry:
        for outcome in sentry.apply(wanted, dry_run=dry_run):
            would = "would be " if dry_run and outcome.action != "unchanged" else ""
            click.echo(f"{outcome.rule.name}: {would}{outcome.action}")
            for receiver, reason in outcome.left_out.items():
                click.echo(f"  {receiver} is left out: {reason}")
            if outcome.rule.dataset == "transactions" and not settings.sentry_traces_sample_rate:
                click.echo("  it never fires while OPENWATT_SENTRY_TRACES_SAMPLE_RATE is 0")


COMMANDS: tuple[click.Command, ...] = (sentry_alerts,)
