"""The lints: each finds what it is there for, and says what to do; a good dashboard has no finding."""

import copy
import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.dashboards import lint
from mlobs.dashboards.layout import panels
from mlobs.dashboards.lint import EXEMPT, RULES
from mlobs.dashboards.lint.syntax import parse
from mlobs.dashboards.lint.units import fits, measured
from mlobs.semconv import metrics as m
from tests.dashboards.boards import DASHBOARDS
from tests.examples import examples
from tests.processes import MLOBS

GOOD = DASHBOARDS["overview.json"]
CHOICES = lint.choices(list(DASHBOARDS.values()))
TOOL_CALLS = f"{m.TOOL_DURATION.prometheus}_count"
RATE = f"rate({TOOL_CALLS}[$__rate_interval])"
RUNS = f"{m.AGENT_DURATION.prometheus}_count"
BUCKETS = f"rate({m.TOOL_DURATION.prometheus}_bucket[$__rate_interval])"


def found(change, rule, exempt=EXEMPT):
    """Return what a rule says of the overview after a change to it."""
    dashboard = copy.deepcopy(GOOD)
    change(dashboard)
    return [one for one in lint.check(dashboard, CHOICES, exempt) if one.rule == rule]


def first(dashboard):
    return dashboard["panels"][0]


def lines(dashboard):
    return next(panel for panel in panels(dashboard) if panel["type"] == "timeseries")


def asks(expr, **more):
    """Return a change: the first graph asks something else."""
    return lambda board: lines(board)["targets"][0].update(expr=expr, **more)


def says(**more):
    """Return a change: the first panel is another."""
    return lambda board: first(board).update(**more)


def is_(**more):
    """Return a change of the dashboard's own fields."""
    return lambda board: board.update(**more)


def defaults(**more):
    return lambda board: lines(board)["fieldConfig"]["defaults"].update(**more)


def links_to(url):
    return defaults(links=[{"title": "x", "url": url}])


def logs(expr):
    """Return a change: the first panel asks Loki."""

    def change(board):
        panel = first(board)
        panel["datasource"] = {"type": "loki", "uid": "${datasource}"}
        panel["targets"] = [{"refId": "A", "expr": expr, "legendFormat": "x"}]

    return change


def asks_for(place, **target):
    """Return a change: the first panel asks another kind of data source."""

    def change(board):
        first(board)["datasource"] = {"type": place, "uid": "${datasource}"}
        first(board)["targets"] = [{"refId": "A", **target}]

    return change


def traces(query):
    return asks_for("tempo", queryType="traceql", query=query)


def sql(statement):
    return asks_for("grafana-clickhouse-datasource", rawSql=statement)


def stacked(board):
    lines(board)["fieldConfig"]["defaults"]["custom"]["stacking"] = {"mode": "normal", "group": "A"}
    lines(board)["targets"][0]["expr"] = f"topk(12, sum by (gen_ai_tool_name) ({RATE}))"


def variable(name, **more):
    def change(board):
        next(one for one in board["templating"]["list"] if one["name"] == name).update(**more)

    return change


def also(panel):
    return lambda board: board["panels"].append({**first(board), "id": 999, "title": "Another", **panel})


# Every rule with a dashboard that breaks it, and words of what it says then.
BREAKS = {
    "template-datasource": (
        lambda board: board["templating"]["list"].reverse(),
        "does not begin its variables",
    ),
    "template-job": (lambda board: None, "has no variable job"),
    "template-instance": (lambda board: None, "has no variable instance"),
    "template-label-promql": (
        variable("service", query={"query": "label_values(up{, service)"}),
        "asks for values of what is not PromQL",
    ),
    "template-on-time-change-reload": (variable("service", refresh=1), "set refresh to 2"),
    "panel-datasource": (
        says(datasource={"type": "prometheus", "uid": "prom1"}),
        "names the data source 'prom1'",
    ),
    "panel-title-description": (says(description=""), "has no description"),
    "panel-units": (lambda board: first(board)["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
    "panel-no-targets": (says(targets=[]), "asks nothing"),
    "target-logql": (logs('{service_name="shop"} |= "error'), "is not LogQL: a string or a bracket"),
    "target-logql-auto": (logs('sum(rate({service_name="shop"}[5m]))'), "is taken over [5m]; use [$__auto]"),
    "target-promql": (asks(f"sum ({RATE}"), "is not PromQL: "),
    "target-rate-interval": (asks(f"sum (rate({TOOL_CALLS}[5m]))"), "takes rate over 300 s"),
    "target-job": (lambda board: None, "does not choose by job"),
    "target-instance": (lambda board: None, "does not choose by instance"),
    "target-counter-agg": (asks(f"sum ({TOOL_CALLS})"), f"shows the counter {TOOL_CALLS} without rate"),
    "uneditable-dashboard": (is_(editable=True), "is editable"),
    "shape": (says(fieldConfig=[]), "has [] at panels[0].fieldConfig, where Grafana has an object"),
    "uid": (is_(uid="mlobs-" + "x" * 40), "has no uid of at most 40"),
    "portable": (is_(id=7), "has __inputs or an id"),
    "crosshair": (is_(graphTooltip=0), "set graphTooltip to 1"),
    "panel-ids": (says(id=2), "gives 2 panels the id 2"),
    "panel-titles": (says(title="Services"), "is the title of 2 panels"),
    "panel-count": (
        lambda board: board["panels"].extend({**first(board), "title": f"{n}"} for n in range(31)),
        "has over 30 open panels",
    ),
    "row-empty": (
        also({"type": "row", "panels": [], "gridPos": {"x": 0, "y": 900, "w": 24, "h": 1}}),
        "is a row without a panel",
    ),
    "layout-overlap": (says(gridPos={"x": 0, "y": 0, "w": 8, "h": 5}), "lies over the panel"),
    "layout-width": (says(gridPos={"x": 23, "y": 0, "w": 4, "h": 5}), "reaches beyond column 24"),
    "colours": (defaults(color={"mode": "fixed", "fixedColor": "#ff00ff"}), "has the colour '#ff00ff'"),
    "variables-known": (
        asks(f'sum (rate({TOOL_CALLS}{{job="$shop"}}[$__rate_interval]))'),
        "the variable shop",
    ),
    "variables-used": (
        lambda board: board["templating"]["list"].append({"name": "shop", "type": "custom", "query": "a,b"}),
        "has the variable shop and does not use it",
    ),
    "links-known": (links_to("/d/mlobs-gone?x=1"), "leads to the dashboard mlobs-gone, which is not there"),
    "links-labels": (links_to("/d/mlobs-models?var-model=${__field.labels.shop}"), "links by the label shop"),
    "description-sentence": (says(description="No stop"), "does not end with a full stop"),
    "unit-fits": (defaults(unit="bytes"), "has the unit 'bytes' and asks for '1'"),
    "range-sane": (defaults(min=2, max=1), "has a largest value and no smaller smallest one"),
    "legend": (asks(f"sum ({RATE})", legendFormat="{{shop}}"), "has the label shop in a legend"),
    "exemplars": (
        asks(f"histogram_quantile(0.9, sum by (le) ({BUCKETS}))", exemplar=False),
        "shows a percentile without the traces behind it",
    ),
    "series-count": (asks(f"sum by (gen_ai_tool_name) ({RATE})"), "put topk(12, ...) around it"),
    "steady": (stacked, "takes the largest anew at each moment"),
    "gauge-rate": (
        asks("sum (rate(mlobs_drift_alarm[$__rate_interval]))"),
        "takes rate of mlobs_drift_alarm, which may also fall",
    ),
    "ratio-choices": (
        asks(f"sum ({RATE}) / sum (rate({RUNS}{{gen_ai_agent_name=~'$agent'}}[$__rate_interval]))"),
        "divides what agent narrows and what it does not",
    ),
    "target-sql": (sql("SELEC nonsense FORM nowhere"), "asks nothing: a statement begins with SELECT"),
    "target-sql-quoted": (sql("SELECT 1 FROM t WHERE a IN ('$service')"), "lets a value of service end its"),
    "target-traceql": (traces("{ nonsense"), "is not TraceQL: a string or a bracket does not end"),
    "mean-beside-quantiles": (
        lambda board: lines(board).update(
            targets=[
                {"refId": "A", "expr": f"histogram_quantile(0.9, sum by (le) ({BUCKETS}))"},
                {"refId": "B", "expr": f"sum ({RATE.replace('_count', '_sum')}) / sum ({RATE})"},
            ]
        ),
        "has a mean beside percentiles",
    ),
    "zero": (asks(f"sum ({RATE}) or vector(0)"), "shows 0 where there is no data"),
    "metric-known": (
        asks("sum (gen_ai_client_token_usage)"),
        "asks for gen_ai_client_token_usage, which no row",
    ),
    "label-carried": (
        asks(f'sum (rate({TOOL_CALLS}{{tool="x"}}[$__rate_interval]))'),
        f"chooses {TOOL_CALLS} by the label tool, which it does not have",
    ),
    "label-kept": (asks(f"sum by (tool) ({RATE})"), "keeps the label tool, which none of its series has"),
    "quantile-buckets": (
        asks(f"histogram_quantile(0.9, sum ({BUCKETS}))"),
        "takes a percentile of sums without le",
    ),
}


def test_every_rule_is_broken_here():
    """A rule that no test breaks may find nothing."""
    assert set(BREAKS) == set(RULES)


@pytest.mark.parametrize("rule", BREAKS)
def test_the_rule_finds_what_it_is_there_for(rule):
    """The sentence is what the person who made the change will see."""
    change, words = BREAKS[rule]
    assert [one.problem for one in found(change, rule, exempt={}) if words in one.problem]


@pytest.mark.parametrize("rule", [rule for rule in BREAKS if rule not in EXEMPT])
def test_the_dashboard_that_is_spoilt_here_is_good_before(rule):
    """Otherwise the test above would find anything."""
    assert found(lambda board: None, rule) == []


def test_a_rule_that_is_not_followed_has_a_reason():
    """Somebody will ask."""
    assert set(EXEMPT) <= set(RULES)
    assert all(len(reason) > 20 for reason in EXEMPT.values())


@pytest.mark.parametrize(
    ("expr", "rules"),
    [
        (f'topk(12, sum by (call) (label_replace({RATE}, "call", "tool", "", "")))', set()),
        (f"sum (increase({TOOL_CALLS}[1d]))", set()),
        (f"sum (increase({TOOL_CALLS}[$__range]))", set()),
        (f"sum (increase({TOOL_CALLS}[10m]))", {"target-rate-interval"}),
        (f"count ({TOOL_CALLS} unless {TOOL_CALLS} offset 5m)", set()),
        (f"histogram_quantile(0.9, sum by (le) ({RATE}))", {"quantile-buckets", "label-kept"}),
        (f"sum (histogram_quantile(0.9, sum without (le) ({BUCKETS})))", {"quantile-buckets"}),
        ("sum (mlobs_alert_firing) or vector(0)", set()),
        (f"sum ({RATE}) or vector(1)", set()),
        (f"topk(50, sum by (gen_ai_tool_name) ({RATE}))", {"series-count"}),
        ("sum (increase(mlobs_budget_spent[1d]))", {"gauge-rate"}),
        (f"sum ({RATE}) or on () vector(0)", {"zero"}),
        (
            f'sum by (deployment_environment_name) (rate({TOOL_CALLS}{{host_name="x"}}[$__rate_interval]))',
            {"series-count"},
        ),
    ],
)
def test_what_is_meant_is_no_finding_and_what_is_wrong_is_one(expr, rules):
    """Each at the border of its rule."""
    change = asks(expr, legendFormat="x", exemplar=True)
    dashboard = copy.deepcopy(GOOD)
    change(dashboard)
    lines(dashboard)["fieldConfig"]["defaults"]["unit"] = "short"
    told = {one.rule for one in lint.check(dashboard, CHOICES)}
    assert told - {"unit-fits", "links-labels"} == rules


@pytest.mark.parametrize(
    ("expr", "counted", "unit"),
    [
        (f"histogram_quantile(0.9, sum by (le) ({BUCKETS}))", "s", "s"),
        (f"sum ({RATE})", "{call}/s", "reqps"),
        (f"sum ({RATE}) / sum ({RATE})", "1", "percentunit"),
        ("sum (rate(mlobs_server_received_bytes_total[$__rate_interval]))", "By/s", "Bps"),
        ("max (mlobs_server_pending_bytes)", "By", "bytes"),
        ("sum (rate(mlobs_cost_usd_total[$__rate_interval])) * 3600", "{USD}", "currencyUSD"),
        ("1000 * sum (increase(mlobs_cost_usd_total[1d]))", "{USD}", "currencyUSD"),
        ("sum (increase(mlobs_cost_usd_total[1d])) * days_in_month()", "{USD}", "currencyUSD"),
        ("max (mlobs_finish_ratio) * 100", "", "percent"),
        ("max (mlobs_server_pending_bytes) / 1024", "", "mbytes"),
        ('max (mlobs_drift_quality{mlobs_quality_measure="accuracy"})', "{figure}", "percentunit"),
        (f"sum (rate(mlobs_cost_usd_total[$__rate_interval])) / sum ({RATE})", "{USD}", "currencyUSD"),
        ("time() - max (mlobs_drift_change_start_timestamp_seconds)", "s", "s"),
        ("count (ALERTS)", "{series}", "short"),
        ("max (mlobs_finish_ratio)", "{proportion}", "percentunit"),
    ],
)
def test_what_a_query_counts_is_worked_out_on_its_tree(expr, counted, unit):
    """Seconds shown as milliseconds have been published before."""
    assert measured(parse(expr, [])) == counted
    assert fits(unit, counted)
    assert counted in {"", "{figure}"} or not fits("watt", counted)


def test_somebody_elses_own_metric_is_a_warning_and_a_typo_of_ours_an_error():
    """People put our names and theirs on one dashboard."""
    mine = copy.deepcopy(GOOD) | {"uid": "shop", "graphTooltip": 0}
    lines(mine)["targets"][0]["expr"] = 'sum by (shop) (rate(checkout_total{shop="1"}[$__rate_interval]))'
    assert {one.level for one in lint.check(mine, CHOICES) if one.rule == "metric-known"} == {"warning"}
    lines(mine)["targets"][0]["expr"] = "sum (rate(mlobs_costs_usd_total[$__rate_interval]))"
    assert {one.level for one in lint.check(mine, CHOICES) if one.rule == "metric-known"} == {"error"}
    assert not [one for one in lint.check(mine, CHOICES) if RULES[one.rule].of == "house"]


def test_names_and_labels_that_we_do_not_emit_are_no_errors_of_somebody_else():
    """The conventions have more names than we emit, and exporters copy labels of resources to all series."""
    mine = copy.deepcopy(GOOD) | {"uid": "team"}
    lines(mine)["fieldConfig"]["defaults"].update(unit="reqps", links=[])
    chosen = '{gen_ai_response_model="x",deployment_environment_name="prod"}'
    for expr in (
        f"sum (rate({m.INFERENCE_DURATION.prometheus}_count{chosen}[$__rate_interval]))",
        "sum (rate(gen_ai_client_token_usage_sum[$__rate_interval]))",
        "sum (rate(gen_ai_server_time_to_first_token_seconds_count[$__rate_interval]))",
    ):
        lines(mine)["targets"][0].update(expr=expr, legendFormat="x")
        assert {one.level for one in lint.check(mine, CHOICES)} <= {"warning"}, expr


def test_variables_are_put_in_as_grafana_writes_them():
    """With braces, with a format, in the old brackets, and as a window."""
    for written in ('x{a=~"$shop"}', 'x{a=~"${shop}"}', 'x{a=~"${shop:regex}"}', 'x{a=~"[[shop]]"}'):
        assert lint.concrete(written, ["shop"]) == 'x{a=~".*"}'
    assert lint.concrete("rate(x[${__rate_interval}])", []) == "rate(x[5m])"
    assert lint.concrete("rate(x[$step])", ["step"]) == "rate(x[5m])"


def places(part, way=()):
    """Yield the way to every part of a dashboard."""
    yield way
    if isinstance(part, dict):
        for key, value in part.items():
            yield from places(value, (*way, key))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from places(value, (*way, number))


PLACES = [way for way in places(GOOD) if way and way != ("panels",)]


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from([None, "", 0, [], {}, "$x", True]))
def test_a_dashboard_of_any_shape_gets_findings_and_no_traceback(way, value):
    """People's dashboards are exports of ten years."""
    dashboard = copy.deepcopy(GOOD)
    part = dashboard
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = value
    lint.check(dashboard, CHOICES)


@pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.of == "style"])
def test_style_is_a_warning_of_somebody_elses_dashboard_and_an_error_of_ours(rule):
    change, words = BREAKS[rule]
    mine = copy.deepcopy(GOOD)
    change(mine)
    for uid, level in ((GOOD["uid"], "error"), ("shop", "warning")):
        [of_rule, *_] = [one for one in lint.check(mine | {"uid": uid}, CHOICES) if one.rule == rule]
        assert (of_rule.level, words in of_rule.problem) == (level, True)


def test_what_provisioning_cannot_resolve_is_an_error_for_anybody():
    """It is no style: file provisioning does not load such a dashboard as it is meant."""
    [found] = [one for one in lint.check(GOOD | {"uid": "shop", "id": 7}, CHOICES) if one.rule == "portable"]
    assert found.level == "error"


def check(*arguments):
    command = [*MLOBS, "dashboards", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command_fails_for_an_error_and_not_for_a_warning(tmp_path):
    """It stands in people's pipelines."""
    mine = copy.deepcopy(GOOD) | {"uid": "shop"}
    lines(mine)["targets"][0].update(expr="sum (rate(checkout_total[$__rate_interval]))", legendFormat="all")
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(mine))
    done = check(tmp_path, "--json")
    assert done.returncode == 0, done.stdout
    assert {row["level"] for row in json.loads(done.stdout)} == {"warning"}
    lines(mine)["targets"][0]["expr"] = "sum (rate("
    file.write_text(json.dumps(mine))
    done = check(tmp_path)
    assert done.returncode == 1
    assert "1 dashboard checked, 1 errors and" in done.stderr


@pytest.mark.slow
def test_the_command_finds_nothing_in_what_ships():
    """By default it checks the packaged ones."""
    done = check()
    assert done.returncode == 0, done.stdout
    assert f"{len(DASHBOARDS)} dashboards checked, 0 errors and 0 warnings found" in done.stderr
