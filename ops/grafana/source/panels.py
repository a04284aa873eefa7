"""The words in which the dashboards are written: queries, panels, and their places on the grid."""

# ruff: noqa: INP001 - beside the files that it writes, not a package

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Json = dict[str, Any]
Steps = Sequence[tuple[float | None, str]]

DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
#: What every selector asks for; Grafana puts the choices of the reader in.
TARGETS: Final = 'job=~"$job",instance=~"$instance"'
#: Probes and scrapes are no requests of customers; the rules leave the same routes out.
NO_CUSTOMERS: Final = 'route!~"/health|/health/ready|/metrics|/version"'
ROUTES: Final = f'{TARGETS},route=~"$route",{NO_CUSTOMERS}'
GRID_COLUMNS: Final = 24
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#808080"


def total(expression: str, *by: str) -> str:
    """The sum over the instances of a job; of the two jobs that tell the same service, the larger."""
    outer = f"max by ({', '.join(by)})" if by else "max"
    return f"{outer} (sum by ({', '.join(('job', *by))}) ({expression}))"


def rate(metric: str, *by: str, matchers: str = TARGETS) -> str:
    """How fast a counter grows, per second."""
    return total(f"rate({metric}{{{matchers}}}[$__rate_interval])", *by)


def increase(metric: str, *by: str, matchers: str = TARGETS) -> str:
    """By how much a counter grew over the time shown."""
    return total(f"increase({metric}{{{matchers}}}[$__range])", *by)


def by_host(selector: str) -> str:
    """Series with the machine they are from: both jobs tell of it, at ports of their own."""
    return f'label_replace({selector}, "host", "$1", "instance", "(.*):[0-9]+")'


def arrived(form: str, metric: str, matchers: str = TARGETS, *, told_by: str = "up") -> str:
    """How many events came since the point before: whole numbers, whose sum is that of the time shown.

    `form` puts series together, `{}` standing for them. `increase` would guess beyond its samples and
    miss the first event of each label. What was not there then counts from 0, if `told_by` says that
    it would have been seen.
    """
    now = form.format(f"{metric}{{{matchers}}}")
    before = form.format(f"{metric}{{{matchers}}} offset $__interval")
    watched = f"max ({told_by}{{{TARGETS}}} offset $__interval) == 1"
    return f"clamp_min({now} - ({before} or 0 * {now} and on () {watched}), 0)"


def or_none(expression: str, *, told_by: str = "up", **label: str) -> str:
    """The expression, or 0 where nothing has happened yet: but only while `told_by` says that it is known.

    A counter with labels has no series before its first event. A service that does not
    answer must leave its panels empty: a 0 would read as "all is well".
    """
    zero = f"0 * (max ({told_by}{{{TARGETS}}}) > 0)"
    for name, value in label.items():
        zero = f'label_replace({zero}, "{name}", "{value}", "", "")'
    return f"{expression} or on () {zero}"


def ratio(part: str, whole: str) -> str:
    """A share, 0 when there is no part, and nothing when there is no whole."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel; a legend names the lines by their labels."""

    expression: str
    legend: str = ""
    instant: bool = False
    shape: Literal["time_series", "table", "heatmap"] = "time_series"

    def target(self, number: int) -> Json:
        """As Grafana's model has it."""
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expression,
            "format": self.shape,
            "instant": self.instant,
            "legendFormat": self.legend or "__auto",
            "range": not self.instant,
            "refId": "ABCDEFGHIJ"[number],
        }


def thresholds(steps: Steps) -> Json:
    """From which value on which colour; None is the beginning."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def mapped(texts: Mapping[str, tuple[str, str]]) -> Json:
    """Values shown as a word and a colour."""
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return {"type": "value", "options": options}


def field(name: str, **properties: Any) -> Json:
    """What is different for one field, by the name it is shown under."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def _panel(kind: str, title: str, description: str, queries: Iterable[Query], **more: Any) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": [query.target(number) for number, query in enumerate(queries)],
        **more,
    }


def tile(
    title: str,
    description: str,
    expression: str,
    *,
    unit: str,
    steps: Steps,
    decimals: int | None = None,
    mappings: Sequence[Json] = (),
) -> Json:
    """One number as it is now. It is asked for this instant: an old value never poses as a present one."""
    defaults: Json = {
        "unit": unit,
        "thresholds": thresholds(steps),
        "mappings": list(mappings),
        "noValue": "no data",
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    return _panel(
        "stat",
        title,
        description,
        [Query(expression, instant=True)],
        fieldConfig={"defaults": defaults, "overrides": []},
        options={
            "colorMode": "background_solid",
            "graphMode": "none",
            "justifyMode": "center",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value",
        },
    )


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    steps: Steps = (),
    stacked: bool = False,
    bars: bool = False,
    legend: Sequence[str] = ("lastNotNull", "max"),
    overrides: Sequence[Json] = (),
    minimum: float | None = 0,
    **defaults: Any,
) -> Json:
    """Values over time; `steps` are drawn as dashed lines."""
    if minimum is not None:
        defaults["min"] = minimum
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 80 if bars else 25 if stacked else 8,
        "lineWidth": 0 if bars else 1,
        "lineInterpolation": "linear",
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if steps else "off"},
    }
    return _panel(
        "timeseries",
        title,
        description,
        queries,
        fieldConfig={
            "defaults": {
                "unit": unit,
                "color": {"mode": "palette-classic"},
                "custom": custom,
                "thresholds": thresholds([(None, "transparent"), *steps] if steps else [(None, GREEN)]),
                **defaults,
            },
            "overrides": list(overrides),
        },
        options={
            "legend": {
                "calcs": list(legend),
                "displayMode": "table" if legend else "list",
                "placement": "bottom",
                "showLegend": True,
                **({"sortBy": "Max", "sortDesc": True} if "max" in legend else {}),
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def states(
    title: str, description: str, *queries: Query, unit: str = "short", texts: Mapping[str, tuple[str, str]]
) -> Json:
    """What was when, in coloured bands."""
    return _panel(
        "state-timeline",
        title,
        description,
        queries,
        fieldConfig={
            "defaults": {
                "unit": unit,
                "mappings": [mapped(texts)],
                "thresholds": thresholds([(None, GREY)]),
                "color": {"mode": "thresholds"},
                "custom": {"fillOpacity": 80, "lineWidth": 0},
            },
            "overrides": [],
        },
        options={
            "alignValue": "center",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "mergeValues": True,
            "rowHeight": 0.8,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def table(
    title: str,
    description: str,
    label: str | Sequence[str],
    columns: Mapping[str, str],
    *,
    sort: tuple[str, bool],
    overrides: Sequence[Json],
    unit: str = "short",
) -> Json:
    """A line for each value of a label (or of several), a column for each query: heading → expression."""
    labels = [label] if isinstance(label, str) else list(label)
    queries = [Query(expression, instant=True, shape="table") for expression in columns.values()]
    values = {f"Value #{'ABCDEFGHIJ'[number]}": heading for number, heading in enumerate(columns)}
    if len(columns) == 1:
        values = {"Value": next(iter(columns))}
    names = {name: name.capitalize() for name in labels} | values
    return _panel(
        "table",
        title,
        description,
        queries,
        fieldConfig={
            "defaults": {
                "unit": unit,
                "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False},
                "thresholds": thresholds([(None, "transparent")]),
                "noValue": "–",
            },
            "overrides": list(overrides),
        },
        options={
            "cellHeight": "sm",
            "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": ""},
            "showHeader": True,
            "sortBy": [{"displayName": sort[0], "desc": sort[1]}],
        },
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate(names)},
                    "renameByName": names,
                },
            },
        ],
    )


def bars(title: str, description: str, query: Query, *, unit: str, steps: Steps) -> Json:
    """A few values beside each other, the largest first."""
    return _panel(
        "bargauge",
        title,
        description,
        [query],
        fieldConfig={
            "defaults": {"unit": unit, "min": 0, "thresholds": thresholds(steps), "decimals": 2},
            "overrides": [],
        },
        options={
            "displayMode": "gradient",
            "minVizHeight": 14,
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
            "valueMode": "color",
        },
    )


def heatmap(title: str, description: str, expression: str, *, unit: str) -> Json:
    """How a histogram's counts lie, bucket by bucket, over time."""
    return _panel(
        "heatmap",
        title,
        description,
        [Query(expression, "{{le}}", shape="heatmap")],
        fieldConfig={"defaults": {"custom": {"hideFrom": {"legend": False}}, "unit": unit}, "overrides": []},
        options={
            "calculate": False,
            "cellGap": 1,
            "color": {
                "exponent": 0.4,
                "fill": "dark-orange",
                "mode": "scheme",
                "scale": "exponential",
                "scheme": "Oranges",
                "steps": 32,
            },
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"show": True, "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "unit": unit},
        },
    )


def text(title: str, description: str, content: str) -> Json:
    """Words, in Markdown; variables are put in."""
    return {
        "type": "text",
        "title": title,
        "description": description,
        "options": {"mode": "markdown", "content": content},
    }


def heading(title: str) -> Json:
    """A line across the grid, under which panels can be folded away."""
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def placed(rows: Iterable[tuple[int, Sequence[Json | tuple[int, Json]]]]) -> list[Json]:
    """Panels with their numbers and places: rows of a height, shared equally but for widths given.

    Raises:
        ValueError: a row is not filled exactly.
    """
    panels: list[Json] = []
    top = 0
    for height, row in rows:
        wide = [entry if isinstance(entry, tuple) else (0, entry) for entry in row]
        left = GRID_COLUMNS - sum(width for width, _ in wide)
        free = sum(not width for width, _ in wide)
        if left % free if free else left:
            raise ValueError(f"a row is not filled: {[panel['title'] for _, panel in wide]}")
        across = 0
        for width, panel in wide:
            width_taken = width or left // free
            place = {"h": height, "w": width_taken, "x": across, "y": top}
            panels.append({"id": len(panels) + 1, "gridPos": place, **panel})
            across += width_taken
        top += height
    return panels
