"""Builds the release, installs its wheel where nothing else is, and uses it there: `make release-check`.

What is built is left in dist/ when all of it holds. Packages come from where pip is set to get them.
"""
# ruff: noqa: T201 - a command prints

import html.parser
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.metadata import Metadata

from openwatt import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "openwatt"
#: What else a release is built from.
BESIDE_THE_PACKAGE = ("pyproject.toml", "README.md", "LICENSE")
#: A service that makes its database may take so long on a busy machine.
PATIENCE_S = 120
TARIFF = "/v1/tariffs?option=BASE&power_kva=6&supplier=EDF&on=2025-09-01"
PAGES = ("/", "/tariffs", "/history", "/status", "/docs")


def main() -> None:
    """Checks step by step; ends with status 1 at the first thing that does not hold."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="release-") as folder:
        scratch = Path(folder)
        sdist, wheel = build(scratch)
        check_metadata(wheel)
        check_contents(sdist, wheel)
        programs = install(wheel, scratch / "environment")
        home = scratch / "home"
        home.mkdir()
        check_commands(programs, home)
        check_service(programs, home)
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        shutil.copytree(scratch / "dist", ROOT / "dist")
    for path in (sdist, wheel):
        print(f"dist/{path.name}")
    print(f"checked in {time.monotonic() - began:.0f} s")


def must(holds: object, fault: str) -> None:
    """Ends the check where something does not hold."""
    if not holds:
        sys.exit(f"the release cannot be used: {fault}")


def run(*command: str | Path, cwd: Path = ROOT, **settings: str) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(**settings), capture_output=True, text=True, check=False
    )
    must(done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(**settings: str) -> dict[str, str]:
    """The environment without what would lead to the checkout or to settings of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENWATT_", "PYTHON"))}
    return kept | settings


def build(scratch: Path) -> tuple[Path, Path]:
    """The sdist and the wheel, which is built from the sdist.

    From a copy: what earlier builds have left in a checkout would add files to it.
    """
    copy, made = scratch / "source", scratch / "dist"
    shutil.copytree(PACKAGE, copy / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE_THE_PACKAGE:
        shutil.copy(ROOT / name, copy)
    run(sys.executable, "-m", "build", "--outdir", made, copy)
    (sdist,), (wheel,) = made.glob("*.tar.gz"), made.glob("*.whl")
    return sdist, wheel


def check_metadata(wheel: Path) -> None:
    """The metadata is valid, of this version, and has README as its description."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(archive.read(name), validate=True)
    must(str(metadata.version) == __version__, f"it calls itself {metadata.version}, not {__version__}")
    must(metadata.description_content_type == "text/markdown", "its description is no Markdown")
    readme = (ROOT / "README.md").read_text("utf-8")
    must((metadata.description or "").strip() == readme.strip(), "its description is not README.md")
    must(metadata.license_expression == "MIT", "its licence is not said")


def check_contents(sdist: Path, wheel: Path) -> None:
    """The wheel has every file of the package and no other, the sdist too."""
    ours = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    must(packed == ours, f"the wheel lacks or has too much: {sorted(packed ^ ours)}")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = ours.union(BESIDE_THE_PACKAGE)
    must(needed <= names, f"the sdist lacks {sorted(needed - names)}")


def install(wheel: Path, folder: Path) -> Path:
    """The programs of an empty environment into which the wheel is installed, with what itself it asks for.

    Of what it asks for the versions are those of requirements.txt.
    """
    pins = folder.with_name("constraints.txt")
    locked = (ROOT / "requirements.txt").read_text("utf-8")
    pins.write_text("\n".join(re.findall(r"^([\w.-]+(?:\[[\w,]+\])?==[^\\\n]*)", locked, re.MULTILINE)))
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--constraint", pins, wheel)
    return folder / "bin"


def check_commands(programs: Path, home: Path) -> None:
    """The command says its version, finds its catalogue, migrations and sources."""
    said = run(programs / "openwatt", "--version", cwd=home)
    must(said == f"openwatt {__version__}\n", f"openwatt --version says {said!r}")
    filters = ("--supplier", "EDF", "--option", "BASE", "--power-kva", "6", "--on", "2025-09-01")
    (tariff,) = json.loads(
        run(programs / "openwatt", "tariffs", *filters, "--json", cwd=home), parse_float=str
    )
    must(tariff["prices_eur_per_kwh_ttc"] == {"BASE": "0.1952"}, f"openwatt tariffs says {tariff}")
    sources = {path.stem for path in (PACKAGE / "ingest" / "sources").glob("*.yaml")}
    listed = run(programs / "openwatt", "sources", "--json", cwd=home)
    must(sources and all(f'"{name}"' in listed for name in sources), "openwatt sources lacks some")


def check_service(programs: Path, home: Path) -> None:
    """The service answers with its own PostgreSQL: API, pages, and every file that a page refers to."""
    with served(programs, home) as ask:
        answer = json.loads(ask(TARIFF), parse_float=str)["tariffs"][0]
        must(answer["prices_eur_per_kwh_ttc"] == {"BASE": "0.1952"}, f"{TARIFF} answers {answer}")
        must(json.loads(ask("/version"))["version"] == __version__, "/version says another one")
        files = {path for page in PAGES for path in referred(ask(page))}
        must(len(files) > len(PAGES), "the pages refer to no files")
        for path in sorted(files):
            ask(path)


@contextmanager
def served(programs: Path, home: Path) -> "Iterator[Ask]":
    """A running `openwatt serve`, ended after the block with status 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [programs / "openwatt", "serve"],
            cwd=home,
            env=environment(OPENWATT_BIND=f"127.0.0.1:{port}", OPENWATT_WORKERS="1"),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        ask = Ask(port)
        deadline = time.monotonic() + PATIENCE_S
        while not ask.is_ready():
            must(process.poll() is None and time.monotonic() < deadline, log.read_text())
            time.sleep(0.1)
        yield ask
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE_S)
    must(status == 0, f"openwatt serve ends with status {status}\n{log.read_text()}")


class Ask:
    """Requests to the service on a port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, path: str) -> str:
        """The body of an answer with status 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        connection.request("GET", path, headers={"Accept-Language": "en"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", errors="replace")
        connection.close()
        must(response.status == http.HTTPStatus.OK, f"{path} is {response.status}\n{body[:2000]}")
        return body

    def is_ready(self) -> bool:
        """Whether the service accepts connections."""
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0


def referred(page: str) -> set[str]:
    """The paths of the style sheets, scripts and pictures of a page."""
    found = set[str]()

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            names = dict(attributes)
            path = names.get("href") if tag == "link" else names.get("src")
            if path and path.startswith("/static/"):
                found.add(path)

    Reader().feed(page)
    return found


if __name__ == "__main__":
    main()
