"""Writes the dashboards that Grafana reads: `python -m ops.grafana.source.build` after a change here."""

# ruff: noqa: INP001 - beside the files that it writes, not a package

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ops.grafana.source.ingestion import ingestion
from ops.grafana.source.logs import logs
from ops.grafana.source.overview import overview
from ops.grafana.source.runtime import runtime

FOLDER: Final = Path(__file__).resolve().parents[1] / "dashboards"


def built() -> Iterator[tuple[Path, str]]:
    """Each dashboard's file and what stands in it."""
    for made in (overview(), ingestion(), logs(), runtime()):
        yield FOLDER / f"{made['uid']}.json", json.dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in built():
        path.write_text(text, "utf-8")
