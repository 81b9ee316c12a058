"""Alerts as their pages show them, from literals."""

from datetime import UTC, datetime

import pytest

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.words import fires_when
from mlobs.semconv import metrics as m
from mlobs.server.pages.alerts import view
from mlobs.server.pages.amounts import NONE
from mlobs.server.pages.charts import Axis
from mlobs.thresholds import Thresholds

NOW_NS = int(datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()) * 10**9
ALERT = {
    "source": "mlobs",
    "rule": "MlobsToolFailureRatio",
    "severity": "warning",
    "state": "firing",
    "summary": "The tool fails.",
    "labels": {"service_name": "shop", "gen_ai_tool_name": 'a"b\\c'},
    "value": 0.25,
    "since": "2026-05-01T11:00:00Z",
    "started": "2026-05-01T11:30:00Z",
    "fingerprint": "ab/12",
    "trace_ids": ["old", "../x", "new"],
    "page": "MlobsToolFailureRatio",
}


def test_an_alert_is_a_row_with_its_page_value_and_newest_trace():
    (row,) = view.rows([ALERT], {"MlobsToolFailureRatio": "ratio"}, NOW_NS)
    assert (row["address"], row["told_value"], row["mark"]) == ("/alerts/mlobs/ab%2F12", "25 %", "warn")
    assert (row["trace_ids"], row["runbook"]) == (["new", "old"], "/runbooks/MlobsToolFailureRatio.md")
    assert row["lasted_ms"] == 30 * 60_000


def test_an_alert_from_elsewhere_may_lack_nearly_everything():
    row = view.row({"source": "grafana", "fingerprint": "f", "rule": "../up"}, "number", NOW_NS)
    assert (row["summary"], row["severity"], row["told_value"], row["runbook"]) == (
        "../up",
        "no severity",
        NONE,
        "",
    )
    assert row["lasted_ms"] is None


def test_an_alert_without_a_runbook_here_links_to_none():
    row = view.row({**ALERT, "page": None}, "ratio", NOW_NS)
    assert row["runbook"] == ""


def test_why_it_ended_and_what_contributed_most_are_shown_where_they_are_known():
    end = {"reason": "within_limit", "text": "It is 1% now.", "value": 0.01, "value_text": "1%"}
    top = {"dimension": "error.type", "value": "timeout", "share": 0.5}
    row = view.row({**ALERT, "end": end, "top": top}, "ratio", NOW_NS)
    assert (row["why"], row["most"]) == ("It is 1% now.", ("error.type", "timeout (50 %)"))
    older = view.row({**ALERT, "end": "?", "top": {"dimension": 1}}, "ratio", NOW_NS)
    assert (older["why"], older["most"]) == ("", None)


def test_the_proposed_silence_fits_just_this_alert():
    assert view.matchers(ALERT).splitlines() == [
        'alertname="MlobsToolFailureRatio"',
        'service_name="shop"',
        'gen_ai_tool_name="a\\"b\\\\c"',
    ]


def test_what_was_measured_is_the_largest_of_each_step_and_nothing_where_nothing_was():
    axis = Axis(range(0, 50 * 10**9, 10 * 10**9), 0, 50 * 10**9, 10 * 10**9)
    found = view.steps([(0, 5, 1.0), (5, 25, 3.0), (30, 40, None), (40, 900, 2.0)], axis)
    assert found == [3.0, 3.0, 3.0, None, 2.0]


def test_values_before_and_after_the_axis_are_left_out():
    axis = Axis(range(100 * 10**9, 120 * 10**9, 10 * 10**9), 100 * 10**9, 120 * 10**9, 10 * 10**9)
    assert view.steps([(0, 90, 1.0), (130, 140, 2.0)], axis) == [None, None]


def test_there_is_no_picture_of_what_is_no_line():
    axis = Axis([], 0, 1, 1)
    assert view.picture({"values": None, "rule": {"unit": "ratio", "limit": 1.0}}, axis) is None
    assert view.picture({"values": [], "rule": None}, axis) is None


def test_a_rule_shows_what_its_alerts_do_and_one_that_cannot_be_evaluated_comes_first():
    rules = [{"rule": name, "state": "error" if name == "E" else "ok"} for name in ("A", "B", "C", "E", "F")]
    now = {
        "rules": rules,
        "firing": [{"rule": "F", "source": "mlobs"}, {"rule": "A", "source": "grafana"}],
        "pending": [{"rule": name, "source": "mlobs"} for name in ("B", "E", "F")],
    }
    assert [(one["rule"], one["state"]) for one in view.rules(now)] == [
        ("E", "error"),
        ("F", "firing"),
        ("B", "pending"),
        ("A", "ok"),
        ("C", "ok"),
    ]


def test_an_alert_says_when_it_fired_and_when_it_began_to_be_bad():
    (row,) = view.rows([ALERT], {}, NOW_NS)
    assert (row["fired"], row["since"]) == (ALERT["started"], ALERT["since"])
    (pending,) = view.rows([{**ALERT, "started": None}], {}, NOW_NS)
    assert (pending["fired"], pending["began"]) == ("", ALERT["since"])


@pytest.mark.parametrize(
    ("condition", "told"),
    [("no call in 10m", "silent"), (f"{m.DRIFT_ALARM.name} is over 0", "moved"), ("the rest is over 1", "1")],
)
def test_of_a_condition_no_number_is_told(condition, told):
    unit = view.unit_of({"unit": "number", "fires_when": condition})
    assert view.row({**ALERT, "value": 1.0, "value_text": "1"}, unit, NOW_NS)["told_value"] == told


def test_rules_that_only_hold_or_not_are_known_by_their_words():
    units = {
        one.name: view.unit_of({"unit": "number", "fires_when": fires_when(one)})
        for one in catalogue(Thresholds())
    }
    assert {name for name, unit in units.items() if unit == "silence"} >= {
        "MlobsTelemetryAbsent", "MlobsDriftMonitorStale",
    }  # fmt: skip
    assert {name for name, unit in units.items() if unit == "drift"} == {
        "MlobsFeatureDrift",
        "MlobsFleetDrift",
    }
