"""The rules of the tree, held by the import statements: which package may know which."""

import ast
import itertools
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "openwatt"

EVERYTHING = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
#: package → which of ours it may import.
OURS = {
    "domain": {"domain"},
    "telemetry": {"telemetry"},
    "public_hosts": set(),
    "sandbox": set(),
    "sentences": {"sentences", "domain"},
    "meter": {"meter", "domain", "sandbox"},
    "store": {"store", "domain"},
    "catalogue": {"catalogue", "domain", "store", "sentences"},
    "comparison": {"comparison", "domain", "catalogue", "meter", "store"},
    "prices": {"prices", "comparison", "domain"},
    "ingest": {"ingest", "domain", "store", "telemetry", "catalogue", "public_hosts", "sandbox"},
    "representations": {"representations", "domain", "store", "comparison", "prices", "sentences"},
    "open_data": {"open_data", "domain", "store", "representations"},
    "web": {
        "web",
        "domain",
        "meter",
        "store",
        "telemetry",
        "comparison",
        "prices",
        "representations",
        "open_data",
        "sentences",
        "public_hosts",
        "sandbox",
    },
    "portfolio": {"portfolio", "domain", "meter", "sentences"},
    "cli": EVERYTHING - {"web", "app"},
    "doctor": EVERYTHING - {"web", "app", "cli"},
    "drill": EVERYTHING - {"web", "app", "cli"},
}
#: Third parties that only one place may know.
ONLY_IN = {
    "flask": {"web", "app"},
    "werkzeug": {"web"},
    "psycopg": {"store", "bootstrap", "catalogue"},
    "gunicorn": {"web", "telemetry", "server"},
    "psycopg_pool": {"store"},
    "pypdfium2": {"ingest"},
    "yaml": {"ingest", "doctor", "sentry_alerts"},  # rules are files beside Prometheus's; so are routes
    "httpx": {"ingest", "doctor", "drill", "sentry_alerts"},  # who asks other servers; a web worker asks none
    "httpcore": {"ingest"},
    "backoff": {"ingest", "telemetry"},
    "click": {"cli"},
    "rich": {"cli"},
    "sentry_sdk": {"telemetry"},
    "prometheus_client": {"telemetry"},
    "distributed": {"portfolio"},
    "fsspec": {"portfolio"},
    "pyarrow": {"portfolio", "open_data"},
    "duckdb": {"portfolio"},
    "matplotlib": {"portfolio"},
    "icalendar": {"representations"},
    "xlsxwriter": {"web"},
}
REFUSED_NAMES = {"utils", "common", "core", "helpers", "services", "models", "schemas", "managers"}


def modules() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    assert len(found) > 30
    return found


def imports(module: Path) -> set[str]:
    """Every module that a file names in an import."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def room(module: Path) -> str:
    """The package, or the top module, that a file belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_knows_only_what_its_package_may(module: Path) -> None:
    allowed = OURS.get(room(module))
    for name in imports(module):
        top, *rest = name.split(".")
        if top == "openwatt" and rest and allowed is not None:
            assert rest[0] in allowed, f"{room(module)} may not import {name}"
        if top in ONLY_IN:
            rooms = ONLY_IN[top]
            assert room(module) in rooms, f"only {' and '.join(sorted(rooms))} may import {top}"


def test_the_page_of_the_architecture_says_the_same() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (–|all but |)(`.+?`|) \| .+ \|$", page, re.MULTILINE)
    named = {package: set(re.findall(r"`(\w+)`", others)) for package, _, others in rows}
    top = {package for package, how, _ in rows if how == "all but "}
    table = {package: EVERYTHING - others if package in top else others for package, others in named.items()}
    assert {package: others | {package} for package, others in table.items()} == {
        package: others | {package} for package, others in OURS.items()
    }

    drawn = re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE)
    assert drawn
    assert [(package, other) for package, other in drawn if other not in table[package]] == []
    for package in table.keys() - top:
        reached = {package}
        while more := {end for start, end in drawn if start in reached} - reached:
            reached |= more
        assert table[package] <= reached, package


def test_the_domain_has_no_outside() -> None:
    refused = {"os", "logging", "json", "time", "pathlib", "io", "subprocess", "socket", "threading"}
    domain = [module for module in modules() if room(module) == "domain"]
    assert domain
    for module in domain:
        tops = {name.split(".")[0] for name in imports(module)}
        assert not tops & refused, module


def test_a_worker_never_loads_the_readers_of_documents() -> None:
    web = [module for module in modules() if room(module) in {"web", "app", "store", "domain"}]
    assert web
    for module in web:
        assert not {name for name in imports(module) if name.startswith("openwatt.ingest")}, module


def test_no_room_is_a_lumber_room() -> None:
    names = {part.removesuffix(".py") for module in modules() for part in module.relative_to(PACKAGE).parts}
    assert names
    assert not names & REFUSED_NAMES


def test_every_module_says_what_it_is_for() -> None:
    for module in modules():
        assert ast.get_docstring(ast.parse(module.read_text())), module


def test_a_name_of_a_class_or_type_is_one_notion() -> None:
    places: dict[str, list[str]] = {}
    for module in modules():
        for node in ast.parse(module.read_text()).body:
            match node:
                case ast.ClassDef(name=name):
                    pass
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript())
                    | ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias"))
                ) if re.fullmatch(r"([A-Z][a-z]+)+", name):
                    pass
                case _:
                    continue
            if not name.startswith("_"):
                places.setdefault(name, []).append(str(module.relative_to(PACKAGE)))
    assert len(places) > 300
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_every_library_that_is_imported_is_a_dependency_by_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared += ["psycopg-pool"]  # it is psycopg[pool]
    names = {canonicalize_name(Requirement(line).name) for line in declared}
    distributions = packages_distributions()
    imported = {name.split(".")[0] for module in modules() for name in imports(module)}
    others = imported - set(sys.stdlib_module_names) - {"openwatt", "_typeshed"}
    assert "flask" in others
    assert {
        name for name in others if not {canonicalize_name(d) for d in distributions[name]} & names
    } == set()
