"""OpenWatt – Runtime: workers, threads, memory, connections and limits of the running service."""

# ruff: noqa: INP001 - beside the files that it writes, not a package

from ops.grafana.source.frame import dashboard
from ops.grafana.source.panels import (
    GREEN,
    ORANGE,
    RED,
    TARGETS,
    YELLOW,
    Json,
    Query,
    arrived,
    by_host,
    field,
    heading,
    increase,
    lines,
    mapped,
    or_none,
    rate,
    states,
    table,
    tile,
    total,
)

#: A worker tells its state every second; one that was not seen for so long hangs or is dead.
LOST_AFTER_S = 60
SETTINGS = {"0": ("as set", GREEN), "1": ("REFUSED", RED)}
#: What a worker may hold whatever is sent.
WORKER_BYTES = 400 * 1024 * 1024
LIMITER = {"0": ("as set", GREEN), "1": ("DEGRADED", RED)}


def threads(state: str) -> str:
    """Threads of all workers in a state."""
    return total(f'openwatt_worker_threads{{{TARGETS},state="{state}"}}')


def pool(state: str) -> str:
    """Database connections of all workers in a state."""
    return total(f'openwatt_database_pool{{{TARGETS},state="{state}"}}')


def _alive() -> str:
    return total(f"time() - openwatt_worker_seen_timestamp_seconds{{{TARGETS}}} < bool {LOST_AFTER_S}")


def _tiles() -> list[Json]:
    expected = total(f"openwatt_workers_expected{{{TARGETS}}}")
    return [
        tile(
            "Workers Missing",
            "Workers demandés par les réglages moins ceux qui vivent. Plus de 0 pendant plus d’une minute : "
            "ils meurent au démarrage ou sont figés, lire les journaux du service.",
            f"{expected} - ({_alive()} or 0 * {expected})",
            unit="short",
            steps=((None, GREEN), (1, RED)),
        ),
        tile(
            "Worker Restarts",
            "Workers remplacés sur la période affichée. Un rechargement en remplace autant qu’il y en a ; "
            "sinon c’est un worker tué : mémoire épuisée ou requête bloquée.",
            increase("openwatt_worker_starts_total"),
            unit="short",
            decimals=0,
            steps=((None, GREEN), (1, YELLOW)),
        ),
        tile(
            "Busy Threads",
            "Part des threads occupés, en ce moment. À 100 %, les requêtes attendent.",
            f"{threads('busy')} / {threads('most')}",
            unit="percentunit",
            decimals=0,
            steps=((None, GREEN), (0.8, ORANGE), (1, RED)),
        ),
        tile(
            "Requests Waiting",
            "Requêtes qui attendent un thread. Durable : plus de workers ou de threads, ou une route lente "
            "à trouver dans Overview.",
            threads("waiting"),
            unit="short",
            steps=((None, GREEN), (1, ORANGE), (20, RED)),
        ),
        tile(
            "Waiting for a Connection",
            "Requêtes qui attendent une connexion à PostgreSQL. Durable : SQL lent ou base à bout.",
            pool("waiting"),
            unit="short",
            steps=((None, GREEN), (1, ORANGE), (10, RED)),
        ),
        tile(
            "Rate Limiter",
            "« as set » : les limites sont tenues comme réglé, dans Redis ou par part de worker. "
            "« DEGRADED » : Redis ne répond plus, chaque worker compte sa part seul.",
            f"max(openwatt_rate_limiter_degraded{{{TARGETS}}})",
            unit="short",
            steps=((None, GREEN), (1, RED)),
            mappings=[mapped(LIMITER)],
        ),
    ]


def _work() -> list[Json]:
    return [
        lines(
            "Threads",
            "Threads occupés, requêtes qui attendent, et le plafond. Le trait rouge touché : saturation.",
            Query(threads("busy"), "busy"),
            Query(threads("waiting"), "waiting"),
            Query(threads("most"), "most"),
            unit="short",
            overrides=[
                field("most", color={"mode": "fixed", "fixedColor": RED}, custom__fillOpacity=0),
                field("waiting", color={"mode": "fixed", "fixedColor": ORANGE}),
            ],
        ),
        lines(
            "Requests in Progress",
            "Requêtes commencées et pas encore répondues, par machine.",
            Query(total(by_host(f"http_requests_in_progress{{{TARGETS}}}"), "host"), "{{host}}"),
            unit="short",
        ),
        lines(
            "CPU",
            "Cœurs occupés par chaque worker. Un worker à 1 est seul avec le verrou de Python : "
            "il en faut davantage, pas de threads.",
            Query(rate("openwatt_worker_cpu_seconds_total", "worker"), "worker {{worker}}"),
            unit="short",
            decimals=2,
            stacked=True,
        ),
    ]


def _machine() -> list[Json]:
    return [
        lines(
            "Memory",
            "Mémoire de chaque worker, pages partagées comprises. Une pente qui ne redescend jamais est "
            "une fuite. Au-dessus du trait : plus que les limites des unités ne prévoient.",
            Query(
                f"max by (host, worker) ({by_host(f'openwatt_worker_resident_bytes{{{TARGETS}}}')})",
                "{{host}} worker {{worker}}",
            ),
            unit="bytes",
            steps=((WORKER_BYTES, RED),),
        ),
        lines(
            "Database Pool",
            "Connexions à PostgreSQL de tous les workers : ouvertes, libres, plafond, et requêtes qui en "
            "attendent une.",
            *(Query(pool(state), state) for state in ("open", "idle", "most", "waiting")),
            unit="short",
            overrides=[
                field("most", color={"mode": "fixed", "fixedColor": RED}, custom__fillOpacity=0),
                field("waiting", color={"mode": "fixed", "fixedColor": ORANGE}),
            ],
        ),
        lines(
            "Worker Last Seen",
            "Temps depuis que la boucle de chaque worker a tourné. Au-dessus du trait : figé.",
            Query(
                "time() - max by (host, worker) "
                f"({by_host(f'openwatt_worker_seen_timestamp_seconds{{{TARGETS}}}')})",
                "{{host}} worker {{worker}}",
            ),
            unit="s",
            steps=((LOST_AFTER_S, RED),),
        ),
    ]


def _connections() -> list[Json]:
    return [
        lines(
            "Connections",
            "Connexions des clients, de tous les workers : dont une demande arrive, qui lisent une réponse, "
            "qui sont gardées, et le plafond.",
            *(
                Query(total(f'openwatt_worker_connections{{{TARGETS},state="{state}"}}'), state)
                for state in ("receiving", "sending", "idle", "all", "most")
            ),
            unit="short",
            overrides=[field("most", color={"mode": "fixed", "fixedColor": RED}, custom__fillOpacity=0)],
        ),
        lines(
            "Connections Ended",
            "Connexions que le service termine ou refuse, par seconde et par raison. « silent » : un "
            "navigateur en ouvre, rien d’anormal. Les autres : des clients trop lents ou trop nombreux.",
            Query(rate("openwatt_connections_ended_total", "reason"), "{{reason}}"),
            unit="short",
            stacked=True,
        ),
    ]


def _limits() -> list[Json]:
    return [
        lines(
            "Rate Limit Breaches",
            "Requêtes refusées (429) par seconde, par route et par limite. Un client seul : ses journaux "
            "disent lequel. Tous les clients : la limite est trop basse.",
            Query(
                or_none(
                    rate("openwatt_rate_limit_breaches_total", "route", "limit"),
                    route="none",
                ),
                "{{route}} {{limit}}",
            ),
            unit="reqps",
            stacked=True,
        ),
        states(
            "Limiter State",
            "Quand Redis répondait et quand il ne répondait plus.",
            Query(f"max by (host) ({by_host(f'openwatt_rate_limiter_degraded{{{TARGETS}}}')})", "{{host}}"),
            texts=LIMITER,
        ),
        states(
            "Settings State",
            "« REFUSED » : un rechargement n’a pas pu prendre les nouveaux réglages, les anciens restent en "
            "vigueur. Le journal dit lequel est en cause.",
            Query(f"max by (host) ({by_host(f'openwatt_settings_refused{{{TARGETS}}}')})", "{{host}}"),
            texts=SETTINGS,
        ),
        lines(
            "Guard Alerts",
            "Chiffres que les garde-fous jugent douteux, parmi ceux qui ont été demandés à /v1/guards.",
            Query(
                or_none(arrived(total("{}", "guard"), "openwatt_guard_alerts_total"), guard="none"),
                "{{guard}}",
            ),
            unit="short",
            bars=True,
            legend=("sum",),
        ),
    ]


def _cache() -> list[Json]:
    evictions, lookups = "openwatt_response_cache_evictions_total", "openwatt_response_cache_lookups_total"
    return [
        lines(
            "Response Cache Lookups",
            "Questions à l’API par seconde : servies par le cache (hit), ou par la base (miss).",
            Query(rate(lookups, "result"), "{{result}}"),
            unit="reqps",
            stacked=True,
        ),
        lines(
            "Response Cache Evictions",
            "Réponses rejetées par seconde pour tenir la borne. Plus que de hits pendant un quart d’heure : "
            "ResponseCacheThrashing.",
            Query(rate(evictions), "evictions"),
            unit="cps",
        ),
        lines(
            "Response Cache Memory",
            "Mémoire des caches de réponses, clés et en-têtes compris : 8 Mo par worker au plus.",
            Query(total(f"openwatt_response_cache_bytes{{{TARGETS}}}"), "bytes"),
            Query(total(f"openwatt_response_cache_entries{{{TARGETS}}}"), "responses"),
            unit="bytes",
            overrides=[field("responses", unit="short", custom__axisPlacement="right")],
        ),
    ]


def _disks() -> list[Json]:
    return [
        lines(
            "Disk Room",
            "Part libre du disque de chaque dossier où l’on écrit, en octets ou en inodes, la moindre des "
            "deux. Le trait orange est DiskFilling, le rouge DiskFull.",
            Query(
                f"min by (host, folder) ({by_host(f'openwatt_disk_free_ratio{{{TARGETS}}}')})",
                "{{host}} {{folder}}",
            ),
            unit="percentunit",
            steps=((0.02, RED), (0.1, ORANGE)),
        ),
        lines(
            "Disk Free",
            "Place libre sur le disque de chaque dossier où l’on écrit. Une pente qui ne remonte jamais dit "
            "quand il sera plein.",
            Query(
                f"min by (host, folder) ({by_host(f'openwatt_disk_free_bytes{{{TARGETS}}}')})",
                "{{host}} {{folder}}",
            ),
            unit="bytes",
        ),
        lines(
            "Writes Lost",
            "Écritures de la surveillance qui échouent par seconde, le plus souvent sur un disque plein : "
            "séries des mesures, lignes de journal. Une ligne à 0 est la santé.",
            Query(or_none(rate("openwatt_writes_lost_total", "target"), target="none"), "{{target}}"),
            unit="cps",
        ),
        lines(
            "Metrics Files",
            "Fichiers où les workers tiennent leurs mesures : lus (read), vides faute de place (empty), "
            "illisibles (unreadable), abîmés et mis de côté (damaged). Hors de read, des chiffres manquent.",
            Query(
                f"max by (host, state) ({by_host(f'openwatt_metrics_files{{{TARGETS}}}')})",
                "{{host}} {{state}}",
            ),
            unit="short",
            decimals=0,
        ),
    ]


def _uploads() -> list[Json]:
    return [
        lines(
            "Uploads Refused",
            "Fichiers de clients refusés, par la borne atteinte (busy : trop à la fois). Un client seul : "
            "des fichiers faits pour peser.",
            Query(
                or_none(arrived(total("{}", "reason"), "openwatt_uploads_refused_total"), reason="none"),
                "{{reason}}",
            ),
            unit="short",
            bars=True,
            legend=("sum",),
        ),
        lines(
            "Upload Reading",
            "Cœurs occupés à lire les fichiers des clients, dans leurs processus à part.",
            Query(rate("openwatt_upload_cpu_seconds_total"), "reading"),
            unit="short",
            decimals=2,
        ),
    ]


def _builds() -> list[Json]:
    return [
        table(
            "Builds",
            "Version et révision qui tournent, par machine. Deux à la fois : un déploiement en cours, "
            "ou à moitié fait.",
            ["host", "version", "revision"],
            {
                "Targets": "count by (host, version, revision) "
                f"({by_host(f'openwatt_build_info{{{TARGETS}}}')})"
            },
            sort=("Host", False),
            overrides=[field("Targets", unit="none", decimals=0)],
        ),
        lines(
            "Worker Starts",
            "Workers démarrés, par place. Des barres régulières à une place : ce worker meurt en boucle.",
            Query(
                arrived(total("{}", "worker"), "openwatt_worker_starts_total"),
                "worker {{worker}}",
            ),
            unit="short",
            bars=True,
            legend=("sum",),
        ),
    ]


def runtime() -> Json:
    """The dashboard."""
    return dashboard(
        "openwatt-runtime",
        "OpenWatt – Runtime",
        "De quoi le service vit : workers, threads, mémoire, connexions, limites.",
        [
            (4, _tiles()),
            (8, _work()),
            (8, _machine()),
            (8, _connections()),
            (1, [heading("Limits and Guards")]),
            (8, _limits()),
            (1, [heading("Response Cache")]),
            (8, _cache()),
            (1, [heading("Disks and Files")]),
            (8, _disks()),
            (1, [heading("Customers’ Files")]),
            (8, _uploads()),
            (1, [heading("Deployments")]),
            (7, _builds()),
        ],
    )
