"""The committed files: as built, whole, and alike."""

import doctest
import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.dashboards import build, layout, lint, push, queries
from mlobs.semconv import metrics as m

FOLDER = Path(__file__).parents[2] / "dashboards"
DASHBOARDS = {name: json.loads(text) for name, text in build.build().items()}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_the_committed_files_are_what_is_built():
    """People provision the files; a definition that was changed and not built helps nobody."""
    assert {file.name: file.read_text() for file in FOLDER.glob("*.json")} == build.build()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_dashboard_has_a_finding(name):
    """Every query asks for names the code emits, every panel has a unit and a meaning."""
    assert lint.check(DASHBOARDS[name]) == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_dashboard_can_be_provisioned(name):
    """File provisioning resolves no inputs and no ids, and knows only the classic schema."""
    dashboard = DASHBOARDS[name]
    assert 39 <= dashboard["schemaVersion"] <= 42
    assert not {"__inputs", "__requires", "id", "version"} & set(dashboard)
    assert dashboard["uid"] == f"mlobs-{name.removesuffix('.json')}"
    assert dashboard["tags"] == ["mlobs"]
    assert dashboard["editable"] is False


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_variables_are_the_same_everywhere(name):
    """Links between dashboards carry the choices only if they have the same names."""
    chosen = DASHBOARDS[name]["templating"]["list"]
    assert [variable["name"] for variable in chosen] == ["datasource", "service", "model", "predictor"]
    assert all(variable["multi"] and variable["includeAll"] for variable in chosen[1:])
    link = DASHBOARDS[name]["links"][0]
    assert link["includeVars"]
    assert link["keepTime"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_line_of_a_duration_leads_to_a_trace(name):
    """A high percentile without a way to one of its calls is a number to worry about."""
    targets = [target for panel in panels(DASHBOARDS[name]) for target in panel["targets"]]
    durations = [target for target in targets if "histogram_quantile" in target["expr"]]
    assert durations
    assert all(target["exemplar"] for target in durations)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_first_screen_holds_the_symptoms(name):
    """Whoever is woken up looks at this, and scrolls only when it says so."""
    first = [panel["title"] for panel in panels(DASHBOARDS[name]) if panel["gridPos"]["y"] < 13]
    assert first[:3] == ["Failed calls", "Model calls, p95", "First chunk, p95"]
    assert {"Cost per hour", "Drifting features", "Firing alerts", "Failed calls by service"} <= set(first)


def test_every_metric_that_says_how_a_service_is_doing_is_shown():
    """A metric nobody draws is paid for and never seen.

    Counts by bin and what belongs to them are for the rules; what only a process can count is not there
    with a server.
    """
    shown = build.build()["overview.json"]
    for_rules = {m.DRIFT_OBSERVATIONS, m.DRIFT_REFERENCE_RATIO, m.DRIFT_REFERENCE_ROWS}
    for_rules |= {m.DRIFT_DESIGN_EFFECT, m.DRIFT_FLOOR, m.DRIFT_CUT_GAP}
    elsewhere = {*for_rules, *m.PROCESS}
    assert [
        metric.name for metric in m.METRICS if metric not in elsewhere and metric.prometheus not in shown
    ] == []


def test_server_metrics_are_not_chosen_by_service():
    """They carry no service name: with the variable set to one service they would vanish."""
    assert all("service" not in queries.select(metric) for metric in m.SERVER)
    assert all('service_name=~"$service"' in queries.select(metric) for metric in m.DERIVED)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([3, 4, 6, 8, 12, 24]), st.integers(1, 12)), max_size=6
    )
)
def test_panels_never_overlap_and_never_leave_the_grid(shapes):
    """Grafana moves panels that overlap, each time another way."""
    rows = [
        layout.Row("row" * (index % 2), [{"title": "x", "type": "stat"}] * count, width=width, height=height)
        for index, (count, width, height) in enumerate(shapes)
    ]
    placed = [panel["gridPos"] for panel in layout.place(rows)]
    assert all(position["x"] + position["w"] <= layout.COLUMNS for position in placed)
    for one, other in combinations(placed, 2):
        apart_across = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_down = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_across or apart_down


@pytest.mark.parametrize("module", [lint, push, queries], ids=lambda module: module.__name__)
def test_the_examples_in_docstrings_are_true(module):
    """An example that is wrong teaches the wrong thing."""
    result = doctest.testmod(module)
    assert result.attempted
    assert result.failed == 0
