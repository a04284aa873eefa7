"""What a dashboard must keep to: the rules of grafana/dashboard-linter, by their names, and our own.

The linter's two rules for LogQL are left out: nothing here asks Loki. Its exceptions stand in the file
`.lint` beside the dashboards, in its own form, so that the linter itself finds them too.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import promql_parser
import yaml
from grafana_foundation_sdk.cog.plugins import register_default_plugins

from tests.ops.grafana import FOLDER, SILENT, Json, asking, label_values, panels, queries, query_of, variables

register_default_plugins()

#: Any lengths do that nobody would write by himself.
_LENGTHS: Final = {"__rate_interval": "7001s", "__interval": "7003s", "__range": "7009s"}
RATE_INTERVAL: Final = timedelta(seconds=7001)
#: Kinds of panels whose values have a unit, or whose values are mapped to words.
MEASURED: Final = frozenset({"stat", "timeseries", "table", "bargauge", "heatmap", "state-timeline"})
#: Grafana's names of the units used here, out of its list of formats.
UNITS: Final = frozenset({"none", "short", "percentunit", "s", "bytes", "reqps", "cps", "currencyEUR"})
LINT: Final = FOLDER / "dashboards" / ".lint"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: a panel's title, the number of its query."""

    rule: str
    text: str
    panel: str | None = None
    target: int | None = None


Rule = Callable[[Json], Iterator[tuple[str, str | None, int | None]]]
RULES: dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Registers a rule, which gives a text, a panel and a number of a query for each fault."""

    def register(checked: Rule) -> Rule:
        RULES[name] = checked
        return checked

    return register


def faults(dashboard: Json, *names: str) -> list[Fault]:
    """Every fault, of all rules or of those named."""
    return [
        Fault(name, *found)
        for name, checked in RULES.items()
        if not names or name in names
        for found in checked(dashboard)
    ]


def exceptions() -> list[tuple[str, Json]]:
    """Each exception of the file `.lint`: a rule's name, and where it does not hold."""
    told = yaml.safe_load(LINT.read_text("utf-8"))
    return [(name, entry) for name, group in told["exclusions"].items() for entry in group["entries"]]


def excepts(exception: tuple[str, Json], dashboard: Json, fault: Fault) -> bool:
    """Whether an exception is for a fault of a dashboard."""
    name, entry = exception
    return (
        name == fault.rule
        and entry.get("dashboard", dashboard["title"]) == dashboard["title"]
        and entry.get("panel", fault.panel) == fault.panel
        and int(entry.get("targetIdx", -1 if fault.target is None else fault.target))
        == (-1 if fault.target is None else fault.target)
    )


def parsed(expression: str) -> Any:
    """The syntax tree of a query.

    Raises:
        ValueError: it is no PromQL.
    """
    for name, length in _LENGTHS.items():
        expression = expression.replace(f"${name}", length)
    return promql_parser.parse(expression)


def nodes(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every node of a tree, with those above it, the nearest last."""
    yield node, above
    for name in ("lhs", "rhs", "expr", "param", "vector_selector", "args"):
        below = getattr(node, name, None)
        for each in below if isinstance(below, list) else [below] if below is not None else []:
            yield from nodes(each, (*above, node))


def selectors(expression: str) -> list[Any]:
    """Every selector of a query."""
    tree = parsed(expression)
    return [node for node, _ in nodes(tree) if isinstance(node, promql_parser.VectorSelector)]


def labels_of(node: Any) -> set[str] | None:
    """The labels that the series of an expression have; None when the expression does not say."""
    match type(node).__name__:
        case "AggregateExpr" if str(node.op) != "topk":
            return set(node.modifier.labels if node.modifier is not None else ())
        case "AggregateExpr" | "ParenExpr":
            return labels_of(node.expr)
        case "BinaryExpr":
            left, right = labels_of(node.lhs), labels_of(node.rhs)
            both = str(node.op) == "or" and left is not None and right is not None
            return (left or set()) | (right or set()) if both else right if left == set() else left
        case "Call":
            return _labels_of_call(node)
        case "VectorSelector":
            return set() if ":" in node.name else None  # a recorded indicator is one series
        case _:
            return set()


def _labels_of_call(node: Any) -> set[str] | None:
    name = node.func.name
    below = labels_of(node.args[-1 if name == "histogram_quantile" else 0]) if node.args else set()
    if below is None:
        return None
    below |= {node.args[1].val} if name == "label_replace" else set()
    return below - {"le"} if name == "histogram_quantile" else below


def _valid(dashboard: Json) -> Iterator[tuple[Json, int, Any]]:
    """Each query that is PromQL, with its panel, its number and its tree."""
    for panel in asking(dashboard):
        for number, target in enumerate(panel.get("targets", [])):
            try:
                yield panel, number, parsed(target["expr"])
            except ValueError:
                continue  # of that another rule speaks


def _of_type(dashboard: Json, kind: str) -> list[Json]:
    return [variable for variable in variables(dashboard) if variable["type"] == kind]


@rule("template-datasource-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    found = _of_type(dashboard, "datasource")
    if [variable["query"] for variable in found] != ["prometheus"]:
        yield "has no data source of Prometheus to choose", None, None
    for variable in found:
        if (variable["name"], variable["label"]) != ("datasource", "Data source"):
            yield "names it otherwise than everybody", None, None


def _template(dashboard: Json, name: str) -> Iterator[tuple[str, str | None, int | None]]:
    found = [variable for variable in variables(dashboard) if variable["name"] == name]
    if not found:
        yield f"has no variable {name}", None, None
    for variable in found:
        wanted = {"type": "query", "label": name.title(), "multi": True, "allValue": ".+"}
        for key, value in wanted.items():
            if variable[key] != value:
                yield f"{name}: {key} is {variable[key]!r}", None, None
        if variable["datasource"]["uid"] != "${datasource}":
            yield f"{name} asks another data source", None, None


@rule("template-job-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    yield from _template(dashboard, "job")


@rule("template-instance-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    yield from _template(dashboard, "instance")


@rule("template-label-promql-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for variable in _of_type(dashboard, "query"):
        try:
            parsed(label_values(query_of(variable))[0])
        except (AssertionError, ValueError):
            yield f"{variable['name']} asks {query_of(variable)}", None, None


@rule("template-on-time-change-reload-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for variable in _of_type(dashboard, "query"):
        if variable["refresh"] != 2:
            yield f"{variable['name']} is not asked anew when the time changes", None, None


@rule("uneditable-dashboard")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    if dashboard.get("editable", True):
        yield "can be edited", None, None


@rule("panel-datasource-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel in asking(dashboard):
        asked = [panel.get("datasource"), *(target.get("datasource") for target in panel.get("targets", []))]
        if any(source != {"type": "prometheus", "uid": "${datasource}"} for source in asked):
            yield "asks another data source than the one chosen", panel["title"], None


@rule("panel-title-description-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel in panels(dashboard):
        if not panel.get("title") or (panel["type"] != "row" and not panel.get("description")):
            yield "has no title or no description", panel.get("title"), None


@rule("panel-units-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel in asking(dashboard):
        configuration = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        units = [configuration["defaults"].get("unit")] + [
            each["value"]
            for override in configuration["overrides"]
            for each in override["properties"]
            if each["id"] == "unit"
        ]
        if panel["type"] in MEASURED and not set(units) <= UNITS:
            yield f"has no unit, or one that is unknown: {units}", panel["title"], None


@rule("panel-no-targets-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel in asking(dashboard):
        if not panel.get("targets"):
            yield "asks nothing", panel["title"], None


@rule("target-promql-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel in asking(dashboard):
        for number, target in enumerate(panel.get("targets", [])):
            try:
                parsed(target["expr"])
            except ValueError as error:
                yield str(error), panel["title"], number


@rule("target-rate-interval-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel, number, tree in _valid(dashboard):
        for node, above in nodes(tree):
            if (
                isinstance(node, promql_parser.MatrixSelector)
                and node.range != RATE_INTERVAL
                and isinstance(above[-1], promql_parser.Call)
                and above[-1].func.name in {"rate", "irate"}
            ):
                yield f"{above[-1].func.name} over {node.range}", panel["title"], number


def _matcher(dashboard: Json, label: str) -> Iterator[tuple[str, str | None, int | None]]:
    for panel, number, tree in _valid(dashboard):
        for node, _ in nodes(tree):
            if not isinstance(node, promql_parser.VectorSelector):
                continue
            asked = {(each.name, str(each.op), each.value) for each in node.matchers.matchers}
            if (label, str(promql_parser.MatchOp.Re), f"${label}") not in asked:
                yield f'{node.name} is not asked with {label}=~"${label}"', panel["title"], number


@rule("target-job-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    yield from _matcher(dashboard, "job")


@rule("target-instance-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    yield from _matcher(dashboard, "instance")


@rule("target-counter-agg-rule")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel, number, tree in _valid(dashboard):
        for node, above in nodes(tree):
            if isinstance(node, promql_parser.VectorSelector) and str(node.name).endswith("_total"):
                ranged = len(above) > 1 and isinstance(above[-1], promql_parser.MatrixSelector)
                call = above[-2] if ranged else None
                if not isinstance(call, promql_parser.Call) or call.func.name not in {
                    "rate",
                    "irate",
                    "increase",
                }:
                    yield f"{node.name} is a counter, and shown as it stands", panel["title"], number


# The rules that follow are ours.


@rule("dashboard-identity")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    if not re.fullmatch(r"openwatt-[a-z]+", dashboard.get("uid", "")):
        yield "has no uid that links can name", None, None
    if dashboard.get("id") is not None:
        yield "has a number, which another Grafana has given to another", None, None
    if not dashboard.get("description") or "openwatt" not in dashboard.get("tags", []):
        yield "has no description or is not tagged openwatt", None, None
    if dashboard.get("schemaVersion", 0) < 39 or "elements" in dashboard:
        yield "is not of the classic model", None, None


@rule("panel-kind")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel in panels(dashboard):
        if panel["type"] not in MEASURED | SILENT:
            yield f"is a {panel['type']}, of which no rule knows", panel["title"], None


@rule("panel-ids")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    ids = [panel.get("id") for panel in panels(dashboard)]
    titles = [panel["title"] for panel in panels(dashboard)]
    for panel in panels(dashboard):
        if ids.count(panel.get("id")) > 1 or titles.count(panel["title"]) > 1:
            yield "has the number or the title of another", panel["title"], None
        letters = [target["refId"] for target in panel.get("targets", [])]
        if len(set(letters)) < len(letters):
            yield "has two queries of one letter", panel["title"], None


@rule("panel-places")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels(dashboard):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        if not cells or place["x"] < 0 or place["x"] + place["w"] > 24:
            yield "is not on the grid", panel["title"], None
        for other in {taken[cell] for cell in cells & taken.keys()}:
            yield f"lies over {other}", panel["title"], None
        taken |= dict.fromkeys(cells, str(panel["title"]))
    bottom = max(y for _, y in taken)
    if len(taken) < 24 * (bottom + 1):
        yield "has holes in its grid", None, None


@rule("panel-thresholds")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel in asking(dashboard):
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        values = [step["value"] for step in steps]
        if steps and (values[0] is not None or values[1:] != sorted(values[1:])):
            yield "has thresholds that do not rise from a beginning", panel["title"], None
        if panel["type"] == "stat" and not steps:
            yield "does not say from where on it is bad", panel["title"], None


@rule("tile-of-this-instant")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel, target in queries(dashboard):
        if panel["type"] in {"stat", "table", "bargauge"} and (target.get("range") or not target["instant"]):
            yield "may show an old value as if it were of now", panel["title"], None


@rule("target-legend")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    for panel, number, tree in _valid(dashboard):
        pattern = panel["targets"][number]["legendFormat"]
        named, told = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", pattern)), labels_of(tree)
        if panel["type"] in {"stat", "table"}:
            continue
        if pattern == "__auto":
            yield "leaves the name of its line to chance", panel["title"], number
        elif told is not None and named != told:
            yield f"names its lines by {sorted(named)}, they differ by {sorted(told)}", panel["title"], number


@rule("variables-used")
def _(dashboard: Json) -> Iterator[tuple[str, str | None, int | None]]:
    told = {key: value for key, value in dashboard.items() if key != "templating"}
    defined = {variable["name"]: variable for variable in variables(dashboard)}
    used = set(re.findall(r"\$\{?([a-z]\w*)", str(told) + str(list(map(query_of, defined.values())))))
    for name in sorted(defined.keys() ^ used):
        yield f"${name} is not both defined and used", None, None
