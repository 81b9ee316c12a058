"""Grafana panels as data: a query has a legend, a panel has a unit and a meaning.

A panel says what it shows; where it stands is `layout`. `unit` and `meaning` have no default
on purpose. `meaning` is the tooltip that answers "is up good or bad, and what do I do?".

Here are the two that most dashboards are made of; `tables` and `charts` have the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlobs.dashboards import looks
from mlobs.dashboards.queries import largest, legend, steady
from mlobs.semconv.rows import Attribute

Json = looks.Json
Unit = Literal[
    "s",
    "reqps",
    "cpm",
    "percentunit",
    "percent",
    "currencyUSD",
    "bytes",
    "mbytes",
    "Bps",
    "short",
    "none",
    "watt",
    "celsius",
    "count:tok/s",
    "count:spans/s",
    "count:rows/s",
    "count:records/s",
    "count:labels/s",
    "count:segments/s",
    "count:events/s",
    "count:scores/s",
    "count:tok",
    "count:tok/min",
    "suffix: x",
]

# Of Grafana's own panels, as we write their options. Without one, Grafana takes them for those of 6.1 and
# gives every share the ends 0 and 1, so that 3% is a line on the floor.
PLUGIN_VERSION = "12.0.0"
DATA_SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"
NO_COLOUR = "transparent"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query of a panel.

    Args:
        expr: As Prometheus takes it, with Grafana's variables in it.
        legend: `{{label}}` in it stands for the label's value.
        exemplars: Show the traces behind a histogram as dots.
        limit: Draw it as a dashed line: it is what the others are held against.
        instant: Ask once, for the end of the time range.
        shape: How the answer is read.
    """

    expr: str
    legend: str
    exemplars: bool = False
    limit: bool = False
    instant: bool = False
    shape: Literal["time_series", "table", "heatmap"] = "time_series"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Values at which a panel turns orange and red; `orange` None means straight to red.

    Args:
        red: From here on it is bad; or, with `falling`, below here.
        orange: From here on it is worth a look; or, with `falling`, below here.
        falling: Small values are the bad ones.
    """

    red: float
    orange: float | None = None
    falling: bool = False


def alerting(limit: float) -> Bounds:
    """Return the bounds of a number with an alert: red where that begins, orange from the half of it."""
    return Bounds(red=limit, orange=limit / 2) if limit > 0 else ANY


ANY = Bounds(red=1e-9)  # One is bad: a rate of one in a long window is small, and not nothing.


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click on a series leads."""

    title: str
    url: str


def lines(query: str, *labels: Attribute, exemplars: bool = False) -> Query:
    """Return the largest series of a query, named by their labels."""
    return Query(largest(query), legend(*labels), exemplars)


def bands(query: str, *labels: Attribute) -> Query:
    """Return the series with most over the whole time range, named by their labels: what may be stacked."""
    return Query(steady(query), legend(*labels))


def stat(
    title: str,
    queries: Sequence[Query],
    *,
    unit: Unit,
    meaning: str,
    bounds: Bounds | None = None,
    link: Link | None = None,
    over: str | None = None,
    once: bool = False,
    nothing: str = "",
) -> Json:
    """Return one number per query over a sparkline: what the first screen is made of.

    Args:
        title: Of the panel.
        queries: Each a number.
        unit: Of the numbers.
        meaning: What they say, and what to do.
        bounds: When they are bad.
        link: Where the panel's own link leads.
        over: A time range of its own, such as now/d for today, which the title says; such a number has no
            sparkline.
        once: Ask for the end of the time range only, as for what is of a month anyway; no sparkline.
        nothing: What stands there when there is no data.
    """
    once = once or over is not None
    if once:
        queries = [replace(query, instant=True) for query in queries]
    return {
        **panel("stat", title, queries, meaning),
        **({"links": [{"title": link.title, "url": link.url, "targetBlank": False}]} if link else {}),
        **({"timeFrom": over, "hideTimeOverride": True} if over else {}),
        "fieldConfig": field_config(unit, colour(bounds), thresholds=thresholds(bounds), **_empty(nothing)),
        "options": looks.number(
            "none" if once else "area", "auto" if len(queries) == 1 else "value_and_name"
        ),
    }


def timeseries(
    title: str,
    queries: Sequence[Query],
    *,
    unit: Unit,
    meaning: str,
    stacked: bool = False,
    highest: float | None = None,
    lowest: float | None = 0,
    soft: float | None = None,
    link: Link | None = None,
    nothing: str = "",
) -> Json:
    """Return lines over time, with the last and the largest value in the legend.

    Args:
        title: Of the panel.
        queries: Each a line, or one for each combination of labels.
        unit: Of the values.
        meaning: What they say, and what to do.
        stacked: Their sum means something.
        highest: What no value is above.
        lowest: What no value is below; None where values may be anything.
        soft: As high the axis is at least, and higher where values are: that 1% is not a flat line.
        link: Where a click on a line leads.
        nothing: What stands there when there is no data.
    """
    custom = looks.lines(stacked=stacked, points="never") | ({} if soft is None else {"axisSoftMax": soft})
    ends = {name: value for name, value in (("min", lowest), ("max", highest)) if value is not None}
    links = [{"title": link.title, "url": link.url, "targetBlank": False}] if link else []
    return {
        **panel("timeseries", title, queries, meaning),
        "fieldConfig": field_config(
            unit,
            {"mode": "palette-classic"},
            *(_dashed(query) for query in queries if query.limit),
            **ends,
            **({"links": links} if links else {}),
            **_empty(nothing),
            custom=custom,
        ),
        "options": looks.LINES,
    }


def panel(kind: str, title: str, queries: Sequence[Query], meaning: str) -> Json:
    """Return what panels of every kind have."""
    return {
        "type": kind,
        "title": title,
        "description": meaning,
        "datasource": DATA_SOURCE,
        "targets": [_target(query, place) for place, query in enumerate(queries)],
    }


def field_config(unit: Unit, coloured: Json, *overrides: Json, **defaults: Any) -> Json:
    """Return how the values of a panel are shown."""
    return {
        "defaults": {"unit": unit, "color": coloured, **defaults},
        "overrides": list(overrides),
    }


def colour(bounds: Bounds | None) -> Json:
    """Return how a number gets its colour: by its bounds, or none that means anything."""
    return {"mode": "thresholds"} if bounds else {"mode": "fixed", "fixedColor": BLUE}


def thresholds(bounds: Bounds | None, good: str = GREEN) -> Json:
    """Return Grafana's steps of colour, each from its value on."""
    if bounds is None:
        steps: list[tuple[str, float | None]] = [(good, None)]
    elif bounds.falling:
        between = [] if bounds.orange is None else [(ORANGE, bounds.red)]
        enough = bounds.red if bounds.orange is None else bounds.orange
        steps = [(RED, None), *between, (good, enough)]
    else:
        between = [] if bounds.orange is None else [(ORANGE, bounds.orange)]
        steps = [(good, None), *between, (RED, bounds.red)]
    return {"mode": "absolute", "steps": [{"color": name, "value": value} for name, value in steps]}


def _empty(nothing: str) -> Json:
    return {"noValue": nothing} if nothing else {}


def _target(query: Query, place: int) -> Json:
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATA_SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "exemplar": query.exemplars,
        "format": query.shape,
        "instant": query.instant,
        "range": not query.instant,
    }


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
