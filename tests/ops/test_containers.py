"""The containers' descriptions: what must hold of each, and that a fault in it is seen."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from openwatt import __version__
from openwatt.cli import main
from openwatt.settings import PREFIX, read_settings
from tests.ops.dockerfile import REPOSITORY, read_dockerfile

OPS = REPOSITORY / "ops"
STACKS = ("docker-compose.yaml", "docker-compose.monitoring.yaml", "docker-compose.elk.yaml")
START_INTERVALS = "docker-compose.start-intervals.yaml"
FILES = (*STACKS, "docker-compose.with-elk.yaml", "docker-compose.with-drills.yaml", START_INTERVALS)
#: Images that write beside their volumes; the files say what.
NOT_READ_ONLY = {"bugsink", "elasticsearch", "kibana", "logstash"}
ONE_SHOT = {"setup"}
#: The guide's ports, and those that it does not name.
PORTS = {
    ("api", 8000),
    ("prometheus", 9090),
    ("grafana", 3001),
    ("elasticsearch", 9200),
    ("kibana", 5601),
    ("logstash", 5000),
    ("logstash", 8080),
    ("metrics", 9101),
    ("alertmanager", 9093),
    ("bugsink", 8010),
}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|DSN|_KEY")

Compose = dict[str, Any]
Faults = Iterator[str]


def read(name: str) -> Compose:
    """A file, as YAML has it: with what its anchors bring."""
    content: Compose = yaml.safe_load((OPS / name).read_text())
    return content


def services(compose: Compose) -> Iterator[tuple[str, Compose]]:
    """Every service that is described whole."""
    for name, service in compose["services"].items():
        if "image" in service:
            yield name, service


def tags(compose: Compose) -> Faults:
    """Images without a whole version."""
    for name, service in services(compose):
        tag = service["image"].rpartition(":")[2]
        if not re.fullmatch(r"v?\d+(\.\d+){1,2}(-[a-z0-9.]+)?", tag):
            yield f"{name}: {service['image']}"


def ports(compose: Compose) -> Faults:
    """Ports that another machine could reach."""
    for name, service in services(compose):
        yield from (
            f"{name}: {port}" for port in service.get("ports", ()) if not port.startswith("127.0.0.1:")
        )


def health(compose: Compose) -> Faults:
    """Services of which nobody could say whether they are healthy, and who does not wait for others."""
    described = dict(services(compose))
    for name, service in described.items():
        if name not in ONE_SHOT and not {"test", "interval", "timeout", "retries"} <= set(
            service.get("healthcheck", {})
        ):
            yield f"{name}: no health check"
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            if other not in described or how["condition"] != wanted:
                yield f"{name}: does not wait for {other}"


def bounds(compose: Compose) -> Faults:
    """Services that could fill the memory, the disk or the table of processes, or change the machine."""
    for name, service in services(compose):
        if not (service.get("mem_limit") and service.get("pids_limit")):
            yield f"{name}: no limit"
        if not {"max-size", "max-file"} <= set(service.get("logging", {}).get("options", {})):
            yield f"{name}: a log without end"
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get(
            "security_opt", ()
        ):
            yield f"{name}: privileges"
        if service.get("privileged") or service.get("cap_add") or service.get("network_mode") == "host":
            yield f"{name}: more privileges"
        if name not in NOT_READ_ONLY and service.get("read_only") is not True:
            yield f"{name}: a root that can be written to"
        if service.get("restart") != ("no" if name in ONE_SHOT else "unless-stopped"):
            yield f"{name}: does not come back"


def secrets(compose: Compose) -> Faults:
    """Secrets in the environment or on a command line, where `inspect` and `ps` show them."""
    for name, service in services(compose):
        for variable, value in service.get("environment", {}).items():
            if SECRET_NAME.search(variable) and not variable.endswith("_FILE"):
                yield f"{name}: {variable}"
            if re.search(r"://[^/\s]*:[^/\s]*@", str(value)):
                yield f"{name}: a password in {variable}"
            if variable.endswith("_FILE") and Path(value).name not in service.get("secrets", ()):
                yield f"{name}: {variable} names a file that is not mounted"
        for secret in service.get("secrets", ()):
            if compose["secrets"].get(secret) != {"file": f"secrets/{secret}"}:
                yield f"{name}: {secret} is not a file of ops/secrets"


def mounts(compose: Compose) -> Faults:
    """Volumes that are not declared, and files that do not exist."""
    for name, service in services(compose):
        for volume in service.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", volume).split(":")[0]
            if not source.startswith("."):
                if source not in compose["volumes"]:
                    yield f"{name}: volume {source}"
                continue
            path = (OPS / source).resolve().relative_to(REPOSITORY).as_posix()
            made_by_the_stack = path.startswith("ops/rendered/")
            if not made_by_the_stack and not (REPOSITORY / path).exists():
                yield f"{name}: {path} does not exist"
            if not volume.endswith(":ro"):
                yield f"{name}: {path} could be written to"


def networks(compose: Compose) -> Faults:
    """Services that the others do not see, or that do not see the machine."""
    if compose["networks"] != {"openwatt": {"external": True}}:
        yield "the network is not the shared one"
    reaches_the_host = False
    for name, service in services(compose):
        if service.get("networks") != ["openwatt"]:
            yield f"{name}: networks"
        reaches_the_host |= service.get("extra_hosts") == ["host.docker.internal:host-gateway"]
    if not reaches_the_host:
        yield "host.docker.internal is unknown"


RULES: tuple[Callable[[Compose], Faults], ...] = (tags, ports, health, bounds, secrets, mounts, networks)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", STACKS)
def test_a_stack_obeys(name: str, rule: Callable[[Compose], Faults]) -> None:
    compose = read(name)
    assert len(dict(services(compose))) >= 4
    assert list(rule(compose)) == []


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (tags, {"image": "postgres:latest"}),
        (tags, {"image": "postgres:18"}),
        (tags, {"image": "postgres"}),
        (ports, {"ports": ["8000:8000"]}),
        (ports, {"ports": ["0.0.0.0:8000:8000"]}),
        (health, {"healthcheck": {}}),
        (health, {"depends_on": {"valkey": {"condition": "service_started"}}}),
        (health, {"depends_on": {"redis": {"condition": "service_healthy"}}}),
        (bounds, {"mem_limit": None}),
        (bounds, {"logging": {"driver": "json-file"}}),
        (bounds, {"cap_drop": ["NET_RAW"]}),
        (bounds, {"security_opt": []}),
        (bounds, {"cap_add": ["SYS_ADMIN"]}),
        (bounds, {"read_only": False}),
        (bounds, {"restart": "no"}),
        (secrets, {"environment": {"POSTGRES_PASSWORD": "postgres"}}),
        (secrets, {"environment": {"DATABASE_URL": "postgresql://me:mine@postgres/openwatt"}}),
        (secrets, {"environment": {"OPENWATT_SENTRY_TOKEN_FILE": "/run/secrets/sentry_token"}}),
        (secrets, {"environment": {}, "secrets": ["another"]}),
        (mounts, {"volumes": ["nowhere:/data"]}),
        (mounts, {"volumes": ["./nowhere.yml:/etc/nowhere.yml:ro"]}),
        (mounts, {"volumes": ["./stack:/stack"]}),
        (networks, {"networks": ["default"]}),
    ],
)
def test_a_rule_sees_a_fault(rule: Callable[[Compose], Faults], change: Compose) -> None:
    compose = copy.deepcopy(read("docker-compose.yaml"))
    compose["services"]["api"] |= change
    assert len(list(rule(compose))) == 1


def conforms(path: Path) -> bool:
    """Whether a file is what the Compose Specification describes."""
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", path], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.parametrize("name", FILES)
def test_a_file_conforms_to_the_compose_specification(name: str) -> None:
    assert conforms(OPS / name)


def test_a_file_with_an_unknown_key_does_not_conform(tmp_path: Path) -> None:
    compose = read("docker-compose.yaml")
    compose["services"]["api"]["helthcheck"] = {}
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(compose))
    assert not conforms(tmp_path / "compose.yaml")


def test_the_ports_are_the_guides() -> None:
    found = {
        (name, int(port.split(":")[1]))
        for stack in STACKS
        for name, service in services(read(stack))
        for port in service.get("ports", ())
    }
    assert found == PORTS


@pytest.mark.parametrize("name", FILES)
def test_every_setting_of_ours_is_one_that_can_be_read(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    texts = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "ADMIN_TOKEN": "0" * 40}
    texts["DRILL_TOKEN"] = "1" * 40
    for service in read(name)["services"].values():
        ours = {k: str(v) for k, v in service.get("environment", {}).items() if k.startswith(PREFIX)}
        for variable in [variable for variable in ours if variable.endswith("_FILE")]:
            text = texts[variable.removeprefix(PREFIX).removesuffix("_FILE")]
            secret.with_suffix(f".{variable}").write_text(text)
            ours[variable] = str(secret.with_suffix(f".{variable}"))
        read_settings(ours)


def test_every_command_of_ours_exists() -> None:
    commands = [
        service["command"]
        for name, service in services(read("docker-compose.yaml"))
        if service["image"].startswith("openwatt:") and "command" in service
    ]
    assert len(commands) == 2
    for command in commands:
        known = main.commands[command[1]]
        options = {option for parameter in known.params for option in parameter.opts}
        assert {word for word in command if word.startswith("--")} <= options


def test_the_image_has_this_versions_number_everywhere() -> None:
    images = {
        s["image"] for _, s in services(read("docker-compose.yaml")) if s["image"].startswith("openwatt:")
    }
    assert images == {f"openwatt:{__version__}"}
    assert f"image=openwatt:{__version__}\n" in (OPS / "stack").read_text()


def test_the_service_finds_what_the_image_prepares() -> None:
    image = read_dockerfile((OPS / "Dockerfile").read_text())[-1]
    api = read("docker-compose.yaml")["services"]["api"]
    assert api["environment"]["OPENWATT_DATA_DIR"] == image.environment()["OPENWATT_DATA_DIR"]
    assert api["environment"]["OPENWATT_BIND"] == image.environment()["OPENWATT_BIND"]
    mounted = {volume.split(":")[1] for volume in api["volumes"]}
    assert set(json.loads(image.last("VOLUME"))) <= mounted
    assert all(f" {path}" in " ".join(image.values("RUN")) for path in mounted)


def test_whatever_make_up_waits_for_is_asked_every_second_while_it_starts() -> None:
    described = dict(services(read("docker-compose.yaml")))
    often = read(START_INTERVALS)["services"]
    assert often.keys() == {name for name, service in described.items() if "profiles" not in service}
    for name, service in often.items():
        assert service == {"healthcheck": {"start_interval": "1s"}}
        # Compose refuses one without the other.
        assert described[name]["healthcheck"]["start_period"]
        # Engines that know no start interval wait this long.
        assert int(described[name]["healthcheck"]["interval"].removesuffix("s")) <= 15


def test_the_switch_of_drills_is_a_secret_of_the_service() -> None:
    service = read("docker-compose.yaml")["services"]["api"]
    (path,) = read("docker-compose.with-drills.yaml")["services"]["api"]["environment"].values()
    assert Path(path).name in service["secrets"]


def test_services_that_meet_in_one_network_have_different_names() -> None:
    names = [name for stack in STACKS for name, _ in services(read(stack))]
    assert len(names) == len(set(names)) >= 14
