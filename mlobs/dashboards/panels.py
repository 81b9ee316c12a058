"""Grafana panels as data: a query has a legend, a panel has a unit and a meaning.

A panel says what it shows; where it stands is `layout`. `unit` and `meaning` have no default
on purpose. `meaning` is the tooltip that answers "is up good or bad, and what do I do?".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlobs.dashboards.queries import largest, legend
from mlobs.semconv.rows import Attribute

Json = dict[str, Any]
Unit = Literal["s", "reqps", "cps", "percentunit", "currencyUSD", "bytes", "Bps", "short", "suffix: tok/s"]

DATA_SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query of a panel.

    Args:
        expr: As Prometheus takes it, with Grafana's variables in it.
        legend: `{{label}}` in it stands for the label's value.
        exemplars: Show the traces behind a histogram as dots.
        limit: Draw it as a dashed line: it is what the others are held against.
    """

    expr: str
    legend: str
    exemplars: bool = False
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """Values at which a panel turns orange and red; `orange` None means straight to red."""

    red: float
    orange: float | None = None


def lines(query: str, *labels: Attribute, exemplars: bool = False) -> Query:
    """Return the largest series of a query, named by their labels."""
    return Query(largest(query), legend(*labels), exemplars)


def stat(
    title: str, queries: Sequence[Query], *, unit: Unit, meaning: str, bounds: Bounds | None = None
) -> Json:
    """Return one number per query over a sparkline: what the first screen is made of."""
    colour: Json = {"mode": "thresholds"} if bounds else {"mode": "fixed", "fixedColor": BLUE}
    return {
        **_panel("stat", title, queries, meaning),
        "fieldConfig": {
            "defaults": {"unit": unit, "color": colour, "thresholds": _thresholds(bounds)},
            "overrides": [],
        },
        "options": {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto" if len(queries) == 1 else "value_and_name",
        },
    }


def timeseries(
    title: str, queries: Sequence[Query], *, unit: Unit, meaning: str, stacked: bool = False
) -> Json:
    """Return lines over time, with the last and the largest value in the legend."""
    custom: Json = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    highest: Json = {"max": 1} if unit == "percentunit" else {}
    return {
        **_panel("timeseries", title, queries, meaning),
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": 0,
                **highest,
                "color": {"mode": "palette-classic"},
                "custom": custom,
            },
            "overrides": [_dashed(query) for query in queries if query.limit],
        },
        "options": {
            "legend": {
                "calcs": ["lastNotNull", "max"],
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def state_timeline(title: str, queries: Sequence[Query], *, states: Mapping[int, str], meaning: str) -> Json:
    """Return one coloured band per series: state 0 is good, every other is not."""
    mapping = {
        str(state): {"text": text, "color": RED if state else GREEN, "index": state}
        for state, text in states.items()
    }
    return {
        **_panel("state-timeline", title, queries, meaning),
        "fieldConfig": {
            "defaults": {
                "unit": "short",
                "color": {"mode": "thresholds"},
                "thresholds": _thresholds(Bounds(red=1)),
                "mappings": [{"type": "value", "options": mapping}],
                "custom": {"fillOpacity": 70, "lineWidth": 0},
            },
            "overrides": [],
        },
        "options": {
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "mergeValues": True,
            "rowHeight": 0.9,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        },
    }


@dataclass(frozen=True, slots=True)
class Column:
    """A number of a table: its heading, its query and its unit."""

    title: str
    expr: str
    unit: Unit


def table(title: str, columns: Sequence[Column], *, labels: Mapping[str, str], meaning: str) -> Json:
    """Return one row per combination of `labels`, a mapping of labels to headings."""
    queries = [Query(column.expr, column.title) for column in columns]
    panel = _panel("table", title, queries, meaning)
    for target in panel["targets"]:
        target |= {"format": "table", "instant": True, "range": False}
    names = {
        f"Value #{target['refId']}": column for target, column in zip(panel["targets"], columns, strict=True)
    }
    if len(names) == 1:
        names = {"Value": columns[0]}
    order = [*labels, *names]
    return {
        **panel,
        "fieldConfig": {
            "defaults": {"unit": "short", "custom": {"align": "auto", "filterable": True}},
            "overrides": [
                _override(column.title, {"id": "unit", "value": column.unit}) for column in columns
            ],
        },
        "options": {"showHeader": True, "cellHeight": "sm"},
        "transformations": [
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate(order)},
                    "renameByName": {**labels, **{name: column.title for name, column in names.items()}},
                },
            },
        ],
    }


def _panel(kind: str, title: str, queries: Sequence[Query], meaning: str) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": meaning,
        "datasource": DATA_SOURCE,
        "targets": [_target(query, place) for place, query in enumerate(queries)],
    }


def _target(query: Query, place: int) -> Json:
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATA_SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "exemplar": query.exemplars,
        "instant": False,
        "range": True,
    }


def _thresholds(bounds: Bounds | None) -> Json:
    steps: list[Json] = [{"color": GREEN, "value": None}]
    if bounds and bounds.orange is not None:
        steps.append({"color": ORANGE, "value": bounds.orange})
    if bounds:
        steps.append({"color": RED, "value": bounds.red})
    return {"mode": "absolute", "steps": steps}


def _dashed(limit: Query) -> Json:
    # A legend with labels in it becomes many names; they all begin alike.
    begin = limit.legend.partition("{{")[0].strip()
    return {
        "matcher": {"id": "byRegexp", "options": f"/^{begin}/"},
        "properties": [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "color", "value": {"mode": "fixed", "fixedColor": RED}},
        ],
    }


def _override(title: str, *properties: Json) -> Json:
    return {"matcher": {"id": "byName", "options": title}, "properties": list(properties)}
