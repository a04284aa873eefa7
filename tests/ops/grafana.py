"""What Grafana makes of a dashboard file: its panels, its variables, and its queries as they are sent.

No Grafana can be run here: this follows its documentation and the source of its Prometheus data source
(interpolation of variables, `$__rate_interval`), and is a model of it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

FOLDER: Final = Path(__file__).resolve().parents[2] / "ops" / "grafana"
DASHBOARDS: Final = sorted((FOLDER / "dashboards").glob("*.json"))
ALL: Final = "$__all"
#: Panels of these kinds ask nothing.
SILENT: Final = frozenset({"row", "text"})
_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>\w+)(?::[\w:]+)?\}|(?P<bare>[a-zA-Z_]\w*))")


def loaded(path: Path) -> Json:
    """A dashboard."""
    found: Json = json.loads(path.read_text("utf-8"))
    return found


def panels(dashboard: Json) -> list[Json]:
    """Every panel, those in folded rows too."""
    found: list[Json] = []
    for panel in dashboard["panels"]:
        found += [panel, *panel.get("panels", [])]
    return found


def asking(dashboard: Json) -> list[Json]:
    """The panels that ask something."""
    return [panel for panel in panels(dashboard) if panel["type"] not in SILENT]


def variables(dashboard: Json) -> list[Json]:
    """The template variables."""
    return list(dashboard["templating"]["list"])


def query_of(variable: Json) -> str:
    """What a query variable asks."""
    query = variable["query"]
    return str(query["query"] if isinstance(query, dict) else query)


def label_values(query: str) -> tuple[str, str]:
    """The selector and the label of `label_values(selector, label)`."""
    match = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", query)
    assert match is not None, query
    return match[1], match[2]


def escaped(value: str) -> str:
    """One of several values as Grafana's Prometheus data source writes it into a regular expression."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\"))


def written(value: Sequence[str] | str, variable: Json) -> str:
    """A variable's value as it is put into a query."""
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace('"', '\\"')
    if list(value) == [ALL]:
        return str(variable["allValue"])
    regular = [escaped(each) for each in value]
    return regular[0] if len(regular) == 1 else f"({'|'.join(regular)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A look at a dashboard: seconds that it spans and between two points, and how often is scraped."""

    span_s: float
    step_s: float
    scrape_s: float

    @property
    def rate_interval_s(self) -> float:
        """`$__rate_interval`: four scrapes at least, and no gap between two points."""
        return max(self.step_s + self.scrape_s, 4 * self.scrape_s)

    def interpolated(self, expression: str, values: Mapping[str, str]) -> str:
        """A query as it is sent.

        Raises:
            KeyError: it names a variable that is not there.
        """
        own = {
            "__rate_interval": f"{self.rate_interval_s:g}s",
            "__interval": f"{self.step_s:g}s",
            "__range": f"{self.span_s:g}s",
        }
        named = {**values, **own}
        return _VARIABLE.sub(lambda match: named[match["braced"] or match["bare"]], expression)


def chosen(
    dashboard: Json, values_of: Callable[[str, str], list[str]], view: View
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Each variable's default as it is put into queries, and the choices that each query variable offers.

    `values_of` asks Prometheus for the values of a label in a selector.
    """
    values: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    for variable in variables(dashboard):
        name, current = variable["name"], variable["current"]["value"]
        if variable["type"] == "query":
            selector, label = label_values(query_of(variable))
            choices[name] = values_of(view.interpolated(selector, values), label)
        values[name] = written(current, variable)
    return values, choices


def queries(dashboard: Json) -> Iterator[tuple[Json, Json]]:
    """Each panel that asks, with each of its queries."""
    for panel in asking(dashboard):
        for target in panel["targets"]:
            yield panel, target


def legend(pattern: str, labels: Mapping[str, str]) -> str:
    """A line's name."""
    if pattern == "__auto":
        return ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or "Value"
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), pattern).strip()
