"""OpenWatt – Ingestion and Freshness: are the prices those of today, and which source is silent."""

# ruff: noqa: INP001 - beside the files that it writes, not a package

from typing import Final

from ops.grafana.source.frame import SOURCE, dashboard, kibana
from ops.grafana.source.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    TARGETS,
    YELLOW,
    Json,
    Query,
    arrived,
    field,
    heading,
    lines,
    mapped,
    or_none,
    rate,
    table,
    thresholds,
    tile,
)

SOURCES: Final = f'{TARGETS},source=~"$source"'
#: Red from here on: as many looks in a row have failed as make a source broken.
BROKEN_AFTER: Final = 3
OUTCOME_COLOURS: Final = {
    "published": GREEN,
    "unchanged": BLUE,
    "refused": YELLOW,
    "unreadable": RED,
    "unreachable": ORANGE,
}


#: 1 while the database tells of the sources.
READABLE: Final = "openwatt_ingest_state_readable"


def none_of(expression: str, **label: str) -> str:
    """The expression, or 0 when it holds of no source."""
    return or_none(expression, told_by=READABLE, **label)


def of_source(metric: str) -> str:
    """A source's state. Every instance tells the same: it stands in the database."""
    return f"max by (source) (openwatt_ingest_{metric}{{{SOURCES}}})"


def none_or_age(instant: str) -> str:
    """Seconds since an instant, or -1 where it never was."""
    return or_none(f"time() - ({instant} > 0)") + " - 1"


def since(metric: str) -> str:
    """Seconds since an instant of a source."""
    return f"time() - {of_source(metric)}"


#: Age of the last success as a share of the cadence: above 1 a look is due, above 2 one was missed.
AGE_OF_CADENCE: Final = f"({since('last_success_timestamp_seconds')}) / {of_source('cadence_seconds')}"
AGE_STEPS: Final = ((1.5, YELLOW), (2, ORANGE), (3, RED))


def _tiles() -> list[Json]:
    return [
        tile(
            "State Readable",
            "Si la base a pu dire l’état de l’ingestion. Sinon tout ce tableau est vide : voir la base.",
            f"min({READABLE}{{{TARGETS}}})",
            unit="short",
            steps=((None, RED), (1, GREEN)),
            mappings=[mapped({"0": ("no", RED), "1": ("yes", GREEN)})],
        ),
        tile(
            "Sources Seen",
            "Sources déjà consultées au moins une fois.",
            none_of(f"count({of_source('last_look_timestamp_seconds')})"),
            unit="short",
            steps=((None, ORANGE), (1, BLUE)),
        ),
        tile(
            "Overdue",
            "Sources dont le dernier succès date de plus de deux fois leur cadence : "
            "leurs prix peuvent être périmés.",
            none_of(f"count({AGE_OF_CADENCE} > 2)"),
            unit="short",
            steps=((None, GREEN), (1, ORANGE), (5, RED)),
        ),
        tile(
            "Broken",
            "Sources qui ont échoué trois fois de suite ou plus.",
            none_of(f"count({of_source('failures_in_a_row')} >= {BROKEN_AFTER})"),
            unit="short",
            steps=((None, GREEN), (1, ORANGE), (5, RED)),
        ),
        tile(
            "Reviews Pending",
            "Documents refusés par les garde-fous et qui attendent une décision humaine.",
            none_of(f"sum({of_source('reviews_pending')})"),
            unit="short",
            steps=((None, GREEN), (1, YELLOW)),
        ),
        tile(
            "Last Look",
            "Temps depuis que l’ingestion a consulté une source, quelle qu’elle soit. "
            "Plus d’un jour : c’est le minuteur qui ne tourne pas.",
            f"min({since('last_look_timestamp_seconds')})",
            unit="s",
            decimals=1,
            steps=((None, GREEN), (26 * 3600, ORANGE), (50 * 3600, RED)),
        ),
        tile(
            "Last Backup",
            "Âge de la dernière sauvegarde achevée ; l’alerte BackupStale part après 26 heures. "
            "« never » : il n’y en a aucune, ou OPENWATT_BACKUP_DIR n’est pas réglé. « unsupported » : la "
            "version de PostgreSQL de la base ne se sauvegarde pas (BackupUnsupported).",
            f"((min(openwatt_backup_supported{{{TARGETS}}}) == 0) - 2) or on() "
            f"({none_or_age(f'max(openwatt_backup_last_success_timestamp_seconds{{{TARGETS}}})')})",
            unit="s",
            decimals=1,
            steps=((None, GREEN), (26 * 3600, RED)),
            mappings=[mapped({"-1": ("never", RED), "-2": ("unsupported", RED)})],
        ),
        tile(
            "Backup Size",
            "Taille de la dernière sauvegarde. Elle grandit doucement ; une chute est une perte.",
            or_none(f"max(openwatt_backup_size_bytes{{{TARGETS}}})"),
            unit="bytes",
            steps=((None, BLUE),),
        ),
    ]


def _by_source() -> Json:
    logs = [
        {
            "title": "Journaux de ${__data.fields.Source} dans Kibana",
            "url": kibana('source:"${__data.fields.Source:percentencode}"'),
            "targetBlank": True,
        },
        {
            "title": "Ce tableau de bord pour ${__data.fields.Source} seule",
            "url": "/d/openwatt-ingestion?${job:queryparam}&${instance:queryparam}"
            "&var-source=${__data.fields.Source:percentencode}&${__url_time_range}",
        },
    ]
    colour = {"type": "color-background", "mode": "basic"}
    return table(
        "Sources",
        "Chaque source : âge de son dernier succès et de sa dernière consultation, sa cadence, le rapport "
        "des deux, ses échecs de suite et ses documents à revoir. La plus en retard est en haut.",
        "source",
        {
            "Age / Cadence": AGE_OF_CADENCE,
            "Last Success": since("last_success_timestamp_seconds"),
            "Last Look": since("last_look_timestamp_seconds"),
            "Cadence": of_source("cadence_seconds"),
            "Failures in a Row": of_source("failures_in_a_row"),
            "Reviews": of_source("reviews_pending"),
        },
        sort=("Age / Cadence", True),
        overrides=[
            field("Source", links=logs, custom__width=320),
            field(
                "Age / Cadence",
                unit="none",
                decimals=1,
                thresholds=thresholds([(None, GREEN), *AGE_STEPS]),
                custom__cellOptions=colour,
            ),
            field("Last Success", unit="s", decimals=1),
            field("Last Look", unit="s", decimals=1),
            field("Cadence", unit="s", decimals=0),
            field(
                "Failures in a Row",
                decimals=0,
                thresholds=thresholds([(None, "transparent"), (1, YELLOW), (BROKEN_AFTER, RED)]),
                custom__cellOptions=colour,
            ),
            field(
                "Reviews",
                decimals=0,
                thresholds=thresholds([(None, "transparent"), (1, YELLOW)]),
                custom__cellOptions=colour,
            ),
        ],
    )


def _over_time() -> list[Json]:
    runs = arrived("max by (source, outcome) ({})", "openwatt_ingest_runs_total", SOURCES, told_by=READABLE)
    return [
        lines(
            "Runs by Outcome",
            "Consultations de sources, par résultat. published, unchanged : succès ; refused attend "
            "une décision ; unreadable, le document a changé de forme ; unreachable, le site ne répond pas.",
            Query(f"sum by (outcome) ({runs})", "{{outcome}}"),
            unit="short",
            stacked=True,
            bars=True,
            legend=("sum",),
            overrides=[
                field(outcome, color={"mode": "fixed", "fixedColor": colour})
                for outcome, colour in OUTCOME_COLOURS.items()
            ],
        ),
        lines(
            "Age / Cadence",
            "Âge du dernier succès rapporté à la cadence, pour les dix sources les plus en retard. "
            "Une dent de scie sous 1 est la santé ; une pente qui dépasse 2 est une source perdue.",
            Query(f"topk(10, {AGE_OF_CADENCE})", "{{source}}"),
            unit="none",
            decimals=1,
            steps=AGE_STEPS,
        ),
    ]


def _doubts() -> list[Json]:
    return [
        lines(
            "Failures in a Row",
            "Échecs de suite par source, pour celles qui échouent. Au trait, la source est en panne.",
            Query(
                none_of(f"{of_source('failures_in_a_row')} > 0", source="none"),
                "{{source}}",
            ),
            unit="short",
            steps=((BROKEN_AFTER, RED),),
        ),
        lines(
            "Tariffs Served",
            "Tarifs donnés dans des réponses, par seconde et par option : ce que les clients lisent.",
            Query(rate("openwatt_tariffs_served_total", "option"), "{{option}}"),
            unit="cps",
            stacked=True,
        ),
        lines(
            "Reviews by Source",
            "Documents qui attendent une décision, par source.",
            Query(none_of(f"{of_source('reviews_pending')} > 0", source="none"), "{{source}}"),
            unit="short",
            stacked=True,
        ),
    ]


def _prices() -> Json:
    labels = ("supplier", "offer", "option", "power_kva", "register")
    return lines(
        "Price per kWh",
        "Prix TTC du kWh en ce moment, par contrat que nomme OPENWATT_PRICE_METRICS, et poste en cours. Vide "
        "sans ce réglage, et là où une couleur ou un prix n’est pas connu.",
        Query(
            f"max by ({', '.join(labels)}) (openwatt_price_eur_per_kwh{{{TARGETS}}})",
            "{{supplier}} {{offer}} {{option}} {{power_kva}} kVA {{register}}",
        ),
        unit="currencyEUR",
        decimals=4,
        legend=("lastNotNull",),
    )


def ingestion() -> Json:
    """The dashboard."""
    return dashboard(
        "openwatt-ingestion",
        "OpenWatt – Ingestion and Freshness",
        "Les prix sont-ils ceux d’aujourd’hui ? Chaque source, sa fraîcheur et ses échecs.",
        [
            (4, _tiles()),
            (14, [_by_source()]),
            (1, [heading("Over Time")]),
            (9, _over_time()),
            (8, _doubts()),
            (8, [_prices()]),
        ],
        [SOURCE],
        span="now-7d",
    )
