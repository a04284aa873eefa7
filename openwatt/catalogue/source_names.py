"""The names of the declared sources, for processes that must not load the readers of their files."""

import functools
from importlib.resources import files


@functools.cache
def declared_sources() -> frozenset[str]:
    """The name of every source: each is that of its file in `openwatt/ingest/sources`."""
    folder = files("openwatt") / "ingest" / "sources"
    return frozenset(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )
