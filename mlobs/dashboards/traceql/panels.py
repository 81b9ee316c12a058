"""Grafana panels whose answers come from Tempo."""

from collections.abc import Mapping, Sequence

from mlobs.dashboards import looks
from mlobs.dashboards.panels import Json, Unit, colour, field_config
from mlobs.semconv.rows import Attribute

PLUGIN = "tempo"
DATA_SOURCE: Json = {"type": PLUGIN, "uid": "${tempo}"}
TRACES_MAX, SPANS_MAX, EXEMPLARS_MAX = 20, 3, 100


def number(title: str, query: str, *, unit: Unit, meaning: str) -> Json:
    """Return the newest value over a sparkline."""
    return {
        **_panel("stat", title, [_measured(query)], meaning),
        "fieldConfig": field_config(unit, colour(None)),
        "options": looks.number("area", "value"),
    }


def lines(title: str, query: str, *, unit: Unit, meaning: str, stacked: bool = False) -> Json:
    """Return lines over time of a query that measures."""
    return {
        **_panel("timeseries", title, [_measured(query)], meaning),
        "fieldConfig": field_config(
            unit, {"mode": "palette-classic"}, min=0, custom=looks.lines(stacked=stacked, points="auto")
        ),
        "options": looks.LINES,
    }


def found(title: str, query: str, *, meaning: str, units: Mapping[Attribute, str] | None = None) -> Json:
    """Return the spans that a query finds, one in a row, each leading to its trace.

    Args:
        title: What it shows.
        query: A search.
        meaning: The tooltip.
        units: Of the columns that are numbers.
    """
    overrides = [
        {
            "matcher": {"id": "byName", "options": row.name},
            "properties": [{"id": "unit", "value": unit}],
        }
        for row, unit in (units or {}).items()
    ]
    return {
        **_panel("table", title, [_searched(query)], meaning),
        "fieldConfig": {
            "defaults": {"unit": "short", "custom": {"align": "auto", "filterable": True, "minWidth": 50}},
            "overrides": overrides,
        },
        "options": {"showHeader": True, "cellHeight": "sm"},
    }


def graph(title: str, *, meaning: str) -> Json:
    """Return who calls whom, as Tempo's metrics generator counts it."""
    target = {**_target("A"), "queryType": "serviceMap", "serviceMapQuery": "", "limit": TRACES_MAX}
    return {**_panel("nodeGraph", title, [target], meaning), **looks.UNITLESS, "options": {}}


def trace(title: str, variable: str, *, meaning: str) -> Json:
    """Return the trace whose id a variable holds."""
    target = {**_target("A"), "queryType": "traceql", "query": f"${{{variable}}}"}
    return {**_panel("traces", title, [target], meaning), **looks.UNITLESS, "options": {}}


def _panel(kind: str, title: str, targets: Sequence[Json], meaning: str) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": meaning,
        "datasource": DATA_SOURCE,
        "targets": list(targets),
    }


def _target(ref: str) -> Json:
    return {"refId": ref, "datasource": DATA_SOURCE, "filters": []}


def _measured(query: str) -> Json:
    return {
        **_target("A"),
        "queryType": "traceql",
        "query": query,
        "metricsQueryType": "range",
        "exemplars": EXEMPLARS_MAX,  # the traces behind the lines
    }


def _searched(query: str) -> Json:
    return {
        **_target("A"),
        "queryType": "traceql",
        "query": query,
        "tableType": "spans",
        "limit": TRACES_MAX,
        "spss": SPANS_MAX,
    }
