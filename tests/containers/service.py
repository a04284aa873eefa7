"""What is shown of the service's stack: it starts, serves, is saved and restored, survives, is upgraded."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tests.containers.images import copy_tree, name_images
from tests.containers.place import API, METRICS, Place, get, must, wait_for
from tests.ingest.drawn_sheets import three_tables_in_cents
from tests.meter.bombs import filled, workbook

TARIFFS = "/v1/tariffs?option=BASE&on=2025-09-01&limit=5"
MB = 1 << 20
#: As in tests/chaos/test_service_uploads.py: each the worst of its kind.
HEAVY = {
    "cells far apart": workbook(b'<row><c r="XFD1"><v>1</v></c></row>' * 12_000),
    "lists": filled("[", "[],[{}],", "1]", 31 * MB),
    "lines": filled("", "\r\n--", "", 31 * MB),
}
#: Parts of the product that an older revision has in its own form; the rest of the copy is this tree's.
OLDER = (
    "openwatt",
    "requirements.txt",
    "pyproject.toml",
    "wsgi.py",
    "gunicorn.conf.py",
    "README.md",
    "LICENSE",
)
Shown = Iterator[str]


def previous_revision(place: Place) -> str | None:
    """The last version that was tagged, else that of twenty commits ago; None without a history."""
    here = Path(__file__).resolve().parents[2]
    for command in (("describe", "--tags", "--abbrev=0", "HEAD^"), ("rev-parse", "--short", "HEAD~20")):
        code, found = place.engine.try_run("git", *command, cwd=here)
        if code == 0:
            return found
    return None


def put_code(place: Place, revision: str | None) -> None:
    """Gives the copy the product's code of a revision, or this tree's."""
    with TemporaryDirectory() as folder:
        copy_tree(Path(folder), revision)
        for name in OLDER:
            place.engine.run("rm", "-rf", f"{place.folder}/{name}")
            place.engine.run("cp", "-R", f"{folder}/{name}", str(place.folder))


def starts(place: Place) -> Shown:
    """`make up` from nothing: image built, database made, service ready."""
    began = time.monotonic()
    said = place.stack("up", "service")
    yield f"ops/stack up service: {time.monotonic() - began:.0f} s"
    yield from (line.strip() for line in said.splitlines() if re.search(r"-1: Up, after", line))


def starts_again(place: Place) -> Shown:
    """The image is there: down and up again, which is what start intervals are for."""
    place.stack("down", "service")
    began = time.monotonic()
    place.stack("up", "service")
    yield f"down, then ops/stack up service: {time.monotonic() - began:.0f} s"


def serves(_: Place) -> Shown:
    """The API, the metrics, and settings of the containers as the files ship them."""
    status, body = get(API, TARIFFS)
    must(status == 200 and json.loads(body), f"{TARIFFS} answers 200 with tariffs, not {status}")
    yield f"{TARIFFS}: 200, {len(body)} bytes"
    status, body = get(METRICS, "/metrics")
    must(status == 200 and b"http_requests_total{" in body, "the metrics process tells of requests")
    yield f"metrics: {len(body)} bytes"


def is_confined(place: Place) -> Shown:
    """Each container has a read-only root, no capability, and the limits of its file, in force."""
    described = yaml.safe_load((place.folder / "ops/docker-compose.yaml").read_text())["services"]
    for name in place.containers():
        service = described[name.removeprefix("openwatt-").removesuffix("-1")]
        written = place.engine.try_run(place.engine.name, "exec", name, "sh", "-c", "echo x > /usr/written")
        must(
            written[0] != 0 and "Read-only file system" in written[1],
            f"{name}'s root is read-only: {written}",
        )
        status = place.engine("exec", name, "sh", "-c", "cat /proc/1/status")
        for field, value in {
            "CapEff": "0000000000000000",
            "CapBnd": "0000000000000000",
            "NoNewPrivs": "1",
        }.items():
            must(re.search(rf"^{field}:\s+{value}$", status, re.MULTILINE), f"{name} has {field} {value}")
        uid = re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)
        must(uid and uid[1] != "0", f"{name} does not run as root")
        limit = int(place.engine.state(name, ".HostConfig.Memory"))
        must(
            _bytes(service["mem_limit"]) == limit == _limit_in_force(place, name),
            f"{name} may hold {limit} bytes",
        )
    found = len(place.containers())
    yield f"{found} containers: root read-only, no capability, no new privileges, memory limited"


def keeps_its_secrets(place: Place) -> Shown:
    """No secret is on a command line or in what the engine shows; Valkey wants its password; no superuser."""
    secrets = {file.name: file.read_text().strip() for file in (place.folder / "ops/secrets").iterdir()}
    for name in place.containers():
        seen = place.engine("inspect", name) + place.engine("exec", name, "cat", "/proc/1/cmdline")
        for secret, text in secrets.items():
            must(not text or text not in seen, f"{secret} is not shown by {name}")
    said = place.engine("exec", "openwatt-valkey-1", "valkey-cli", "ping")
    must("NOAUTH" in said, f"Valkey asks for its password: {said}")
    role = place.sql("select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = 'openwatt'")
    must(role == "f|t|t", f"the service's role creates roles and databases and is no superuser: {role}")
    yield f"{len(secrets)} secrets, none shown; Valkey refuses who has no password; the role is no superuser"


def _bytes(text: str) -> int:
    return int(text[:-1]) * {"m": MB, "g": 1 << 30}[text[-1]]


def _cgroup(place: Place, name: str, *files: str) -> str:
    """The first of some files of a container's memory control group, in its first or second version."""
    tried = " || ".join(f"cat /sys/fs/cgroup/{file} 2>/dev/null" for file in files)
    return place.engine("exec", name, "sh", "-c", tried)


def _limit_in_force(place: Place, name: str) -> int:
    return int(_cgroup(place, name, "memory.max", "memory/memory.limit_in_bytes"))


def _oom_kills(place: Place, name: str) -> int:
    found = re.search(
        r"^oom_kill (\d+)$", _cgroup(place, name, "memory.events", "memory/memory.oom_control"), re.MULTILINE
    )
    must(found, f"the kernel counts what it kills in {name}")
    return int(found[1]) if found else 0


def bears_uploads(place: Place) -> Shown:
    """Four of the worst uploads at once under the shipped limit: nothing is killed, others are answered."""
    name = "openwatt-api-1"
    before = place.engine.state(name, ".State.StartedAt")
    head = b'--b\r\nContent-Disposition: form-data; name="power_kva"\r\n\r\n6\r\n--b\r\n'
    head += b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    for kind, data in HEAVY.items():
        body = head + data + b"\r\n--b--\r\n"
        with ThreadPoolExecutor(4) as clients:
            sent = [
                clients.submit(
                    get, API, "/v1/bills", method="POST", body=body, content="multipart/form-data; boundary=b"
                )
                for _ in range(4)
            ]
            must(get(API, TARIFFS)[0] == 200, "others are answered meanwhile")
            statuses = [one.result()[0] for one in sent]
        must(set(statuses) <= {422, 503} and 422 in statuses, f"{kind} are refused, not {statuses}")
        yield f"{kind}: {len(data) // MB} MB four times at once, answered {statuses}"
    must(_oom_kills(place, name) == 0, "the kernel killed nothing for its memory")
    must(place.engine.state(name, ".State.StartedAt") == before, "the container was not started again")
    must(" was sent SIGKILL" not in place.engine("logs", name), "no worker was killed")
    peak = int(_cgroup(place, name, "memory.peak", "memory/memory.max_usage_in_bytes"))
    yield f"no kill for memory; at most {peak // MB} MB of {_limit_in_force(place, name) // MB} MB"


def is_saved_and_restored(place: Place) -> Shown:
    """A backup and its restore beside the running service: what came after the backup is gone."""
    later = "select count(*) from runs where source = 'later'"
    tariffs = "select count(*) from tariffs"
    before = place.sql(tariffs)
    saved = place.stack("openwatt", "backup").splitlines()[-1]
    (file,) = re.findall(r"^(/backups/\S+\.dump):", saved)
    yield saved
    place.sql(
        "insert into runs (source, started_at, finished_at, outcome, detail) "
        "values ('later', now(), now(), 'unchanged', '{}')"
    )
    must(place.sql(later) == "1", "the database has changed since the backup")
    restored = place.stack("openwatt", "restore", file, "--yes")
    wait_for(lambda: get(API, TARIFFS)[0] == 200, "the service answers after the restore")
    must((place.sql(later), place.sql(tariffs)) == ("0", before), "the database is what was saved")
    yield restored.splitlines()[-1]


def row_counts(place: Place) -> str:
    """Rows of the tables that a user would miss."""
    return place.sql(
        "select (select count(*) from runs), (select count(*) from tariffs), "
        "(select count(*) from schema_migrations)"
    )


def survives(place: Place) -> Shown:
    """Each container crashes in turn and comes back alone; each is killed and comes back by `make up`."""

    def served() -> bool:
        return place.all_healthy() and get(API, TARIFFS)[0] == 200

    for name in place.containers():
        began = time.monotonic()
        started = place.engine.state(name, ".State.StartedAt")
        place.crash(name)
        wait_for(partial(_started_since, place, name, started), f"{name} is started again")
        wait_for(served, f"all is healthy after {name} crashed")
        yield f"{name} crashed: all healthy after {time.monotonic() - began:.0f} s, by itself"
    for name in place.containers():
        began = time.monotonic()
        place.engine("kill", name)
        place.stack("up", "service")
        must(served(), f"all is healthy after {name} was killed")
        seconds = time.monotonic() - began
        yield f"{place.engine.name} kill {name}: all healthy after {seconds:.0f} s, by `make up`"


def _started_since(place: Place, name: str, started: str) -> bool:
    return place.engine.state(name, ".State.StartedAt") != started


def says_why(place: Place) -> Shown:
    """A service that cannot start: `make up` shows its words and a remedy; once repaired it works at once."""
    secret = place.folder / "ops/secrets/database_url"
    right = secret.read_text()
    secret.write_text(re.sub(r":[0-9a-f]+@", ":wrong@", right))
    place.engine("kill", "openwatt-api-1")
    code, said = place.try_stack("up", "service")
    must(code != 0 and "password authentication failed" in said, f"the log is shown: {said[-2000:]}")
    must("What to do: ops/secrets does not fit the database" in said, "the remedy is shown")
    yield next(line for line in said.splitlines() if line.startswith("What to do"))
    secret.write_text(right)
    began = time.monotonic()
    place.stack("up", "service")
    yield f"repaired, and ops/stack up service again: {time.monotonic() - began:.0f} s"


def is_upgraded(revision: str, replaced: dict[str, str]) -> Callable[[Place], Shown]:
    """The running stack is of an older revision and has data; with this tree's code it has them still."""

    def shown(place: Place) -> Shown:
        sheet = three_tables_in_cents()
        with TemporaryDirectory() as folder:
            file = Path(folder) / "sheet.pdf"
            file.write_bytes(sheet.pdf)
            file.chmod(0o644)
            place.engine.run(
                "sh",
                "-c",
                f"{place.engine.name} exec -i openwatt-api-1 sh -c 'cat > /tmp/sheet.pdf' < {file}",
            )
        place.try_stack("openwatt", "ingest", sheet.source, "--file", "/tmp/sheet.pdf")  # noqa: S108 - the container's
        runs, tariffs, migrations = row_counts(place).split("|")
        must(int(runs) > 0 and int(tariffs) > 0, "the older revision has data")
        old = place.engine.state("openwatt-api-1", ".Image")
        put_code(place, None)
        name_images(place.folder, replaced)
        began = time.monotonic()
        place.stack("up", "service")
        must(place.engine.state("openwatt-api-1", ".Image") != old, "the service runs a new image")
        now = row_counts(place).split("|")
        must(int(now[0]) >= int(runs) and int(now[1]) >= int(tariffs), f"nothing is lost: {now}")
        must(get(API, TARIFFS)[0] == 200, "it serves")
        yield (
            f"from {revision} with {runs} runs, {tariffs} tariffs, {migrations} migrations to this tree with "
            f"{', '.join(now)} in {time.monotonic() - began:.0f} s, image built included"
        )

    return shown


def goes_down(place: Place) -> Shown:
    """`make down` leaves the volumes and nothing else."""
    place.stack("down", "service")
    must(place.containers() == [], "no container is left")
    found = place.engine("volume", "ls", "--quiet").split()
    must("openwatt_postgres" in found, "the data is kept")
    yield "no container left; volumes kept"
