"""Kinds of indicators that need more than calls of one minute: runs, users, silence, figures."""

import pytest

from mlobs.alerts.indicators import Gauge, Increase, Ratio
from mlobs.alerts.measured import Beyond, Failed, Where
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import question
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.dialects.rows import TENANT
from tests.alerts.conftest import NOW_S

MODEL = {"mlobs.model.name": "churn", "mlobs.model.version": "7"}


def rule(indicator, above=0):
    return Rule(
        name="MlobsTest",
        indicator=indicator,
        above=above,
        severity="warning",
        component="test",
        summary="x",
        description="y",
    )


def test_runs_with_very_many_tool_calls_are_taken_for_loops(tables, rules):
    """Each run with the tool calls of its own trace and agent; those of others do not count."""
    for number in range(6):
        tables.spans(1, operation="invoke_agent", kind="agent", agent="support", trace=f"t{number}", ago_s=30)
    tables.spans(70, operation="execute_tool", kind="tool", agent="support", trace="t3", tool="search")
    tables.spans(64, operation="execute_tool", kind="tool", agent="support", trace="t4", tool="search")
    tables.spans(200, operation="execute_tool", kind="tool", agent="other", trace="t5", tool="search")
    (row,) = tables.answer(rules["MlobsAgentLoop"])
    assert (row["gen_ai_agent_name"], row["volume"], row["trace_ids"]) == ("support", 6, ["t3"])
    assert row["value"] == pytest.approx(1 / 6)


def test_a_run_that_a_sampler_kept_counts_with_those_it_stands_for_and_its_tool_calls_once(tables, rules):
    """Five calls of a kept run are five, not eighty; one loop and three sampled runs are one of 49."""
    for number in range(4):
        run = {"agent": "support", "trace": f"t{number}", "tracestate": "ot=th:f" if number else ""}
        tables.spans(1, operation="invoke_agent", kind="agent", ago_s=30, **run)
        tables.spans(5 if number else 70, operation="execute_tool", kind="tool", tool="search", **run)
    (row,) = tables.answer(rules["MlobsAgentLoop"])
    assert (row["volume"], row["trace_ids"]) == (49, ["t0"])
    assert row["value"] == pytest.approx(1 / 49)


def test_a_loop_among_few_runs_is_no_share(tables, rules):
    """With four runs one is a quarter."""
    for number in range(4):
        tables.spans(1, operation="invoke_agent", kind="agent", agent="support", trace=f"t{number}", ago_s=30)
    tables.spans(70, operation="execute_tool", kind="tool", agent="support", trace="t3", tool="search")
    assert tables.answer(rules["MlobsAgentLoop"]) == []


@pytest.mark.parametrize(
    ("attribute", "name"),
    [(a.USER_ID, "MlobsUserCostHigh"), (TENANT, "MlobsTenantCostHigh")],
    ids=["user", "tenant"],
)
def test_one_user_or_tenant_that_costs_much_is_named(tables, rules, attribute, name):
    """Calls for nobody in particular are not one user."""
    above = rules[name].above
    for who, usd in (("ana", above * 1.5), ("ben", above * 0.5), ("", above * 9)):
        more = {"mlobs.cost.usd": str(usd / 10), **({attribute.name: who} if who else {})}
        tables.spans(10, model="m1", more=more)
    (row,) = tables.answer(rules[name])
    assert (row[attribute.label], row["volume"]) == ("ana", 10)
    assert row["value"] == pytest.approx(above * 1.5)


def test_what_a_user_spends_is_that_of_all_calls_behind_a_sampler(tables, rules):
    """Ten of a hundred and sixty calls were kept."""
    above = rules["MlobsUserCostHigh"].above
    more = {"mlobs.cost.usd": str(above / 100), "user.id": "ana"}
    tables.spans(10, model="m1", more=more, tracestate="ot=th:f")
    (row,) = tables.answer(rules["MlobsUserCostHigh"])
    assert (row["user_id"], row["volume"]) == ("ana", 160)
    assert row["value"] == pytest.approx(above * 1.6)


def test_a_cost_that_is_no_number_counts_for_nothing(tables, rules):
    """One program that sends inf must not make a user infinitely dear."""
    for usd in ("inf", "nan", "-5", "x"):
        tables.spans(1, model="m1", more={"mlobs.cost.usd": usd, "user.id": "ana"})
    assert tables.answer(rules["MlobsUserCostHigh"]) == []


def test_a_monitor_that_fell_silent_while_its_model_predicts_is_missed(tables, rules):
    """Since its last point; a model that nobody asks is rightly not watched."""
    for service in ("shop", "idle"):
        tables.point(
            "otel_metrics_gauge", "mlobs.drift.log_e", 1, attributes=MODEL, ago_s=1000, service=service
        )
    tables.spans(5, kind="predict", operation="", more=MODEL, trace="aa")
    (row,) = tables.answer(rules["MlobsDriftMonitorStale"])
    assert row == {
        "service_name": "shop",
        "mlobs_model_name": "churn",
        "mlobs_model_version": "7",
        "value": 1,
        "volume": 5,
        "trace_ids": ["aa"],
        "since_s": NOW_S - 1000,
    }
    tables.point("otel_metrics_gauge", "mlobs.drift.log_e", 1, attributes=MODEL, ago_s=800)
    assert tables.answer(rules["MlobsDriftMonitorStale"]) == []


def test_rows_without_their_columns_are_told_by_column_and_finding(tables, rules):
    """It must say which column is missing."""
    labels = {**MODEL, "mlobs.feature": "age", "mlobs.schema.finding": "missing"}
    for ago_s, value in ((700, 0), (5, 40)):
        tables.point("otel_metrics_sum", "mlobs.drift.schema", value, attributes=labels, ago_s=ago_s)
    (row,) = tables.answer(rules["MlobsDataQuality"])
    assert (row["mlobs_feature"], row["mlobs_schema_finding"], row["value"]) == ("age", "missing", 40)


@pytest.mark.parametrize(
    ("name", "finish"),
    [
        ("MlobsEmptyOutputs", "empty"),
        ("MlobsTruncatedOutputs", "length"),
        ("MlobsRefusals", "refusal"),
        ("MlobsRefusals", "content_filter"),
    ],
)
def test_each_way_to_end_has_its_alert(tables, rules, name, finish):
    """And fires for no other."""
    labels = {"gen_ai.request.model": "m1", "mlobs.finish": finish}
    tables.point("otel_metrics_gauge", "mlobs.finish.ratio", 0.5, attributes=labels)
    broken = [one for one in rules if one.startswith("Mlobs") and rules[one].component == "quality"]
    assert [one for one in broken if tables.answer(rules[one])] == [name]


def test_a_gauge_and_an_increase_count_only_the_series_they_name(tables):
    """Other values of the label are another thing."""
    for outcome, value in (("joined", 5), ("expired", 7)):
        labels = {**MODEL, "mlobs.label.outcome": outcome}
        tables.point("otel_metrics_sum", "mlobs.drift.labels", value, attributes=labels, start_ago_s=60)
    where = (Where(label=a.LABEL_OUTCOME, values=("expired",)),)
    indicator = Increase(metric=m.DRIFT_LABELS, by=(a.SERVICE_NAME,), where=where, window_s=300)
    assert [row["value"] for row in tables.answer(rule(indicator))] == [7]


@pytest.mark.parametrize(
    "indicator",
    [
        Ratio(metric=m.INFERENCE_DURATION, by=(), window_s=300, calls_min=1),
        Increase(metric=m.COST, by=(), window_s=300),
        Increase(metric=m.SDK_DROPPED, by=(), window_s=300),
        Gauge(metric=m.DRIFT_ALARM, by=()),
    ],
    ids=lambda one: one.kind,
)
def test_a_rule_may_be_about_everything_together(tables, indicator):
    """Without labels there is one alert, and without data none."""
    assert tables.answer(rule(indicator)) == []
    tables.spans(4, model="m1", error="500", more={"mlobs.cost.usd": "1"})
    tables.point("otel_metrics_sum", "mlobs.sdk.dropped", 4, start_ago_s=60)
    tables.point("otel_metrics_gauge", "mlobs.drift.alarm", 1)
    assert [row["value"] for row in tables.answer(rule(indicator))] == [
        {"ratio": 1, "increase": 4, "gauge": 1}[indicator.kind]
    ]


def test_a_call_that_took_just_as_long_as_the_bound_is_in_time(tables):
    """As in the metric's buckets."""
    slow = rule(
        Ratio(
            metric=m.INFERENCE_DURATION,
            bad=Beyond(bound=2.56),
            by=(a.SERVICE_NAME,),
            window_s=300,
            calls_min=1,
        ),
        above=0,
    )
    tables.spans(9, duration_s=2.56)
    assert tables.answer(slow) == []
    tables.spans(1, duration_s=2.561)
    assert [row["value"] for row in tables.answer(slow)] == [0.1]


def test_what_only_prometheus_knows_is_not_asked_of_the_tables(rules):
    """The server's own counts, the Collector's, recorded series."""
    for one in rules.values():
        assert (question(one, now_s=NOW_S) is not None) == ("server" in one.engines), one.name
    assert "server" not in rules["MlobsCollectorDropping"].engines
    assert rules["MlobsUserCostHigh"].engines == ("server",)
    assert rules["MlobsErrorRatioHigh"].engines == ("prometheus", "server")


def test_every_rule_can_be_asked_of_an_empty_store(tables, rules):
    """A question that fails is an alert that never comes."""
    for one in rules.values():
        if "server" in one.engines:
            assert tables.answer(one) == [], one.name


def test_failures_that_are_excused_may_hold_quotes(tables):
    """They come from a user's file."""
    indicator = Ratio(
        metric=m.INFERENCE_DURATION, bad=Failed(excused=("it's", "\\")), by=(), window_s=300, calls_min=1
    )
    tables.spans(2, error="x")
    assert [row["value"] for row in tables.answer(rule(indicator))] == [1]
