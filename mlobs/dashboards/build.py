"""Makes the files of `dashboards/` from the modules that say what is on them.

Pure: returns texts by file name. The files are committed, and a test rebuilds and compares.
"""

import json

from mlobs._extras import require
from mlobs.dashboards.board import Board, dashboard
from mlobs.dashboards.boards import (
    agents,
    cost,
    drift,
    models,
    overview,
    pipeline,
    quality,
    serving,
    slo,
    traces,
    traces_clickhouse,
)
from mlobs.dashboards.panels import Json
from mlobs.dashboards.resource import resource
from mlobs.thresholds import Thresholds

# As they come without a setting: what is packaged must not depend on who built it.
OBJECTIVES = Thresholds.model_construct()


def boards(thresholds: Thresholds, pages: str = "") -> tuple[Board, ...]:
    """Return every dashboard, in the order in which somebody asks: what is wrong, for whom, the single calls.

    Args:
        thresholds: At which numbers alerts begin: colours and objectives are those.
        pages: Where people open the mlobs server; "" for no links to it.
    """
    return (
        overview.board(thresholds),
        models.board(thresholds),
        agents.board(thresholds),
        cost.board(thresholds),
        quality.board(thresholds),
        drift.board(thresholds),
        slo.board(thresholds),
        serving.board(thresholds),
        pipeline.board(thresholds),
        traces.BOARD,
        traces_clickhouse.board(pages),
    )


def classic(thresholds: Thresholds = OBJECTIVES, pages: str = "") -> dict[str, Json]:
    """Return every dashboard in the classic form, by file name; the arguments are those of `boards`."""
    return {f"{board.area}.json": dashboard(board) for board in boards(thresholds, pages)}


def build(thresholds: Thresholds = OBJECTIVES, pages: str = "") -> dict[str, str]:
    """Return the text of every file, by its name: the classic form, and the newer one under `v2`.

    The arguments are those of `boards`.

    The newer form is YAML on purpose: Grafana's provisioning of classic files walks into folders, takes
    every .json for a dashboard, and refuses this one.
    """
    yaml = require("yaml", extra="grafana", feature="Building dashboards")
    made = classic(thresholds, pages)
    texts = {name: json.dumps(board, indent=2) + "\n" for name, board in made.items()}
    for name, board in made.items():
        # By way of JSON, for what two panels share YAML would write once and refer to.
        plain = json.loads(json.dumps(resource(board)))
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)
        texts[f"v2/{name.removesuffix('.json')}.yaml"] = text
    return texts
