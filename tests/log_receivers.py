"""Receivers of JSON lines for tests: Debian's rsyslog or syslog-ng, and misbehaving ones of our own."""

import contextlib
import json
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from openwatt.telemetry.shipping.spool import Spool
from tests.programs import find_program, require_program

#: One is enough (Debian packages `rsyslog` and `syslog-ng-core`; they exclude each other). Neither is
#: started as a system service: the tests run the program on a free port of the loopback.
RSYSLOGD, SYSLOG_NG = find_program("rsyslogd"), find_program("syslog-ng")

_RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imtcp")
template(name="line" type="string" string="%rawmsg%\\n")
ruleset(name="keep") {{ action(type="omfile" file="{output}" template="line" asyncWriting="off") }}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="keep")
"""
_SYSLOG_NG = """@version: 3.35
source lines {{ network(ip("127.0.0.1") port({port}) transport("tcp") flags(no-parse)); }};
destination keep {{ file("{output}" template("$MSG\\n")); }};
log {{ source(lines); destination(keep); flags(flow-control); }};
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return bool(true())


def event_ids(lines: bytes) -> list[str]:
    """The `event_id` of each whole line; the rest of a connection that was cut is no line."""
    found = []
    for line in lines.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found.append(json.loads(line)["event_id"])
    return found


def on_disk(spool: Path) -> set[str]:
    """What the next process would find, read by its own means."""
    taker = Spool(spool, 1 << 40)
    segments = taker.adopt()
    found = {event_id for segment in segments for event_id in event_ids(segment.lines())}
    taker.close()
    return found


class SyslogDaemon:
    """rsyslog or syslog-ng, writing each line it receives to a file."""

    def __init__(self, folder: Path) -> None:
        if SYSLOG_NG is None:
            require_program("rsyslogd")
        self.folder = folder
        self.output = folder / "received.log"
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        values = {"folder": folder, "output": self.output, "port": self.port}
        (folder / "rsyslog.conf").write_text(_RSYSLOG.format(**values))
        (folder / "syslog-ng.conf").write_text(_SYSLOG_NG.format(**values))

    def start(self) -> Self:
        if RSYSLOGD is not None:
            command = [RSYSLOGD, "-n", "-f", "rsyslog.conf", "-i", str(self.folder / "pid")]
        else:
            command = [
                str(SYSLOG_NG),
                "-F",
                "--no-caps",
                "-f",
                "syslog-ng.conf",
                "-R",
                "persist",
                "-c",
                "ctl",
            ]
            command += ["-p", "pid"]
        self._process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert wait_until(self._answers), f"{command[0]} does not listen"
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.5):
            return True
        return False

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(with_signal)
            self._process.wait(10)
            self._process = None
        (self.folder / "pid").unlink(missing_ok=True)

    def received(self) -> list[str]:
        return event_ids(self.output.read_bytes()) if self.output.exists() else []


class Receiver:
    """A TCP server on a thread: `serve` decides what each connection meets."""

    def __init__(
        self, serve: Callable[[socket.socket, int, bytearray], None] | None = None, port: int = 0
    ) -> None:
        self._serve = serve or read_all
        self._listener = socket.create_server(("127.0.0.1", port), backlog=16)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.buffers: list[bytearray] = []
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                buffer = bytearray()
                self.buffers.append(buffer)
                self._sockets.append(connection)
                number = len(self.buffers)
                threading.Thread(target=self._meet, args=(connection, number, buffer), daemon=True).start()

    def _meet(self, connection: socket.socket, number: int, buffer: bytearray) -> None:
        with contextlib.suppress(OSError):
            self._serve(connection, number, buffer)

    def received(self) -> list[str]:
        return [found for buffer in self.buffers for found in event_ids(bytes(buffer))]

    def hang_up(self) -> None:
        """Ends every connection, and listens on."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # `accept` of the other thread ends with the shutdown; a close alone would leave it waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            connection.close()


def read_all(connection: socket.socket, _number: int, buffer: bytearray) -> None:
    """What every receiver does: reads to the end of the stream, then ends its own."""
    while chunk := connection.recv(65536):
        buffer += chunk
    connection.close()


def read_nothing(_connection: socket.socket, _number: int, _buffer: bytearray) -> None:
    """Accepts, and never reads: what arrives stays in the kernel."""


def reset_mid_record(connection: socket.socket, number: int, buffer: bytearray) -> None:
    """The first three connections are reset after an odd number of bytes; later ones are read."""
    if number > 3:
        read_all(connection, number, buffer)
        return
    while len(buffer) < 5003:
        chunk = connection.recv(5003 - len(buffer))
        if not chunk:
            break
        buffer += chunk
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class BlackHole:
    """A port whose packets are not answered: a listener whose queue of connections is full."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())
            self._fillers.append(filler)

    def close(self) -> None:
        for filler in self._fillers:
            filler.close()
        self._listener.close()
