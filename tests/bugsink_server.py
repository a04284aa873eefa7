"""A Bugsink server (PyPI `bugsink`) as the Sentry end of tests: third party code reads what we send."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest

from tests.log_receivers import free_port, wait_until

#: A virtual environment of its own, for it pins other versions of our libraries: `make test` makes it.
#: Resolved, for a template's own files name its folder: by another name a copy would work on the template.
BUGSINK = Path(
    os.environ.get("BUGSINK_VENV", Path(__file__).resolve().parents[1] / ".venv-bugsink")
).resolve()


class Bugsink:
    """One server in a folder, with one project. Its migrated database is made once and copied."""

    def __init__(self, folder: Path) -> None:
        if not (BUGSINK / "bin" / "bugsink-manage").exists():
            pytest.skip(f"Bugsink is not at {BUGSINK} (`make test` makes it; or set BUGSINK_VENV)")
        self.folder = folder / "bugsink"
        template = _template()
        shutil.copytree(template, self.folder)
        self.token = (self.folder / "token").read_text()
        self.url = f"http://127.0.0.1:{free_port()}"
        settings = self.folder / "bugsink_conf.py"
        settings.write_text(settings.read_text().replace(str(template), str(self.folder)))
        settings.write_text(settings.read_text() + f'\nBUGSINK["BASE_URL"] = "{self.url}"\n')
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> Self:
        bind = self.url.removeprefix("http://")
        gunicorn = ["gunicorn", "--no-control-socket", "-b", bind, "-w", "1", "bugsink.wsgi"]
        if "--no-control-socket" not in _run(self.folder, "gunicorn", "--help"):
            gunicorn.remove("--no-control-socket")
        for command in (["bugsink-runsnappea"], gunicorn):
            self._processes.append(
                subprocess.Popen(
                    [str(BUGSINK / "bin" / command[0]), *command[1:]],
                    cwd=self.folder,
                    env=_environment(self.folder),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        try:
            self._make_project()
        except BaseException:
            self.stop()
            raise
        return self

    def _make_project(self) -> None:
        assert wait_until(lambda: self._get("/api/canonical/0/projects/") is not None, 60), "Bugsink is mute"
        team = self._post("/api/canonical/0/teams/", {"name": "openwatt"})["id"]
        project = self._post("/api/canonical/0/projects/", {"team": team, "name": "openwatt"})["id"]
        self._project = project
        self.dsn = str(self._get(f"/api/canonical/0/projects/{project}/")["dsn"])

    def events(self, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The events received, once there are `count`: as Bugsink holds them."""
        end = time.monotonic() + seconds
        while True:
            found = []
            for issue in self._get(f"/api/canonical/0/issues/?project={self._project}")["results"]:
                listed = self._get(f"/api/canonical/0/events/?issue={issue['id']}")["results"]
                found += [self._get(f"/api/canonical/0/events/{event['id']}/") for event in listed]
            if len(found) >= count or time.monotonic() > end:
                return found
            time.sleep(0.2)

    def freeze(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(15)

    def _get(self, path: str) -> Any:
        return self._ask(path, None)

    def _post(self, path: str, body: dict[str, object]) -> Any:
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers)  # noqa: S310  our own server
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            return json.load(urllib.request.urlopen(request, timeout=10))  # noqa: S310  our own server
        return None


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "bugsink_conf"}


def _run(folder: Path, command: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(BUGSINK / "bin" / command), *arguments],
        cwd=folder,
        env=_environment(folder),
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


def _template() -> Path:
    """A folder with configuration, migrated databases and a token; the first test makes it, once."""
    template = BUGSINK / "template"
    with (BUGSINK / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (template / "token").exists():
            shutil.rmtree(template, ignore_errors=True)  # half made by a run that was ended
            _make_template(template)
    return template


def _make_template(template: Path) -> None:
    making = Path(tempfile.mkdtemp(dir=BUGSINK))
    _run(
        making, "bugsink-create-conf", "--template=singleserver", "--host=127.0.0.1", "--port=8105",
        f"--base-dir={making}", "-o", "bugsink_conf.py",
    )  # fmt: skip
    settings = making / "bugsink_conf.py"
    settings.write_text(
        settings.read_text().replace(str(making), str(template))
        + "\nSESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False\nSECURE_PROXY_SSL_HEADER = None\n"
        'USE_X_REAL_IP = False\nBUGSINK["PHONEHOME"] = False\n'
    )
    making.rename(template)
    _run(template, "bugsink-manage", "migrate")
    _run(template, "bugsink-manage", "migrate", "snappea", "--database=snappea")
    said = _run(template, "bugsink-manage", "create_auth_token")
    token = re.search(r"[0-9a-f]{40}", said)
    assert token is not None, said
    (template / "token").write_text(token[0])
