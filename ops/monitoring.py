"""Prometheus, Alertmanager and the blackbox exporter as programs of this machine, with this folder's files.

`ops/native up|down|status|render` is the way in; `make monitoring-up ENGINE=native` calls it.
"""

# ruff: noqa: INP001 - a script beside the files that it serves, not a package

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import yaml

OPS: Final = Path(__file__).resolve().parent
PATIENCE_S: Final = 60.0
_DURATION_KEYS: Final = (
    "scrape_interval|evaluation_interval|interval|for|group_wait|group_interval|repeat_interval"
)
_DURATION: Final = re.compile(rf"^([ -]*(?:{_DURATION_KEYS}): )(\d+)([smhd])$", re.MULTILINE)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SECRET: Final = re.compile(r"\$\{(path:)?([a-z_]+)(\?)?\}")


class CannotRunError(Exception):
    """What hinders, and how to fix it."""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where each program listens and the service is, as host:port; the defaults are those of the files."""

    api: str = "127.0.0.1:8000"
    metrics: str = "127.0.0.1:9101"
    prometheus: str = "127.0.0.1:9090"
    alertmanager: str = "127.0.0.1:9093"
    blackbox: str = "127.0.0.1:9115"


def hurried(text: str, factor: int) -> str:
    """A configuration with intervals and `for` so many times shorter, at least 1 s; no expression changes."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match[2]) * _SECONDS[match[3]]
        return f"{match[1]}{max(1, seconds // factor) if seconds else 0}s"

    return text if factor == 1 else _DURATION.sub(shorter, text)


def render_prometheus(
    folder: Path,
    *,
    targets: str = "native",
    addresses: Addresses | None = None,
    labels: Mapping[str, str] | None = None,
    hurry: int = 1,
) -> Path:
    """Writes prometheus.yml with its rules and targets into `folder`, and says where it is.

    `labels` are values for external labels that the file has: environment, runbook, grafana.
    """
    source = OPS / "prometheus"
    for name in ("rules", "targets"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    text = (source / "prometheus.yml").read_text("utf-8")
    for name, value in (labels or {}).items():
        line = re.search(rf"^    {name}: .*$", text, re.MULTILINE)
        if line is None:
            raise CannotRunError(f"prometheus.yml has no external label {name}")
        text = text.replace(line[0], f"    {name}: {json.dumps(value)}")
    config = folder / "prometheus.yml"
    config.write_text(hurried(text, hurry), "utf-8")
    for rules in sorted((source / "rules").glob("*.yaml")):
        (folder / "rules" / rules.name).write_text(hurried(rules.read_text("utf-8"), hurry), "utf-8")
    defaults, wanted = vars(Addresses()), vars(addresses or Addresses())
    replaced = {defaults[name]: wanted[name] for name in defaults}
    for file in sorted((source / "targets" / targets).glob("*.yaml")):
        text = re.sub(
            r"127\.0\.0\.1:\d+", lambda match: replaced.get(match[0], match[0]), file.read_text("utf-8")
        )
        (folder / "targets" / file.name).write_text(text, "utf-8")
    return config


def render_alertmanager(
    folder: Path, *, secrets: Path, seen_at: str | None = None, hurry: int = 1
) -> dict[str, list[str]]:
    """Writes alertmanager.yml and its templates into `folder`; what is left out, with the files it misses.

    `seen_at` is where Alertmanager itself finds the folder of secrets, in a container for one.
    """
    source = OPS / "alertmanager"
    shutil.rmtree(folder / "templates", ignore_errors=True)
    shutil.copytree(source / "templates", folder / "templates")
    config = yaml.safe_load(hurried((source / "alertmanager.yml").read_text("utf-8"), hurry))
    left_out: dict[str, list[str]] = {}
    for receiver in config["receivers"]:
        for kind in [name for name in receiver if name.endswith("_configs")]:
            missing: list[str] = []
            receiver[kind] = [
                filled
                for entry in receiver[kind]
                if (filled := _filled(entry, secrets, seen_at or str(secrets.resolve()), missing))
            ]
            if missing:
                left_out[f"{receiver['name']}: {kind.removesuffix('_configs')}"] = missing
                del receiver[kind]
    target = folder / "alertmanager.yml"
    target.touch(mode=0o600)  # it holds addresses that are secrets themselves
    target.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")
    return left_out


def _filled(entry: Any, secrets: Path, seen_at: str, missing: list[str]) -> Any:
    """An entry with its secrets in their places; None when one that it needs is missing, which is noted."""
    here: list[str] = []

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: found for key, each in value.items() if (found := fill(each)) is not None}
        match = _SECRET.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return value
        with contextlib.suppress(FileNotFoundError):
            content = (secrets / match[2]).read_text("utf-8").strip()
            if content:
                if match[1]:
                    return f"{seen_at}/{match[2]}"
                return content == "true" if content in {"true", "false"} else content
        if not match[3]:
            here.append(match[2])
        return None

    filled = fill(entry)
    missing.extend(here)
    return None if here else filled


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program: how it may be called, the Debian package that has it, how it is started and probed."""

    name: str
    called: tuple[str, ...]
    package: str
    ready: str
    arguments: Callable[["Stack"], list[str]]
    ours: bool = True
    """False for what may run already, beside the service: then it is used as it is."""

    def binary(self) -> str | None:
        """Where it is on this machine."""
        beside_us = Path(sys.executable).parent  # `openwatt` is where our Python is
        found = (shutil.which(name) or shutil.which(name, path=str(beside_us)) for name in self.called)
        return next(filter(None, found), None)


PROGRAMS: Final = (
    Program(
        name="prometheus",
        called=("prometheus",),
        package="prometheus",
        ready="/-/ready",
        arguments=lambda stack: [
            f"--config.file={stack.folder}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={stack.folder}/prometheus/data",
            # The objectives look back over 30 days.
            "--storage.tsdb.retention.time=35d",
            "--storage.tsdb.retention.size=5GB",
            # What Alertmanager missed, while it started for one, is sent again.
            f"--rules.alert.resend-delay={max(1, 60 // stack.hurry)}s",
            f"--web.listen-address={stack.addresses.prometheus}",
            f"--web.external-url=http://{stack.addresses.prometheus}/",
        ],
    ),
    Program(
        name="alertmanager",
        called=("prometheus-alertmanager", "alertmanager"),
        package="prometheus-alertmanager",
        ready="/-/ready",
        arguments=lambda stack: [
            f"--config.file={stack.folder}/alertmanager/alertmanager.yml",
            f"--storage.path={stack.folder}/alertmanager/data",
            f"--web.listen-address={stack.addresses.alertmanager}",
            f"--web.external-url=http://{stack.addresses.alertmanager}/",
            "--cluster.listen-address=",  # alone: no port for others of its kind
        ],
    ),
    Program(
        name="blackbox",
        called=("prometheus-blackbox-exporter", "blackbox_exporter"),
        package="prometheus-blackbox-exporter",
        ready="/-/healthy",
        arguments=lambda stack: [
            f"--config.file={OPS}/blackbox/blackbox.yml",
            f"--web.listen-address={stack.addresses.blackbox}",
        ],
    ),
    Program(
        name="metrics",
        called=("openwatt",),
        package="",
        ready="/metrics",
        arguments=lambda stack: ["metrics", "--host", *_host_and_port(stack.addresses.metrics)],
        ours=False,
    ),
)


def _command_of(pid: int) -> str:
    """The command line of a process; empty when there is none, and for a zombie."""
    if Path("/proc/self/cmdline").exists():  # a small machine has no ps
        with contextlib.suppress(OSError):
            for _ in range(100):
                command = Path(f"/proc/{pid}/cmdline").read_text("utf-8", errors="replace")
                state = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2]
                if command or state.split()[0] == "Z":
                    return command.replace("\0", " ")
                time.sleep(0.01)  # a program that is just being loaded has no command line yet
        return ""
    shown = subprocess.run(  # noqa: S603  one number of ours
        ["ps", "-ww", "-o", "stat=,command=", "-p", str(pid)],  # noqa: S607  macOS has no /proc
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return "" if shown.startswith("Z") else shown


def _host_and_port(address: str) -> list[str]:
    host, _, port = address.rpartition(":")
    return [host, "--port", port]


@dataclass(kw_only=True)
class Stack:
    """The programs of one folder: their rendered files, data, logs and pids are in it."""

    folder: Path
    addresses: Addresses = field(default_factory=Addresses)
    secrets: Path = OPS / "alertmanager" / "secrets"
    labels: Mapping[str, str] = field(default_factory=dict)
    hurry: int = 1
    notify_hurry: int | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def render(self) -> dict[str, list[str]]:
        """Writes the files of both; what Alertmanager has to leave out."""
        render_prometheus(
            self.folder / "prometheus", addresses=self.addresses, labels=self.labels, hurry=self.hurry
        )
        hurry = self.notify_hurry or self.hurry
        return render_alertmanager(self.folder / "alertmanager", secrets=self.secrets, hurry=hurry)

    def url(self, program: Program) -> str:
        """The address of a program."""
        return f"http://{getattr(self.addresses, program.name)}"

    def up(self) -> dict[str, list[str]]:
        """Starts what does not run, lets what runs read its files again, and waits until all are ready.

        Raises:
            CannotRunError: a program is not installed, a port is taken, or one does not start.
        """
        missing = [each for each in PROGRAMS if each.binary() is None]
        if missing:
            names = ", ".join(each.called[0] for each in missing)
            packages = " ".join(each.package for each in missing if each.package)
            raise CannotRunError(f"not installed: {names}; on Debian: apt-get install {packages}".rstrip())
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        wanted = [each for each in PROGRAMS if self.pid(each) or not self.elsewhere(each)]
        running = {each.name: self.pid(each) for each in wanted}
        for program in wanted:
            if not running[program.name]:
                self._port_is_free(program)
        left_out = self.render()
        try:
            for program in wanted:
                pid = running[program.name]
                if not pid:
                    self._start(program)
                elif program.ours:  # the others read no file
                    os.kill(pid, signal.SIGHUP)
            for program in wanted:
                self._wait(program)
        except CannotRunError:
            self.down(name for name, pid in running.items() if not pid)
            raise
        return left_out

    def down(self, names: Iterable[str] | None = None) -> list[str]:
        """Ends what was started here, and nothing else; the names of what ran."""
        names = [each.name for each in PROGRAMS] if names is None else list(names)
        pids = {each.name: pid for each in PROGRAMS if each.name in names and (pid := self.pid(each))}
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 20
        for program in PROGRAMS:
            if program.name not in names:
                continue
            while program.name in pids and self.pid(program):
                if time.monotonic() > deadline:
                    os.kill(pids[program.name], signal.SIGKILL)
                time.sleep(0.05)
            self._pid_file(program).unlink(missing_ok=True)
        return list(pids)

    def pid(self, program: Program) -> int:
        """The pid of a program that was started here and still runs; else 0."""
        try:
            record = json.loads(self._pid_file(program).read_text("utf-8"))
            pid = int(record["pid"])
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # if it is a child of ours, it must not stay as a zombie
        except (FileNotFoundError, ValueError, KeyError):
            return 0
        shown = _command_of(pid)
        # A pid is used again: what is ended must be what was started.
        ours = all(argument in shown for argument in record["arguments"])
        return pid if shown and ours else 0

    def elsewhere(self, program: Program) -> bool:
        """Whether a program that need not be ours answers without having been started here."""
        return not program.ours and not self.pid(program) and self.ready(program)

    def ready(self, program: Program) -> bool:
        """Whether a program answers."""
        try:
            with urllib.request.urlopen(self.url(program) + program.ready, timeout=5) as answer:  # noqa: S310  an address of loopback
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def log(self, program: Program) -> Path:
        """Where a program writes what it has to say."""
        return self.folder / f"{program.name}.log"

    def _pid_file(self, program: Program) -> Path:
        return self.folder / f"{program.name}.pid"

    def _port_is_free(self, program: Program) -> None:
        address = getattr(self.addresses, program.name)
        host, _, port = address.rpartition(":")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, int(port)))
            except OSError as error:
                debian = (
                    f" (Debian's own: systemctl disable --now {program.package})" if program.package else ""
                )
                raise CannotRunError(
                    f"{program.name} cannot listen on {address}: {error.strerror}; "
                    f"end what listens there{debian}, or give another address with --{program.name}"
                ) from error

    def _start(self, program: Program) -> None:
        binary = program.binary()
        assert binary is not None  # noqa: S101  `up` has looked
        arguments = program.arguments(self)
        with self.log(program).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  a program found above, with arguments of ours
                [binary, *arguments],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is not meant for it
            )
        process.returncode = 0  # it outlives us: no wait for it, and no warning of it
        record = {"pid": process.pid, "arguments": arguments}
        self._pid_file(program).write_text(json.dumps(record), "utf-8")

    def _wait(self, program: Program) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.ready(program):
            if not self.pid(program) or time.monotonic() > deadline:
                said = self.log(program).read_text("utf-8", errors="replace").splitlines()[-8:]
                raise CannotRunError("\n".join([f"{program.name} does not start; it says:", *said]))
            time.sleep(0.1)


def _summary(stack: Stack, left_out: Mapping[str, list[str]]) -> Iterator[str]:
    for program in PROGRAMS:
        pid = stack.pid(program)
        if pid:
            state = f"pid {pid}" if stack.ready(program) else f"pid {pid}, does not answer yet"
        else:
            state = "answers, started elsewhere" if stack.elsewhere(program) else "not running"
        yield f"{program.name:<13} {stack.url(program):<24} {state}"
    for way, missing in left_out.items():
        yield f"alerts are not sent by {way}: no file {', '.join(missing)} in {stack.secrets}"


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ops/native", description=__doc__)
    parser.add_argument("what", choices=("up", "down", "status", "render"))
    parser.add_argument(
        "--folder", type=Path, default=OPS.parent / "var" / "monitoring", help="for files and data"
    )
    for name, value in vars(Addresses()).items():
        parser.add_argument(f"--{name}", default=value, metavar="HOST:PORT", help=f"default: {value}")
    parser.add_argument(
        "--secrets", type=Path, default=Stack.secrets, help="folder of Alertmanager's secrets"
    )
    parser.add_argument("--targets", choices=("native", "containers"), default="native", help="for render")
    parser.add_argument("--seen-at", help="where Alertmanager finds the secrets, for render")
    parser.add_argument(
        "--hurry", type=int, default=1, help="shorten every wait so many times, for exercises"
    )
    for label in ("environment", "runbook", "grafana"):
        parser.add_argument(f"--{label}", help=f"value of the label {label} of prometheus.yml")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit status is 1 when something hinders, or when status finds one not running."""
    options = _options().parse_args(arguments)
    labels = {
        name: value for name in ("environment", "runbook", "grafana") if (value := getattr(options, name))
    }
    stack = Stack(
        folder=options.folder.resolve(),
        addresses=Addresses(**{name: getattr(options, name) for name in vars(Addresses())}),
        secrets=options.secrets,
        labels=labels,
        hurry=options.hurry,
    )
    say = sys.stdout.write
    try:
        if options.what == "down":
            ended = stack.down()
            say(f"ended: {', '.join(ended)}\n" if ended else "nothing was running\n")
        elif options.what == "render":
            render_prometheus(
                stack.folder / "prometheus", targets=options.targets, labels=labels, hurry=options.hurry
            )
            left_out = render_alertmanager(
                stack.folder / "alertmanager",
                secrets=options.secrets,
                seen_at=options.seen_at,
                hurry=options.hurry,
            )
            for way, missing in left_out.items():
                say(f"alerts are not sent by {way}: no file {', '.join(missing)} in {options.secrets}\n")
        else:
            left_out = stack.up() if options.what == "up" else {}
            say("\n".join(_summary(stack, left_out)) + "\n")
            return 0 if all(stack.pid(each) or stack.elsewhere(each) for each in PROGRAMS) else 1
    except (CannotRunError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
