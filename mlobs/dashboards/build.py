"""Makes the files of `dashboards/` from the modules that say what is on them.

Pure: returns texts by file name. The files are committed, and a test rebuilds and compares.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.dashboards import overview
from mlobs.dashboards.layout import Row, place
from mlobs.dashboards.panels import DATA_SOURCE, Json
from mlobs.dashboards.queries import FEATURE, FIRING_RULES, latest, legend
from mlobs.dashboards.variables import variables
from mlobs.semconv import metrics as m

SCHEMA_VERSION = 41  # Grafana 12's; 10 to 13 load it.
TAG = "mlobs"


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard before it is Grafana's: its uid is also its file name."""

    uid: str
    title: str
    meaning: str
    rows: Sequence[Row]


BOARDS: tuple[Board, ...] = (Board("mlobs-overview", overview.TITLE, overview.MEANING, overview.ROWS),)


def build() -> dict[str, str]:
    """Return the text of every dashboard's file, by file name."""
    return {
        f"{board.uid.removeprefix('mlobs-')}.json": json.dumps(dashboard(board), indent=2) + "\n"
        for board in BOARDS
    }


def dashboard(board: Board) -> Json:
    """Return Grafana's form of a board: the classic schema, with no id and no inputs."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.meaning,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,  # one crosshair on all panels
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "preload": False,
        "links": [_siblings()],
        "templating": {"list": variables()},
        "annotations": {"list": _annotations()},
        "panels": place(board.rows),
    }


def _siblings() -> Json:
    return {
        "type": "dashboards",
        "title": "mlobs",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _annotations() -> list[Json]:
    changes = f"{latest(m.DRIFT_CHANGE_START, *FEATURE)} * 1000"
    return [
        _annotation("Alerts", FIRING_RULES, "red", "{{alertname}}"),
        # The series' value is the moment of the change, which is before the alarm.
        {**_annotation("Drift began", changes, "orange", legend(*FEATURE)), "useValueForTime": True},
    ]


def _annotation(name: str, expr: str, colour: str, title: str) -> Json:
    return {
        "name": name,
        "datasource": DATA_SOURCE,
        "enable": True,
        "expr": expr,
        "iconColor": colour,
        "step": "60s",
        "titleFormat": title,
    }
