"""`openwatt ingest` as a process of its own, whose sources are on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ingest.document_server import Site

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
#: The real command with other addresses and a shorter turn: nothing else differs.
_PROGRAM = """
import json, signal, sys
from dataclasses import replace
from functools import partial
from openwatt.cli import ingestion, main, sources
from openwatt.ingest.fetching.client import Fetcher, FetchLimits
from openwatt.ingest.declarations import load_sources
told = json.loads(sys.argv.pop(1))
described = load_sources()
ours = {name: replace(described[name], **changes) for name, changes in told["sources"].items()}
ingestion.load_sources = sources.load_sources = lambda: ours
ingestion.Fetcher = partial(
    Fetcher, limits=FetchLimits(attempts=2, first_wait_seconds=0.01, longest_wait_seconds=0.01), loopback=True
)
ingestion.INTERVAL_S = told["interval_s"]
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where tests run in the background
main()
"""


@dataclass
class Command:
    """What is run, and against what; `sources` says what is changed in the file of each that takes part."""

    url: str
    site: Site
    interval_s: float = 0.0
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self, name: str, content: bytes, changes: Mapping[str, Any] | None = None, **page: Any) -> None:
        """Lets a source take part, with a document at its address."""
        self.sources[name] = {"address": self.site.put(name, content, **page), **(changes or {})}

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """The command, running; it works in a session of its own."""
        told = json.dumps({"sources": self.sources, "interval_s": self.interval_s})
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, told, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "OPENWATT_DATABASE_URL": self.url,
                **settings,
            },
            start_new_session=True,
        )

    def run(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """What the command came to: its status, output and log."""
        process = self.start(*arguments, **settings)
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return process.returncode, out, err
