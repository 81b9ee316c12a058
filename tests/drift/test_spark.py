"""A Spark DataFrame is profiled by Spark itself, on a cluster of two workers on this machine."""

import gc
import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from mlobs.drift.check import check
from mlobs.drift.distances import total_variation
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, ProfileError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("java") is None,
        reason="Spark needs Java; install it with: apt-get install openjdk-17-jre-headless",
    ),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

N = 60_000


@pytest.fixture(scope="module")
def session():
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    made = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .appName("mlobs")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.session.timeZone", "America/New_York")
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("ERROR")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "x": np.where(rng.random(N) < 0.1, np.nan, rng.normal(size=N)),
            "n": rng.integers(0, 9, N),
            "c": np.array(["a", "bb", "c"])[rng.integers(0, 3, N)],
            "b": rng.random(N) < 0.3,
            "t": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(N) * 60, unit="s"),
            "e": list(rng.normal(size=(N, 4)).astype("float32")),
        }
    )


@pytest.fixture(scope="module")
def path(rows, tmp_path_factory):
    """The rows as a file: what is made from Python's memory would not come in partitions by itself."""
    made = tmp_path_factory.mktemp("spark") / "rows.parquet"
    rows.to_parquet(made)
    return str(made)


def test_one_partition_gives_the_profile_of_the_same_rows_in_memory(session, rows, path):
    """Edges, counts, dependence, hours, days, segments and k-means: all of it."""
    frame = session.read.parquet(path).coalesce(1)
    wanted = Profile.of(rows, time="t", by=["c"], season=True)
    assert Profile.of(frame, time="t", by=["c"], season=True) == wanted


def test_many_partitions_give_it_within_the_noise_of_two_samples(session, rows, path):
    """Other rows choose the bins. By the same bins the counts are the same to the last row."""
    frame = session.read.parquet(path).repartition(7)
    whole = Profile.of(rows)
    made = Profile.of(frame)
    assert made.rows == N
    assert set(made.features) == set(whole.features)
    assert made.features["n"].edges == whole.features["n"].edges
    for name in ("x", "n", "c", "b"):
        counted = made.features[name]
        assert abs(counted.rows - N / 2) < 5 * np.sqrt(N / 4)
        here = Profile.of(rows, like=made).features[name]
        # The distance of a half from the whole, by at most 67 bins: below .03 but once in 1e9 times.
        assert total_variation(here.counts, counted.counts) < 0.03
    like = Profile.of(frame, like=whole)
    expected = Profile.of(rows, like=whole)
    for name, feature in expected.features.items():
        assert like.features[name].counts == feature.counts


def test_rows_that_change_from_job_to_job_are_held(session):
    """rand() and shuffles give other rows each time; the halves must not mix."""
    from pyspark.sql import functions as f

    frame = session.range(0, 20_000, numPartitions=3).select(f.rand().alias("x"))
    made = Profile.of(frame)
    assert made.rows == 20_000
    assert 9_500 < made.features["x"].rows < 10_500
    assert not session.sparkContext._jsc.getPersistentRDDs()  # let go afterwards


def test_types_and_names_of_spark(session):
    """Vectors of its ML library, decimals, structs, dots and backticks in names."""
    from pyspark.ml.linalg import Vectors
    from pyspark.sql import functions as f

    frame = session.createDataFrame(
        [(Vectors.dense([i / 9, 1.0]), i % 3, "a", (1, 2)) for i in range(500)],
        ["vector", "a.b`c", "c", "pair"],
    ).withColumn("money", f.lit("1.50").cast("decimal(10,2)"))
    made = Profile.of(frame, exclude=["c"])
    assert {name: feature.kind for name, feature in made.features.items()} == {
        "vector": "embedding",
        "a.b`c": "numeric",
        "money": "numeric",
    }
    with pytest.raises(ProfileError, match="no column 'cc'"):
        Profile.of(frame, exclude=["cc"])
    assert made.features["vector"].width == 2
    assert made.features["money"].mean == 1.5
    assert made.excluded["c"] == "left out on request"
    assert made.excluded["pair"].startswith("values of type struct")


def test_bad_frames_get_a_sentence(session):
    """Empty, of the wrong columns, with two columns of one name."""
    from pyspark.sql import functions as f

    frame = session.range(10)
    with pytest.raises(DataError, match="has no rows"):
        Profile.of(frame.filter("id < 0"))
    with pytest.raises(ProfileError, match=r"no column 'z'\. Columns found: id"):
        Profile.of(frame, columns=["z"])
    with pytest.raises(DataError, match="more than one column named 'id'"):
        Profile.of(frame.select("id", f.col("id")))
    with pytest.raises(DataError, match=r"Spark cannot read the DataFrame: .*DIVIDE_BY_ZERO"):
        Profile.of(frame.select((f.lit(1) / f.col("id")).alias("x")))
    with pytest.raises(DataError, match=r"A Spark DataFrame cannot be read row by row\. Wanted: its counts"):
        check(Profile.of({"id": range(10)}), frame)
    gc.collect()
    assert not session.sparkContext._jsc.getPersistentRDDs()
