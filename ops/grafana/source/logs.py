"""OpenWatt – Logs and Telemetry: does everything that is told arrive, and is everything watched."""

# ruff: noqa: INP001 - beside the files that it writes, not a package

from ops.grafana.source.frame import dashboard
from ops.grafana.source.panels import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    TARGETS,
    YELLOW,
    Json,
    Query,
    arrived,
    field,
    heading,
    increase,
    lines,
    mapped,
    or_none,
    rate,
    states,
    tile,
    total,
)

PROMETHEUS = 'job="prometheus"'


def shipping(name: str) -> str:
    """A gauge of log shipping, over all processes."""
    return total(f"openwatt_log_shipping_{name}{{{TARGETS}}}")


def _tiles() -> list[Json]:
    last_success = f"max(openwatt_log_shipping_last_success_timestamp_seconds{{{TARGETS}}})"
    connected = shipping("connected")
    waiting = f"{shipping('queued_records')} + {shipping('spooled_records')}"
    return [
        tile(
            "Connected",
            "Processus reliés au récepteur (Logstash). 0 : des enregistrements attendent qu’il revienne. "
            "« idle » : rien n’attend, ou aucun envoi n’est réglé (OPENWATT_LOGSTASH_URL).",
            f"{connected} - (({connected} == bool 0) * (({waiting}) == bool 0))",
            unit="short",
            steps=((None, RED), (1, GREEN)),
            mappings=[mapped({"-1": ("idle", GREY)})],
        ),
        tile(
            "Last Success",
            "Temps depuis que le récepteur a accepté un lot. « never » : jamais depuis le démarrage.",
            f"time() - ({last_success} > 0) or {last_success} - 1",
            unit="s",
            decimals=0,
            steps=((None, GREEN), (120, ORANGE), (600, RED)),
            mappings=[mapped({"-1": ("never", GREY)})],
        ),
        tile(
            "Queued",
            "Enregistrements en mémoire, en attente d’envoi.",
            shipping("queued_records"),
            unit="short",
            steps=((None, GREEN), (5000, ORANGE)),
        ),
        tile(
            "Spooled",
            "Enregistrements sur disque, en attente que le récepteur revienne. Ils partiront, les plus "
            "anciens d’abord.",
            shipping("spooled_records"),
            unit="short",
            steps=((None, GREEN), (1, YELLOW), (100_000, ORANGE)),
        ),
        tile(
            "Dropped",
            "Enregistrements perdus sur la période affichée. Il doit rester à 0 : "
            "au-delà, augmenter OPENWATT_LOG_SPOOL_MB ou réparer le récepteur.",
            or_none(increase("openwatt_log_records_dropped_total")),
            unit="short",
            decimals=0,
            steps=((None, GREEN), (1, RED)),
        ),
        tile(
            "Targets Down",
            "Cibles que Prometheus ne peut pas joindre, toutes tâches comprises : API, mesures, sondes, "
            "Alertmanager et lui-même.",
            "count(up == 0) or 0 * count(up)",
            unit="short",
            steps=((None, GREEN), (1, RED)),
        ),
    ]


def _records() -> list[Json]:
    return [
        lines(
            "Records per Second",
            "Enregistrements écrits et enregistrements reçus par Logstash. Les deux courbes se suivent ; "
            "quand la seconde tombe, la file et le disque se remplissent.",
            Query(rate("openwatt_log_records_emitted_total"), "emitted"),
            Query(rate("openwatt_log_records_sent_total"), "sent"),
            unit="cps",
            legend=("mean", "max", "lastNotNull"),
        ),
        lines(
            "Waiting Records",
            "Ce qui n’est pas encore parti : en mémoire et sur disque.",
            Query(shipping("queued_records"), "in memory"),
            Query(shipping("spooled_records"), "on disk"),
            unit="short",
            stacked=True,
        ),
    ]


def _losses() -> list[Json]:
    dropped = arrived(total("{}", "reason"), "openwatt_log_records_dropped_total")
    return [
        lines(
            "Dropped by Reason",
            "Enregistrements perdus, par raison : spool_full, le disque accordé est plein ; "
            "ring_full, la mémoire l’est et il n’y a pas de disque. Une ligne à 0 est la santé.",
            Query(or_none(dropped, reason="none"), "{{reason}}"),
            unit="short",
            bars=True,
            legend=("sum",),
        ),
        lines(
            "Spool Size",
            "Place prise sur le disque par les enregistrements en attente, tous processus ensemble.",
            Query(shipping("spooled_bytes"), "on disk"),
            unit="bytes",
        ),
        lines(
            "Adopted and Resent",
            "Repris d’un processus mort (adopted), renvoyés après une coupure (resent) : "
            "le récepteur reconnaît les seconds à leur event_id, rien n’est compté deux fois.",
            Query(rate("openwatt_log_records_adopted_total"), "adopted"),
            Query(rate("openwatt_log_records_resent_total"), "resent"),
            unit="cps",
        ),
    ]


def _scrapes() -> list[Json]:
    return [
        states(
            "Targets",
            "Toutes les cibles de Prometheus. Si openwatt-api tombe mais pas openwatt-metrics, "
            "les workers sont tous occupés ou arrêtés, la machine vit.",
            Query("up", "{{job}} {{instance}} {{probe}}"),
            texts={"0": ("down", RED), "1": ("up", GREEN)},
        ),
        lines(
            "Scrape Duration",
            "Temps que met chaque cible à rendre ses mesures. Près de 10 s, openwatt-api est saturée.",
            Query(f"scrape_duration_seconds{{{TARGETS}}}", "{{job}} {{instance}}"),
            unit="s",
            steps=((5, ORANGE), (10, RED)),
        ),
        lines(
            "Series per Scrape",
            "Nombre de séries que rend chaque cible. Une pente qui ne s’arrête pas est une étiquette que "
            "quelqu’un du dehors choisit.",
            Query(f"scrape_samples_scraped{{{TARGETS}}}", "{{job}} {{instance}}"),
            unit="short",
        ),
    ]


def _outside() -> list[Json]:
    return [
        states(
            "Probes",
            "Ce que voit un client : live, le service répond ; ready, la base répond aussi.",
            Query('probe_success{job="openwatt-probes"}', "{{probe}} {{instance}}"),
            texts={"0": ("failed", RED), "1": ("ok", GREEN)},
        ),
        lines(
            "Probe Duration",
            "Durée des sondes, du dehors : nom, connexion, réponse.",
            Query('probe_duration_seconds{job="openwatt-probes"}', "{{probe}} {{instance}}"),
            unit="s",
            steps=((1, ORANGE), (5, RED)),
        ),
        lines(
            "Alerting Chain",
            "Alertes remises à Alertmanager et alertes perdues, par seconde, et règles en échec. "
            "Les deux dernières restent à 0 ; la première ne tombe jamais à 0, Watchdog passe toujours.",
            Query(
                f"sum(rate(prometheus_notifications_sent_total{{{PROMETHEUS}}}[$__rate_interval]))", "sent"
            ),
            Query(
                f"sum(rate(prometheus_notifications_dropped_total{{{PROMETHEUS}}}[$__rate_interval]))",
                "dropped",
            ),
            Query(
                f"sum(rate(prometheus_rule_evaluation_failures_total{{{PROMETHEUS}}}[$__rate_interval]))",
                "rules failed",
            ),
            unit="cps",
            overrides=[
                field("dropped", color={"mode": "fixed", "fixedColor": RED}),
                field("rules failed", color={"mode": "fixed", "fixedColor": ORANGE}),
            ],
        ),
    ]


def logs() -> Json:
    """The dashboard."""
    return dashboard(
        "openwatt-logs",
        "OpenWatt – Logs and Telemetry",
        "Tout ce qui est dit arrive-t-il, tout est-il surveillé ? Journaux, cibles, sondes, alertes.",
        [
            (4, _tiles()),
            (8, _records()),
            (8, _losses()),
            (1, [heading("Prometheus")]),
            (9, _scrapes()),
            (8, _outside()),
        ],
    )
