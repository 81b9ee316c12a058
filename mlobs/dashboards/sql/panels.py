"""Grafana panels whose answers are SQL, for the data source plugin grafana-clickhouse-datasource.

A panel has one statement. How the plugin reads the answer is its format: a time series has the column `time`,
a text that names the line if there are several, and numbers; a table is shown as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlobs.dashboards import looks
from mlobs.dashboards.links import PREFIX, TRACES
from mlobs.dashboards.panels import Bounds, Json, Unit, colour, field_config, thresholds

PLUGIN = "grafana-clickhouse-datasource"
DATA_SOURCE: Json = {"type": PLUGIN, "uid": "${clickhouse}"}
FORMATS = {"timeseries": 0, "table": 1, "logs": 2, "traces": 3}
Form = Literal["timeseries", "table", "logs", "traces"]
INTERVAL_MIN = "1m"
CHOSEN = "&".join(
    ["${__url_time_range}", *(f"${{{name}:queryparam}}" for name in ("clickhouse", "service", "model"))]
)
BELOW: Json = {"title": "Show below", "url": f"/d/{PREFIX}{TRACES}?{CHOSEN}&var-trace=${{__value.raw}}"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a column of a table looks.

    Args:
        unit: Of its numbers; "" as they are.
        bounds: Where its text turns orange and red.
        links: What its cells lead to.
        width: In pixels; 0 as wide as it needs to be.
        empty: What stands where its text is empty.
    """

    unit: str = ""
    bounds: Bounds | None = None
    links: Sequence[Json] = ()
    width: int = 0
    empty: str = ""


def of_a_trace(pages: str) -> Look:
    """Return the look of a trace's id: it leads to the last row of the board, and to the server's page of it.

    Args:
        pages: Where people open the server, which only whoever runs it knows; "" for no such link. A variable
            for it would let a link that somebody is sent lead the whole board elsewhere.
    """
    page = {"title": "Open in mlobs", "url": f"{pages}/traces/${{__value.raw}}", "targetBlank": True}
    return Look(links=(BELOW, page) if pages else (BELOW,), width=95)


def target(statement: str, form: Form) -> Json:
    """Return a query as the plugin stores it."""
    return {
        "refId": "A",
        "datasource": DATA_SOURCE,
        "editorType": "sql",
        "queryType": form,
        "format": FORMATS[form],
        "rawSql": statement,
    }


def number(title: str, statement: str, *, unit: Unit, meaning: str, bounds: Bounds | None = None) -> Json:
    """Return one number of the whole range: the statement's answer has one row."""
    return {
        **_panel("stat", title, statement, "table", meaning),
        "fieldConfig": field_config(unit, colour(bounds), thresholds=thresholds(bounds, good="text")),
        "options": looks.number("none", "value"),
    }


def lines(
    title: str, statement: str, *, unit: Unit, meaning: str, named: str = "", stacked: bool = False
) -> Json:
    """Return lines over time.

    Args:
        title: What it shows.
        statement: Its answer has the columns `time`, perhaps a text, and numbers.
        unit: Of the numbers.
        meaning: The tooltip.
        named: The column whose text names a line; "" if the numbers' columns do.
        stacked: Whether the lines add up to something.
    """
    shown: Json = {"displayName": f"${{__field.labels.{named}}}"} if named else {}
    return {
        **_panel("timeseries", title, statement, "timeseries", meaning),
        "interval": INTERVAL_MIN,
        "fieldConfig": field_config(
            unit,
            {"mode": "palette-classic"},
            min=0,
            custom=looks.lines(stacked=stacked, points="auto"),
            **shown,
        ),
        "options": looks.LINES,
    }


def table(
    title: str, statement: str, *, looks: Mapping[str, Look], meaning: str, sort: str = "", none: str = ""
) -> Json:
    """Return the rows of an answer.

    Args:
        title: What it shows.
        statement: Its columns are the headings.
        looks: By heading; a column that is not in it is text or a plain number.
        meaning: The tooltip.
        sort: The heading whose largest is on top; "" in the order of the answer.
        none: What stands there when there are no rows.
    """
    order: Json = {"sortBy": [{"displayName": sort, "desc": True}]} if sort else {}
    empty: Json = {"noValue": none} if none else {}
    return {
        **_panel("table", title, statement, "table", meaning),
        "fieldConfig": {
            "defaults": {"unit": "short", **empty, "custom": _CELLS},
            "overrides": [_override(heading, look) for heading, look in looks.items()],
        },
        "options": {"showHeader": True, "cellHeight": "sm", **order},
    }


def trace(title: str, statement: str, *, meaning: str) -> Json:
    """Return one trace as Grafana draws it: a tree with bars."""
    return {**_panel("traces", title, statement, "traces", meaning), **looks.UNITLESS, "options": {}}


def logs(title: str, statement: str, *, meaning: str) -> Json:
    """Return log records, the oldest first."""
    options = {
        "showTime": True,
        "wrapLogMessage": True,
        "enableLogDetails": True,
        "sortOrder": "Ascending",
        "dedupStrategy": "none",
    }
    return {**_panel("logs", title, statement, "logs", meaning), **looks.UNITLESS, "options": options}


# Grafana gives a column 150 pixels at least unless it is told otherwise, and then tables scroll sideways.
_CELLS: Json = {"align": "auto", "filterable": True, "minWidth": 50}


def _panel(kind: str, title: str, statement: str, form: Form, meaning: str) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": meaning,
        "datasource": DATA_SOURCE,
        "targets": [target(statement, form)],
    }


def _override(heading: str, look: Look) -> Json:
    found: list[Json] = []
    if look.unit:
        found.append({"id": "unit", "value": look.unit})
    if look.bounds:
        found += [
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            {"id": "color", "value": {"mode": "thresholds"}},
            {"id": "thresholds", "value": thresholds(look.bounds, good="text")},
        ]
    if look.links:
        found.append({"id": "links", "value": list(look.links)})
    if look.width:
        found.append({"id": "custom.width", "value": look.width})
    if look.empty:
        shown = {"match": "empty", "result": {"text": look.empty, "index": 0}}
        found.append({"id": "mappings", "value": [{"type": "special", "options": shown}]})
    return {"matcher": {"id": "byName", "options": heading}, "properties": found}
