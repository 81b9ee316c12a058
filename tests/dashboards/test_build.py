"""The committed files: as built, whole, and alike."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.catalogue.common import USER_FAULTS
from mlobs.dashboards import build, layout, lint, queries
from mlobs.dashboards.boards import agents
from mlobs.dashboards.layout import panels
from mlobs.dashboards.resource import resource
from mlobs.semconv import metrics as m
from mlobs.semconv.foreign import FOREIGN
from mlobs.semconv.recorded import OBJECTIVES, RECORDED
from mlobs.settings import AlertSettings
from mlobs.thresholds import Thresholds
from tests.dashboards.boards import DASHBOARDS, OF_METRICS, built, targets
from tests.yamls import loaded

TOP = Path(__file__).parents[2]
FOLDER = TOP / "dashboards"
CHOICES = lint.choices(list(DASHBOARDS.values()))
VARIABLES = ["datasource", "service", "provider", "model", "agent", "predictor", "filters"]
MARKS = ["Alerts", "Deployments", "Drift began", "New model version"]


def test_the_committed_files_are_what_is_built():
    """People provision the files; a definition that was changed and not built helps nobody."""
    committed = [*FOLDER.glob("*.json"), *FOLDER.glob("v2/*")]
    assert {file.relative_to(FOLDER).as_posix(): file.read_text() for file in committed} == built()


def test_there_is_a_dashboard_for_every_question():
    """The set of the design."""
    assert {name.removesuffix(".json") for name in DASHBOARDS} == {
        "overview", "models", "agents", "cost", "quality", "drift", "slo", "serving", "pipeline", "traces",
        "traces-clickhouse",
    }  # fmt: skip


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_dashboard_has_a_finding(name):
    """Every query asks for names the code emits, every panel has a unit and a meaning."""
    assert lint.check(DASHBOARDS[name], CHOICES) == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_dashboard_can_be_provisioned(name):
    """File provisioning resolves no inputs and no ids, and knows only the classic schema."""
    dashboard = DASHBOARDS[name]
    assert 39 <= dashboard["schemaVersion"] <= 42
    assert not {"__inputs", "__requires", "id", "version"} & set(dashboard)
    assert dashboard["uid"] == f"mlobs-{name.removesuffix('.json')}"
    assert dashboard["tags"] == ["mlobs", name.removesuffix(".json")]
    assert dashboard["editable"] is False


@pytest.mark.parametrize("name", OF_METRICS)
def test_the_variables_are_the_same_everywhere(name):
    """Links between dashboards carry the choices only if they have the same names."""
    chosen = DASHBOARDS[name]["templating"]["list"]
    assert [variable["name"] for variable in chosen] == VARIABLES
    asked = [variable for variable in chosen if variable["type"] == "query"]
    assert all(
        variable["multi"] and variable["includeAll"] and variable["refresh"] == 2 for variable in asked
    )
    assert [note["name"] for note in DASHBOARDS[name]["annotations"]["list"]] == MARKS


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_dashboard_leads_to_the_others_with_time_and_choices(name):
    """Whoever goes on looks at the same hour of the same service."""
    [link] = [one for one in DASHBOARDS[name]["links"] if one["type"] == "dashboards"]
    assert link["tags"] == ["mlobs"]
    assert link["includeVars"]
    assert link["keepTime"]


@pytest.mark.parametrize("name", OF_METRICS)
def test_the_first_screen_has_numbers_that_lead_on(name):
    """Whoever is woken up looks at this: with a colour where there is a bad, and a way to the cause."""
    first = [panel for panel in panels(DASHBOARDS[name]) if panel["gridPos"]["y"] == 0]
    assert 4 <= len(first) <= 6
    assert {panel["type"] for panel in first} == {"stat"}
    assert all(panel["links"] for panel in first)
    assert sum(panel["fieldConfig"]["defaults"]["color"]["mode"] == "thresholds" for panel in first) >= 1
    seen = [panel for panel in first if panel["options"]["graphMode"] == "area"]
    # A number of a range of its own has no line under it, and objectives are all of a month.
    assert len(seen) >= len(first) - 3 or name == "slo.json"


def test_the_overview_leads_to_every_dashboard_of_metrics_but_serving():
    """From what is broken to why, in one click; engines are reached through their models."""
    text = json.dumps(DASHBOARDS["overview.json"])
    led = set(re.findall(r"/d/mlobs-([\w-]+)\?", text))
    assert led == {"models", "agents", "cost", "drift", "slo", "pipeline"}


@pytest.mark.parametrize("name", OF_METRICS)
def test_every_line_of_a_duration_leads_to_a_trace_and_nothing_else_asks_for_one(name):
    """A percentile without a way to one of its calls is a number to worry about; a number shows no dots."""
    for panel in panels(DASHBOARDS[name]):
        dots = panel["type"] in {"timeseries", "heatmap"}
        for target in (one for one in panel.get("targets", ()) if "expr" in one):
            duration = "histogram_quantile" in target["expr"] or target["format"] == "heatmap"
            assert target["exemplar"] == (dots and duration), (panel["title"], target["refId"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_says_whose_options_it_has_in_both_forms(name):
    """Of a panel without a version Grafana believes 6.1, and sets every share's axis from 0 to 1."""
    [version] = {panel["pluginVersion"] for panel in panels(DASHBOARDS[name])}
    elements = resource(DASHBOARDS[name])["spec"]["elements"].values()
    assert {one["spec"]["vizConfig"]["version"] for one in elements} == {version}
    assert int(version.split(".")[0]) >= 11


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_number_of_a_day_or_month_says_so_once(name):
    """Grafana would write "Today so far" beside the title "Today"."""
    own = [panel for panel in panels(DASHBOARDS[name]) if "timeFrom" in panel]
    assert all(panel["hideTimeOverride"] for panel in own)
    elements = [one["spec"] for one in resource(DASHBOARDS[name])["spec"]["elements"].values()]
    options = [one["data"]["spec"]["queryOptions"] for one in elements]
    hidden = [one["timeFrom"] for one in options if one.get("hideTimeOverride")]
    assert hidden == [panel["timeFrom"] for panel in own]


def test_what_looks_far_back_asks_seldom():
    """A month's worth of hours twice a minute is load, and shows nothing new."""
    assert {name: one["refresh"] for name, one in DASHBOARDS.items() if one["refresh"] != "30s"} == {
        f"{name}.json": "5m" for name in ("cost", "slo", "traces", "traces-clickhouse")
    }
    of_a_month = [target for _, target in targets(DASHBOARDS["slo.json"]) if "[30d" in target["expr"]]
    assert of_a_month
    assert all(target["instant"] for target in of_a_month)
    # The month so far, and the last day for a month.
    days = [one for _, one in targets(DASHBOARDS["cost.json"]) if "increase" in one["expr"]]
    assert all(target["instant"] for target in days)


# Panel or column -> the rule that fires at its red.
ALERTED = {
    ("overview", "Failed calls"): "MlobsErrorRatioHigh",
    ("overview", "Model calls, p95"): "MlobsModelLatencyHigh",
    ("models", "Failed model calls"): "MlobsErrorRatioHigh",
    ("models", "Duration, p95"): "MlobsModelLatencyHigh",
    ("agents", "Failed runs"): "MlobsAgentErrorRatioHigh",
    ("agents", "Failed tool calls"): "MlobsToolFailureRatio",
    ("quality", "Refused"): "MlobsRefusals",
    ("quality", "Filtered"): "MlobsRefusals",
    ("quality", "Cut off"): "MlobsTruncatedOutputs",
    ("quality", "Empty"): "MlobsEmptyOutputs",
    ("quality", "Blocked by guardrails"): "MlobsGuardrailHits",
    ("quality", "Scores below usual"): "MlobsEvaluationScoreDrop",
    ("cost", "Budget spent"): "MlobsBudgetExhausted",
    ("pipeline", "Waiting for the store"): "MlobsServerQueueFilling",
}
STRICT = Thresholds(
    error_ratio_max=0.01, tool_failure_ratio_max=0.02, model_s_max=3, refusal_ratio_max=0.03,
    unfinished_ratio_max=0.04, guardrail_ratio_max=0.05, score_drop_max=0.06, budget_spent_max=0.5,
    budget_usd=1, first_chunk_s=1.28, run_s=51.2, availability_objective=0.999,
)  # fmt: skip


@pytest.mark.parametrize("settings", [build.OBJECTIVES, STRICT], ids=["packaged", "strict"])
def test_a_number_is_red_where_its_alert_fires(settings):
    """Red without an alert, or an alert without red: nobody would believe either."""
    made = build.classic(settings)
    reds = {
        (name.removesuffix(".json"), panel["title"]): max(
            step["value"] or 0 for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        )
        for name in OF_METRICS
        for panel in panels(made[name])
        if panel["type"] == "stat"
    }
    alerts = AlertSettings(**settings.model_dump() | {"budget_usd": 1.0})
    above = {rule.name: rule.above for rule in catalogue(alerts)}
    assert {place: reds[place] for place in ALERTED} == {
        place: pytest.approx(above[rule]) for place, rule in ALERTED.items()
    }
    late = {("overview", "First chunk, p95"), ("models", "First chunk, p95"), ("serving", "First token, p95")}
    assert {reds[place] for place in late} == {settings.first_chunk_s}
    assert reds["agents", "Runs, p95"] == settings.run_s
    # Any is too many: MlobsTelemetryDropped and MlobsCollectorDropping fire above 0.
    assert all(0 < reds["pipeline", title] < 1e-6 for title in ("Lost in services", "Lost in collectors"))


def test_the_objectives_are_those_of_the_settings():
    """Somebody who promises 99.9% sees the allowance of 99.9%, and what counts as good."""
    text = json.dumps(build.classic(STRICT)["slo.json"])
    assert "/ 0.001" in text
    assert "/ 0.01" not in text
    assert "within 1.28 s" in text
    assert "within 51.2 s" in text
    assert "(400, 413, 422, content filters) counts as good" in text
    assert {"400", "413", "422", "content_filter"} <= set(USER_FAULTS)


def test_what_is_scraped_and_sent_as_well_is_not_counted_twice():
    """A program that serves metrics and sends them has everything twice, but for what only it knows."""
    jobs = loaded((TOP / "docker/prometheus.yml").read_text())["scrape_configs"]
    [programs] = [job for job in jobs if job["job_name"] == "mlobs-programs"]
    [kept] = programs["metric_relabel_configs"]
    assert (kept["action"], kept["source_labels"]) == ("keep", ["__name__"])
    left = {name for name in lint.families() if re.fullmatch(kept["regex"], name)}
    assert left == {
        f"{metric.prometheus}{end}" for metric in m.PROCESS for end in ("_bucket", "_sum", "_count")
    }
    assert f"regex: {kept['regex']}" in agents.WHERE["options"]["content"]


def test_every_metric_that_says_how_a_service_is_doing_is_shown():
    """A metric nobody draws is paid for and never seen. Counts by bin and their like are for the rules."""
    shown = "".join(built().values())
    for_rules = {m.DRIFT_OBSERVATIONS, m.DRIFT_REFERENCE_RATIO, m.DRIFT_REFERENCE_ROWS}
    for_rules |= {m.DRIFT_DESIGN_EFFECT, m.DRIFT_FLOOR, m.DRIFT_CUT_GAP}
    assert [
        metric.name for metric in m.METRICS if metric not in for_rules and metric.prometheus not in shown
    ] == []


@pytest.mark.parametrize("row", FOREIGN, ids=lambda row: row.name)
def test_every_row_of_another_project_is_shown(row):
    """A row that nothing reads is a name to keep right for nobody."""
    assert row.name in "".join(built().values())


def test_recorded_series_are_those_the_packaged_rules_record():
    """The rules are made elsewhere; a series renamed there would leave a dashboard empty."""
    rules = loaded((TOP / "alerts/mlobs.rules.yml").read_text())["groups"]
    recorded = {
        rule["record"]: rule["expr"] for group in rules for rule in group["rules"] if "record" in rule
    }
    assert {series.name for series in RECORDED} <= set(recorded)
    for objective in OBJECTIVES:
        labels = ", ".join(label.label for label in objective.labels)
        assert f"sum by ({labels})" in recorded[objective.calls("1h").name]


def test_the_watchdog_is_not_an_alert_that_somebody_sees():
    """It always fires, so a count of firing alerts would never be 0."""
    rules = loaded((TOP / "alerts/mlobs.rules.yml").read_text())["groups"]
    every = [rule for group in rules for rule in group["rules"] if "alert" in rule]
    always = [rule["alert"] for rule in every if rule["expr"].strip() == "vector(1)"]
    assert always
    assert all(f'alertname!="{name}"' in queries.FIRING_RULES for name in always)


def test_server_metrics_are_not_chosen_by_service():
    """They carry no service name: with the variable set to one service they would vanish."""
    assert all("service" not in queries.select(metric) for metric in m.SERVER)
    assert all('service_name=~"$service"' in queries.select(metric) for metric in m.DERIVED)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.sampled_from([3, 4, 6, 8, 12, 24]), st.integers(1, 12), st.booleans()
        ),
        max_size=6,
    )
)
def test_panels_never_overlap_and_never_leave_the_grid(shapes):
    """Grafana moves panels that overlap, each time another way."""
    panel = {"title": "x", "type": "stat"}
    rows = [
        layout.Row("row" * (index % 2), [panel] * count, width=width, height=height, collapsed=collapsed)
        for index, (count, width, height, collapsed) in enumerate(shapes)
    ]
    placed = layout.place(rows)
    every = list(panels({"panels": placed}))
    assert len(every) == sum(count for count, *_ in shapes)
    assert sorted(one["id"] for one in [*every, *(p for p in placed if p["type"] == "row")]) == list(
        range(1, len(every) + sum(one["type"] == "row" for one in placed) + 1)
    )
    positions = [one["gridPos"] for one in every]
    assert all(position["x"] + position["w"] <= layout.COLUMNS for position in positions)
    for one, other in combinations(positions, 2):
        apart_across = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_down = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_across or apart_down


def test_the_last_line_of_a_row_has_no_hole():
    """A hole looks like a panel that failed."""
    placed = layout.place([layout.Row("", [{"title": "x", "type": "stat"}] * 5)])
    assert [panel["gridPos"]["w"] for panel in placed] == [8, 8, 8, 12, 12]
