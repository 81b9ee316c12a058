"""The rules as questions to the server's own tables."""

import pytest

from mlobs.alerts.sql import question
from tests.alerts.conftest import NOW_S

FEATURE = {
    "mlobs.model.name": "churn",
    "mlobs.model.version": "7",
    "mlobs.feature": "age",
    "mlobs.profile.ref": "p1",
}


def test_failed_calls_alert_by_service_and_model(tables, rules):
    """The row names whom it is about and a trace to open."""
    tables.spans(30, model="m1")
    tables.spans(9, model="m1", error="timeout", trace="aa", ago_s=50)
    tables.spans(1, model="m1", error="timeout", trace="bb", ago_s=10)
    tables.spans(40, model="fine")
    (row,) = tables.answer(rules["MlobsErrorRatioHigh"])
    assert row == {
        "service_name": "shop",
        "gen_ai_request_model": "m1",
        "value": 0.25,
        "volume": 40,
        "trace_ids": ["bb"],
        "since_s": None,
    }


def test_low_traffic_does_not_alert(tables, rules):
    """One failure of three calls says little; nobody should be woken by it."""
    tables.spans(10, model="m1")
    tables.spans(9, model="m1", error="timeout")
    assert tables.answer(rules["MlobsErrorRatioHigh"]) == []
    tables.spans(1, model="m1")
    assert len(tables.answer(rules["MlobsErrorRatioHigh"])) == 1


def test_cancelled_and_abandoned_calls_are_not_failures(tables, rules):
    """People close chat windows; that is no outage."""
    tables.spans(20, model="m1", state="cancelled")
    tables.spans(20, model="m1", state="abandoned")
    tables.spans(20, model="m1", state="abandoned", error="GeneratorExit")
    assert tables.answer(rules["MlobsErrorRatioHigh"]) == []


def test_what_a_user_typed_is_not_our_failure(tables, rules):
    """A too long prompt is refused by the provider, and the service is fine."""
    tables.spans(30, model="m1", error="openai.BadRequestError")
    assert tables.answer(rules["MlobsErrorRatioHigh"]) == []
    tables.spans(30, model="m1", error="openai.AuthenticationError")
    assert [row["value"] for row in tables.answer(rules["MlobsErrorRatioHigh"])] == [0.5]


def test_a_failed_span_without_an_error_type_still_failed(tables, rules):
    """Other instrumentations set the status and nothing else."""
    tables.writer.run(
        "INSERT INTO otel_traces (Timestamp, ServiceName, SpanAttributes, StatusCode) SELECT "
        f"fromUnixTimestamp64Milli({round((NOW_S - 9) * 1000)}), 'shop', "
        "map('gen_ai.operation.name', 'chat'), 'Error' FROM numbers(30)"
    )
    assert [row["value"] for row in tables.answer(rules["MlobsErrorRatioHigh"])] == [1]


def test_a_call_that_hung_for_long_counts_when_it_ended(tables, rules):
    """Timeouts of ten minutes begin before a window of five, and are what one wants to know of."""
    tables.spans(30, model="m1", error="timeout", duration_s=600, ago_s=30)
    assert len(tables.answer(rules["MlobsErrorRatioHigh"])) == 1
    assert tables.answer(rules["MlobsErrorRatioHigh"], now_s=NOW_S + 300) == []


def test_agents_and_tools_have_their_own_ratio(tables, rules):
    """A tool that fails does not make the model look broken."""
    tables.spans(30, operation="execute_tool", tool="search", error="KeyError")
    tables.spans(30, operation="invoke_agent", agent="support", error="ValueError")
    assert tables.answer(rules["MlobsErrorRatioHigh"]) == []
    assert [row["gen_ai_tool_name"] for row in tables.answer(rules["MlobsToolFailureRatio"])] == ["search"]
    assert [row["gen_ai_agent_name"] for row in tables.answer(rules["MlobsAgentErrorRatioHigh"])] == [
        "support"
    ]


def test_a_drift_alarm_names_the_feature_since_when_and_examples(tables, rules):
    """The newest point that has exemplars gives the traces; older ones have left the store first."""
    for name, value in (("mlobs.drift.alarm", 1), ("mlobs.drift.change_start_timestamp", NOW_S - 777)):
        tables.point("otel_metrics_gauge", name, value, attributes=FEATURE, ago_s=5)
    tables.point(
        "otel_metrics_gauge", "mlobs.drift.alarm", 1, attributes=FEATURE, ago_s=10, exemplars=["c1", "c2"]
    )
    tables.point(
        "otel_metrics_gauge", "mlobs.drift.alarm", 1, attributes=FEATURE, ago_s=20, exemplars=["old"]
    )
    tables.point(
        "otel_metrics_gauge", "mlobs.drift.alarm", 0, attributes={**FEATURE, "mlobs.feature": "calm"}
    )
    (row,) = tables.answer(rules["MlobsFeatureDrift"])
    assert row == {
        "service_name": "shop",
        "mlobs_model_name": "churn",
        "mlobs_model_version": "7",
        "mlobs_feature": "age",
        "value": 1,
        "volume": 1,
        "trace_ids": ["c1", "c2"],
        "since_s": NOW_S - 777,
    }


def test_only_the_newest_point_of_each_process_counts(tables, rules):
    """An alarm that ended must end here too, unless another process still has it."""
    tables.point("otel_metrics_gauge", "mlobs.drift.alarm", 1, attributes=FEATURE, ago_s=60)
    tables.point("otel_metrics_gauge", "mlobs.drift.alarm", 0, attributes=FEATURE, ago_s=5)
    assert tables.answer(rules["MlobsFeatureDrift"]) == []
    tables.point("otel_metrics_gauge", "mlobs.drift.alarm", 1, attributes=FEATURE, ago_s=9, instance="two")
    assert [row["volume"] for row in tables.answer(rules["MlobsFeatureDrift"])] == [2]


def test_a_gauge_nobody_vouches_for_any_more_is_gone(tables, rules):
    """The process that sent it may have been dead for an hour."""
    tables.point("otel_metrics_gauge", "mlobs.drift.alarm", 1, attributes=FEATURE, ago_s=299)
    assert len(tables.answer(rules["MlobsFeatureDrift"])) == 1
    assert tables.answer(rules["MlobsFeatureDrift"], now_s=NOW_S + 2) == []


@pytest.mark.parametrize(
    ("points", "grown"),
    [
        ([(400, 9000, 10), (5, 9000, 13)], 3),  # grew within the window
        ([(400, 9000, 10), (5, 9000, 10)], None),  # did not
        ([(250, 9000, 10), (5, 9000, 14)], 4),  # its past is unknown: from the first point within
        ([(5, 100, 7)], 7),  # a process that began within the window
        ([(400, 9000, 10), (5, 100, 2)], 2),  # restarted
        ([(400, 9000, 10)], None),  # gone
    ],
)
def test_a_counter_grows_by_what_was_added_within_the_window(tables, rules, points, grown):
    """Restarts must neither hide a loss nor invent one."""
    for ago_s, start_ago_s, value in points:
        tables.point(
            "otel_metrics_sum",
            "mlobs.sdk.dropped",
            value,
            ago_s=ago_s,
            start_ago_s=start_ago_s,
            attributes={"mlobs.dropped.reason": "queue_full"},
        )
    rows = tables.answer(rules["MlobsTelemetryDropped"])
    assert [row["value"] for row in rows] == ([grown] if grown else [])
    assert all(row["mlobs_dropped_reason"] == "queue_full" for row in rows)


def test_deltas_are_added_up(tables, rules):
    """Some exporters send what was added since the last point."""
    for ago_s in (400, 200, 100, 5):
        tables.point("otel_metrics_sum", "mlobs.sdk.dropped", 2, ago_s=ago_s, temporality=1)
    assert [row["value"] for row in tables.answer(rules["MlobsTelemetryDropped"])] == [6]


def for_hours(tables, count, *, ago_s=660, **facts):
    """Add spans evenly over six hours, the last of which ended so long ago."""
    step_s = 21_600 // count
    tables.spans(count, ago_s=ago_s + (count - 1) * step_s, step_ms=step_s * 1000, **facts)


def test_a_busy_service_that_falls_silent_is_missed(tables, rules):
    """Ten minutes after its last call, and since when: that call."""
    for_hours(tables, 800, trace="aa")
    for_hours(tables, 800, service="alive", kind="predict", operation="")
    tables.spans(1, ago_s=90, service="alive", operation="execute_tool")
    rule = rules["MlobsTelemetryAbsent"]
    (row,) = tables.answer(rule)
    assert (row["service_name"], row["volume"], row["trace_ids"]) == ("shop", 800, ["aa"])
    assert row["since_s"] == pytest.approx(NOW_S - 660, abs=1)
    assert len(tables.answer(rule, now_s=NOW_S - 59)) == 1
    assert tables.answer(rule, now_s=NOW_S - 61) == []


@pytest.mark.parametrize("hours", [1, 8, 23])
def test_a_service_is_missed_for_a_day(tables, rules, hours):
    """However few calls it had: twenty in ten minutes are enough, and it is still missed hours later."""
    for_hours(tables, 720, ago_s=hours * 3600)
    assert len(tables.answer(rules["MlobsTelemetryAbsent"])) == 1


def test_a_service_that_has_been_silent_for_more_than_a_day_is_given_up(tables, rules):
    """Nobody is woken for ever."""
    for_hours(tables, 5000, ago_s=25 * 3600)
    assert tables.answer(rules["MlobsTelemetryAbsent"]) == []


def test_a_service_that_was_busy_long_before_its_last_call_is_not_missed(tables, rules):
    """What counts are the hours before the silence."""
    for_hours(tables, 5000, ago_s=10 * 3600)
    tables.spans(5, ago_s=3600)
    assert tables.answer(rules["MlobsTelemetryAbsent"]) == []


def test_a_quiet_service_is_not_missed(tables, rules):
    """It may well make no call for ten minutes."""
    for_hours(tables, 700)
    assert tables.answer(rules["MlobsTelemetryAbsent"]) == []


def test_a_service_is_missed_that_made_calls_most_of_the_time(tables, rules):
    """In 51 times five minutes of 72; what ran for an hour and ended is not, however busy it was."""
    tables.spans(5000, ago_s=4500, step_ms=720, service="hour")
    for times, service in ((51, "shop"), (50, "new")):
        ago_s = 900 + (times - 1) * 300  # Calls on a border belong to the time that ends there.
        tables.spans(times, ago_s=ago_s, step_ms=300_000, service=service, tracestate="ot=th:f")
    assert [row["service_name"] for row in tables.answer(rules["MlobsTelemetryAbsent"])] == ["shop"]


@pytest.mark.parametrize("run_s", [60, 299])
def test_a_job_that_runs_every_quarter_of_an_hour_or_less_often_is_not_missed(tables, rules, run_s):
    """Wherever its runs begin; each of these is missed by a rule that asks for less."""
    every = (15, 16, 17, 18, 20, 30, 60)
    services = {f"{minutes}-{place}" for minutes in every for place in range(5)}
    for minutes in every:
        runs = 7 * 60 // minutes + 1
        for place in range(5):
            facts = {"service": f"{minutes}-{place}", "step_ms": minutes * 60_000, "tracestate": "ot=th:ff"}
            begun_s = (
                1230 + 60 * place + (runs - 1) * minutes * 60
            )  # At place 0 half a minute before a border.
            for ago_s in (begun_s, begun_s - run_s):
                tables.spans(runs, ago_s=ago_s, **facts)
    rule = rules["MlobsTelemetryAbsent"]
    assert tables.answer(rule) == []
    looser = rule.model_copy(update={"indicator": rule.indicator.model_copy(update={"busy_share": 0.05})})
    assert {row["service_name"] for row in tables.answer(looser)} == services


def test_the_watchdog_asks_the_store_nothing(rules):
    """It watches Prometheus and what follows; the server's own pulse is /readyz."""
    assert question(rules["MlobsWatchdog"], now_s=NOW_S) is None
