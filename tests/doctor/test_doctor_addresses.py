"""Where the doctor finds the service, and which words of addresses it shows."""

import json
from collections.abc import Iterator

import pytest

from openwatt.cli.addresses import own_address
from openwatt.doctor.checklist import ITEMS
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe, safe_url
from openwatt.doctor.results import CheckFailedError, CheckVerdict
from openwatt.doctor.runner import Item, run_checks
from openwatt.settings import Settings
from tests.chaos.running import Home, new_home, wait_until


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home() as made:
        yield made


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("0.0.0.0:8001", "http://127.0.0.1:8001"),
        ("[::]:8001", "http://127.0.0.1:8001"),
        ("[::1]:8001", "http://[::1]:8001"),
        (":8001", "http://127.0.0.1:8001"),
        ("ow.example.org", "http://ow.example.org:8000"),
        ("unix:/run/x y.sock", "unix:/run/x y.sock"),
        ("unix:///run/ow.sock", "unix:/run/ow.sock"),
    ],
)
def test_a_service_is_asked_where_it_listens(bind: str, address: str) -> None:
    assert safe_url(own_address(Settings(bind=bind))) == address


def test_a_service_behind_a_unix_socket_is_found(home: Home) -> None:
    bind = f"unix:{home.folder}/ow.sock"
    service = home.service(OPENWATT_BIND=bind)

    def look(*arguments: str) -> dict[str, tuple[str, str]]:
        done = home.command(
            "doctor", "--json", "--only", "metrics", "--only", "ready", *arguments, OPENWATT_BIND=bind
        )
        return {one["item"]: (one["status"], one["says"]) for one in json.loads(done.stdout)["findings"]}

    wait_until(lambda: look()["ready"][0] == "ok")
    found = look()
    assert found["service"][1].startswith(f"{bind} runs ")
    assert found["metrics"][0] == "ok"
    assert look("--url", bind)["metrics"][0] == "ok"
    assert service.end() == 0
    assert look()["service"] == (
        "failed",
        f"{bind} cannot be reached: [Errno 2] No such file or directory",
    )


@pytest.mark.parametrize("command", ["doctor", "drill"])
def test_a_wrong_address_of_the_service_is_not_repeated(home: Home, command: str) -> None:
    done = home.command(command, "--url", "http://me:pa/SECRET@127.0.0.1")
    assert done.returncode == 2
    assert "Invalid value for '--url': it must have no @ after the host" in done.stderr
    assert "SECRET" not in done.stderr


def _found(settings: Settings, message: str, remedy: str = "") -> tuple[str, str]:
    def check(_context: CheckContext) -> CheckVerdict:
        raise CheckFailedError(message, remedy)

    (service,) = [item for item in ITEMS if item.name == "service"]
    item = Item(name="a", area="test", check=check, remedy=service.remedy)
    with HttpProbe() as http:
        (found,) = run_checks(CheckContext(settings=settings, environ={}, http=http, timeout_s=0), [item])
    return found.message, found.remedy


@pytest.mark.parametrize("password", ["", ":openwatt", ":run", ":hunter2"])
def test_a_user_name_is_no_secret_and_a_remedy_of_ours_holds_none(password: str) -> None:
    settings = Settings(database_url=f"postgresql://openwatt{password}@h/openwatt")
    message, remedy = _found(settings, "the database refuses the user openwatt2")
    assert message == "the database refuses the user openwatt2"
    assert "`systemctl start openwatt`" in remedy


@pytest.mark.parametrize(
    ("settings", "secret"),
    [
        (Settings(database_url="postgresql://me:abc@h/d"), "abc"),
        (Settings(database_url="postgresql://h/d?user=me&password=a%2Fb"), "a/b"),
        (Settings(redis_url="redis://:p@h"), "p"),
        (Settings(grafana_url="https://glsa_token@h"), "glsa_token"),
        (Settings(sentry_dsn="https://0badc0de@h/1"), "0badc0de"),
        (Settings(sentry_token="tok"), "tok"),  # noqa: S106 - invented
        (Settings(admin_token="://" + "T" * 32), "://" + "T" * 32),
    ],
)
def test_the_shortest_secret_is_not_shown_and_is_no_part_of_a_word(settings: Settings, secret: str) -> None:
    message, remedy = _found(settings, f"it says {secret}: x{secret}x", f"use ({secret})")
    kept = f"x{secret}x" if len(secret) < 12 else "x[Filtered]x"
    assert (message, remedy) == (f"it says [Filtered]: {kept}", "use ([Filtered])")
