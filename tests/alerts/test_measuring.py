"""The line beside an alert's limit says at every moment what the evaluator measured then."""

import pytest

from mlobs.alerts.replay.measuring import stretches
from mlobs.alerts.sql import question
from mlobs.alerts.states import finding
from mlobs.semconv import metrics as m
from tests.alerts.conftest import NOW_S

FROM_S = NOW_S - 3600
DRIFT = {"mlobs.model.name": "churn", "mlobs.model.version": "3", "mlobs.feature": "age"}


def fill(tables):
    tables.spans(60, ago_s=3600, tool="a", operation="execute_tool", step_ms=60_000)
    tables.spans(20, ago_s=1200, tool="a", operation="execute_tool", error="Timeout", step_ms=40_000)
    tables.spans(90, ago_s=3600, model="gpt", duration_s=3, step_ms=30_000)
    tables.spans(40, ago_s=900, model="gpt", duration_s=20, step_ms=20_000)
    tables.spans(60, ago_s=3600, tool="b", operation="execute_tool", error="Timeout", step_ms=60_000)


def few(rule):
    """Return a rule that is content with few calls and fires soon."""
    changed = {"calls_min": 3} if hasattr(rule.indicator, "calls_min") else {}
    return rule.model_copy(update={"above": 0.05, "indicator": rule.indicator.model_copy(update=changed)})


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("MlobsToolFailureRatio", {"service_name": "shop", "gen_ai_tool_name": "a"}),
        ("MlobsModelLatencyHigh", None),
        ("MlobsFeatureDrift", None),
    ],
)
def test_what_is_drawn_is_what_the_evaluator_measured(tables, rules, name, labels):
    rule = few(rules[name])
    fill(tables)
    for minute, level in ((1, 1.0), (4, 1.0), (16, 0.0), (28, 1.0)):
        for process in ("one", "two"):
            tables.point(
                "otel_metrics_gauge",
                m.DRIFT_ALARM.name,
                level if process == "one" else 0.0,
                ago_s=60 * minute + 5,
                instance=process,
                attributes=DRIFT,
            )
    moments = [NOW_S - 60 * minute for minute in (1, 4, 8, 16, 29)]
    found = {}
    for now_s in moments:
        asked = question(rule, now_s=now_s)
        for row in tables.store.query(asked.sql, asked.params):
            one = finding(row, rule)
            if labels is None or one.labels == labels:
                labels = one.labels
                found[now_s] = one.value
    assert found
    line = stretches(rule, labels, tables.store.query, from_s=FROM_S, to_s=NOW_S)
    for now_s, value in found.items():
        drawn = [one for begin, end, one in line if begin <= now_s < end]
        assert max(drawn) == pytest.approx(value), (now_s, line)


def test_another_tool_has_a_line_of_its_own(tables, rules):
    fill(tables)
    rule = rules["MlobsToolFailureRatio"]
    lines = [
        stretches(
            rule,
            {"service_name": "shop", "gen_ai_tool_name": tool},
            tables.store.query,
            from_s=FROM_S,
            to_s=NOW_S,
        )
        for tool in ("a", "b", "'; DROP TABLE otel_traces --")
    ]
    assert max(one for _, _, one in lines[0] if one is not None) < 0.7
    assert {one for _, _, one in lines[1] if one is not None} == {1.0}
    assert lines[2] == []


def test_a_rule_without_a_limit_is_not_drawn(tables, rules):
    assert stretches(rules["MlobsTelemetryAbsent"], {}, tables.store.query, from_s=FROM_S, to_s=NOW_S) is None
