"""What monitors know goes out as metrics, each with the labels that the vocabulary promises."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest

from mlobs.drift import meter
from mlobs.drift.bins import Bins
from mlobs.drift.distances import wasserstein
from mlobs.drift.measures import online_places
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from tests.drift import churn
from tests.drift.churn import rows, watch_of

BLOCK = 200


@pytest.fixture(scope="module")
def profile():
    return churn.profile()


def ours(reader):
    """Return what mlobs emits; other tests of this process have frameworks that emit too."""
    data = reader.get_metrics_data()
    scopes = [] if data is None else data.resource_metrics[0].scope_metrics
    return [metric for scope in scopes if scope.scope.name == "mlobs" for metric in scope.metrics]


def points_of(reader, row):
    found = ours(reader)
    return [point for metric in found if metric.name == row.name for point in metric.data.data_points]


def test_segments_go_out_under_their_own_label(reader):
    """Only where segments are used, and all rows stay without the label."""
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=20_000), "g": np.array(["u", "v"])[rng.integers(0, 2, 20_000)]}
    monitor = Monitor(Profile.of(data, model="m@1", by=["g"]), block_rows=BLOCK)
    monitor.observe_batch({"x": rng.normal(size=500), "g": np.array(["u"] * 500)})
    points = [p for p in points_of(reader, m.DRIFT_OBSERVATIONS) if p.attributes[a.FEATURE.name] == "x"]
    totals = {}
    for point in points:
        segment = point.attributes.get(a.SEGMENT.name, "")
        totals[segment] = totals.get(segment, 0) + point.value
    assert totals == {"": 500, "u": 500, "v": 0, "__rest__": 0}
    for row in (m.DRIFT_LOG_E, m.DRIFT_ALARM, m.DRIFT_THRESHOLD, m.DRIFT_DISTANCE):
        assert "u" in {point.attributes.get(a.SEGMENT.name) for point in points_of(reader, row)}
    monitor.close()


def test_the_gaps_between_bins_give_the_wasserstein_distance(reader, profile):
    """A recording rule has only these and the counts."""
    monitor = Monitor(profile)
    monitor.observe_batch({"x": np.random.default_rng(9).normal(0.5, 1, 5_000), "c": np.array(["a"] * 5_000)})
    live, reference = (
        {
            p.attributes[a.BIN.name]: p.value
            for p in points_of(reader, row)
            if p.attributes[a.FEATURE.name] == "x"
        }
        for row in (m.DRIFT_OBSERVATIONS, m.DRIFT_REFERENCE_RATIO)
    )
    gaps = [p.value for p in points_of(reader, m.DRIFT_CUT_GAP) if p.attributes[a.FEATURE.name] == "x"]
    axis = [name for name in live if name not in {"__null__", "__other__"}]
    p, q = (np.array([one[name] for name in axis]) for one in (reference, live))
    cut = np.abs(np.cumsum(p / p.sum()) - np.cumsum(q / q.sum()))[:-1]
    assert len(gaps) == len(cut)
    counted = next(one for one in monitor.counted() if one.feature == "x")
    places = online_places(Bins(profile.features["x"]))
    expected = wasserstein(
        np.array(counted.reference[: len(places)]),
        np.array(counted.live[: len(places)]),
        places,
        profile.features["x"].std,
    )
    assert float(cut @ gaps) == pytest.approx(expected)
    monitor.close()


def test_every_drift_metric_goes_out_with_its_labels(reader, profile):
    """Dashboards and rules are built from the same rows."""
    monitor = Monitor(profile, block_rows=BLOCK)
    for row in rows(2_000, shift=2.0):
        monitor.observe(row, 0.5, trace=SimpleNamespace(trace_id=0xABC, span_id=0xDEF))
    monitor.flush()
    monitor.label(1, 0.6, prediction=0.5)
    monitor.flush()
    data = ours(reader)
    assert {metric.name for metric in data} == {row.name for row in m.DRIFT}
    units = {metric.name: metric.unit for metric in data}
    labels = {row.name: {label.name for label in row.labels} - {a.SEGMENT.name} for row in m.DRIFT}
    assert units == {row.name: row.unit for row in m.DRIFT}
    for metric in data:
        optional = {a.BIN_RANGE.name}  # where the name of a bin does not say what it holds
        for point in metric.data.data_points:
            assert labels[metric.name] - optional <= set(point.attributes) <= labels[metric.name]
    monitor.close()


def test_every_bin_goes_out_from_the_start_with_its_reference(reader, profile):
    """A bin that appears later loses its first increase, and one without a partner is not compared."""
    monitor = Monitor(profile)
    live, reference = points_of(reader, m.DRIFT_OBSERVATIONS), points_of(reader, m.DRIFT_REFERENCE_RATIO)
    key = lambda point: (point.attributes[a.FEATURE.name], point.attributes[a.BIN.name])  # noqa: E731
    assert {key(point) for point in live} == {key(point) for point in reference}
    assert {("x", "__null__"), ("x", "__above__"), ("c", "__other__"), ("prediction", "00")} <= set(
        map(key, live)
    )
    assert sum(point.value for point in live) == 0
    assert sum(point.value for point in reference) == pytest.approx(3)
    monitor.close()


def test_a_bin_along_an_axis_goes_out_with_the_values_it_holds(reader):
    """The profile's file is not where a person looks at what a service sends."""
    data = {"x": np.arange(1_000.0), "n": np.arange(1_000) % 3, "c": np.array(["a", "b"] * 500)}
    monitor = Monitor(Profile.of(data, model="m@1"))
    found = {}
    for point in points_of(reader, m.DRIFT_REFERENCE_RATIO):
        by_bin = found.setdefault(point.attributes[a.FEATURE.name], {})
        by_bin[point.attributes[a.BIN.name]] = point.attributes.get(a.BIN_RANGE.name)
    feature = monitor.profile.features["x"]
    first, last = feature.edges[0], feature.edges[-1]
    cuts = Bins(feature).online_cuts
    assert found["x"]["__below__"] == f"< {first:g}"
    assert found["x"]["__above__"] == f"> {last:g}"
    assert found["x"]["00"] == f"[{first:g}, {cuts[1]:.5g})"
    assert found["x"]["09"] == f"[{cuts[9]:.5g}, {last:g}]"
    assert (found["x"]["__null__"], found["x"]["__other__"]) == (None, None)
    assert [found["n"][name] for name in ("00", "01", "02")] == ["0", "1", "2"]
    assert set(found["c"].values()) == {None}
    monitor.close()


def test_an_alarm_carries_the_trace_of_a_recent_row(reader, profile):
    """From the page to one request that caused it is one click."""
    monitor = Monitor(profile, block_rows=BLOCK)
    for number, row in enumerate(rows(2_000, shift=2.0)):
        monitor.observe(row, 0.5, trace=SimpleNamespace(trace_id=number + 1, span_id=7))
    monitor.flush()
    point = next(p for p in points_of(reader, m.DRIFT_ALARM) if p.attributes[a.FEATURE.name] == "x")
    assert point.value == 1
    assert [(exemplar.trace_id, exemplar.span_id) for exemplar in point.exemplars] == [(2_000, 7)]
    start = next(p for p in points_of(reader, m.DRIFT_CHANGE_START) if p.attributes[a.FEATURE.name] == "x")
    assert start.value == watch_of(monitor, "x").change_start.timestamp()
    monitor.close()


def test_two_monitors_of_one_model_are_one_series(reader, profile):
    """Two routes may serve the same model; their counts add up."""
    monitors = [Monitor(profile), Monitor(profile)]
    for monitor in monitors:
        monitor.observe({"x": 0.0, "c": "a"}, 0.5)
        monitor.flush()
    points = [p for p in points_of(reader, m.DRIFT_OBSERVATIONS) if p.attributes[a.FEATURE.name] == "c"]
    assert [p.value for p in points if p.attributes[a.BIN.name] == "a"] == [2]
    for monitor in monitors:
        monitor.close()


@pytest.mark.parametrize("moved_first", [True, False])
def test_no_alarm_hides_behind_another_monitor_of_the_model(reader, profile, moved_first):
    """One route's callers have changed and the other's have not: whose turn is last must not matter."""
    shifts = [2.0, 0.0] if moved_first else [0.0, 2.0]
    monitors = [Monitor(profile, model="routes@1", block_rows=BLOCK) for _ in shifts]
    for monitor, shift in zip(monitors, shifts, strict=True):
        for number, row in enumerate(rows(2_000, shift=shift, seed=number_of(shift))):
            monitor.observe(row, 0.5, trace=SimpleNamespace(trace_id=number_of(shift) + number, span_id=7))
        monitor.flush()
        monitor.label(1, 1.0, prediction=0.2 if shift else 0.9)
        monitor.flush()
    moved = monitors[shifts.index(2.0)]
    watch = watch_of(moved, "x")

    def told(row):
        [point] = [
            p
            for p in points_of(reader, row)
            if (p.attributes[a.MODEL_NAME.name], p.attributes[a.FEATURE.name]) == ("routes", "x")
            and p.attributes.get(a.DRIFT_METHOD.name, "tv") == "tv"
        ]
        return point

    alarm = told(m.DRIFT_ALARM)
    assert alarm.value == 1
    assert [one.trace_id for one in alarm.exemplars] == [watch.traces[-1].trace_id]
    assert told(m.DRIFT_LOG_E).value == watch.log_e
    assert told(m.DRIFT_TV_LOWER_BOUND).value == watch.tv_lower_bound
    assert told(m.DRIFT_DISTANCE).value == watch.distances.tv
    quality = {
        p.attributes[a.QUALITY_MEASURE.name]: p.value
        for p in points_of(reader, m.DRIFT_QUALITY)
        if p.attributes[a.MODEL_NAME.name] == "routes" and p.attributes[a.QUALITY_WINDOW.name] == "overall"
    }
    assert quality["accuracy"] == 0
    assert quality["brier"] == pytest.approx(0.64)
    assert quality["bias"] == pytest.approx(0.8)
    for monitor in monitors:
        monitor.close()


def number_of(shift):
    return 10_000 + int(shift) * 10_000


def test_the_earliest_start_of_a_change_is_told(reader, profile):
    """Of two monitors that saw it, the one that saw it first knows more."""
    monitors = [Monitor(profile, model="starts@1", block_rows=BLOCK) for _ in range(2)]
    began = [1_000_000_000.0, 900_000_000.0]
    for monitor, start in zip(monitors, began, strict=True):
        data = {"x": np.random.default_rng(3).normal(2, 1, 2_000), "c": np.array(["a", "b"] * 1_000)}
        monitor.observe_batch(data, time=start + np.arange(2_000.0))
    points = [p for p in points_of(reader, m.DRIFT_CHANGE_START) if p.attributes[a.FEATURE.name] == "x"]
    found = [p.value for p in points if p.attributes[a.MODEL_NAME.name] == "starts"]
    assert found == [watch_of(monitors[1], "x").change_start.timestamp()]
    assert found[0] < 1_000_000_000
    for monitor in monitors:
        monitor.close()


def test_a_wide_table_has_a_bounded_number_of_series(reader, monkeypatch, caplog):
    """A scrape of ten thousand features' bins takes seconds, and no server keeps them."""
    rng = np.random.default_rng(1)
    wide = Profile.of({f"f{i:02d}": rng.normal(size=500) for i in range(20)}, model="wide@1")
    monkeypatch.setattr(meter, "BINS_MAX", 100)
    monitor = Monitor(wide, block_rows=BLOCK)
    monitor.observe_batch({f"f{i:02d}": rng.normal(size=500) for i in range(20)})
    bins = [len(one.bins) for one in monitor.counted()]
    fits = int((np.cumsum(bins) <= 100).sum())
    found = {
        row: [p for p in points_of(reader, row) if p.attributes[a.MODEL_NAME.name] == "wide"]
        for row in (m.DRIFT_OBSERVATIONS, m.DRIFT_REFERENCE_RATIO, m.DRIFT_DISTANCE, m.DRIFT_ALARM)
    }
    features = {row: {p.attributes[a.FEATURE.name] for p in points} for row, points in found.items()}
    first = {one.feature for one in monitor.counted()[:fits]}
    assert 0 < fits < 20
    assert len(found[m.DRIFT_OBSERVATIONS]) <= 100
    assert features[m.DRIFT_OBSERVATIONS] == features[m.DRIFT_REFERENCE_RATIO] == first
    assert features[m.DRIFT_DISTANCE] == first
    assert len(features[m.DRIFT_ALARM]) == 20
    sentence = f"distances of the first {fits} only, not of the other {20 - fits}"
    assert caplog.text.count(sentence) == 1
    monitor.close()


def test_labels_are_counted_once_over_a_restart(reader, profile, tmp_path):
    """The process before has told of its own; whoever adds them up would count them twice."""
    for expected in (1, 2):
        monitor = Monitor(profile, model=f"restarted{expected}@1", state=tmp_path / "state.json")
        for i in range(expected):
            monitor.label(i, 0.5, prediction=0.5)
        monitor.flush()
        points = [
            p
            for p in points_of(reader, m.DRIFT_LABELS)
            if p.attributes[a.MODEL_NAME.name] == f"restarted{expected}"
        ]
        counts = {p.attributes[a.LABEL_OUTCOME.name]: p.value for p in points}
        assert counts["joined"] == expected
        assert monitor.quality()[0].labels == [1, 3][expected - 1]
        monitor.close()


def test_a_monitor_that_nobody_holds_stops_reporting(reader, profile):
    """Reloaded models must not leave their ghosts on the dashboards."""
    monitor = Monitor(profile, model="ghost@1")
    assert any(p.attributes[a.MODEL_NAME.name] == "ghost" for p in points_of(reader, m.DRIFT_ALARM))
    del monitor
    gc.collect()
    assert not any(p.attributes[a.MODEL_NAME.name] == "ghost" for p in points_of(reader, m.DRIFT_ALARM))


def test_a_replaced_profile_begins_anew(reader, profile):
    """Counts by other bins are other counters, which `ref` tells apart."""
    monitor = Monitor(profile, block_rows=BLOCK)
    for row in rows(2_000, shift=2.0):
        monitor.observe(row, 0.5)
    monitor.observe(5)
    assert watch_of(monitor, "x").alarm
    rng = np.random.default_rng(7)
    new = Profile.of(
        {"x": rng.normal(2.0, 1.0, 20_000), "c": np.array(["a", "b"])[rng.integers(0, 2, 20_000)]},
        model="churn@7",
    )
    monitor.replace(new)
    assert not any(watch.alarm for watch in monitor.state())
    for row in rows(2_000, shift=2.0, seed=8):
        monitor.observe(row, 0.5)
    assert not any(watch.alarm for watch in monitor.state())
    points = points_of(reader, m.DRIFT_OBSERVATIONS)
    assert {point.attributes[a.PROFILE_REF.name] for point in points} == {new.ref}
    assert {point.attributes[a.FEATURE.name] for point in points} == {"x", "c"}
    assert monitor.dropped()["unreadable"] == 1
    monitor.close()
