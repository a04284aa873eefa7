"""OpenWatt API – Overview: is the service well, and if not, where does it hurt."""

# ruff: noqa: INP001 - beside the files that it writes, not a package

from typing import Final

from ops.grafana.source.frame import REQUEST_ID, ROUTE, dashboard, kibana
from ops.grafana.source.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    ROUTES,
    TARGETS,
    YELLOW,
    Json,
    Query,
    bars,
    field,
    heading,
    heatmap,
    increase,
    lines,
    or_none,
    rate,
    ratio,
    states,
    table,
    text,
    tile,
    total,
)

ERRORS: Final = f'{ROUTES},status=~"5.."'
ERROR_RATE: Final = ratio(
    rate("http_requests_total", matchers=ERRORS), rate("http_requests_total", matchers=ROUTES)
)
LATENCY_STEPS: Final = ((1, ORANGE), (2, RED))
ERROR_STEPS: Final = ((0.01, ORANGE), (0.05, RED))
BURN_STEPS: Final = ((1, YELLOW), (6, ORANGE), (14.4, RED))


#: Before the rule has its first value nothing was lost.
BUDGET: Final = "openwatt:availability:budget_left or 1 + 0 * openwatt:unavailable:share5m"
_BUCKETS: Final = "http_request_duration_seconds_bucket"


def quantile(share: float) -> str:
    """A quantile of the duration, from the histogram."""
    return f"histogram_quantile({share}, {rate(_BUCKETS, 'le', matchers=ROUTES)})"


def quantile_by_route(share: float) -> str:
    """A quantile of each route's duration, over the time shown."""
    return f"histogram_quantile({share}, {increase(_BUCKETS, 'le', 'route', matchers=ROUTES)})"


def _tiles() -> list[Json]:
    return [
        tile(
            "Availability (7 d)",
            "Part du temps, sur sept jours, où Prometheus a pu joindre l’API. Objectif : plus de 99,9 %.",
            f'avg(avg_over_time(up{{{TARGETS},job!="openwatt-metrics"}}[7d]))',
            unit="percentunit",
            decimals=3,
            steps=((None, RED), (0.99, ORANGE), (0.999, GREEN)),
        ),
        tile(
            "P99",
            "99 requêtes sur 100 ont été servies plus vite que cela, sur cinq minutes. "
            "Objectif : moins de 1 s ; l’alerte HighLatency juge ce nombre et part au-delà de 2 s.",
            "openwatt:latency_seconds:p99_5m",
            unit="s",
            steps=((None, GREEN), *LATENCY_STEPS),
        ),
        tile(
            "Errors",
            "Part des réponses 5xx, sur cinq minutes. Objectif : moins de 1 % ; "
            "l’alerte HighErrorRate juge ce nombre et part au-delà de 5 %.",
            "openwatt:errors:ratio5m",
            unit="percentunit",
            decimals=2,
            steps=((None, GREEN), *ERROR_STEPS),
        ),
        tile(
            "Throughput",
            "Requêtes de clients par seconde, sur cinq minutes, sondes exclues. Zéro en plein jour est une "
            "panne en amont : DNS, certificat, répartiteur de charge.",
            "openwatt:requests:rate5m",
            unit="reqps",
            decimals=1,
            steps=((None, BLUE),),
        ),
        tile(
            "Budget Left (30 d)",
            "Ce qui reste de l’indisponibilité que l’objectif de 99,9 % permet sur 30 jours glissants "
            "(43 minutes). Négatif : l’objectif du mois est manqué, on ne déploie plus que des corrections.",
            BUDGET,
            unit="percentunit",
            decimals=1,
            steps=((None, RED), (0, ORANGE), (0.25, GREEN)),
        ),
        tile(
            "Burn Rate (1 h)",
            "Vitesse à laquelle le budget d’erreur se consume sur la dernière heure : à 1 il dure "
            "exactement 30 jours, à 14,4 il est épuisé en deux jours et l’astreinte est réveillée.",
            "openwatt:unavailable:share1h / 0.001",
            unit="short",
            decimals=1,
            steps=((None, GREEN), *BURN_STEPS),
        ),
        tile(
            "In Progress",
            "Requêtes en cours de traitement, celle de Prometheus comprise. "
            "Un nombre qui reste au plafond des threads : voir Runtime.",
            total(f"http_requests_in_progress{{{TARGETS}}}"),
            unit="short",
            steps=((None, BLUE),),
        ),
        tile(
            "Firing Alerts",
            "Alertes déclenchées en ce moment, hors Watchdog. Le nom de chacune est un titre du runbook "
            "(ops/runbook.md), qui dit que faire.",
            or_none('count(ALERTS{alertstate="firing",alertname!="Watchdog"})'),
            unit="short",
            steps=((None, GREEN), (1, RED)),
        ),
    ]


def _guide() -> list[Json]:
    return [
        lines(
            "Requests per Second",
            "Requêtes servies par seconde, empilées par route : la hauteur est le débit total.",
            Query(rate("http_requests_total", "route", matchers=ROUTES), "{{route}}"),
            unit="reqps",
            stacked=True,
            legend=("mean", "max"),
        ),
        lines(
            "Latency P99",
            "Durée sous laquelle restent 99 %, 90 % et 50 % des requêtes. Les traits : objectif à 1 s, "
            "alerte à 2 s. P99 seul en hausse : quelques requêtes lentes (voir les routes ci-dessous). "
            "P50 aussi : tout est lent, regarder base de données et threads dans Runtime.",
            Query(quantile(0.99), "P99"),
            Query(quantile(0.9), "P90"),
            Query(quantile(0.5), "P50"),
            unit="s",
            steps=LATENCY_STEPS,
        ),
        lines(
            "Error Rate",
            "Part des réponses 5xx. Les traits : objectif à 1 %, alerte à 5 %. "
            "Un trou dans la courbe veut dire : aucune requête.",
            Query(ERROR_RATE, "5xx"),
            unit="percentunit",
            steps=ERROR_STEPS,
            color={"mode": "fixed", "fixedColor": RED},
        ),
    ]


def _routes() -> list[Json | tuple[int, Json]]:
    answered = increase("http_requests_total", "route", matchers=ROUTES)
    failed = increase("http_requests_total", "route", matchers=ERRORS)
    refused = increase("http_requests_total", "route", matchers=f'{ROUTES},status=~"4.."')
    durations = increase("http_request_duration_seconds_sum", "route", matchers=ROUTES)
    logs = [
        {
            "title": "Journaux de ${__data.fields.Route} dans Kibana",
            "url": kibana('route:"${__data.fields.Route:percentencode}"'),
            "targetBlank": True,
        },
        {
            "title": "Ce tableau de bord pour ${__data.fields.Route} seule",
            "url": "/d/openwatt-overview?${job:queryparam}&${instance:queryparam}"
            "&var-route=${__data.fields.Route:percentencode}&${__url_time_range}",
        },
    ]
    share = {"unit": "percentunit", "decimals": 2}
    return [
        (
            16,
            table(
                "By Route",
                "Chaque route sur la période affichée. Un clic sur une route mène à ses journaux.",
                "route",
                {
                    "Requests": f"{answered} > 0",
                    "Errors": ratio(failed, answered),
                    "Refused (4xx)": ratio(refused, answered),
                    "Mean": f"{durations} / ({answered} > 0)",
                    "P50": quantile_by_route(0.5),
                    "P99": quantile_by_route(0.99),
                },
                sort=("P99", True),
                overrides=[
                    field("Route", links=logs, custom__width=260),
                    field("Requests", unit="none", decimals=0),
                    field(
                        "Errors",
                        **share,
                        thresholds={
                            "mode": "absolute",
                            "steps": [
                                {"value": None, "color": "transparent"},
                                *({"value": value, "color": colour} for value, colour in ERROR_STEPS),
                            ],
                        },
                        custom__cellOptions={"type": "color-background", "mode": "basic"},
                    ),
                    field("Refused (4xx)", **share),
                    field("Mean", unit="s"),
                    field("P50", unit="s"),
                    field(
                        "P99",
                        unit="s",
                        thresholds={
                            "mode": "absolute",
                            "steps": [
                                {"value": None, "color": "transparent"},
                                *({"value": value, "color": colour} for value, colour in LATENCY_STEPS),
                            ],
                        },
                        custom__cellOptions={"type": "color-background", "mode": "basic"},
                    ),
                ],
            ),
        ),
        bars(
            "Slowest Routes",
            "Les huit routes dont le P99 est le plus haut sur la période. Au-delà de 2 s : chercher ses "
            "requêtes lentes dans les journaux (duration_ms, db_ms), puis le plan de la requête SQL.",
            Query(f"topk(8, {quantile_by_route(0.99)})", "{{route}}", instant=True),
            unit="s",
            steps=((None, GREEN), *LATENCY_STEPS),
        ),
    ]


def _details() -> list[Json]:
    fast = rate(_BUCKETS, matchers=f'{ROUTES},le="1.0"')
    return [
        lines(
            "Status Codes",
            "Réponses par seconde et par code. 429 : un client dépasse sa limite ; "
            "503 : la base ne répond pas ; 500 : une faute du code, elle est dans Sentry.",
            Query(rate("http_requests_total", "status", matchers=ROUTES), "{{status}}"),
            unit="reqps",
            stacked=True,
            overrides=[
                {
                    "matcher": {"id": "byRegexp", "options": pattern},
                    "properties": [{"id": "color", "value": {"mode": "shades", "fixedColor": colour}}],
                }
                for pattern, colour in (
                    ("/^2/", GREEN),
                    ("/^3/", BLUE),
                    ("/^4/", ORANGE),
                    ("/^5/", RED),
                )
            ],
        ),
        heatmap(
            "Latency Distribution",
            "Combien de requêtes ont duré combien. Deux bandes séparées : deux sortes de requêtes, "
            "que P99 seul ne montre pas.",
            total(f"increase(http_request_duration_seconds_bucket{{{ROUTES}}}[$__rate_interval])", "le"),
            unit="s",
        ),
        lines(
            "Requests under 1 s",
            "Part des requêtes servies en moins d’une seconde : l’objectif de latence, compté sans "
            "interpolation. Objectif : 99 %.",
            Query(ratio(fast, rate("http_request_duration_seconds_count", matchers=ROUTES)), "< 1 s"),
            unit="percentunit",
            steps=((0.99, ORANGE),),
            legend=("lastNotNull", "min"),
            max=1,
            minimum=None,
        ),
    ]


def _objective() -> list[Json]:
    return [
        lines(
            "Error Budget Left (30 d)",
            "Le budget de 30 jours glissants, au fil du temps. Une marche vers le bas est un incident.",
            Query(BUDGET, "left"),
            unit="percentunit",
            steps=((0, RED), (0.25, ORANGE)),
            legend=("lastNotNull", "min"),
            minimum=None,
        ),
        lines(
            "Burn Rate",
            "Vitesse de consommation du budget sur 5 min, 1 h, 6 h et 3 jours. Les traits : 1 (le budget "
            "dure 30 jours), 6 et 14,4 (l’astreinte est appelée quand deux fenêtres les dépassent).",
            *(
                Query(f"openwatt:unavailable:share{window} / 0.001", window)
                for window in ("5m", "1h", "6h", "3d")
            ),
            unit="short",
            steps=BURN_STEPS,
        ),
        states(
            "Alerts",
            "Les alertes qui attendent ou sont déclenchées. Watchdog l’est toujours : "
            "s’il manque, c’est la chaîne d’alerte elle-même qui est en panne.",
            Query(
                'max by (alertname) (ALERTS{alertstate="pending"}) * 1 '
                'or max by (alertname) (ALERTS{alertstate="firing"}) * 2',
                "{{alertname}}",
            ),
            texts={"1": ("pending", YELLOW), "2": ("firing", RED)},
        ),
    ]


FOLLOW: Final = f"""
1. Demander l’en-tête **`X-Request-ID`** de la réponse fautive, et l’écrire en haut dans *Request ID*.
2. [Ouvrir cette requête dans Kibana]({kibana('request_id:"${request_id:percentencode}"')}),
   ou sur la machine : `openwatt logs --request-id ${{request_id}}`
3. Dans Sentry, la même requête : chercher `request_id:${{request_id}}`.

Autres questions :
[les erreurs]({kibana('level:("error" or "critical")')}) ·
[les requêtes lentes (> 1 s)]({kibana('logger:"openwatt.access" and duration_ms >= 1000')}) ·
[les requêtes refusées]({kibana('logger:"openwatt.access" and status:429')})
"""


def overview() -> Json:
    """The dashboard."""
    return dashboard(
        "openwatt-overview",
        "OpenWatt API – Overview",
        "Le service va-t-il bien ? Objectifs, débit, latence, erreurs, et la route qui fait mal.",
        [
            (4, _tiles()),
            (8, _guide()),
            (1, [heading("Routes")]),
            (10, _routes()),
            (8, _details()),
            (1, [heading("Objective: 99.9 % of answers without error over 30 days")]),
            (8, _objective()),
            (7, [text("Follow a Request", "D’un X-Request-ID à ses journaux.", FOLLOW)]),
        ],
        [ROUTE, REQUEST_ID],
    )
