"""Carries out a Dockerfile without a container engine: its own lines, in namespaces of the kernel's own.

What an engine does is done with the same means: a layer over a root folder, a private
view of mounts, processes and network, an account without privileges. The base image
alone is another one: this machine's files and Python stand in for it. Needs root and Linux.
"""

import contextlib
import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
_LOOPBACK_UP = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1))"  # SIOCSIFFLAGS, IFF_UP
)


def _namespaces_are_allowed() -> bool:
    """Whether this account may do what an engine does; root in a container often may not."""
    asked = ["unshare", "--mount", "--pid", "--net", "--fork", sys.executable, "-c", _LOOPBACK_UP]
    return os.geteuid() == 0 and subprocess.run(asked, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(
    not _namespaces_are_allowed(),
    reason="namespaces of mounts and network need root, outside of a container that forbids them",
)


@dataclass
class Stage:
    """One FROM and what follows it."""

    base: str
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """What stands behind an instruction, each time it is given."""
        return [value for word, value in self.lines if word == instruction]

    def environment(self) -> dict[str, str]:
        """What ENV lines set, with PATH as it is before them."""
        found = {"PATH": PATH}
        for text in self.values("ENV"):
            for pair in shlex.split(text):
                name, _, value = pair.partition("=")
                found[name] = value.replace("$PATH", found["PATH"])
        return found

    def last(self, instruction: str) -> str:
        """The value of an instruction of which the last one counts."""
        return self.values(instruction)[-1]


def read_dockerfile(text: str) -> list[Stage]:
    """The stages of a Dockerfile whose arguments all have defaults."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", " ", text)
    stages: list[Stage] = []
    arguments: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, value = line.partition(" ")
        value = re.sub(r"\$\{(\w+)\}", lambda found: arguments.get(found[1], found[0]), value.strip())
        if word == "ARG":
            name, _, default = value.partition("=")
            arguments[name] = default
        elif word == "FROM":
            base, _, name = value.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].lines.append((word, value))
    return stages


def context() -> list[str]:
    """The files of the repository that .dockerignore lets into the build."""
    patterns = (REPOSITORY / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in patterns if line.startswith("!")}
    refused = [line.removeprefix("**/") for line in patterns if line.startswith("**/")]
    found = (each for name in kept for each in [REPOSITORY / name, *(REPOSITORY / name).rglob("*")])
    files = [file.relative_to(REPOSITORY) for file in found if file.is_file()]
    return sorted(
        str(file)
        for file in files
        if not any(fnmatch.fnmatch(part, each) for part in file.parts for each in refused)
    )


class Image:
    """The layers of one build, in memory; this machine's packages are borrowed where lines install some."""

    def __init__(self, folder: Path, stages: list[Stage], *, environment: str = "opt/openwatt") -> None:
        self.folder = folder
        self._environment = environment
        self.stages = {stage.name: stage for stage in stages}
        for stage in stages:
            self._build(stage)
        self.final = stages[-1]

    def layer(self, name: str) -> Path:
        """What a stage has added to the base."""
        return self.folder / (name or "final") / "layer"

    def _build(self, stage: Stage) -> None:
        layer = self.layer(stage.name)
        layer.mkdir(parents=True)
        (layer.parent / "work").mkdir()
        self._stand_in_for_base(layer)
        here = "/"
        for word, value in stage.lines:
            if word == "WORKDIR":
                here = value
                layer.joinpath(here[1:]).mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                self._copy(stage, here, shlex.split(value))
            elif word == "RUN" and " pip " not in value:
                self._run(stage, here, value)
            if word == "RUN" and " -m venv " in value:
                self._borrow(layer / self._environment)

    def _stand_in_for_base(self, layer: Path) -> None:
        """`python` is this machine's, and its folder may be entered."""
        base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]  # noqa: SLF001 - no other name
        python = layer / "usr/local/bin/python"
        python.parent.mkdir(parents=True)
        for folder in (*python.parents[:3],):
            folder.chmod(0o755)
        python.write_text(f'#!/bin/sh\nexec {base} "$@"\n')
        python.chmod(0o755)
        for parent in reversed(base.parents[:-1]):
            inside = layer.joinpath(*parent.parts[1:])
            inside.mkdir(exist_ok=True)
            inside.chmod(parent.stat().st_mode | 0o055)

    def _copy(self, stage: Stage, here: str, words: list[str]) -> None:
        source = next((word.split("=")[1] for word in words if word.startswith("--from=")), None)
        *names, target = [word for word in words if not word.startswith("--")]
        into = self.layer(stage.name).joinpath((target if target.startswith("/") else f"{here}/{target}")[1:])
        if source is not None:
            into.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", self.layer(source) / names[0][1:], into], check=True)
            return
        allowed = context()
        for name in names:
            files = [each for each in allowed if each == name or each.startswith(f"{name}/")]
            assert files, f"COPY {name}: .dockerignore lets nothing of it in"
            folder = into if target.endswith(("/", ".")) or len(names) > 1 else into.parent
            for file in files:
                # A folder's content is copied under the target, a file under its own name.
                within = Path(file).relative_to(name) if file != name else Path(Path(file).name)
                to = (into if file != name else folder) / within
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / file, to)

    def _run(self, stage: Stage, here: str, script: str) -> None:
        layer = self.layer(stage.name)
        done = subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "private", "sh", "-ec", _BUILD, "sh"),
                *(layer, layer.parent / "work", layer.parent, here, script),
            ],
            env={**os.environ, **stage.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"RUN {script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"

    def _borrow(self, environment: Path) -> None:
        """What the installing lines would make, with the packages of the Python that runs the tests."""
        site = environment / SITE
        (site / "borrowed.pth").write_text("/opt/borrowed\n")
        for file in context():
            if file.startswith("openwatt/"):
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / file, site / file)
        for command, module, function in (
            ("gunicorn", "gunicorn.app.wsgiapp", "run"),
            ("openwatt", "openwatt.cli", "main"),
        ):
            script = environment / "bin" / command
            lines = (f"#!/{self._environment}/bin/python", "import sys", f"from {module} import {function}")
            script.write_text("\n".join((*lines, f"sys.exit({function}())\n")))
            script.chmod(0o755)


# Over the whole machine a layer that takes every change; then the line is run in it.
_BUILD = """
root=$3/root; mkdir -p "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1,workdir=$2" "$root"
mount --rbind /dev "$root/dev"; mount --bind /proc "$root/proc"
exec chroot "$root" /bin/sh -ec 'cd "$1"; exec /bin/sh -c "$2"' sh "$4" "$5"
"""

# The root is read-only because it has no layer that could be written to. /opt/borrowed is there
# for borrowed packages; this repository and its environment are not there at all.
_RUN = """
layer=$1; root=$2; python=$3; site=$4; hidden=$5; shift 5
mount -t tmpfs none "$root.extra"; mkdir "$root.extra/opt" "$root.extra/opt/borrowed" "$root.extra/data"
mount -t overlay overlay -o "lowerdir=$root.extra:$layer:/" "$root"
mount --rbind /dev "$root/dev"; mount -t tmpfs -o mode=1777 none "$root/dev/shm"
mount -t proc -o "$PROC" proc "$root/proc"; unset PROC; mount -t tmpfs -o mode=1777 none "$root/tmp"
mount --bind "$site" "$root/opt/borrowed"
for mounted in "$@"; do
  shift; [ "$mounted" != -- ] || break
  mount --bind "${mounted%%=*}" "$root${mounted#*=}"
done
for each in $hidden; do [ ! -d "$root$each" ] || mount -t tmpfs none "$root$each"; done
"$python" -c "$LOOPBACK_UP"; unset LOOPBACK_UP
cd /
exec chroot "$root" "$@"
"""


class Container:
    """A program of an image as process 1 of its own, without network, on a root that is read-only."""

    def __init__(
        self,
        image: Image,
        volumes: Mapping[str, Path],
        command: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
        proc: str = "rw",
    ) -> None:
        final = image.final
        self._environment = {**final.environment(), **(environment or {})}
        uid, gid = final.last("USER").split(":")
        self._account = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
        self._account += ["--bounding-set=-all", "--inh-caps=-all"]
        self._here = ["env", "--chdir", final.last("WORKDIR")]
        root = Path(tempfile.mkdtemp(prefix="root-", dir=image.folder))
        Path(f"{root}.extra").mkdir()
        site = str(Path(sys.prefix) / SITE)
        mounts = [f"{folder}={path}" for path, folder in volumes.items()]
        self.log = image.folder / f"{root.name}.log"
        with self.log.open("wb") as log:
            self._outside = subprocess.Popen(
                [
                    *("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"),
                    *("--propagation", "private", "sh", "-ec", _RUN, "sh"),
                    *(image.layer(final.name), root, sys.executable, site),
                    *(f"{REPOSITORY} {sys.prefix}", *mounts, "--"),
                    *(*self._here, *self._account, *(command or json.loads(final.last("CMD")))),
                ],
                env={**self._environment, "LOOPBACK_UP": _LOOPBACK_UP, "PROC": proc},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._root = root

    @property
    def pid(self) -> int:
        """What this machine calls process 1 of the container."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(psutil.NoSuchProcess):
                if found := psutil.Process(self._outside.pid).children():
                    return found[0].pid
            time.sleep(0.02)
        raise AssertionError(self.said())

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What a command in the container did, as `docker exec` runs it."""
        return subprocess.run(
            [
                *("nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "chroot", self._root),
                *(*self._here, *self._account, *command),
            ],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def said(self) -> str:
        """The log."""
        return self.log.read_text(errors="replace")

    def running(self) -> bool:
        """Whether process 1 lives."""
        return self._outside.poll() is None

    def signal(self, number: int) -> None:
        """Sends process 1 a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 40) -> int:
        """The exit status of process 1."""
        return self._outside.wait(seconds)

    def kill(self) -> None:
        """Ends it with every process in it."""
        if self.running():
            # Process 1 first: unshare's own --kill-child is forgotten when it changes its account.
            with contextlib.suppress(AssertionError, ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._outside.kill()
            self._outside.wait()


@contextmanager
def built(text: str, *, environment: str = "opt/openwatt") -> Iterator[Image]:
    """The image of a Dockerfile for the length of a block."""
    # In memory: a layer may not lie on the file system that it is laid over.
    folder = Path(tempfile.mkdtemp(prefix="openwatt-image-", dir="/dev/shm"))
    folder.chmod(0o755)
    try:
        yield Image(folder, read_dockerfile(text), environment=environment)
    finally:
        shutil.rmtree(folder)


@contextmanager
def folder_of(account: str) -> Iterator[Path]:
    """A folder that an account such as 10001:10001 owns, and nobody else enters."""
    folder = Path(tempfile.mkdtemp(prefix="ow-"))
    user, group = map(int, account.split(":"))
    os.chown(folder, user, group)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
