"""How numbers and lines look, whatever language their queries are in."""

from typing import Any, Literal

Json = dict[str, Any]
# What has no numbers has no unit.
UNITLESS: Json = {"fieldConfig": {"defaults": {"unit": "none"}, "overrides": []}}
LINES: Json = {
    "legend": {
        "calcs": ["lastNotNull", "max"],
        "displayMode": "table",
        "placement": "bottom",
        "showLegend": True,
    },
    "tooltip": {"mode": "multi", "sort": "desc"},
}


def number(graph: Literal["area", "none"], text: Literal["value", "auto", "value_and_name"]) -> Json:
    """Return the options of a panel that shows the newest number.

    Args:
        graph: Whether there is a line behind it.
        text: What stands beside it.
    """
    return {
        "colorMode": "value",
        "graphMode": graph,
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": text,
    }


def lines(*, stacked: bool, points: Literal["auto", "never"]) -> Json:
    """Return how lines are drawn.

    Args:
        stacked: Whether they add up to something.
        points: "auto" where values may be minutes apart, between which there is no line.
    """
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 10,
        "showPoints": points,
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
