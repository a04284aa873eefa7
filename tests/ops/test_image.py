"""The image, made line by line from its Dockerfile and started as an engine starts it."""

import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from openwatt.cli import main
from tests.chaos.running import wait_until
from tests.ingest.drawn_sheets import three_tables_in_cents
from tests.ops.dockerfile import (
    REPOSITORY,
    Container,
    Image,
    built,
    context,
    folder_of,
    needs_namespaces,
    read_dockerfile,
)
from tests.ops.grafana import DASHBOARDS
from tests.ops.rule_files import RULE_FILES

DOCKERFILE = (REPOSITORY / "ops" / "Dockerfile").read_text()
HADOLINT = Path(sys.executable).with_name("hadolint")
PRIVATE = (".env", ".env.production", ".git/config", "ops/secrets/admin_token", "var/postgresql/PG_VERSION")


def linted(text: str) -> str:
    done = subprocess.run(
        [HADOLINT, "--no-color", "-"], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    assert linted(DOCKERFILE) == ""


def test_the_linter_finds_a_base_without_a_tag() -> None:
    assert "DL3006" in linted(DOCKERFILE.replace("FROM ${PYTHON_IMAGE}", "FROM python"))
    assert "DL3002" in linted(DOCKERFILE.replace("USER 10001:10001", "USER root"))


def test_the_last_stage_installs_nothing_and_runs_as_a_number_without_privileges() -> None:
    *_, final = read_dockerfile(DOCKERFILE)
    assert final.last("USER") == "10001:10001"
    assert not [line for line in final.values("RUN") if "pip" in line or "apt" in line]
    assert final.environment()["PATH"].startswith("/opt/openwatt/bin:")
    assert final.last("STOPSIGNAL") == "SIGTERM"


def test_every_package_is_installed_with_its_hash_and_as_a_wheel() -> None:
    lines = [line for stage in read_dockerfile(DOCKERFILE) for line in stage.values("RUN")]
    installing = [
        part for line in lines for part in line.split("&&") if " install " in part and "pip" in part
    ]
    assert len(installing) == 3
    for part in installing:
        assert "--no-index" in part or ("--require-hashes" in part and "--only-binary :all:" in part), part


def test_the_python_of_the_image_is_the_oldest_that_is_supported_and_what_packages_are_chosen_for() -> None:
    least = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["requires-python"]
    oldest = least.removeprefix(">=")
    assert {stage.base.split(":")[1].rsplit(".", 1)[0] for stage in read_dockerfile(DOCKERFILE)} == {oldest}
    assert set(re.findall(r"--python-version (\S+)", (REPOSITORY / "Makefile").read_text())) == {oldest}


def test_nothing_private_reaches_the_build() -> None:
    patterns = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert next(line for line in patterns if line and not line.startswith("#")) == "*"
    named = {line[1:] for line in patterns if line.startswith("!")}
    assert "openwatt" in named
    assert not [
        path for path in PRIVATE if any(path == each or path.startswith(f"{each}/") for each in named)
    ]
    assert len(context()) > 100


@contextmanager
def running(image: Image, **environment: str) -> Iterator[tuple[Container, Path]]:
    """A container with a volume for its data, and that volume."""
    with folder_of(image.final.last("USER")) as data:
        container = Container(image, {"/data": data}, environment=environment)
        try:
            yield container, data
        finally:
            container.kill()


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built(DOCKERFILE) as made:
        yield made


def healthy(container: Container) -> bool:
    """What the image's own HEALTHCHECK says."""
    assert container.running(), container.said()
    check = json.loads(read_dockerfile(DOCKERFILE)[-1].last("HEALTHCHECK").split("CMD", 1)[1])
    return container.execute(*check).returncode == 0


def tell_a_story(image: Image) -> None:
    """It becomes healthy, answers, counts, spools, cannot change itself, and ends in order."""
    with running(image, OPENWATT_LOGSTASH_URL="http://127.0.0.1:9", OPENWATT_WORKERS="2") as (
        container,
        data,
    ):
        wait_until(lambda: healthy(container))
        asked = container.execute("openwatt", "tariffs", "--option", "BASE", "--on", "2025-09-01", "--json")
        assert asked.returncode == 0, asked.stderr
        assert json.loads(asked.stdout)
        if "ingest" in main.commands:
            sheet = three_tables_in_cents()
            (data / "sheet.pdf").write_bytes(sheet.pdf)
            read = container.execute("openwatt", "ingest", sheet.source, "--file", "/data/sheet.pdf")
            assert read.returncode in {0, 3}, read.stderr
        compose = yaml.safe_load((REPOSITORY / "ops" / "docker-compose.yaml").read_text())
        metrics = compose["services"]["metrics"]
        check = metrics["healthcheck"]["test"]
        assert check[0] == "CMD"
        served = container.execute("sh", "-c", _serve_and_check(metrics["command"], check[1:]))
        assert served.stdout.endswith("healthy, ended with 143\n"), served
        for path in ("/app/wsgi.py", "/opt/openwatt/bin/openwatt", "/usr/bin/made"):
            written = container.execute("sh", "-c", f"echo x >> {path}")
            assert written.returncode != 0
            assert "Read-only file system" in written.stderr
        assert container.execute("id", "-u").stdout == "10001\n"
        container.signal(signal.SIGTERM)
        assert container.wait() == 0, container.said()
        assert any((data / "log-spool").rglob("*"))
        assert not (data / "postgresql" / "postmaster.pid").exists(), "PostgreSQL did not end in order"


def _serve_and_check(command: list[str], check: list[str]) -> str:
    """A script that starts a command, runs its check until it is content, and ends it."""
    quoted = " ".join(f"'{word}'" for word in command)
    checked = f"'{check[0]}' '{check[1]}' \"{check[2]}\""
    return (
        f"{quoted} >/dev/null & started=$!; for _ in $(seq 60); do {checked} 2>/dev/null"
        ' && printf "healthy, " && break; sleep 0.2; done; kill $started; wait $started; echo "ended with $?"'
    )


@needs_namespaces
def test_it_serves_with_nothing_but_its_volume_to_write_to(image: Image) -> None:
    tell_a_story(image)


#: What an item of the doctor reads in the image, where nothing else of the stack runs.
READ_IN_THE_IMAGE = ("settings", "schema", "catalogue", "runbook", "backup")


@needs_namespaces
def test_doctor_drill_and_backup_have_in_the_image_what_they_need(image: Image) -> None:
    settings = {
        "OPENWATT_WORKERS": "1",
        "OPENWATT_BACKUP_DIR": "/data/backups",
        "OPENWATT_ENVIRONMENT": "staging",
        "OPENWATT_DRILL_TOKEN": "0" * 40,
    }
    with running(image, **settings) as (container, _):
        wait_until(lambda: healthy(container))
        saved = container.execute("openwatt", "backup")
        assert saved.returncode == 0, saved.stderr
        chosen = [word for item in READ_IN_THE_IMAGE for word in ("--only", item)]
        checked = container.execute("openwatt", "doctor", "--json", *chosen)
        found = {each["item"]: each for each in json.loads(checked.stdout)["findings"]}
        assert {name: found[name]["status"] for name in READ_IN_THE_IMAGE} == dict.fromkeys(
            READ_IN_THE_IMAGE, "ok"
        ), found
        drilled = container.execute("openwatt", "drill", "error", "--json", "--yes")
        assert drilled.returncode == 0, drilled.stderr
        assert [step["status"] for step in json.loads(drilled.stdout)] == ["ok", "skipped", "skipped"]


def test_every_file_of_ops_that_the_product_reads_is_in_the_image() -> None:
    read = {"runbook.md", "runbook.en.md", *(f"prometheus/rules/{path.name}" for path in RULE_FILES)}
    read |= {f"grafana/dashboards/{path.name}" for path in DASHBOARDS}
    assert {f"ops/{name}" for name in read} <= set(context())


@needs_namespaces
def test_a_volume_that_it_may_not_write_to_is_named(image: Image) -> None:
    with folder_of("0:0") as foreign:
        container = Container(image, {"/data": foreign})
        try:
            assert container.wait() == 1
        finally:
            container.kill()
    assert "OpenWatt cannot start: it cannot use /data" in container.said()


@needs_namespaces
def test_the_health_check_sees_that_nothing_answers(image: Image) -> None:
    with folder_of("10001:10001") as data:
        container = Container(image, {"/data": data}, command=["sleep", "60"])
        try:
            assert not healthy(container)
        finally:
            container.kill()
