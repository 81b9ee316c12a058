"""Segments are watched by themselves, under the one promise of the whole monitor."""

import numpy as np
import pandas as pd
import pytest

from mlobs.drift.calendar import YEAR_S
from mlobs.drift.frames import Frame
from mlobs.drift.live import Live
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile
from mlobs.errors import SettingError

BLOCK = 100


def table(n, seed, shift=None):
    """Return rows of three countries; in the one called `shift`, x has moved."""
    rng = np.random.default_rng(seed)
    country = np.array(["de", "fr", "it"])[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    x = rng.normal(size=n) + np.where(country == "fr", 2.0, 0.0) + np.where(country == shift, 1.5, 0.0)
    return {"x": x, "c": np.array(["a", "b"])[rng.integers(0, 2, n)], "country": country}


@pytest.fixture(scope="module")
def profile():
    return Profile.of(table(40_000, 1), model="churn@7", by=["country"])


def records(data):
    return pd.DataFrame(data).to_dict("records")


@pytest.fixture
def monitor(profile):
    made = Monitor(profile, block_rows=BLOCK)
    yield made
    made.close()


def alarms(monitor):
    return {(watch.segment, watch.feature) for watch in monitor.state() if watch.alarm}


def test_a_segment_raises_its_own_alarm(monitor):
    """A tenth of the rows has moved: all rows together may be within the floor."""
    for row in records(table(15_000, 2)):
        monitor.observe(row)
    assert alarms(monitor) == set()
    for row in records(table(6_000, 3, shift="it")):
        monitor.observe(row)
    assert ("it", "x") in alarms(monitor)
    assert {segment for segment, _ in alarms(monitor)} <= {"it", ""}


def test_a_segment_that_differs_from_the_whole_is_not_drift(monitor):
    """The values of fr are two higher, and were so in the reference."""
    for row in records(table(15_000, 4)):
        monitor.observe(row)
    distances = {w.segment: w.distances.tv for w in monitor.state() if w.feature == "x"}
    assert distances["fr"] < 0.1


def test_every_row_is_in_one_segment_and_in_the_whole(monitor):
    """Unknown and missing values make segments too: those of the rest."""
    for country in ["de", "fr", "it", "xx", None, 5, ["list"]]:
        monitor.observe({"x": 0.0, "c": "a", "country": country})
    monitor.observe({"x": 0.0, "c": "a"})
    rows = {w.segment: w.rows for w in monitor.state() if w.feature == "x"}
    assert rows == {"": 8, "de": 1, "fr": 1, "it": 1, "__rest__": 5}


def test_batches_and_rows_are_in_the_same_segments(profile):
    """Frames and dicts of the same rows count alike, in every stream."""
    data = table(3_000, 5)
    found = []
    for observe in (lambda m: m.observe_batch(data), lambda m: [m.observe(row) for row in records(data)]):
        one = Monitor(profile, block_rows=BLOCK)
        observe(one)
        found.append({(w.segment, w.feature): (w.rows, round(w.log_e, 9)) for w in one.state()})
        one.close()
    assert found[0] == found[1]


def test_segments_beyond_the_bound_are_one(profile):
    """A column with a million values must not make a million detectors."""
    one = Monitor(profile, segments_max=1)
    one.observe_batch(table(1_000, 6))
    rows = {w.segment: w.rows for w in one.state() if w.feature == "x"}
    reference = {c.segment: sum(c.reference) for c in one.counted() if c.feature == "x"}
    one.close()
    assert set(rows) == {"", "de", "__rest__"}
    assert rows[""] == rows["de"] + rows["__rest__"] == 1_000
    assert reference[""] == reference["de"] + reference["__rest__"]


def test_all_streams_share_one_promise(profile):
    """The family is that of all segments from the start, so that new ones do not make alarms cheaper."""
    live = Live(profile, floor=0.05, false_alarms_per_year=1.0, block_rows=BLOCK)
    families = {stream.detector.family for stream in live.streams.values()}
    assert families == {sum(len(stream.names) for stream in live.streams.values())} == {15}


def test_a_segments_reference_is_its_own(monitor, profile):
    """Online counts of the profile come out of the streams as they went in."""
    for counted in monitor.counted():
        if counted.segment:
            assert tuple(counted.reference) == profile.segments[counted.segment][counted.feature]


def test_columns_the_profile_has_no_segments_by_are_refused(profile):
    """There is no reference to compare with."""
    with pytest.raises(
        SettingError, match=r"by=\['city'\] cannot be used: the profile has segments by country"
    ):
        Monitor(profile, by=["city"])
    plain = Profile.of({"x": [1.0, 2.0]}, model="m")
    with pytest.raises(
        SettingError, match=r"the profile has no segments\. Make one that has these: mlobs drift"
    ):
        Monitor(plain, by=["city"])


def test_an_empty_list_watches_all_rows_only(profile):
    """Segments cost time series; a small service may do without."""
    one = Monitor(profile, by=[])
    one.observe_batch(table(100, 7))
    assert {watch.segment for watch in one.state()} == {""}
    one.close()


@pytest.mark.slow
def test_all_streams_together_raise_no_more_false_alarms_than_promised():
    """Counted over a run in which twenty were allowed; a floor of 0 leaves nothing else to hide behind."""
    rng = np.random.default_rng(11)
    n = 300_000
    data = {name: rng.normal(size=4_000_000) for name in ("x", "y")}
    data["g"] = np.array(["a", "b", "c"])[rng.choice(3, 4_000_000, p=[0.7, 0.25, 0.05])]
    profile = Profile.of(data, model="m", by=["g"])
    live = Live(profile, floor=0.0, false_alarms_per_year=20 * YEAR_S / n, block_rows=100)
    raised = []
    for start in range(0, n, 30_000):
        part = Frame({name: values[:30_000] for name, values in _shuffled(data, rng).items()})
        raised += live.add_columns(part.columns, part.rows, 1e9 + start + np.arange(30_000.0))
    assert live.whole.detector.blocks == n // 100
    assert len(raised) <= 20


def _shuffled(data, rng):
    rows = rng.integers(0, 4_000_000, 30_000)
    return {name: values[rows] for name, values in data.items()}
