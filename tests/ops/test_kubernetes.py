"""The manifests for Kubernetes: valid, closed, and agreeing with each other and with the product."""

import copy
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from openwatt import __version__
from openwatt.cli import main
from openwatt.server import GRACEFUL_TIMEOUT_S
from openwatt.settings import read_settings
from tests.ops.dockerfile import REPOSITORY, read_dockerfile
from tests.ops.operator_kinds import SCHEMAS

KUBERNETES = REPOSITORY / "ops" / "kubernetes"
RULES = REPOSITORY / "ops" / "prometheus" / "rules"
VERSION = kubernetes_validate.latest_version()

Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    """Every object of every file."""
    files = [file for file in sorted(KUBERNETES.glob("*.yaml")) if file.name != "kustomization.yaml"]
    assert len(files) >= 9
    return [each for file in files for each in yaml.safe_load_all(file.read_text())]


def one(kind: str, name: str = "openwatt") -> Manifest:
    """The object of a kind and name."""
    (found,) = [each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def check(manifest: Manifest) -> None:
    """Raises where an object is not what Kubernetes, or the operator's reference, describes."""
    if schema := SCHEMAS.get(manifest["kind"]):
        jsonschema.validate(manifest, schema)
    else:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


@pytest.mark.parametrize(
    "manifest", manifests(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}"
)
def test_an_object_is_valid_and_one_more_key_is_not(manifest: Manifest) -> None:
    check(manifest)
    wrong = copy.deepcopy(manifest)
    wrong.get("spec", wrong)["surprise"] = 1
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        check(wrong)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(interval="15 s")),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].pop("port")),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"][0].pop("expr")),
        ("PrometheusRule", lambda spec: spec["groups"][0]["rules"].append({"expr": "1"})),
        (
            "PrometheusRule",
            lambda spec: spec["groups"][0]["rules"].append({"alert": "A", "expr": "1", "for": "5"}),
        ),
    ],
)
def test_a_wrong_object_of_the_operator_is_refused(kind: str, change: Callable[[Any], None]) -> None:
    manifest = copy.deepcopy(one(kind))
    change(manifest["spec"])
    with pytest.raises(jsonschema.ValidationError):
        check(manifest)


def pods() -> Iterator[tuple[str, Manifest]]:
    """The specification of every pod, with what it belongs to."""
    for each in manifests():
        if each["kind"] == "Deployment":
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        elif each["kind"] == "CronJob":
            yield each["metadata"]["name"], each["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def faults(pod: Manifest) -> Iterator[str]:
    """What keeps a pod from being closed, bounded and started."""
    image = read_dockerfile((REPOSITORY / "ops" / "Dockerfile").read_text())[-1]
    uid = int(image.last("USER").split(":")[0])
    if pod.get("enableServiceLinks") is not False:
        yield "OPENWATT_PORT of the Service would be taken for a setting"
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token for the cluster"
    account = pod.get("securityContext", {})
    if not (account.get("runAsNonRoot") and account.get("runAsUser") == account.get("fsGroup") == uid):
        yield "not the image's account"
    if account.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "every system call"
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    for container in pod["containers"]:
        yield from (f"{container['name']}: {fault}" for fault in faults_of_container(container, volumes))


def faults_of_container(container: Manifest, volumes: set[str]) -> Iterator[str]:
    """The same for one of its containers."""
    closed = container.get("securityContext", {})
    if (
        closed.get("readOnlyRootFilesystem") is not True
        or closed.get("allowPrivilegeEscalation") is not False
        or closed.get("capabilities") != {"drop": ["ALL"]}
    ):
        yield "privileges"
    resources = container.get("resources", {})
    if not (
        "memory" in resources.get("limits", {}) and {"cpu", "memory"} <= set(resources.get("requests", {}))
    ):
        yield "resources"
    if container["image"] != "openwatt":
        yield "an image that kustomization.yaml does not name"
    mounted = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", ())}
    if not {"/data", "/tmp", "/run/secrets/openwatt"} <= set(mounted):  # noqa: S108 - a mount's place
        yield "a folder that it writes to or reads is missing"
    if not set(mounted.values()) <= volumes:
        yield "a volume that is not there"


def test_every_pod_is_closed_and_bounded() -> None:
    found = list(pods())
    assert len(found) == 3
    for name, pod in found:
        assert list(faults(pod)) == [], name


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod.pop("enableServiceLinks"),
        lambda pod: pod.pop("automountServiceAccountToken"),
        lambda pod: pod["securityContext"].update(runAsUser=0),
        lambda pod: pod["securityContext"].pop("seccompProfile"),
        lambda pod: pod["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
        lambda pod: pod["containers"][0]["resources"].pop("limits"),
        lambda pod: pod["containers"][0].update(image="openwatt:latest"),
        lambda pod: pod["containers"][0]["volumeMounts"].pop(),
        lambda pod: pod["volumes"].pop(0),
    ],
)
def test_an_open_or_boundless_pod_is_seen(change: Callable[[Manifest], None]) -> None:
    _, pod = next(pods())
    pod = yaml.safe_load(yaml.safe_dump(pod))
    change(pod)
    assert list(faults(pod))


def test_the_settings_can_be_read_and_their_secrets_are_in_the_example(tmp_path: Path) -> None:
    settings = dict(one("ConfigMap")["data"])
    secret = one("Secret")["stringData"]
    for variable in [name for name in settings if name.endswith("_FILE")]:
        name = Path(settings[variable]).name
        (tmp_path / name).write_text(secret.pop(name))
        settings[variable] = str(tmp_path / name)
    assert secret == {}
    read = read_settings(settings)
    assert read.environment == "production"
    text = (KUBERNETES / "configmap.yaml").read_text()
    turned_on = dict(re.findall(r"# (OPENWATT_\w+): (\S+)", text))
    assert turned_on
    for name in ("OPENWATT_SENTRY_DSN_FILE",):
        (tmp_path / "dsn").write_text("https://key@example.org/1")
        turned_on[name] = str(tmp_path / "dsn")
    read_settings(turned_on)


def test_no_secret_stands_in_what_is_applied() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    files = {file.name for file in KUBERNETES.glob("*.yaml")}
    assert files - set(listed) == {"kustomization.yaml", "secret.example.yaml"}
    assert set(listed) <= files
    (image,) = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["images"]
    assert (image["name"], image["newTag"]) == ("openwatt", __version__)


def test_every_command_exists() -> None:
    asked = [container["args"] for _, pod in pods() for container in pod["containers"] if "args" in container]
    assert len(asked) == 3
    for words in asked:
        assert words[0] == "openwatt"
        known = main.commands[words[1]]
        options = {option for parameter in known.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_ports_and_labels_meet() -> None:
    deployment, service = one("Deployment"), one("Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    named = {
        port["name"]: port["containerPort"]
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for port in container["ports"]
    }
    assert service["spec"]["selector"].items() <= labels.items()
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(named)
    endpoints = one("ServiceMonitor")["spec"]["endpoints"]
    assert {endpoint["port"] for endpoint in endpoints} == {port["name"] for port in service["spec"]["ports"]}
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    let_in = {port["port"] for rule in one("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]}
    assert let_in == set(named.values())


def test_a_pod_is_given_longer_than_gunicorn_takes() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    (wait,) = [int(word) for word in pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1:]]
    assert pod["terminationGracePeriodSeconds"] > GRACEFUL_TIMEOUT_S + wait


def test_the_jobs_have_the_names_that_the_rules_ask_for() -> None:
    named = {
        relabeling["replacement"]
        for endpoint in one("ServiceMonitor")["spec"]["endpoints"]
        for relabeling in endpoint["relabelings"]
        if relabeling["targetLabel"] == "job"
    }
    named |= {each["spec"]["jobName"] for each in manifests() if each["kind"] == "Probe"}
    asked = set(re.findall(r'job="(openwatt[^"]*)"', (KUBERNETES / "prometheusrule.yaml").read_text()))
    assert asked
    assert asked <= named == {"openwatt-api", "openwatt-metrics", "openwatt-probes"}


def renderer() -> ModuleType:
    """ops/kubernetes/render as a module."""
    loader = importlib.machinery.SourceFileLoader("render_rules", str(KUBERNETES / "render"))
    spec = importlib.util.spec_from_loader("render_rules", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def test_the_cluster_has_the_rules_that_prometheus_has(tmp_path: Path) -> None:
    committed = (KUBERNETES / "prometheusrule.yaml").read_text()
    assert renderer().rendered(RULES) == committed, "run ops/kubernetes/render"
    groups = yaml.safe_load(committed)["spec"]["groups"]
    for number, group in enumerate(groups):
        (tmp_path / f"{number:03}.yaml").write_text(yaml.safe_dump({"groups": [group]}, allow_unicode=True))
    assert yaml.safe_load(renderer().rendered(tmp_path))["spec"]["groups"] == groups
    (tmp_path / "000.yaml").unlink()
    assert renderer().rendered(tmp_path) != committed


def test_no_rules_are_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has no rules"):
        renderer().rendered(tmp_path)
