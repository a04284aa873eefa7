"""docs/deployment.md, "one small machine", followed command by command; started by tests/systemd/run alone.

The tests follow each other in this order on one machine, as the page's reader goes on from block to block.
"""

import re

from tests.chaos.running import load, wait_until
from tests.systemd.machine import Guide, Machine, failed_items

ALONE = "One small machine, without containers"
UNITS = ("openwatt-database.service", "openwatt.socket", "openwatt.service", "openwatt-metrics.service")
TIMERS = ("openwatt-ingest.timer", "openwatt-backup.timer")
ONE_PRICE = "/v1/tariffs?supplier=EDF&option=BASE&power_kva=6&on=2025-09-01"


def price(machine: Machine) -> float:
    (tariff,) = machine.get(ONE_PRICE).json()["tariffs"]
    return float(tariff["subscription_eur_per_month_ttc"])


def newest_backup(machine: Machine) -> str:
    return max(path.name for path in machine.path("/var/backups/openwatt").glob("*.dump"))


def test_what_the_page_asks_for_is_brought(machine: Machine, guide: Guide) -> None:
    assert machine.run("command -v python3").status, "the machine is not a minimal one"
    guide.follow(ALONE)


def test_the_code_is_installed(machine: Machine, guide: Guide) -> None:
    guide.follow("Install", 1)
    assert machine.out(".venv/bin/python -c 'import openwatt; print(openwatt.__version__)'") == "0.1.0"
    assert machine.out("find . -not -user root -print -quit", folder="/opt/openwatt-0.1.0") == ""


def test_the_account_the_folders_and_the_settings_are_made(machine: Machine, guide: Guide) -> None:
    guide.follow("Install", 2)
    assert machine.out("id --name --user openwatt") == "openwatt"
    owners = {
        "/etc/openwatt": "root:openwatt 750",
        "/etc/openwatt/secrets": "root:openwatt 750",
        "/etc/openwatt/openwatt.env": "root:openwatt 640",
        "/var/backups/openwatt": "openwatt:openwatt 750",
    }
    said = machine.out("stat --format='%n %U:%G %a' " + " ".join(owners))
    assert said.splitlines() == [f"{name} {owner}" for name, owner in owners.items()]


def test_a_token_is_made(machine: Machine, guide: Guide) -> None:
    guide.follow("Install", 3)
    assert re.fullmatch(r"[0-9a-f]{64}\n", machine.path("/etc/openwatt/secrets/admin_token").read_text())
    assert machine.run("runuser -u nobody -- cat /etc/openwatt/secrets/admin_token").status == 1


def test_the_services_are_started(machine: Machine, guide: Guide) -> None:
    assert '{"status":"ready"' in guide.follow("Install", 4)[-1].output
    for unit in (*UNITS, *TIMERS):
        assert machine.out(f"systemctl is-active {unit}") == "active"
        assert machine.out(f"systemctl is-enabled {unit}") == "enabled"
    assert machine.out("systemctl --failed --no-legend") == ""
    assert price(machine) == 15.47
    token = machine.path("/etc/openwatt/secrets/admin_token").read_text().strip()
    runs = "/v1/admin/runs"
    assert machine.get(runs).status == 401
    assert machine.get(runs, headers={"Authorization": f"Bearer {token}"}).status == 200
    metrics = "curl --silent --fail http://127.0.0.1:9101/metrics"
    wait_until(lambda: "openwatt_build_info" in machine.run(metrics).output)


def test_the_commands_find_the_settings(guide: Guide) -> None:
    """Nothing outside can be reached, so every source is unreachable (3); and there is no Sentry yet."""
    expected = {"ingest --all": 3, "doctor": 1}
    _, settings, sources, ingestion, doctor = guide.follow("Install", 5, expected=expected)
    assert re.search("OPENWATT_DATA_DIR .* /var/lib/openwatt", settings.output)
    assert "edf" in sources.output.lower()
    assert "unreachable" in ingestion.output
    assert "published" not in ingestion.output
    assert failed_items(doctor.output) == {"settings", "sources", "backup"}
    assert re.search("^ok +log-file", doctor.output, re.MULTILINE)


def test_debians_monitoring_has_the_rules(machine: Machine, guide: Guide) -> None:
    machine.out("install -d /etc/prometheus/secrets")
    machine.path("/etc/prometheus/secrets/webhook_url").write_text("http://127.0.0.1:9999/alerts\n")
    guide.follow("Watch it", 1)
    assert (
        "127.0.0.1:9999" in machine.path("/etc/prometheus/openwatt/alertmanager/alertmanager.yml").read_text()
    )
    assert machine.out("systemctl --failed --no-legend") == ""
    settings = [
        f"OPENWATT_{name}_URL=http://127.0.0.1:{port}\n"
        for name, port in (("PROMETHEUS", 9090), ("ALERTMANAGER", 9093))
    ]
    with machine.path("/etc/openwatt/openwatt.env").open("a") as file:
        file.writelines(settings)

    def fine() -> bool:
        said = machine.run("sudo -u openwatt .venv/bin/openwatt doctor", folder="/opt/openwatt").output
        ok = set(re.findall(r"^ok +([a-z-]+)", said, re.MULTILINE))
        return {"prometheus", "scrape", "rules", "alertmanager", "runbook", "baseline"} <= ok

    wait_until(fine, 180)


def test_the_log_is_searched(guide: Guide) -> None:
    (done,) = guide.follow("Watch it", 2)
    assert "Traceback" not in done.output


def test_a_backup_is_made_and_restored(machine: Machine, guide: Guide) -> None:
    machine.out("sudo -u openwatt .venv/bin/openwatt backup")
    with load(machine, clients=2) as running:
        _, made, listed, restored, _ = guide.follow(
            "Back up and restore", filled={"NAME": newest_backup(machine)}
        )
    assert newest_backup(machine) in listed.output, "a name that is folded cannot be copied"
    assert "restored" in restored.output.lower()
    assert made.output
    assert {answer.status for _, _, answer in running.answers} == {200}
    assert price(machine) == 15.47


def test_the_next_version_takes_over_without_a_refused_request(machine: Machine, guide: Guide) -> None:
    install = guide.blocks["Install", 1]
    assert install[-1].startswith("ln -sfn "), "the last command would make it serve before the backup"
    for line in ("cd /root", *install[:-1]):
        done = guide.typed(line.replace("0.1.0", "0.2.0"))
        assert done.status == 0, done
    with load(machine, clients=2) as running:
        *_, version = guide.follow("Upgrade, roll back", 1)
    assert '"0.2.0"' in version.output
    assert {answer.status for _, _, answer in running.answers} == {200}
    assert price(machine) == 15.47


def test_the_version_before_is_taken_back(machine: Machine, guide: Guide) -> None:
    with load(machine, clients=2) as running:
        guide.follow("Upgrade, roll back", 2)
    assert '"0.1.0"' in machine.out("curl --silent http://127.0.0.1:8000/version")
    assert {answer.status for _, _, answer in running.answers} == {200}
    assert price(machine) == 15.47


def test_the_version_before_asks_for_the_backup_where_the_next_one_has_migrated(
    machine: Machine, guide: Guide
) -> None:
    machine.path("/opt/openwatt-0.2.0/.env").unlink()
    migrations = machine.path("/opt/openwatt-0.2.0/openwatt/store/migrations")
    number = len(list(migrations.glob("*.sql"))) + 1
    (migrations / f"{number:04}_next.sql").write_text("create table next_version (day date primary key);\n")
    *_, version = guide.follow("Upgrade, roll back", 1)
    assert f'"schema":{number}' in version.output
    back = guide.blocks["Upgrade, roll back", 2]
    assert guide.typed(back[0]).status == 0
    guide.typed(back[1])
    assert machine.status("openwatt") != "active"
    said = machine.out("journalctl --unit=openwatt --output=cat --no-pager --lines=50")
    assert f"the database has schema {number}, this OpenWatt knows only up to {number - 1}" in said
    guide.follow("Back up and restore", filled={"NAME": newest_backup(machine)})
    wait_until(machine.answers)
    assert '"0.1.0"' in machine.out("curl --silent http://127.0.0.1:8000/version")
    assert price(machine) == 15.47


def test_every_block_was_followed_in_the_pages_order(guide: Guide) -> None:
    assert list(dict.fromkeys(guide.followed)) == list(guide.blocks)
