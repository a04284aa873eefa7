"""Writes which packages a Home Assistant without its own installer needs, with hashes: `make lock` runs it.

Home Assistant installs what its components need while it starts, by versions that stand in their
manifests and without hashes. The tests run it with `--skip-pip`: everything is installed before.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
#: Python → Home Assistant: the newest that it runs, and a day by which what that version needs was out.
VERSIONS: Final = {
    "3.11": ("2024.3.3", "2024-04-01"),
    "3.13": ("2025.4.4", "2025-05-01"),
    "3.14": ("2026.11.0", "2026-11-28"),
}
#: What `integrations/home_assistant` uses, then what Home Assistant sets up whatever its configuration.
COMPONENTS: Final = (
    *("api", "http", "rest", "template", "sensor", "binary_sensor"),
    *(
        "analytics",
        "application_credentials",
        "automation",
        "backup",
        "counter",
        "energy",
        "frontend",
        "hardware",
        "history",
    ),
    *("input_boolean", "input_button", "input_datetime", "input_number", "input_select", "input_text"),
    *("logger", "network", "person", "recorder", "scene", "schedule", "script", "system_health", "tag"),
    *("timer", "zone"),
)


def requirements_file(python: str) -> Path:
    """The list of packages for one version of Python."""
    return FOLDER / f"home-assistant-python{python}.txt"


def _uv(*arguments: str | Path, text: str | None = None) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "--quiet", *arguments], input=text, text=True, check=True, env=os.environ)


def _component_requirements(package: Path) -> list[str]:
    """What the manifests of the components ask for, those that they depend on included."""
    seen: set[str] = set()
    waiting, found = [*COMPONENTS], set[str]()
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            manifest = json.loads((package / "components" / name / "manifest.json").read_text("utf-8"))
            waiting += manifest.get("dependencies", [])
            found |= set(manifest.get("requirements", []))
    return sorted(found)


def write(python: str) -> None:
    """Writes the list for one version of Python."""
    version, day = VERSIONS[python]
    wanted = f"homeassistant=={version}"
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "homeassistant"
        _uv("pip", "install", "--no-deps", "--python-version", f"{python}.2", "--target", folder, wanted)
        lines = "\n".join([wanted, *_component_requirements(package)])
        _uv(
            *("pip", "compile", "--generate-hashes", "--no-annotate", "--no-header"),
            *("--python-version", f"{python}.2", "--exclude-newer", day),
            *(
                "--constraints",
                package / "package_constraints.txt",
                "--output-file",
                requirements_file(python),
            ),
            "-",
            text=lines,
        )


if __name__ == "__main__":
    for each in VERSIONS:
        write(each)
