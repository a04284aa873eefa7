"""What other branches bring: tolerated while it is missing. To be removed when they are merged."""

COMMANDS = frozenset({"ingest", "sources", "review", "backup", "restore", "doctor", "drill", "sentry-alerts"})
FILES = (
    "logstash.conf",
    "docs/exercices.md",
    "docs/journaux.md",
    "ops/alertmanager/",
    "ops/blackbox/",
    "ops/cloudwatch/",
    "ops/datadog/",
    "ops/elastic/",
    "ops/grafana/",
    "ops/logrotate/",
    "ops/native",
    "ops/prometheus/prometheus.yml",
    "ops/prometheus/remote_write.example.yml",
    "ops/prometheus/rules",
    "ops/runbook.md",
)


def may_be_missing(path: str) -> bool:
    """Whether a file of the repository, or what lies in a folder, is on its way."""
    return any(path == each or (each.endswith("/") and f"{path}/".startswith(each)) for each in FILES)
