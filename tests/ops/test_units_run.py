"""What the units forbid their programs, seen in seconds; `make prove-systemd` runs them under systemd."""

import errno
import json
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.ingest.drawn_sheets import three_tables_in_cents
from tests.ops.dockerfile import REPOSITORY, Container, Image, built, folder_of, needs_namespaces
from tests.ops.units import setting
from tests.programs import needs_program

ACCOUNT = "10002:10002"
#: A machine after the steps of docs/deployment.md, as far as the units see it.
MACHINE = """
FROM base AS machine
RUN groupadd --gid 10002 openwatt && useradd --uid 10002 --gid 10002 --no-create-home openwatt \
 && install -d /var/lib/openwatt /var/log/openwatt /var/backups/openwatt /run/notify
WORKDIR /opt/openwatt
RUN python -m venv --without-pip /opt/openwatt/.venv
COPY openwatt openwatt
COPY wsgi.py gunicorn.conf.py ./
RUN touch .env
USER 10002:10002
"""
CONFINE = (Path(__file__).with_name("confine.py")).read_text()

needs_systemd = needs_program("systemd-analyze")


def calls(group: str) -> set[str]:
    """The system calls of one of systemd's groups, and of the groups in it."""
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True, check=True
    ).stdout
    words = [line.strip() for line in said.splitlines()[1:] if line.startswith("    ")]
    return {
        call
        for word in words
        if not word.startswith("#")
        for call in (calls(word) if word[0] == "@" else {word})
    }


def confined(unit: str, without: tuple[str, ...], arguments: tuple[str, ...] | None) -> list[str]:
    """The command that starts a unit's program as its unit asks, or with other arguments.

    `without` takes further system calls away.
    """
    kept, *taken = setting(unit, "SystemCallFilter")
    allowed = calls(kept)
    for group in taken:
        allowed -= calls(group.removeprefix("~"))
    program, *own = shlex.split(setting(unit, "ExecStart")[0])
    asked = {
        "command": [program, *(own if arguments is None else arguments)],
        "calls": sorted(allowed - set(without)),
        "families": [
            int(socket.AddressFamily[name]) for name in setting(unit, "RestrictAddressFamilies")[0].split()
        ],
        "errno": getattr(errno, setting(unit, "SystemCallErrorNumber")[0]),
        "never_writable_code": setting(unit, "MemoryDenyWriteExecute") == ["yes"],
        "listen": setting("openwatt.socket", "ListenStream")[0] if unit == "openwatt.service" else None,
    }
    return ["python", "-c", CONFINE, json.dumps(asked)]


class Installed:
    """The folders of a machine, and its units that run."""

    def __init__(self, image: Image, folder: Path) -> None:
        self._image = image
        self.folders = {name: folder / name for name in ("lib", "log", "backups", "notify")}
        for made in self.folders.values():
            made.mkdir()
            shutil.chown(made, *map(int, ACCOUNT.split(":")))
        self.env = folder / "env"
        example = (REPOSITORY / ".env.production.example").read_text()
        for name in ("DATA_DIR", "LOG_FILE", "BACKUP_DIR", "BIND"):
            assert f"\n#OPENWATT_{name}=/" in example or name == "BIND"
            example = example.replace(f"\n#OPENWATT_{name}=", f"\nOPENWATT_{name}=")
        self.env.write_text(f"{example}OPENWATT_WORKERS=2\n")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self.folders["notify"] / "socket"))
        (self.folders["notify"] / "socket").chmod(0o777)

    @contextmanager
    def started(
        self, unit: str, *, without: tuple[str, ...] = (), arguments: tuple[str, ...] | None = None
    ) -> Iterator[Container]:
        """A unit's program; ended by force at last."""
        volumes = {
            "/var/lib/openwatt": self.folders["lib"],
            "/var/log/openwatt": self.folders["log"],
            "/run/notify": self.folders["notify"],
            "/opt/openwatt/.env": self.env,
        }
        if setting(unit, "ReadWritePaths"):
            volumes[setting(unit, "ReadWritePaths")[0]] = self.folders["backups"]
        container = Container(
            self._image,
            volumes,
            command=confined(unit, without, arguments),
            environment={"NOTIFY_SOCKET": "/run/notify/socket"},
            proc="hidepid=invisible,subset=pid",
        )
        try:
            yield container
        finally:
            container.kill()

    def told(self, seconds: float = 40) -> str:
        """What the unit has told systemd."""
        self._notify.settimeout(seconds)
        return self._notify.recv(4096).decode()

    def close(self) -> None:
        """Frees the socket."""
        self._notify.close()


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built(MACHINE, environment="opt/openwatt/.venv") as made:
        yield made


@pytest.fixture
def installed(image: Image) -> Iterator[Installed]:
    with ExitStack() as stack:
        made = Installed(image, stack.enter_context(folder_of("0:0")))
        stack.callback(made.close)
        (made.env.parent).chmod(0o755)
        yield made


ASK = (
    "import http.client; asked = http.client.HTTPConnection('127.0.0.1', 8000, timeout=20); "
    "asked.request('GET', '/v1/tariffs?option=BASE&on=2025-09-01&limit=1'); got = asked.getresponse(); "
    "print(got.status, got.read(40))"
)


@needs_systemd
@needs_namespaces
def test_the_service_serves_from_the_port_it_is_handed_and_tells_when_it_is_ready(
    installed: Installed,
) -> None:
    with installed.started("openwatt.service") as service:
        try:
            assert installed.told().startswith("READY=1")
        except TimeoutError:
            raise AssertionError(service.said()) from None
        assert service.execute("python", "-c", ASK).stdout.startswith("200 "), service.said()
        assert (installed.folders["lib"] / "postgresql").is_dir()
        assert "ready to serve" in (installed.folders["log"] / "api.log").read_text()
        service.signal(signal.SIGTERM)
        assert service.wait() == 0, service.said()
    assert not (installed.folders["lib"] / "postgresql/postmaster.pid").exists()


@needs_systemd
@needs_namespaces
def test_a_suppliers_document_is_read_in_the_ingestions_own_bounds(installed: Installed) -> None:
    sheet = three_tables_in_cents()
    (installed.folders["lib"] / "sheet.pdf").write_bytes(sheet.pdf)
    arguments = ("ingest", sheet.source, "--file", "/var/lib/openwatt/sheet.pdf")
    with installed.started("openwatt-ingest.service", arguments=arguments) as ingestion:
        assert ingestion.wait(90) in {0, 3}, ingestion.said()
    assert "ingest finished" in (installed.folders["log"] / "api.log").read_text()
    assert "does not start" not in ingestion.said()


@needs_systemd
@needs_namespaces
def test_a_backup_is_written_where_the_unit_may_write(installed: Installed) -> None:
    with installed.started("openwatt-backup.service", arguments=("migrate",)) as migration:
        assert migration.wait() == 0, migration.said()
    with installed.started("openwatt-backup.service") as backup:
        assert backup.wait(90) == 0, backup.said()
    assert len(list(installed.folders["backups"].glob("*.dump"))) == 1


@needs_systemd
@needs_namespaces
def test_a_call_that_the_filter_lacks_is_refused(installed: Installed) -> None:
    with installed.started("openwatt.service", without=("listen", "bind")) as service:
        assert service.wait() != 0
        assert "Operation not permitted" in service.said()
