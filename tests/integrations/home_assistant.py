"""A real Home Assistant as the other end of tests: started from a configuration, read through its API."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from tests.integrations.home_assistant_venv import ENVIRONMENT
from tests.log_receivers import free_port, wait_until

PROGRAMS = Path(os.environ.get("HOME_ASSISTANT_VENV", ENVIRONMENT)) / "bin"
#: As little as an installation has: nothing is looked for on the network, nothing is sent anywhere.
CONFIGURATION = """\
homeassistant:
  name: Home
  latitude: 48.85
  longitude: 2.35
  elevation: 35
  unit_system: metric
  time_zone: Europe/Paris
  currency: EUR
  country: FR
  packages: !include_dir_named packages
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
energy:
history:
recorder:
"""
_START_S = 60.0


class HomeAssistant:
    """One Home Assistant in a folder, with the packages of that folder and one user."""

    def __init__(self, folder: Path, packages: Mapping[str, str], within: tuple[str, ...] = ()) -> None:
        """`within` is what its command line begins with."""
        if not (PROGRAMS / "hass").exists():
            pytest.skip(f"Home Assistant is not at {PROGRAMS} (`make test` makes it)")
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._within = within
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        (folder / "packages").mkdir(parents=True)
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port))
        for name, text in packages.items():
            (folder / "packages" / f"{name}.yaml").write_text(text)

    def __enter__(self) -> Self:
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [*self._within, PROGRAMS / "hass", "--config", self._folder, "--skip-pip"],
                env=os.environ | {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONDONTWRITEBYTECODE": ""},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            assert wait_until(self._answers, _START_S), self.log()
            self._sign_up()
            assert wait_until(lambda: self.get("/api/config")["state"] == "RUNNING", _START_S), self.log()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the whole group: what a command line begins with may run the rest as its child."""
        assert self._process is not None
        if self._group_lives(signal.SIGTERM):
            self._process.wait(30)
            if not wait_until(lambda: not self._group_lives(0), 30):
                self._group_lives(signal.SIGKILL)

    def _group_lives(self, number: int) -> bool:
        """Sends a signal to each process of the group, and says whether there was one; 0 only looks."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
            return True
        return False

    def log(self) -> str:
        """What it wrote."""
        return (self._folder / "output").read_text(errors="replace")

    def get(self, path: str) -> Any:
        """The JSON at an address of its API."""
        return self._ask("GET", path)

    def post(self, path: str, body: object) -> Any:
        """The JSON that it answers to JSON."""
        return self._ask("POST", path, json.dumps(body), "application/json")

    def state(self, entity: str) -> tuple[str, dict[str, Any]]:
        """State and attributes of an entity."""
        found = self.get(f"/api/states/{entity}")
        return found["state"], found["attributes"]

    def websocket(self, *commands: Mapping[str, object]) -> list[Any]:
        """The results of some commands of its web socket, through the library that it has itself."""
        done = subprocess.run(
            [PROGRAMS / "python", "-c", _WEBSOCKET, self.address, self._token, json.dumps(commands)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(self.get("/api/onboarding"))
        return False

    def _sign_up(self) -> None:
        """Makes the first user, as a browser does on the first visit, and takes a token."""
        user = {"client_id": f"{self.address}/", "name": "Test", "username": "test", "language": "en"}
        code = self.post("/api/onboarding/users", user | {"password": os.urandom(16).hex()})["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": f"{self.address}/"}
        kind = "application/x-www-form-urlencoded"
        self._token = self._ask("POST", "/auth/token", urllib.parse.urlencode(form), kind)["access_token"]

    def _ask(self, method: str, path: str, body: str | None = None, kind: str = "") -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": kind} if kind else {}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
            if response.status not in (200, 201):
                raise http.client.HTTPException(f"{path}: {response.status} {content[:200]!r}")
            return json.loads(content)
        finally:
            connection.close()


#: Run by Home Assistant's own Python, whose aiohttp it takes.
_WEBSOCKET = """
import asyncio, json, sys
import aiohttp
async def main(address, token, commands):
    results = []
    async with aiohttp.ClientSession() as session, session.ws_connect(address + "/api/websocket") as socket:
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": token})
        answer = await socket.receive_json()
        assert answer["type"] == "auth_ok", answer
        for number, command in enumerate(json.loads(commands), 1):
            await socket.send_json({"id": number} | command)
            answer = await socket.receive_json()
            assert answer["success"], answer
            results.append(answer["result"])
    print(json.dumps(results))
asyncio.run(main(*sys.argv[1:]))
"""


def wait_for_state(home: HomeAssistant, entity: str, wanted: str, seconds: float) -> float:
    """Seconds until an entity had a state; it fails when that took longer than it may."""
    began = time.monotonic()
    assert wait_until(lambda: home.state(entity)[0] == wanted, seconds), (home.state(entity), home.log())
    return time.monotonic() - began
