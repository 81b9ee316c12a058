"""A dashboard before it is Grafana's, and how it becomes Grafana's classic form."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.dashboards.annotations import annotations
from mlobs.dashboards.layout import Row, place
from mlobs.dashboards.links import PREFIX, TAG
from mlobs.dashboards.panels import Json
from mlobs.dashboards.variables import variables

SCHEMA_VERSION = 41  # Grafana 12's; 10 to 13 load it.


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: its uid is also its file name.

    Args:
        uid: Begins with `mlobs-`; links and permissions rest on it.
        title: As in Grafana's lists.
        meaning: The question it answers, in a sentence.
        rows: From symptoms to causes.
        since: The time range it opens with, up to now.
        refresh: How often it asks again. What looks far back, or reads tables, asks seldom.
        variables: None for those all dashboards of metrics have.
        annotations: None for those all dashboards of metrics have.
        leads: Links beside that to all boards of ours.
    """

    uid: str
    title: str
    meaning: str
    rows: Sequence[Row]
    since: str = "now-1h"
    refresh: str = "30s"
    variables: Sequence[Json] | None = None
    annotations: Sequence[Json] | None = None
    leads: Sequence[Json] = ()

    @property
    def area(self) -> str:
        """Return what the board is about, in a word: its second tag and its file's name."""
        return self.uid.removeprefix(PREFIX)


def dashboard(board: Board) -> Json:
    """Return Grafana's form of a board: the classic schema, with no id and no inputs."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.meaning,
        "tags": [TAG, board.area],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,  # one crosshair on all panels
        "refresh": board.refresh,
        "time": {"from": board.since, "to": "now"},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "preload": False,
        "links": [*board.leads, _siblings()],
        "templating": {"list": variables() if board.variables is None else list(board.variables)},
        "annotations": {"list": annotations() if board.annotations is None else list(board.annotations)},
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
