"""The dashboards as built, for the tests that look at them."""

import functools
from typing import Any

from mlobs.cli.dashboards.shipped import shipped
from mlobs.dashboards import build
from mlobs.dashboards.layout import panels

DASHBOARDS: dict[str, Any] = build.classic()
# Those of metrics; the dashboards of traces have data sources and choices of their own.
OF_METRICS = [name for name in DASHBOARDS if not name.startswith("traces")]

# As they ship.
OURS = shipped()
BOARDS = {board["uid"] for board in OURS.values()}
BOARD = OURS["overview.json"]
UID = BOARD["uid"]


@functools.cache
def built() -> dict[str, str]:
    """Return the text of every file as it is built, which takes most of a second."""
    return build.build()


def targets(dashboard: Any) -> list[tuple[str, Any]]:
    """Return every PromQL query of a dashboard, each with the title of its panel."""
    return [
        (panel["title"], target)
        for panel in panels(dashboard)
        for target in panel.get("targets", ())
        if "expr" in target
    ]
