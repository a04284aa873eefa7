"""The images that the Compose files name: the real ones, or Debian's packages under names of our own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.containers.engine import HERE, Engine, NotShownError
from tests.versions import declared, is_of

#: What every image made here is called by; they are removed at the end.
PREFIX = "openwatt-prove/"


@dataclass(frozen=True, slots=True)
class Made:
    """An image of our own: its recipe, its Debian suite, and whose place in the Compose files it takes."""

    recipe: str
    suite: str
    replaces: str
    only_start_order: bool = False


#: The newest of each that Debian has; sid alone has PostgreSQL 18 and Prometheus 3.
MADE = (
    Made("python", "bookworm", "python:"),
    Made("postgres", "sid", "postgres:"),
    Made("valkey", "trixie", "ghcr.io/valkey-io/valkey:"),
    Made("prometheus", "sid", "quay.io/prometheus/prometheus:"),
    Made("alertmanager", "sid", "prom/alertmanager:"),
    Made("blackbox", "sid", "prom/blackbox-exporter:"),
    Made("grafana-stand-in", "trixie", "grafana/grafana:", only_start_order=True),
)
#: Recipe → the program of docs/operate.md's table that its image holds.
PROGRAMS: Mapping[str, str] = MappingProxyType(
    {
        "postgres": "PostgreSQL",
        "valkey": "Valkey",
        "prometheus": "Prometheus",
        "alertmanager": "Alertmanager",
        "blackbox": "blackbox exporter",
    }
)
#: How each program tells its version, in an image of ours and in its makers'.
VERSIONS: Mapping[str, str] = MappingProxyType(
    {
        "python": "python --version",
        "postgres": "postgres --version",
        "valkey": "valkey-server --version",
        "prometheus": "prometheus --version || /bin/prometheus --version",
        "alertmanager": "prometheus-alertmanager --version || /bin/alertmanager --version",
        "blackbox": "prometheus-blackbox-exporter --version || /bin/blackbox_exporter --version",
    }
)


def make_images(engine: Engine, folder: Path) -> dict[str, str]:
    """Every recipe built; by each image of the Compose files (without its tag) what replaces it."""
    for suite in sorted({each.suite for each in MADE}):
        _make_debian(engine, suite, folder)
    for each in MADE:
        context = folder / "recipes" / each.recipe
        shutil.copytree(HERE / "recipes" / each.recipe, context)
        if each.recipe == "python":
            _trust_as_here(context)
        # With the host's network: it is that of the machine's own apt and pip.
        engine(
            *("build", "--network=host", "--build-arg", f"DEBIAN={PREFIX}debian:{each.suite}"),
            *("--tag", f"{PREFIX}{each.recipe}:{each.suite}", str(context)),
        )
    return {each.replaces: f"{PREFIX}{each.recipe}:{each.suite}" for each in MADE}


def _make_debian(engine: Engine, suite: str, folder: Path) -> None:
    """A minimal Debian: its makers' image where a registry answers, else by debootstrap."""
    name = f"{PREFIX}debian:{suite}"
    if engine.try_run(engine.name, "image", "inspect", name)[0] == 0:
        return
    if engine.try_run(engine.name, "pull", f"docker.io/library/debian:{suite}-slim", timeout=180)[0] == 0:
        engine("tag", f"docker.io/library/debian:{suite}-slim", name)
        return
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise NotShownError(
            "no registry gives Debian's image, and to make it takes root and Debian's debootstrap"
        )
    root = folder / f"debian-{suite}"
    engine.run("debootstrap", "--variant=minbase", suite, str(root), _mirror())
    engine.run("sh", "-c", f"tar -C {root} -c . | {engine.name} import - {name}")
    shutil.rmtree(root)


def _mirror() -> str:
    """The Debian mirror of this machine's apt."""
    command = ["apt-get", "indextargets", "--no-release-info", "--format", "$(SITE) $(RELEASE)"]
    said = subprocess.run(
        [*command, "Created-By: Packages"], capture_output=True, text=True, check=False
    ).stdout
    release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    for line in said.splitlines():
        site, _, of = line.partition(" ")
        if release is not None and of == release[1]:
            return site
    return "http://deb.debian.org/debian"


def _trust_as_here(context: Path) -> None:
    """The machine's certificates and the settings of its pip, but for files that only this machine has."""
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", context)
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    for name, value in re.findall(r"^(?:global\.|:env:\.)([a-z-]+)='(.*)'$", said.stdout, re.MULTILINE):
        if name in {"index-url", "extra-index-url", "proxy", "trusted-host", "timeout", "retries"}:
            words = [word for word in value.split() if not word.startswith(("/", "file:"))]
            if words:
                lines.append(f"{name} = {' '.join(words)}")
    (context / "pip.conf").write_text("\n".join(lines) + "\n")


def versions(engine: Engine, images: Mapping[str, str]) -> list[str]:
    """What each program says that it is; `images` by the name of its recipe."""
    found = []
    for name, image in images.items():
        if name in VERSIONS:
            said = engine("run", "--rm", "--entrypoint", "sh", image, "-c", VERSIONS[name])
            if name in PROGRAMS and image.startswith(PREFIX):
                check_version(PROGRAMS[name], image.rpartition(":")[2], said)
            found.append(f"{name}: {said.splitlines()[-1 if name == 'python' else 0]} ({image})")
    return found


def check_version(program: str, suite: str, said: str) -> None:
    """A suite of Debian goes on: the table of docs/operate.md must say what was run.

    Raises:
        NotShownError: it says another version.
    """
    version = declared(program, suite)
    if version is not None and not is_of(version, said):
        raise NotShownError(f"docs/operate.md says {program} {version}, {suite} has another: {said.strip()}")


def copy_tree(into: Path, revision: str | None = None) -> None:
    """The files of this tree as they are now, or of an older revision of it."""
    into.mkdir(parents=True, exist_ok=True)
    listed = (
        "git ls-files -z --cached --others --exclude-standard 2>/dev/null || "
        "find . -path './.venv*' -prune -o -path ./var -prune -o -type f -print0"
    )
    packed = f"{{ {listed}; }} | tar -c --null --files-from=- --ignore-failed-read 2>/dev/null"
    if revision is not None:
        packed = f"git archive '{revision}'"
    subprocess.run(["sh", "-c", f"{packed} | tar -x -C '{into}'"], cwd=HERE.parents[1], check=True)


def name_images(tree: Path, replaced: Mapping[str, str]) -> None:
    """Writes other images into the Compose files and the Dockerfile of a copy; nothing else changes."""
    for file in [tree / "ops/Dockerfile", *(tree / "ops").glob("docker-compose*.yaml")]:
        text = file.read_text()
        for of, image in replaced.items():
            text = re.sub(rf"(image: |PYTHON_IMAGE=){re.escape(of)}\S+", rf"\g<1>{image}", text)
        file.write_text(text)
