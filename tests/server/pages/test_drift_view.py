"""Drift as its pages show it, from literals."""

from mlobs.server.pages.charts import Axis
from mlobs.server.pages.drift import view
from mlobs.server.pages.drift.watched import merged
from tests.server.pages.watches import WATCH, WHO

OWN = {
    **WHO, "feature": "age", "segment": "", "processes": 3, "own_alarms": 1, "own_log_e": 30.0,
    "own_threshold": 15.0, "own_tv_lower_bound": 0.2, "own_floor": 0.05,
    "own_change_start_s": 1_777_636_800.0, "own_psi": 0.4, "sent_s": 1_777_636_900.0,
}  # fmt: skip
AXIS = Axis([0, 10 * 10**9], 0, 20 * 10**9, 10 * 10**9)


def test_the_alarm_of_one_process_is_one_before_all_together_are_sure():
    (found,) = merged([WATCH], [OWN])
    assert (found["alarm"], found["fleet_alarm"], found["own_alarms"]) == (True, False, 1)
    assert (found["reached"], found["tv_lower_bound"], found["processes"]) == (2.0, 0.2, 3)
    assert found["since"] == "2026-05-01T12:00:00+00:00"


def test_a_feature_that_only_processes_know_is_there_too():
    (found,) = merged([], [{**OWN, "own_alarms": 0, "own_change_start_s": 0.0}])
    row = view.feature(found)
    assert (row["feature"], row["alarm"], row["since"], row["told"]) == ("age", False, "", "200 %")
    assert row["distances"] == {"psi": 0.4}


def test_features_are_ordered_by_evidence_with_alarms_first():
    calm = {**WATCH, "feature": "b", "log_e": 6.0}
    rows = view.features(merged([calm, WATCH, {**WATCH, "feature": "c", "alarm": True, "log_e": 1.0}], []))
    assert [one["feature"] for one in rows] == ["c", "b", "age"]
    assert rows[1]["bar"] == 50.0
    assert rows[1]["moves"][0]["bin"] == "missing"


def test_a_monitor_adds_up_its_features():
    segment = {**WATCH, "segment": "country=DE", "rows": 400}
    (found,) = view.monitors(merged([WATCH, segment, {**WATCH, "feature": "b"}], [OWN]))
    assert (found["name"], found["features"], found["segments"]) == ("churn@3", 2, 1)
    assert (found["moved"], found["rows"]) == (1, 1000)


def test_rows_that_nobody_has_added_up_yet_are_not_none_at_all():
    """Processes tell of an alarm before the first look at all of them together."""
    (found,) = view.monitors(merged([], [OWN]))
    assert found["rows"] is None
    assert view.together([None, 3, 4]) == 7
    assert view.together([None]) is None


def test_bins_lie_in_the_order_of_their_axis_with_reserved_ones_last():
    reference = [{"bin": name, "ratio": 0.25, "range": ""} for name in ("__null__", "10", "9", "__below__")]
    found = view.bins(
        reference, [{"bin": "9", "at_s": 0, "counted": 3}, {"bin": "__other__", "at_s": 0, "counted": 1}]
    )
    assert [one.name for one in found] == ["below", "9", "10", "missing", "unseen"]
    assert (found[1].live, found[1].more, found[2].live) == (0.75, 0.5, 0.0)


def test_bins_are_called_by_the_values_they_hold_and_ranges_are_drawn_where_they_begin():
    held = {"__below__": "< 12.5", "00": "[12.5, 20)", "01": "[20, 41]", "__above__": "> 41", "__null__": ""}
    reference = [{"bin": name, "ratio": 0.2, "range": text} for name, text in held.items()]
    found = view.bins(reference, [])
    assert [one.name for one in found] == ["< 12.5", "[12.5, 20)", "[20, 41]", "> 41", "missing"]
    assert [one.begins for one in found] == ["", "12.5", "20", "", ""]
    drawn = view.distributions(found)
    assert ">12.5</text>" in drawn
    assert ">&lt; 12.5</text>" in drawn


def test_without_live_rows_only_the_reference_is_drawn():
    found = view.bins([{"bin": "00", "ratio": 1.0, "range": ""}], [])
    assert found[0].live is None
    assert "live" not in view.distributions(found).split("<title>")[0].replace("Reference and live", "")


def test_the_evidence_has_the_line_of_the_alarm_and_each_process():
    rows = [
        {"metric": "together", "instance": "", "at_s": 0, "value": 1.0},
        {"metric": "line", "instance": "", "at_s": 0, "value": 9.0},
        {"metric": "own", "instance": "a", "at_s": 0, "value": 5.0},
        {"metric": "own", "instance": "b", "at_s": 10, "value": 7.0},
    ]
    picture = view.evidence(rows, AXIS, together="together", threshold="line", line=9.0)
    assert "all processes: last 1" in picture
    assert "process 1: last 7" in picture
    assert 'class="limit"' in picture


def test_data_quality_is_a_share_of_the_rows_of_each_step():
    counts = [
        {"bin": "00", "at_s": 0, "counted": 3},
        {"bin": "__null__", "at_s": 0, "counted": 1},
        {"bin": "__below__", "at_s": 10, "counted": 1},
        {"bin": "__above__", "at_s": 10, "counted": 1},
    ]
    picture = view.quality(counts, AXIS)
    assert "missing: last 0 %, at most 25 %" in picture
    assert "out of range: last 100 %" in picture
    assert "Rows. rows: last 2, at most 4." in view.rows_seen(counts, AXIS)
