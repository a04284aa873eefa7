"""ops/stack: what it asks of an engine. The engine is a recorder; what a real one does is not shown here."""

import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from openwatt.settings import read_settings
from openwatt.store.embedded import paths as embedded_place
from openwatt.store.migrate import migrate
from tests.conftest import Server
from tests.ops.dockerfile import REPOSITORY
from tests.programs import needs_program

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
SCRIPTS = sorted(
    path
    for path in (REPOSITORY / "ops").rglob("*")
    if path.is_file() and re.match(rb"#!/(bin|usr/bin)/(env )?(ba)?sh\n", path.read_bytes()[:24])
)
UP = "{name}-1\tUp 2 seconds ({health})\n"

# It writes down its command lines, and shows of a project's containers one state after the other.
ENGINE = r"""#!/bin/sh
printf '%s' "${0##*/}" >> "$CALLS"; printf ' %s' "$@" >> "$CALLS"; printf ' [%s]\n' "$TARGETS" >> "$CALLS"
[ -z "$FILES_READ" ] || printf '%s\n' "$FILES_READ" > "$STATES/sum"
case "$*" in *docker-compose.yaml*) project=openwatt ;; *monitoring.yaml*) project=openwatt-monitoring ;;
  *elk.yaml*) project=openwatt-elk ;; esac
case "$1 $*" in
  "info "*) [ ! -e "$STATES/dead" ] || exit 1 ;;
  "network "*inspect*) [ -e "$STATES/network" ] || exit 1 ;;
  "network "*create*) touch "$STATES/network" ;;
  "compose "*" up "*)
    cp "$STATES/$project.0" "$STATES/$project"
    [ ! -e "$STATES/refuses" ] || { cp "$STATES/$project.1" "$STATES/$project"; exit 1; } ;;
  "logs "*) cat "$STATES/log" ;;
  "version "*) cat "$STATES/version" ;;
  "compose "*" down") rm -f "$STATES/$project" ;;
  "ps "*)
    project=${*#*project=}; project=${project%% *}
    [ -e "$STATES/$project" ] || exit 0
    cat "$STATES/$project"
    [ ! -e "$STATES/$project.1" ] || cp "$STATES/$project.1" "$STATES/$project" ;;
esac
"""


def system_without_engines(folder: Path) -> Path:
    """A folder with the programs of this machine, except for the engines that it may have."""
    folder.mkdir()
    for program in (each for place in ("/usr/bin", "/bin") for each in Path(place).iterdir()):
        if program.name.partition("-")[0] not in {"docker", "podman"}:
            with suppress(FileExistsError):
                (folder / program.name).symlink_to(program)
    return folder


class Place:
    """A folder with ops in it, and an engine that records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.states = folder / "states"
        self.programs = folder / "bin"
        for made in (self.folder / "ops/alertmanager/secrets", self.states, self.programs):
            made.mkdir(parents=True)
        for file in [REPOSITORY / "ops/stack", *(REPOSITORY / "ops").glob("docker-compose*.yaml")]:
            shutil.copy(file, self.folder / "ops")
        (self.folder / "ops/alertmanager/secrets/slack_api_url").write_text("https://hooks.example.org/1\n")
        native = self.folder / "ops/native"
        native.write_text(
            '#!/bin/sh\necho "native $*" >> "$CALLS"\n[ "$1" != render ] || mkdir -p "$3/alertmanager"\n'
        )
        native.chmod(0o755)
        python = self.folder / ".venv/bin/python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        self.calls_file = folder / "calls"
        self.system = system_without_engines(folder / "system")
        (self.states / "log").write_text("connection refused\n")
        (self.states / "version").write_text("1.43\n")
        self.engine("docker")
        quick = self.programs / "sleep"
        quick.write_text("#!/bin/sh\nexec /bin/sleep 0.1\n")
        quick.chmod(0o755)
        for project, name in (("", "api"), ("-monitoring", "grafana"), ("-elk", "kibana")):
            for number, health in enumerate(("health: starting", "healthy")):
                text = UP.format(name=name, health=health)
                if name == "kibana":
                    text += f"setup-1\t{('Up 1 second', 'Exited (0) 1 second ago')[number]}\n"
                (self.states / f"openwatt{project}.{number}").write_text(text)

    def engine(self, name: str) -> Path:
        """Puts an engine of that name on the PATH."""
        program = self.programs / name
        program.write_text(ENGINE)
        program.chmod(0o755)
        return program

    def stack(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """What ops/stack did."""
        self.calls_file.write_text("")
        variables = {"CALLS": str(self.calls_file), "STATES": str(self.states), "WAIT_SECONDS": "3"}
        return subprocess.run(
            ["ops/stack", *arguments],
            cwd=self.folder,
            env={"PATH": f"{self.programs}:{self.system}", **variables, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def commands(self) -> list[str]:
        """The calls of the last run that change something."""
        words = (" up ", " down ", " create ", " rm ", " kill ", " stop ", " exec ", "native")
        return [
            line for line in self.calls_file.read_text().splitlines() if any(word in line for word in words)
        ]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_up_makes_the_network_waits_until_healthy_and_tells_where_it_is(place: Place) -> None:
    done = place.stack("up", "service")
    assert done.returncode == 0, done.stderr
    assert place.commands() == [
        "docker network create openwatt []",
        "docker compose --file ops/docker-compose.yaml up --detach --build []",
    ]
    assert "api-1: Up" in done.stdout
    assert "http://127.0.0.1:8000" in done.stdout
    place.stack("up", "service")
    assert "network create" not in "".join(place.commands())


def test_logs_are_shipped_while_there_is_a_logstash(place: Place) -> None:
    with_elk = "--file ops/docker-compose.yaml --file ops/docker-compose.with-elk.yaml"
    assert place.stack("up", "service").returncode == 0
    assert "Kibana" in place.stack("up", "elk").stdout
    assert place.commands()[-1].startswith(f"docker compose {with_elk} up --detach --no-build")
    place.stack("down", "elk")
    assert place.commands()[0].startswith("docker compose --file ops/docker-compose.elk.yaml down")
    assert place.commands()[1] == "docker compose --file ops/docker-compose.yaml up --detach --no-build []"
    place.stack("up", "elk")
    (place.folder / ".env.production").write_text("OPENWATT_LOGSTASH_URL=tcp://elsewhere:5000\n")
    place.stack("up", "service")
    assert with_elk not in place.commands()[-1]


def test_prometheus_asks_the_service_by_the_name_it_has_there(place: Place) -> None:
    done = place.stack("up", "monitoring")
    assert done.returncode == 0, done.stderr
    assert [line for line in place.commands() if line.endswith("up --detach [containers]")]
    place.stack("up", "service")
    assert [line for line in place.commands() if line.endswith("monitoring.yaml up --detach [compose]")]
    rendered = place.folder / "ops/rendered"
    assert stat.S_IMODE(rendered.stat().st_mode) == 0o700
    assert (rendered / "alertmanager/secrets/slack_api_url").stat().st_mode & 0o044 == 0o044


def test_a_file_that_changes_starts_its_readers_anew(place: Place) -> None:
    rules = place.folder / "ops/prometheus/rules/service.yaml"
    rules.parent.mkdir(parents=True)
    sums = []
    for text in ("groups: []\n", "groups: []\n", "groups: [one]\n"):
        rules.write_text(text)
        assert place.stack("up", "monitoring").returncode == 0
        sums.append((place.states / "sum").read_text())
    assert sums[0] == sums[1] != sums[2]


def test_down_ends_all_of_it_and_keeps_the_data(place: Place) -> None:
    place.stack("up", "service")
    done = place.stack("down", "service")
    assert done.returncode == 0
    assert place.commands()[0] == "docker compose --file ops/docker-compose.yaml down []"
    assert "--volumes" not in place.calls_file.read_text()
    assert place.stack("status", "service").returncode == 1


def test_status_says_how_each_container_is(place: Place) -> None:
    place.stack("up", "elk")
    done = place.stack("status", "elk")
    assert (done.returncode, place.commands()) == (0, [])
    assert "Exited (0)" in done.stdout


def test_one_that_stays_unhealthy_fails_with_its_name_and_log(place: Place) -> None:
    (place.states / "openwatt.1").write_text(UP.format(name="api", health="unhealthy"))
    done = place.stack("up", "service", WAIT_SECONDS="1")
    assert done.returncode == 1
    assert "not healthy after 1 s: api-1" in done.stderr
    assert "docker logs --tail 500 api-1" in place.calls_file.read_text()


def test_questions_of_the_health_check_do_not_hide_why_it_fails(place: Place) -> None:
    (place.states / "openwatt.1").write_text(UP.format(name="api", health="unhealthy"))
    probe = '{"event":"request","route":"/health/ready","status":503}\n'
    (place.states / "log").write_text('{"event":"no database"}\n' + probe * 30)
    done = place.stack("up", "service", WAIT_SECONDS="1")
    assert '  | {"event":"no database"}\n' in done.stderr
    assert probe not in done.stderr


def test_one_that_ends_fails_at_once(place: Place) -> None:
    (place.states / "openwatt-elk.1").write_text("setup-1\tExited (1) 1 second ago\n")
    done = place.stack("up", "elk", WAIT_SECONDS="60")
    assert done.returncode == 1
    assert "setup-1 has ended: Exited (1)" in done.stderr


RESTARTING = "postgres-1\tRestarting (1) 2 seconds ago\n"


def test_what_compose_could_not_start_is_shown_with_its_log_and_a_remedy(place: Place) -> None:
    (place.states / "refuses").touch()
    (place.states / "openwatt.1").write_text(RESTARTING + UP.format(name="api", health="healthy"))
    (place.states / "log").write_text("initdb: error: this is why\n")
    done = place.stack("up", "service")
    assert done.returncode == 1
    assert (
        "postgres-1: Restarting (1) 2 seconds ago. It said last:\n  | initdb: error: this is why"
        in done.stderr
    )
    assert "What to do: the lines above say what it lacks; docker logs postgres-1 shows all" in done.stderr
    assert "api-1" not in done.stderr
    assert "service did not start" in done.stderr


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("mkdir: No space left on device", "make room on the disk"),
        ('password authentication failed for user "openwatt"', "docker volume rm openwatt_postgres"),
        ("was initialized by PostgreSQL version 17, which is not", "its volume is of another PostgreSQL"),
        ("OpenWatt cannot start: it cannot use /data", "belongs to another account"),
        ("bind: address already in use", "another program has the port"),
    ],
)
def test_the_remedy_is_that_of_the_fault(place: Place, said: str, remedy: str) -> None:
    (place.states / "refuses").touch()
    (place.states / "openwatt.1").write_text(RESTARTING)
    (place.states / "log").write_text(f"{said}\n")
    assert re.search(f"What to do: .*{remedy}", place.stack("up", "service").stderr)


@pytest.mark.parametrize(
    "status", ["Up 3 minutes (unhealthy)", "Restarting (1) 2 seconds ago", "Exited (137) 1 hour ago"]
)
def test_after_a_repair_an_old_health_is_not_waited_for(place: Place, status: str) -> None:
    (place.states / "openwatt").write_text(
        f"postgres-1\t{status}\n" + UP.format(name="api", health="healthy")
    )
    done = place.stack("up", "service")
    assert done.returncode == 0, done.stderr
    stopped, *_, started = [line for line in place.commands() if "network" not in line]
    assert stopped == "docker stop postgres-1 []"
    assert started.endswith("up --detach --build []")


@pytest.mark.parametrize(
    ("version", "known"), [("1.41", 0), ("1.43", 0), ("1.44", 1), ("1.47", 1), ("2.0", 1)]
)
def test_start_intervals_are_used_with_engines_that_know_them(place: Place, version: str, known: int) -> None:
    (place.states / "version").write_text(f"{version}\n")
    place.stack("up", "service")
    assert place.commands()[-1].count("docker-compose.start-intervals.yaml") == known
    place.engine("podman")
    place.stack("up", "service", ENGINE="podman")
    assert "start-intervals" not in place.commands()[-1]


def test_drills_are_switched_on_and_off_and_stay_so(place: Place) -> None:
    with_drills = "--file ops/docker-compose.yaml --file ops/docker-compose.with-drills.yaml"
    assert "drills are on" in place.stack("drills", "on").stdout
    assert place.commands() == []
    place.stack("up", "service")
    assert with_drills in place.commands()[-1]
    place.stack("openwatt", "drill", "error")
    assert f"{with_drills} exec" in place.commands()[-1]
    done = place.stack("drills", "off")
    assert "drills are off" in done.stdout
    assert place.commands() == ["docker compose --file ops/docker-compose.yaml up --detach --no-build []"]
    assert place.stack("drills", "perhaps").returncode == 2


def test_a_command_beside_the_service_gets_the_addresses_of_what_runs(place: Place) -> None:
    assert "the service does not run" in place.stack("openwatt", "doctor").stderr
    place.stack("up", "service")
    place.stack("openwatt", "backup", "--list")
    beside = "docker compose --file ops/docker-compose.yaml exec --env TMPDIR=/data -T api"
    assert place.commands() == [f"{beside} openwatt backup --list []"]
    place.stack("up", "monitoring")
    place.stack("openwatt", "doctor")
    (command,) = place.commands()
    assert "--env OPENWATT_PROMETHEUS_URL=http://prometheus:9090" in command
    assert "OPENWATT_ELASTICSEARCH_URL_FILE" not in command


def test_podman_does_where_docker_does_not_answer(place: Place) -> None:
    place.engine("docker").write_text("#!/bin/sh\nexit 1\n")
    done = place.stack("up", "service")
    assert done.returncode == 1
    assert "docker has no `compose`" in done.stderr
    assert "podman is not installed" in done.stderr
    assert "make run" in done.stderr
    place.engine("podman")
    assert place.stack("up", "service").returncode == 0
    assert place.commands()[-1].startswith("podman compose")
    (place.states / "dead").touch()
    assert "its engine does not answer" in place.stack("up", "elk", ENGINE="podman").stderr


def test_without_containers_monitoring_is_the_machines_own_and_the_rest_is_said(place: Place) -> None:
    assert place.stack("up", "monitoring", ENGINE="native").returncode == 0
    assert place.commands() == ["native up"]
    place.stack("down", "monitoring", ENGINE="native")
    assert place.commands() == ["native down"]
    for stack, way in (("service", "make run"), ("elk", "openwatt logs")):
        done = place.stack("up", stack, ENGINE="native")
        assert (done.returncode, place.commands()) == (2, [])
        assert way in done.stderr
    assert "docker, podman or native" in place.stack("up", "service", ENGINE="lxc").stderr


@pytest.mark.parametrize("arguments", [(), ("up",), ("up", "everything"), ("restart", "service")])
def test_what_cannot_be_understood_is_answered_with_the_usage(
    place: Place, arguments: tuple[str, ...]
) -> None:
    done = place.stack(*arguments)
    assert done.returncode == 2
    assert "Usage: ops/stack" in done.stderr


def test_secrets_are_made_once_and_nobody_else_enters_their_folder(place: Place) -> None:
    assert place.stack("secrets").returncode == 0
    folder = place.folder / "ops/secrets"
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(made) == 14
    assert len({text for name, text in made.items() if name.endswith(("password", "token"))}) == 9
    (folder / "admin_token").unlink()
    assert place.stack("secrets").stdout == "made in ops/secrets: admin_token\n"
    again = {file.name: file.read_text() for file in folder.iterdir()}
    assert {name for name in made if made[name] != again[name]} == {"admin_token"}
    names = ("database_url", "redis_url", "admin_token", "drill_token", "grafana_url", "elasticsearch_url")
    settings = read_settings({f"OPENWATT_{name.upper()}_FILE": str(folder / name) for name in names})
    assert settings.database_url
    assert conninfo_to_dict(settings.database_url)["password"] == made["openwatt_password"].strip()


@needs_program("git")
def test_what_holds_secrets_is_never_committed(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(REPOSITORY / ".gitignore", tmp_path)
    ignored = subprocess.run(
        ["git", "check-ignore", "ops/secrets/x", "ops/rendered/x", ".env.production", "ops/stack"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ignored.stdout.split() == ["ops/secrets/x", "ops/rendered/x", ".env.production"]


def test_the_linter_of_shells_finds_nothing() -> None:
    assert {"stack", "create-role.sh"} <= {path.name for path in SCRIPTS}
    done = subprocess.run([SHELLCHECK, *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_the_linter_of_shells_sees_a_fault() -> None:
    text = (REPOSITORY / "ops/stack").read_text().replace('cat "ops/secrets/$1"', "cat ops/secrets/$1")
    done = subprocess.run([SHELLCHECK, "-"], input=text, capture_output=True, text=True, check=False)
    assert "SC2086" in done.stdout


def test_the_databases_own_role_is_no_superuser_and_can_migrate(server: Server, tmp_path: Path) -> None:
    database = server.create()
    info = conninfo_to_dict(server.url(database))
    (tmp_path / "openwatt_password").write_text("with'quote\n")
    script = (REPOSITORY / "ops/postgres/create-role.sh").read_text()
    # The session's server has a role and a database of these names already.
    script = script.replace("role openwatt", "role shop").replace(
        "database openwatt owner openwatt", "database shop owner shop"
    )
    programs = embedded_place.bundled() / "bin"
    done = subprocess.run(
        ["sh", "-c", script.replace("--dbname postgres", f"--dbname {database}")],
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PGHOST": str(info["host"]),
            "PGPORT": str(info["port"]),
            "POSTGRES_USER": str(info["user"]),
            "SECRETS": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert done.returncode == 0, done.stderr
        url = server.url("shop").replace(f"user={info['user']}", "user=shop")
        with psycopg.connect(url, autocommit=True) as connection:
            assert migrate(connection)
            row = connection.execute(
                "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = 'shop'"
            ).fetchone()
        assert row == (False, True, True)
    finally:
        with psycopg.connect(server.url("openwatt"), autocommit=True) as connection:
            connection.execute("drop database if exists shop with (force)")
            connection.execute("reassign owned by shop to current_user; drop owned by shop; drop role shop")
        server.drop(database)
