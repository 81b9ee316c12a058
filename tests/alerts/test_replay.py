"""A replay finds what the evaluator would have found: the same alerts, at the same moments."""

import random

import pytest

from mlobs.alerts.measured import Where
from mlobs.alerts.replay.asking import AbandonedError, Wanted, answered
from mlobs.alerts.replay.episodes import Broken, episodes
from mlobs.alerts.replay.grid import grid
from mlobs.alerts.replay.grouped import grouped
from mlobs.alerts.replay.replaying import looks_every_s, replay
from mlobs.alerts.replay.shapes import windows_s
from mlobs.alerts.sql import question
from mlobs.alerts.states import advance, finding
from mlobs.errors import QueryError
from mlobs.semconv import attributes as a
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
    "MlobsTelemetryAbsent": {"calls_min": 1, "window_s": 60, "memory_s": 300, "missed_s": 240},
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


NOT_M2 = (
    Where(label=a.REQUEST_MODEL, values=("m2", "m3"), is_not=True),
    Where(label=a.SERVICE_NAME, values=("shop", "desk")),
)


def shortened(rule):
    change = {"indicator": rule.indicator.model_copy(update=SHORT[rule.name])}
    if rule.name in LIMITS:
        change["above"] = LIMITS[rule.name]
    return rule.model_copy(update=change)


def mixed_calls(tables, seed):
    """Store calls of two services and two models, a part of which fail, are slow or stand for many."""
    dice = random.Random(seed)
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
            f"'{service}', map({pairs}), {duration_ms * 1_000_000}, '{status}', "
            f"'{dice.choice(['', '', 'ot=th:8', 'ot=th:b333'])}'"
        )
    tables.writer.run(
        "INSERT INTO otel_traces "
        "(Timestamp, TraceId, ServiceName, SpanAttributes, Duration, StatusCode, TraceState) "
        + " UNION ALL ".join(rows)
    )


@pytest.mark.slow
@pytest.mark.parametrize("where", [(), NOT_M2], ids=["all calls", "some calls"])
@pytest.mark.parametrize("name", SHORT)
def test_a_replay_is_broken_at_the_moments_at_which_each_question_is(tables, rules, name, where):
    """One grouped question, and one for each moment: the same labels at the same moments."""
    rule = shortened(rules[name])
    rule = rule.model_copy(update={"indicator": rule.indicator.model_copy(update={"where": where})})
    mixed_calls(tables, name)
    span = (NOW_S - 1200, NOW_S + 300)
    step_s = rule.indicator.window_s if name == "MlobsCostBurn" else STEP_S
    asked = broken_moments(rule, tables, *span, step_s)
    assert asked, "the traffic must break the rule at least once"
    assert replayed_moments(rule, tables, *span, step_s) == {one[:2] for one in asked}


def often(tables, dice):
    """Store calls of services of which each makes some in another share of the times, or began later."""
    for service in range(12):
        share, begun_s = dice.uniform(0.2, 1), dice.choice([900, 900, 450])
        for ago_s in range(60, begun_s, 30):
            if dice.random() < share:
                # On a border, just beside one, or anywhere.
                after_s = dice.choice([0, 0.001, 29.999, dice.uniform(0, 30)])
                tables.spans(
                    1, ago_s=ago_s + after_s, service=f"s{service}", tracestate=dice.choice(["", "ot=th:c"])
                )


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.4, 0.7, 1.0])
def test_a_replay_knows_how_often_who_fell_silent_had_made_calls(tables, rules, share):
    """Of the times that the memory had at the last call, whether they were cut by a step or not."""
    rule = shortened(rules["MlobsTelemetryAbsent"])
    more = {"memory_s": 300, "busy_share": share}
    rule = rule.model_copy(update={"indicator": rule.indicator.model_copy(update=more)})
    often(tables, random.Random(share))
    span = (NOW_S - 900, NOW_S + 300)
    asked = broken_moments(rule, tables, *span)
    assert replayed_moments(rule, tables, *span) == {one[:2] for one in asked}
    missed = {labels for labels, *_ in asked}
    any_share = rule.model_copy(update={"indicator": rule.indicator.model_copy(update={"busy_share": 0.01})})
    assert missed < {labels for labels, _ in replayed_moments(any_share, tables, *span)}
    assert missed or share == 1


@pytest.mark.slow
def test_of_jobs_and_a_service_that_end_only_the_service_is_missed(tables, rules):
    """The jobs run for a minute across a border of five, every fifteen and twenty minutes, for half a day."""
    rule = rules["MlobsTelemetryAbsent"]
    for minutes in (15, 20):
        runs = 12 * 60 // minutes
        for ago_s in (7230, 7170):
            begun_s = ago_s + (runs - 1) * minutes * 60
            facts = {"service": f"every {minutes}", "tracestate": "ot=th:ff", "step_ms": minutes * 60_000}
            tables.spans(runs, ago_s=begun_s, **facts)
    tables.spans(1440, ago_s=7200 + 1439 * 15, step_ms=15_000)
    found = replay(rule, tables.store.query, from_s=NOW_S - 12 * 3600, to_s=NOW_S, interval_s=15)
    (episode,) = found.episodes
    assert episode.labels == {"service_name": "shop"}
    late_s = episode.firing_s - (NOW_S - 7200 + 600 + rule.hold_s)
    assert 0 <= late_s <= 2 * looks_every_s(rule, 15)


@pytest.mark.slow
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


@pytest.mark.slow
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
    for count, ago_s, error in ((100, 3990, ""), (199, 2990, "timeout"), (101, 1000, "")):
        tables.spans(count, ago_s=ago_s, step_ms=10_000, model="m1", error=error, trace=f"{ago_s:032x}")
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
            attributes={"mlobs.dropped.reason": "queue full"},
        )
    span = (NOW_S - 1500, NOW_S)
    asked = broken_moments(rule, tables, *span)
    assert asked
    assert replayed_moments(rule, tables, *span) == {one[:2] for one in asked}


def test_a_replay_steps_as_the_evaluator_does(rules):
    """Skipping moments at which nothing can change must change nothing."""
    moments = grid(NOW_S, NOW_S + 6000, interval_s=15, windows_s=(300,))
    dice = random.Random(7)
    for _ in range(200):
        places = sorted(dice.sample(range(moments.first, moments.last), 12))
        times = [Broken(begin, end, 0.5) for begin, end in zip(places[::2], places[1::2], strict=True)]
        holds = {"hold_s": dice.choice([0, 15, 45, 100, 600]), "keep_firing_s": dice.choice([0, 60, 700])}
        rule = rules["MlobsErrorRatioHigh"].model_copy(update=holds)
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


def test_a_long_hold_over_many_moments_is_jumped_over(rules):
    """A hold of years at one moment a second: a few steps, not as many as there are seconds."""
    rule = rules["MlobsErrorRatioHigh"].model_copy(update={"hold_s": 10**8, "keep_firing_s": 10**8})
    moments = grid(NOW_S - 4 * 10**8, NOW_S, interval_s=1, windows_s=(1,))
    begin, end = moments.first + 10, moments.first + 2 * 10**8
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mlobs.alerts.replay.episodes.advance",
            lambda *given, **more: steps.append(1) or advance(*given, **more),
        )
        (found,) = episodes(rule, (), [Broken(begin, end, 0.5)], moments)
    assert found.firing_s - found.active_s == 10**8
    assert found.resolved_s == moments.moment_s(end) + 10**8
    assert len(steps) < 10


def test_a_rule_is_looked_at_as_often_as_the_evaluator_does(tables, rules):
    """Days of spans are asked about every five minutes; a window of a second every fifteen."""
    ask = tables.store.query
    slow = replay(rules["MlobsAvailabilityBurn3d"], ask, from_s=NOW_S - 86_400, to_s=NOW_S, interval_s=15)
    of = rules["MlobsErrorRatioHigh"].indicator.model_copy(update={"window_s": 1, "calls_min": 1})
    rule = rules["MlobsErrorRatioHigh"].model_copy(update={"indicator": of, "hold_s": 0, "keep_firing_s": 0})
    for second in range(40):
        tables.spans(1, ago_s=100 - second, model="m", error="timeout")
    quick = replay(rule, ask, from_s=NOW_S - 200, to_s=NOW_S, interval_s=15)
    assert (slow.step_s, quick.step_s) == (300, 15)
    (episode,) = quick.episodes
    assert 30 <= episode.resolved_s - episode.firing_s <= 45


def test_more_alerts_than_the_evaluator_sees_are_refused(tables, rules):
    """A replay must not promise what would not be told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlobs.alerts.replay.replaying.ALERTS_MAX", 2)
        for model in ("a", "b", "c"):
            tables.spans(30, model=model, error="timeout")
        with pytest.raises(QueryError, match="more than 2 combinations of labels"):
            replay(
                rules["MlobsErrorRatioHigh"],
                tables.store.query,
                from_s=NOW_S - 600,
                to_s=NOW_S,
                interval_s=15,
            )


def test_a_replay_that_nobody_waits_for_asks_nothing_more(tables, rules):
    """The client has left after the first question."""
    asked = []

    def ask(sql, params):
        asked.append(sql)
        return []

    with pytest.raises(AbandonedError):
        answered(
            list(rules.values())[:9],
            ask,
            Wanted(since_s=86_400),
            now_s=NOW_S,
            interval_s=15,
            server_url="x",
            runbook=lambda rule: None,
            is_abandoned=lambda: len(asked) == 1,
        )
    assert len(asked) == 1
