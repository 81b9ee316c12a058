"""Embeddings: cells of k-means as bins, and the mean vector."""

import numpy as np
import pyarrow as pa
import pytest

from mlobs.drift import centroids
from mlobs.drift.bins import Bins
from mlobs.drift.centroids import unpack
from mlobs.drift.check import check
from mlobs.drift.feature import NULL, OTHER
from mlobs.drift.profile import Profile
from mlobs.errors import ProfileError

WIDTH, TOPICS = 32, 12


def topics(rows, seed=1, shares=None, width=WIDTH):
    """Return vectors around a few centres, as embeddings of texts are."""
    centres = np.random.default_rng(99).normal(size=(TOPICS, width))
    rng = np.random.default_rng(seed)
    which = rng.choice(TOPICS, rows, p=shares)
    return (centres[which] + 0.2 * rng.normal(size=(rows, width))).astype(np.float32)


@pytest.fixture(scope="module")
def feature():
    return Profile.of({"e": topics(20_000)}).features["e"]


def test_a_two_dimensional_array_is_an_embedding(feature):
    """Its bins are cells, few of them, because each is a series in the fleet's metrics."""
    assert (feature.kind, feature.width, feature.inner) == ("embedding", WIDTH, 16)
    assert Bins(feature).coarse_names == [f"{i:02d}" for i in range(16)] + [NULL, OTHER]
    assert feature.rows == pytest.approx(10_000, rel=0.05)
    assert sum(feature.counts[:-2]) == feature.rows


def test_every_topic_has_cells_of_its_own(feature):
    """A cell that held two topics would not see one replace the other."""
    bins = Bins(feature)
    for topic in range(TOPICS):
        shares = np.eye(TOPICS)[topic]
        cells = set(bins.of_values(list(topics(50, shares=shares))).tolist())
        others = set(bins.of_values(list(topics(500, shares=(1 - shares) / (TOPICS - 1)))).tolist())
        assert not cells & others


def test_mean_vector_and_spread_are_those_of_the_counted_rows(feature):
    """Cheap, mergeable, and sees a shift of all vectors that no cell sees."""
    values = topics(20_000)
    mean = unpack(feature.mean_vector, WIDTH)[0]
    assert np.abs(mean - values.mean(axis=0)).max() < 0.05
    spread = np.sqrt(((values - values.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert feature.spread == pytest.approx(spread, rel=0.02)


def test_vectors_that_are_missing_wrong_or_not_finite_have_their_own_bins(feature):
    """A model that was replaced has another width."""
    bins = Bins(feature)
    good = topics(1)[0]
    values = [
        None,
        good,
        good.tolist(),
        tuple(good),
        good[:-1],
        good * np.nan,
        "text",
        5,
        np.float64("nan"),
        [["a"]] * WIDTH,
    ]
    names = [bins.coarse_names[i] for i in bins.of_values(values)]
    assert names[0] == NULL
    assert len(set(names[1:4])) == 1
    assert names[1] not in {NULL, OTHER}
    assert names[4:8] == [OTHER] * 4
    assert names[8:] == [NULL, OTHER]


def test_a_change_of_topics_is_drift_and_new_rows_are_not():
    """Eight per cent of one topic instead of the usual share."""
    profile = Profile.of({"e": topics(20_000)})
    assert not check(profile, {"e": topics(20_000, seed=2)}).moved
    shares = np.full(TOPICS, 0.8 / (TOPICS - 1))
    shares[3] = 0.2
    assert check(profile, {"e": topics(20_000, seed=3, shares=shares)}).moved
    assert check(profile, {"e": topics(20_000, width=WIDTH + 1)}).moved


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((500, 4), np.float32),
        np.full((500, 4), np.nan, np.float32),
        np.full((500, 4), 3e38, np.float32),
        np.zeros((500, 0), np.float32),
        np.zeros((1, 4), np.float32),
    ],
)
def test_degenerate_vectors_make_a_profile(values, tmp_path):
    """Equal ones, none that is finite, of width 0, a single one."""
    profile = Profile.of({"e": values})
    profile.write(tmp_path / "p.json")
    assert Profile.read(tmp_path / "p.json") == profile
    counted = Profile.of({"e": values}, like=profile).features["e"]
    assert sum(counted.counts) == len(values)


def test_arrow_lists_with_gaps_are_embeddings():
    """Missing rows and rows of another width do not cost the others."""
    rows = topics(2_000).tolist()
    rows[::10] = [None] * 200
    rows[1::10] = [[1.0]] * 200
    counts = Profile.of(pa.table({"e": pa.array(rows, pa.list_(pa.float32()))})).features["e"].counts
    assert counts[-2] / sum(counts) == pytest.approx(0.1, abs=0.03)
    assert counts[-1] / sum(counts) == pytest.approx(0.1, abs=0.03)


def test_the_same_vectors_give_the_same_cells_and_the_largest_come_first():
    """A profile made twice is one profile."""
    values = topics(5_000)
    one, two = centroids.choose(values, 16), centroids.choose(values, 16)
    assert np.array_equal(one, two)
    times = np.bincount(centroids.nearest(values, one), minlength=16)
    assert list(times) == sorted(times, reverse=True)


def test_cells_are_about_as_tight_as_those_of_scipy():
    """Mean squared distance from the nearest centroid, beside an independent implementation."""
    from scipy.cluster.vq import kmeans2

    values = topics(5_000).astype(np.float64)
    theirs, near = kmeans2(values, 16, minit="++", rng=np.random.default_rng(1), iter=15)
    ours = centroids.choose(values.astype(np.float32), 16)
    cost_theirs = ((values - theirs[near]) ** 2).sum()
    cost_ours = ((values - ours[centroids.nearest(values.astype(np.float32), ours)]) ** 2).sum()
    assert cost_ours < 1.2 * cost_theirs


def test_damaged_centroids_are_refused(feature):
    """A file cut short must not count everything into one cell."""
    found = Profile.of({"e": topics(500)}).model_dump(mode="json")
    found["features"]["e"]["centroids"] = found["features"]["e"]["centroids"][:1024]
    with pytest.raises(ProfileError, match="the bins of 'e' do not fit each other"):
        Profile.parse(found)
