"""The lints: each finds what it is there for, and says what to do."""

import copy
import json

import pytest

from mlobs.dashboards import build, lint
from mlobs.semconv import metrics as m

GOOD = json.loads(build.build()["overview.json"])
TOOL_CALLS = f"{m.TOOL_DURATION.prometheus}_count"


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        (f"sum ({TOOL_CALLS})", f"shows the counter {TOOL_CALLS} without rate or increase around it"),
        (f"rate({TOOL_CALLS}[5m])", "takes a rate over [5m]; use [$__rate_interval]"),
        ("sum (gen_ai_client_token_usage)", "asks for gen_ai_client_token_usage, which no row"),
        (
            f'rate({TOOL_CALLS}{{tool="x"}}[$__rate_interval])',
            f"chooses {TOOL_CALLS} by the label tool, which it does not have",
        ),
        (
            f"sum by (tool) (rate({TOOL_CALLS}[$__rate_interval]))",
            "keeps the label tool, which none of its series has",
        ),
        (f"rate({TOOL_CALLS}[$__rate_interval]", "is not PromQL: "),
    ],
)
def test_a_query_that_would_show_nothing_is_found(expr, problem):
    """Names that moved are why published dashboards say "No data"."""
    assert [found for found in lint.query(expr) if problem in found]


def test_a_label_made_inside_the_query_may_be_kept():
    """`label_replace` makes labels that no metric has."""
    rate = f"rate({TOOL_CALLS}[$__rate_interval])"
    assert lint.query(f'sum by (call) (label_replace({rate}, "call", "tool", "", ""))') == []


def spoil(change):
    dashboard = copy.deepcopy(GOOD)
    change(dashboard, dashboard["panels"][0])
    return [finding.problem for finding in lint.check(dashboard)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda board, panel: panel["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
        (lambda board, panel: panel.pop("title"), "has no title"),
        (lambda board, panel: panel.pop("description"), "has no meaning"),
        (lambda board, panel: panel.update(targets=[]), "asks nothing"),
        (lambda board, panel: panel["targets"][0].update(legendFormat=""), "without a legend"),
        (lambda board, panel: panel["gridPos"].update(w=8), "lies over the panel"),
        (lambda board, panel: panel["gridPos"].update(x=23), "reaches beyond column 24"),
        (lambda board, panel: panel.update(datasource={"uid": "prom1"}), "names a data source"),
        (lambda board, panel: panel.update(id=2), "gives two panels the same id"),
        (lambda board, panel: board.update(id=7), "has __inputs or an id"),
        (lambda board, panel: board.update(uid="overview"), "has no uid that begins with mlobs-"),
        (lambda board, panel: board.update(graphTooltip=0), "has no shared crosshair"),
        (lambda board, panel: board["templating"]["list"].reverse(), "does not begin its variables"),
    ],
)
def test_a_panel_that_nobody_could_read_is_found(change, problem):
    """The sentence is what the person who made the change will see."""
    assert [found for found in spoil(change) if problem in found]


def test_the_dashboard_that_is_spoilt_here_is_good_before():
    """Otherwise the test above would find anything."""
    assert lint.check(GOOD) == []
