"""What a sample may be off, given the unrest of the reference."""

import pytest

from mlobs.drift.distances import deviation_bound
from mlobs.drift.sequential.samples import Allowance

CALM = ((3840, 1.0, 0.0),)
LONG = ((240, 9.0, 0.1), (960, 33.0, 0.1), (20_000, 33.0, 0.1))
WAVE = ((240, 9.0, 0.1), (960, 33.0, 0.1), (3840, 60.0, 0.07), (15360, 5.0, 0.01))


def allowed(effects, floor=0.05):
    return Allowance(effects, bins=10, error=0.001, floor=floor)


@pytest.mark.parametrize("rows", [100, 3840, 100_000])
def test_independent_rows_have_the_bound_of_independent_rows(rows):
    """Nothing is taken from those who have no waves."""
    bound = deviation_bound(10, rows, 0.001)
    assert allowed(CALM).of_live(rows) == pytest.approx(bound)
    assert allowed(CALM).of_reference(rows) == pytest.approx(bound)


def test_a_sample_shorter_than_the_wave_may_lie_where_the_wave_lies():
    """By its amplitude and a margin beyond the floor; a wide floor has the wave in it already."""
    bound = deviation_bound(10, 5_000, 0.001)
    assert allowed(LONG).of_live(5_000) == pytest.approx(bound + 0.075)
    assert allowed(LONG, floor=0.15).of_live(5_000) == pytest.approx(bound)


def test_a_sample_of_many_waves_has_seen_them_even_out():
    """So a month is judged nearly as if its rows were independent."""
    found = [allowed(WAVE, floor=0.0).of_live(rows) for rows in (4_000, 20_000, 200_000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 2 * deviation_bound(10, 200_000, 0.001)
