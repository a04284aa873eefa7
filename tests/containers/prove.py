"""`make prove`: the stacks of ops/, really built, started, broken and repaired on a real container engine.

Everything happens in a copy of the tree; the Compose files in it name other images and are else as they ship.
"""

import argparse
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.containers import monitored, service
from tests.containers.engine import COMPOSE_SUITE, Engine, NotShownError, engine, only_run
from tests.containers.images import MADE, check_version, copy_tree, make_images, name_images, versions
from tests.containers.leftovers import PREFIX, remove_run
from tests.containers.place import PORTS, Place

#: Images of the real thing, by what the Compose files call them.
STACKS = ("service", "monitoring", "elk")


class Transcript:
    """What was shown, with its times: printed as it happens, and as a whole at the end."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lines: list[str] = []

    def write(self, line: str, *, repeated: bool = True) -> None:
        """A line of progress, and whether the whole has it too."""
        stamped = f"[{time.monotonic() - self._began:6.0f} s] {line}"
        sys.stdout.write(f"{stamped}\n")
        sys.stdout.flush()
        if repeated:
            self._lines.append(stamped)

    def step(self, title: str, shown: Iterator[str]) -> None:
        """Carries out one step, each line of what it shows indented."""
        began = time.monotonic()
        self.write(f"{title} ...", repeated=False)
        lines, outcome = [], "FAILED"
        try:
            for line in shown:
                self.write(f"    {line}", repeated=False)
                lines.append(f"              {line}")
            outcome = "ok"
        finally:
            self.write(f"{outcome}  {title} ({time.monotonic() - began:.0f} s)")
            self._lines += lines

    def whole(self) -> str:
        """All of it."""
        return "\n".join(self._lines)


def main() -> int:
    """Runs everything, and says how it went."""
    parser = argparse.ArgumentParser(prog="make prove", description=__doc__)
    parser.add_argument("--images", choices=("debian", "real"), default="debian")
    parser.add_argument("--only", choices=("service", "monitoring"), help="leave the other part out")
    parser.add_argument(
        "--keep-images", action="store_true", help="do not remove the images made for the run"
    )
    parser.add_argument("--transcript", type=Path, help="also write the transcript into this file")
    options = parser.parse_args()
    if options.transcript:
        options.transcript.write_text("")  # where it cannot be written, that is said now
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was made is removed then too
    transcript = Transcript()
    failed = None
    try:
        with only_run(), _run_folder() as folder, engine(folder) as found:
            refuse_others(found)
            there = image_ids(found)
            try:
                prove(found, folder, transcript, options)
            finally:
                _let_no_signal_interrupt()
                clear(found, there=image_ids(found) if options.keep_images or found.is_ours else there)
    except (NotShownError, AssertionError, OSError, subprocess.SubprocessError) as error:
        failed = str(error)
    except KeyboardInterrupt:
        failed = "it was interrupted; what it had made is removed"
    if failed:
        transcript.write(f"why: {failed}")
    end = "Not all of it holds." if failed else "All of it holds; nothing is left behind."
    whole = f"\nWhat was run on {time.strftime('%Y-%m-%d')}:\n{transcript.whole()}\n{end}\n"
    sys.stdout.write(whole)
    if options.transcript:
        options.transcript.write_text(whole)
    return 1 if failed else 0


@contextmanager
def _run_folder() -> Iterator[Path]:
    """A folder for the copy of the tree and an engine's data; what runs out of it ends with it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        _let_no_signal_interrupt()
        remove_run(folder)


def _let_no_signal_interrupt() -> None:
    """From here on what was made is removed: a second Ctrl-C would leave the rest of it."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def refuse_others(found: Engine) -> None:
    """Stacks and ports that are somebody's are left alone.

    Raises:
        NotShownError: there are some.
    """
    used = found("volume", "ls", "--quiet").split() + found("ps", "--all", "--format", "{{.Names}}").split()
    if there := [name for name in used if name.startswith(("openwatt_", "openwatt-"))]:
        raise NotShownError(
            f"this engine has {', '.join(sorted(there)[:3])} already: run it on another one (DOCKER_HOST), "
            "or remove them, which removes their data"
        )
    for port in PORTS:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                raise NotShownError(f"port {port} of 127.0.0.1 is taken: end what listens there")


def prove(found: Engine, folder: Path, transcript: Transcript, options: argparse.Namespace) -> None:
    """Every step, in the order in which an operator would take them."""
    real = options.images == "real"
    server, compose = found.versions()
    system = found("info", "--format", "{{.OperatingSystem}}")
    transcript.write(f"engine: {found.name} {server}, compose {compose}, {system}")
    if found.is_ours:
        check_version("Docker", platform.freedesktop_os_release().get("VERSION_CODENAME", ""), server)
        check_version("Compose", COMPOSE_SUITE, compose)
    place = Place(folder / "openwatt", found)
    copy_tree(place.folder)
    replaced: dict[str, str] = {}
    if real:
        transcript.step("the real images are pulled", pulled(place))
    else:
        transcript.step("images are made of Debian's packages", made(found, folder, replaced))
    (place.folder / ".git").write_text("gitdir: nowhere\n")  # a copy is no checkout of whatever lies above it
    name_images(place.folder, replaced)
    if options.only == "monitoring":
        place.stack("up", "service")
    else:
        prove_service(place, transcript, replaced)
    if options.only != "service":
        prove_monitoring(place, transcript, real=real)
    transcript.step("all goes down", service.goes_down(place))


def prove_service(place: Place, transcript: Transcript, replaced: dict[str, str]) -> None:
    """An older revision, its upgrade to this tree, and all that may befall a service."""
    previous = service.previous_revision(place)
    if previous is not None:
        service.put_code(place, previous)
        name_images(place.folder, replaced)
        transcript.step(f"the service of revision {previous} starts from nothing", service.starts(place))
        transcript.step("it is upgraded and keeps its data", service.is_upgraded(previous, replaced)(place))
    else:
        transcript.write("skipped: the upgrade, for there is no history of the code here")
        transcript.step("the service starts from nothing", service.starts(place))
    for title, shown in SERVICE:
        transcript.step(title, shown(place))


def prove_monitoring(place: Place, transcript: Transcript, *, real: bool) -> None:
    """Monitoring beside the service, and with real images the Elastic stack."""
    monitored.prepare(place)
    place.stack("up", "service")
    transcript.step("monitoring starts", monitored.starts(place))
    transcript.step("targets are up and rules healthy", monitored.watches(place))
    transcript.step("doctor runs in the container", monitored.is_examined(real=real)(place))
    transcript.step("every query of every dashboard has an answer", monitored.shows(place))
    transcript.step("a drill goes from its fault to a webhook and back", monitored.is_drilled(place))
    place.stack("down", "monitoring")
    if real:
        transcript.step("the Elastic stack starts and takes the service's log", elk(place))
    place.engine("rm", "--force", "--volumes", monitored.RECEIVER)


Step = tuple[str, Callable[[Place], Iterator[str]]]
SERVICE: tuple[Step, ...] = (
    ("it serves", service.serves),
    ("its containers are confined as the files say", service.is_confined),
    ("its secrets are shown nowhere", service.keeps_its_secrets),
    ("it starts again", service.starts_again),
    ("four of the worst uploads at once stay within the memory limit", service.bears_uploads),
    ("a backup is taken and restored", service.is_saved_and_restored),
    ("each container is killed in turn", service.survives),
    ("a start that fails says why", service.says_why),
)


def made(found: Engine, folder: Path, replaced: dict[str, str]) -> Iterator[str]:
    """The images, and what is in them."""
    replaced |= make_images(found, folder)
    yield from versions(found, {each.recipe: replaced[each.replaces] for each in MADE})
    yield from (
        f"{each.recipe}: a stand-in for {each.replaces[:-1]}, which proves the start order only"
        for each in MADE
        if each.only_start_order
    )


def pulled(place: Place) -> Iterator[str]:
    """The images that the files name."""
    for stack in STACKS:
        file = "ops/docker-compose.yaml" if stack == "service" else f"ops/docker-compose.{stack}.yaml"
        words = (place.engine.name, "compose", "--file", file, "pull", "--ignore-buildable")
        place.engine.run(*words, cwd=place.folder, timeout=3600)
        images = place.engine.run(*words[:4], "config", "--images", cwd=place.folder).split()
        yield f"{stack}: {', '.join(sorted(set(images)))}"


def elk(place: Place) -> Iterator[str]:
    """Logstash takes the log of the service, and Elasticsearch finds a request of it."""
    (place.folder / ".env.production").unlink()
    place.stack("up", "elk", timeout=1800)
    findings = {
        each["item"]: each for each in place.openwatt("doctor", "--only", "elasticsearch")["findings"]
    }
    if findings["elasticsearch"]["status"] != "ok":
        raise NotShownError(str(findings["elasticsearch"]))
    yield findings["elasticsearch"]["says"]
    place.stack("down", "elk")


def image_ids(found: Engine) -> set[str]:
    """Every image of the engine, those without a name too."""
    return set(found("images", "--all", "--quiet", "--no-trunc").split())


def clear(found: Engine, *, there: set[str]) -> None:
    """Removes all that a run has made, however it ended; images but those that were there before."""
    names = found.try_run(found.name, "ps", "--all", "--quiet", "--filter", "name=^openwatt-")[1].split()
    if names:
        found.try_run(found.name, "rm", "--force", "--volumes", *names)
    volumes = found.try_run(found.name, "volume", "ls", "--quiet", "--filter", "name=openwatt")[1].split()
    if volumes:
        found.try_run(found.name, "volume", "rm", "--force", *volumes)
    found.try_run(found.name, "network", "rm", "openwatt")
    # One is only removed after those that are built on it.
    left = image_ids(found) - there
    while left:
        found.try_run(found.name, "rmi", "--force", *left)
        now = image_ids(found) - there
        left = now if now < left else set()


if __name__ == "__main__":
    sys.exit(main())
