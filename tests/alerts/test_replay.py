"""A replay finds what the evaluator would have found: the same alerts, at the same moments."""

import random

import pytest

from mlobs.alerts.replay.episodes import Broken, episodes
from mlobs.alerts.replay.grid import grid
from mlobs.alerts.replay.grouped import grouped
from mlobs.alerts.replay.replaying import replay
from mlobs.alerts.replay.shapes import windows_s
from mlobs.alerts.sql import question
from mlobs.alerts.states import advance, finding
from tests.alerts.conftest import NOW_S

STEP_S = 15


def broken_moments(rule, tables, from_s, to_s, step_s=STEP_S):
    """Ask about every moment, as the evaluator does."""
    moments = grid(from_s, to_s, interval_s=step_s, windows_s=windows_s(rule))
    found = set()
    for number in range(moments.first, moments.last + 1):
        asked = question(rule, now_s=moments.moment_s(number))
        for row in tables.store.query(asked.sql, asked.params):
            one = finding(row, rule)
            found.add((tuple(one.labels.items()), number, round(one.value, 6)))
    return found


def replayed_moments(rule, tables, from_s, to_s, step_s=STEP_S):
    moments = grid(from_s, to_s, interval_s=step_s, windows_s=windows_s(rule))
    asked = grouped(rule, moments)
    found = set()
    for row in tables.store.query(asked.sql, asked.params):
        labels = tuple((one.label, row[one.label]) for one in rule.indicator.by)
        numbers = range(max(row["begin"], moments.first), min(row["end"], moments.last + 1))
        found |= {(labels, number) for number in numbers}
    return found


SHORT = {
    "MlobsErrorRatioHigh": {"calls_min": 3, "window_s": 120},
    "MlobsProviderErrors": {"calls_min": 3, "window_s": 120},
    "MlobsAvailabilityBurn1h": {"calls_min": 3, "bad_min": 1, "long_s": 300, "short_s": 60},
    "MlobsModelLatencyHigh": {"calls_min": 3, "window_s": 120},
    "MlobsTelemetryAbsent": {"calls_min": 1, "window_s": 60, "memory_s": 300},
    "MlobsUserCostHigh": {"window_s": 120},
    "MlobsTokensPerCallHigh": {"calls_min": 2, "window_s": 60, "memory_s": 300},
    "MlobsCostBurn": {"window_s": 60, "memory_s": 600, "history_s": 120, "amount_min": 0.1},
}
LIMITS = {
    "MlobsUserCostHigh": 3.0,
    "MlobsModelLatencyHigh": 1.0,
    "MlobsTokensPerCallHigh": 1.5,
    "MlobsCostBurn": 1.5,
}


def shortened(rule):
    change = {"indicator": rule.indicator.model_copy(update=SHORT[rule.name])}
    if rule.name in LIMITS:
        change["above"] = LIMITS[rule.name]
    return rule.model_copy(update=change)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_replay_is_broken_at_the_moments_at_which_each_question_is(tables, rules, name):
    """One grouped question, and one for each moment: the same labels at the same moments."""
    rule = shortened(rules[name])
    dice = random.Random(name)
    rows = []
    for _ in range(240):
        error = dice.choice(["", "", "timeout", "429"])
        attributes = {
            "gen_ai.operation.name": dice.choice(["chat", "chat", "execute_tool"]),
            "gen_ai.request.model": dice.choice(["m1", "m2"]),
            "gen_ai.provider.name": "openai",
            "user.id": dice.choice(["u1", "u2", ""]),
            "error.type": error,
            "gen_ai.usage.input_tokens": str(dice.choice([10, 10, 400])),
            "mlobs.cost.usd": f"{dice.random():.6f}",
        }
        pairs = ", ".join(f"'{key}', '{value}'" for key, value in attributes.items() if value)
        ended_ms = round((NOW_S - dice.choice([1, 1, 3]) * dice.uniform(0, 450)) * 1000)
        duration_ms = dice.choice([50, 200, 3000, 20_000])
        status = "Error" if error else "Unset"
        service = dice.choice(["shop", "desk"])
        rows.append(
            f"SELECT fromUnixTimestamp64Milli({ended_ms - duration_ms}), '{dice.getrandbits(64):x}', "
            f"'{service}', map({pairs}), {duration_ms * 1_000_000}, '{status}'"
        )
    tables.writer.run(
        "INSERT INTO otel_traces (Timestamp, TraceId, ServiceName, SpanAttributes, Duration, StatusCode) "
        + " UNION ALL ".join(rows)
    )
    span = (NOW_S - 1200, NOW_S + 300)
    step_s = rule.indicator.window_s if name == "MlobsCostBurn" else STEP_S
    asked = broken_moments(rule, tables, *span, step_s)
    assert asked, "the traffic must break the rule at least once"
    assert replayed_moments(rule, tables, *span, step_s) == {one[:2] for one in asked}


def test_a_gauge_is_above_until_its_next_point_or_until_it_is_old(tables, rules):
    """Two processes, one of which falls silent."""
    rule = rules["MlobsFeatureDrift"].model_copy(update={"keep_firing_s": 60})
    feature = {"mlobs.model.name": "churn", "mlobs.model.version": "7", "mlobs.feature": "age"}
    for ago_s, value, instance in (
        (1400, 1, "one"),
        (1385, 1, "one"),
        (1290, 0, "one"),
        (900, 1, "one"),
        (700, 1, "two"),
    ):
        tables.point(
            "otel_metrics_gauge",
            "mlobs.drift.alarm",
            value,
            ago_s=ago_s,
            instance=instance,
            attributes=feature,
        )
    span = (NOW_S - 1500, NOW_S)
    asked = broken_moments(rule, tables, *span)
    assert replayed_moments(rule, tables, *span) == {one[:2] for one in asked}
    (first, second) = replay(rule, tables.store.query, from_s=span[0], to_s=span[1], interval_s=15).episodes
    assert (first.active_s, first.firing_s) == (NOW_S - 1395, NOW_S - 1395)
    assert (first.resolved_s, second.firing_s) == (NOW_S - 1290 + 60, NOW_S - 900)
    assert second.resolved_s == NOW_S - 390 + 60  # The last point is too old, and 60 s.


def test_a_monitor_that_falls_silent_while_calls_go_on_is_found(tables, rules):
    """Points of a gauge and spans of calls, in one question."""
    rule = rules["MlobsDriftMonitorStale"]
    of = rule.indicator.model_copy(update={"window_s": 120, "memory_s": 600})
    rule = rule.model_copy(update={"indicator": of})
    model = {"mlobs.model.name": "churn", "mlobs.model.version": "7"}
    for ago_s in (900, 840, 400):
        tables.point("otel_metrics_gauge", of.metric.name, 1, ago_s=ago_s, attributes=model)
    for ago_s in range(30, 900, 50):
        tables.writer.run(
            "INSERT INTO otel_traces (Timestamp, ServiceName, SpanAttributes, Duration) SELECT "
            f"fromUnixTimestamp64Milli({round((NOW_S - ago_s) * 1000)}), 'shop', map('mlobs.kind', "
            "'predict', 'mlobs.model.name', 'churn', 'mlobs.model.version', '7'), 1000000"
        )
    span = (NOW_S - 1500, NOW_S + 300)
    asked = broken_moments(rule, tables, *span)
    assert asked
    assert replayed_moments(rule, tables, *span) == {one[:2] for one in asked}


@pytest.mark.slow
def test_a_long_time_is_asked_about_in_parts_that_fit_together(tables, rules):
    """An alert that stands over the border of two parts is one alert."""
    rule = shortened(rules["MlobsErrorRatioHigh"])
    for ago_s in range(0, 4000, 10):
        error = "timeout" if 1000 < ago_s < 3000 else ""
        tables.spans(1, ago_s=ago_s, model="m1", error=error, trace=f"{ago_s:032x}")
    whole = replay(rule, tables.store.query, from_s=NOW_S - 4000, to_s=NOW_S, interval_s=15)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlobs.alerts.replay.replaying.SLICE_S", 300)
        parts = replay(rule, tables.store.query, from_s=NOW_S - 4000, to_s=NOW_S, interval_s=15)
        absent = shortened(rules["MlobsTelemetryAbsent"])
        alive = replay(absent, tables.store.query, from_s=NOW_S - 3500, to_s=NOW_S, interval_s=15)
    assert alive.episodes == ()
    assert whole == parts
    (shown,) = whole.shown
    assert shown.detect_s > rule.hold_s
    assert shown.trace_ids
    assert shown.episode.resolved_s is not None


def test_a_counter_of_programs_is_replayed_by_what_it_grew(tables, rules):
    """A process that began within the window counts from zero, an older one from its first point."""
    rule = rules["MlobsTelemetryDropped"]
    for ago_s, value, start_ago_s in ((900, 5, 9000), (840, 5, 9000), (780, 9, 9000), (300, 4, 305)):
        tables.point(
            "otel_metrics_sum",
            "mlobs.sdk.dropped",
            value,
            ago_s=ago_s,
            start_ago_s=start_ago_s,
            attributes={"mlobs.sdk.dropped.reason": "queue full"},
        )
    span = (NOW_S - 1500, NOW_S)
    asked = broken_moments(rule, tables, *span)
    assert asked
    assert replayed_moments(rule, tables, *span) == {one[:2] for one in asked}


def test_a_replay_steps_as_the_evaluator_does(rules):
    """Skipping moments at which nothing can change must change nothing."""
    rule = rules["MlobsErrorRatioHigh"].model_copy(update={"hold_s": 45, "keep_firing_s": 60})
    moments = grid(NOW_S, NOW_S + 6000, interval_s=15, windows_s=(300,))
    dice = random.Random(7)
    for _ in range(200):
        places = sorted(dice.sample(range(moments.first, moments.last), 12))
        times = [Broken(begin, end, 0.5) for begin, end in zip(places[::2], places[1::2], strict=True)]
        alert, expected = None, []
        for number in range(moments.first, moments.last + 1):
            hit = any(one.begin <= number < one.end for one in times)
            row = {"service_name": "s", "gen_ai_request_model": "m", "value": 0.5, "volume": 9}
            found = finding({**row, "trace_ids": [], "since_s": None}, rule) if hit else None
            now_s = moments.moment_s(number)
            before = alert
            alert, change = advance(alert, found, rule, now_s=now_s, interval_s=15)
            if change == "resolved":
                expected.append((before.active_s, before.firing_s, now_s))
        if alert is not None and alert.state == "firing":
            expected.append((alert.active_s, alert.firing_s, None))
        labels = (("service_name", "s"), ("gen_ai_request_model", "m"))
        found = episodes(rule, labels, times, moments)
        assert [(one.active_s, one.firing_s, one.resolved_s) for one in found] == expected
