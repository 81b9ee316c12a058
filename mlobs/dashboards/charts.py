"""The other kinds of panel: bands of states, heat maps, percentiles, bars, and words where no query helps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mlobs.dashboards.panels import (
    GREEN,
    ORANGE,
    RED,
    Bounds,
    Json,
    Query,
    Unit,
    colour,
    field_config,
    panel,
    thresholds,
    timeseries,
)
from mlobs.dashboards.queries import quantile
from mlobs.semconv.rows import Metric, Series


def state_timeline(title: str, queries: Sequence[Query], *, states: Mapping[int, str], meaning: str) -> Json:
    """Return one coloured band per series: state 0 is good, every other is not."""
    mapping = {
        str(state): {"text": text, "color": RED if state else GREEN, "index": state}
        for state, text in states.items()
    }
    return {
        **panel("state-timeline", title, queries, meaning),
        "fieldConfig": field_config(
            "none",
            {"mode": "thresholds"},
            thresholds=thresholds(Bounds(red=1)),
            mappings=[{"type": "value", "options": mapping}],
            custom={"fillOpacity": 70, "lineWidth": 0},
        ),
        "options": {
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "mergeValues": True,
            "rowHeight": 0.9,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        },
    }


def heatmap(title: str, buckets: str, *, unit: Unit, meaning: str) -> Json:
    """Return the buckets of a histogram over time, the darker the more calls, with its exemplars."""
    query = Query(buckets, "{{le}}", exemplars=True, shape="heatmap")
    return {
        **panel("heatmap", title, [query], meaning),
        "fieldConfig": field_config(unit, {"mode": "fixed"}),
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "exponent": 0.5, "reverse": False},
            "exemplars": {"color": ORANGE},
            "filterValues": {"le": 1e-9},
            "legend": {"show": False},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
        },
    }


def percentiles(title: str, row: Metric | Series, meaning: str) -> Json:
    """Return the percentiles of a duration, of all its series together."""
    queries = [Query(quantile(q, row), f"p{100 * q:g}", exemplars=True) for q in (0.5, 0.95, 0.99)]
    return timeseries(title, queries, unit="s", meaning=meaning)


def bars(
    title: str,
    queries: Sequence[Query],
    *,
    unit: Unit,
    meaning: str,
    highest: float,
    bounds: Bounds,
    nothing: str,
) -> Json:
    """Return one bar for each series, as long as it is of `highest`; `nothing` stands there without data."""
    queries = [replace(query, instant=True) for query in queries]
    return {
        **panel("bargauge", title, queries, meaning),
        "fieldConfig": field_config(
            unit, colour(bounds), min=0, max=highest, thresholds=thresholds(bounds), noValue=nothing
        ),
        "options": {
            "displayMode": "basic",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
            "valueMode": "color",
        },
    }


def text(title: str, meaning: str, content: str) -> Json:
    """Return words in Markdown: what a dashboard of metrics cannot show, and where it is."""
    return {
        "type": "text",
        "title": title,
        "description": meaning,
        "options": {"mode": "markdown", "content": content},
    }
