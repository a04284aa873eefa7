"""A service's life: its first start, its second, its neighbours, its end."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from openwatt.store.embedded.processes import command_of
from tests.chaos.running import ONE_TARIFF, Home, Service, wait_until


def _has_the_history(service: Service) -> None:
    (tariff,) = service.get().json()["tariffs"]
    assert tariff["subscription_eur_per_year_ttc"] == 185.64
    assert tariff["prices_eur_per_kwh_ttc"] == {"BASE": 0.1952}
    history = service.get("/v1/tariffs/history?supplier=EDF&option=BASE&power_kva=6&limit=1").json()
    assert history["tariffs"][0]["applies_from"] == "2012-07-23"
    assert history["tariffs"][0]["prices_eur_per_kwh_ttc"] == {"BASE": 0.1263}


def test_an_empty_folder_becomes_a_service_and_the_second_start_finds_it(empty_home: Home) -> None:
    first = empty_home.service().ready()
    _has_the_history(first)
    assert first.end() == 0
    assert not empty_home.database_runs()

    second = empty_home.service().ready()
    _has_the_history(second)
    assert second.end() == 0


def test_two_services_share_one_database_and_the_last_one_stops_it(empty_home: Home) -> None:
    one, other = empty_home.service(), empty_home.service()  # at the same moment, over an empty folder
    one.ready(), other.ready()
    shared = empty_home.postmaster()
    _has_the_history(one)
    _has_the_history(other)

    assert one.end() == 0
    assert other.answers("/v1/tariffs?option=BASE&power_kva=9&on=2025-09-01")
    assert empty_home.postmaster() == shared

    assert other.end() == 0
    assert not empty_home.database_runs()


def test_a_command_shares_the_database_of_a_service_and_leaves_it_up(home: Home, service: Service) -> None:
    shared = home.postmaster()
    shown = home.command(
        "tariffs", "--csv", "--supplier", "EDF", "--option", "BASE", "--power-kva", "6", "--on", "2025-09-01"
    )
    assert shown.returncode == 0, shown.stderr
    assert "185.64" in shown.stdout
    exported = home.command("export", "--format", "jsonl")
    assert exported.returncode == 0, exported.stderr
    assert '"applies_from":"2012-07-23"' in exported.stdout
    assert home.postmaster() == shared
    assert service.answers("/v1/tariffs?option=BASE&power_kva=12&on=2025-09-01")


def test_a_command_without_a_service_leaves_no_database_behind(empty_home: Home) -> None:
    done = empty_home.command("migrate")
    assert done.returncode == 0, done.stderr
    assert not empty_home.database_runs()


def test_after_the_master_is_killed_its_workers_end_and_the_next_start_answers(home: Home) -> None:
    killed = home.service().ready()
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    wait_until(lambda: not killed.group())
    assert home.database_runs(), "nobody was left to stop it"

    following = home.service().ready()
    _has_the_history(following)
    assert following.end() == 0
    assert not home.database_runs()


def test_after_master_and_database_are_killed_the_next_start_recovers(home: Home) -> None:
    killed = home.service().ready()
    for pid in (killed.process.pid, *home.server_processes()):
        with suppress(ProcessLookupError):  # one that served a connection may end by itself meanwhile
            os.kill(pid, signal.SIGKILL)
    killed.process.wait()
    wait_until(lambda: not killed.group())

    following = home.service().ready()
    _has_the_history(following)
    assert following.end() == 0


def test_a_killed_worker_is_replaced(service: Service) -> None:
    workers = service.both_workers()
    os.kill(workers[0], signal.SIGKILL)
    wait_until(lambda: workers[0] not in service.workers())
    replaced = service.both_workers()
    assert workers[1] in replaced
    wait_until(lambda: service.said().count("Booting worker") == 3)
    assert [service.get().status for _ in range(20)] == [200] * 20


@pytest.mark.parametrize("names", ["l'été à 100 %", "long-name-" * 12])
def test_the_data_folder_may_have_any_name(empty_home: Home, names: str) -> None:
    empty_home.data = empty_home.folder / names / "and a folder in it"
    service = empty_home.service().ready()
    assert service.answers(ONE_TARIFF)
    assert os.fsencode(empty_home.data) in command_of(empty_home.postmaster())
    assert service.end() == 0


def test_a_relative_data_folder_is_the_services_own(empty_home: Home) -> None:
    """The default is the relative `var`: the folder the service was started in decides, not the data's."""
    empty_home.data = empty_home.folder / "var"
    service = empty_home.service(
        OPENWATT_DATA_DIR=os.path.relpath(empty_home.data, Path(__file__).parents[2])
    ).ready()
    assert service.answers(ONE_TARIFF)
    assert service.end() == 0
