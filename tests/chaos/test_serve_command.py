"""`openwatt serve`: the service without a checkout, which reloads and upgrades as with one."""

import os
import signal

from tests.chaos.running import ConfiguredService, Home, wait_until


class Served(ConfiguredService):
    """A service that is started by the command alone, in a folder with a file `.env`."""

    command = ("openwatt", "serve")
    files = ()


def test_it_takes_up_settings_at_hup_and_is_upgraded_by_usr2(home: Home) -> None:
    service = Served(home, {"OPENWATT_WORKERS": "1"})
    service.ready()
    assert service.get().json()["tariffs"]
    service.reload({"OPENWATT_WORKERS": "2", "OPENWATT_REVISION": "abc"})
    assert service.both_workers()
    assert service.get("/version").json()["revision"] == "abc"

    service.process.send_signal(signal.SIGUSR2)
    new = wait_until(lambda: next((pid for pid in service.workers() if len(service.workers(pid)) == 2), 0))
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(40) == 0
    assert service.answers()
    os.kill(new, signal.SIGTERM)
    wait_until(lambda: not service.group())
    wait_until(lambda: not home.database_runs())


def test_what_hinders_it_is_said_in_one_sentence_and_its_help_leads_to_the_settings(home: Home) -> None:
    refused = home.command("serve", OPENWATT_WORKERS="none")
    assert refused.returncode == 1
    assert refused.stderr.startswith("OpenWatt cannot start: OPENWATT_WORKERS must be a whole number")
    shown = home.command("serve", "--help")
    assert shown.returncode == 0
    assert "OPENWATT_BIND" in shown.stdout
