"""Evidently's own values on the same rows, and that it tells nobody."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from scipy import stats

from mlobs._extras import pip_install
from mlobs.cli import main
from mlobs.drift import distances
from mlobs.drift.profile import Profile
from mlobs.drift.report.evidently import compare
from mlobs.errors import DataError, SettingError

pytest.importorskip("evidently", reason="needs mlobs[evidently]")
# Evidently and what it imports use names that numpy, litestar and Python will drop.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

N, M = 20_000, 15_000


def rows(n, seed, moved):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(moved, 1, n),
        "tail": rng.lognormal(0, 1 + moved, n),
        "c": rng.choice(["a", "b", "c", "d"], n, p=[0.4 - moved / 2, 0.3, 0.2, 0.1 + moved / 2]),
        "b": rng.random(n) < 0.3 + moved,
    }


@pytest.fixture(scope="module")
def data():
    return rows(N, 1, 0.0), rows(M, 2, 0.2)


@pytest.fixture(scope="module")
def profile(data):
    return Profile.of(data[0])


def by_value(reference, live):
    """Counts with a bin for each distinct value, and where the values are."""
    values, places = np.unique(np.concatenate([reference, live]), return_inverse=True)
    split = np.split(places, [len(reference)])
    return (*(np.bincount(part, minlength=len(values)) for part in split), values)


def by_sturges(reference, live):
    """Counts in Evidently's bins: equal width over both data sets."""
    edges = np.histogram_bin_edges(np.concatenate([reference, live]), bins="sturges")
    return [np.histogram(values, edges)[0] for values in (reference, live)]


@pytest.mark.parametrize("column", ["x", "tail"])
def test_wasserstein_is_the_same_on_the_same_rows(data, profile, column):
    """Its default for numbers."""
    reference, live = (side[column] for side in data)
    method, value = compare(profile, *data, columns=[column]).values[column]
    a, b, values = by_value(reference, live)
    assert method == "Wasserstein distance (normed)"
    assert distances.wasserstein(a, b, values, float(np.std(reference))) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("column", ["x", "tail", "c", "b"])
def test_jensen_shannon_is_the_same_but_for_its_unit(data, profile, column):
    """Nats there, bits here; its default for categories."""
    reference, live = (side[column] for side in data)
    found = compare(profile, *data, columns=[column], method="jensenshannon").values[column]
    a, b = by_value(reference, live)[:2] if column in "cb" else by_sturges(reference, live)
    assert distances.jensen_shannon(a, b) * np.sqrt(np.log(2)) == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize("column", ["x", "c", "b"])
def test_psi_is_the_same_without_smoothing(data, profile, column):
    """Where no bin is empty; what an empty bin counts is a convention, and there it is another one."""
    reference, live = (side[column] for side in data)
    _, value = compare(profile, *data, columns=[column], method="psi").values[column]
    if column == "x":
        a, b = by_sturges(reference, live)
        a, b = (np.where(counts == 0, 1e-4 * counts.sum(), counts) for counts in (a, b))
        p, q = a / N, b / M  # its shares do not add up to one once empty bins were filled
        assert float(((q - p) * np.log(q / p)).sum()) == pytest.approx(value, rel=1e-12)
        return
    a, b, _ = by_value(reference, live)
    plain = distances.population_stability_index(a, b, smoothing=0.0)
    assert plain == pytest.approx(value, rel=1e-12)
    assert distances.population_stability_index(a, b) == pytest.approx(plain, rel=0.01)


def test_kolmogorov_smirnov_gives_its_p_value(data, profile):
    """It shows no distance; its p-value follows from ours on raw values."""
    a, b, _ = by_value(data[0]["x"], data[1]["x"])
    distance = distances.kolmogorov_smirnov(a, b)
    p = stats.kstwo.sf(distance, round(N * M / (N + M)))
    _, value = compare(profile, *data, columns=["x"], method="ks").values["x"]
    assert p == pytest.approx(value, rel=1e-9)
    assert distance == pytest.approx(stats.ks_2samp(data[0]["x"], data[1]["x"]).statistic, abs=1e-12)


def test_what_it_cannot_compare_is_left_out_and_told():
    """Times, vectors, columns that are gone, of another type, or empty; the rest is compared."""
    old = rows(500, 1, 0.0) | {
        "gone": np.arange(500.0),
        "typed": np.arange(500.0),
        "empty": np.arange(500.0),
        "at": pd.date_range("2026-01-01", periods=500, freq="h"),
        "e": np.random.default_rng(1).normal(size=(500, 4)),
        "note": ["word " * (i % 40) + str(i) for i in range(500)],
    }
    new = {k: v for k, v in old.items() if k != "gone"} | {"typed": ["a"] * 500, "empty": [None] * 500}
    found = compare(Profile.of(old, text=["note"]), old, new)
    assert found.left_out == {
        "at": "Evidently compares no datetime columns",
        "e": "Evidently compares no embedding columns",
        "gone": "missing in the live data",
        "typed": "in the live data not numeric",
        "empty": "fewer than 2 values in the live data",
    }
    assert set(found.values) == {"x", "tail", "c", "b", "note"}
    assert set(found.drifted.values()) <= {True, False}
    moved = compare(Profile.of(old), old, old | {"x": old["x"] + 2}, columns=["x", "b"])
    assert moved.drifted == {"x": True, "b": False}
    assert moved.thresholds.keys() == moved.values.keys()
    with pytest.raises(DataError, match="no column that Evidently can compare: at"):
        compare(Profile.of(old), old, new, columns=["at"])
    with pytest.raises(
        SettingError, match=r"'a.txt' cannot be written by Evidently. Wanted: a name in .html"
    ):
        found.write("a.txt")


def test_the_command_writes_its_page_and_sends_nothing(tmp_path, run_program, data):
    """Evidently's packages have telemetry. In a fresh process no address is looked up and none connected."""
    paths = [str(tmp_path / f"{name}.parquet") for name in ("train", "live")]
    for path, side in zip(paths, data, strict=True):
        pyarrow.parquet.write_table(pa.table(side), path)
    profile, page = str(tmp_path / "p.json"), str(tmp_path / "out.html")
    assert main(["drift", "profile", paths[0], "-o", profile]) == 0
    arguments = ["drift", "report", profile, paths[1], "--evidently", "--reference", paths[0], "-o", page]
    done = run_program(f"""
import sys
seen = []
sys.addaudithook(lambda event, args: event.startswith("socket.") and seen.append((event, args[1:])))
from mlobs.cli import main
assert main({arguments!r}) == 0
names = {{"socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"}}
sent = [event for event in seen if event[0] in names]
assert not sent, sent
assert "iterative_telemetry" not in sys.modules
""")
    assert done.returncode == 0, done.stderr
    assert "Evidently's report on 4 columns" in done.stdout
    content = Path(page).read_text(encoding="utf-8")
    assert "<script src=" not in content
    assert "Wasserstein" in content


def test_the_command_says_what_evidently_needs(tmp_path, capsys):
    """A profile is not enough for it."""
    profile = str(tmp_path / "p.json")
    Profile.of({"x": np.arange(100.0)}).write(profile)
    assert main(["drift", "report", profile, "live.parquet", "--evidently"]) == 2
    assert "Wanted: --reference train.parquet and -o report.html" in capsys.readouterr().err


def test_a_newer_pandas_is_one_sentence(run_program, tmp_path):
    """Evidently 0.7 does not import with pandas 3.1, and that is no reason for a stack trace."""
    package = tmp_path / "newer" / "evidently"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('raise ImportError("cannot import name")')
    done = run_program(f"""
import sys
sys.path.insert(0, {str(package.parent)!r})
from mlobs.drift.profile import Profile
from mlobs.drift.report.evidently import compare
from mlobs.errors import MissingExtraError
try:
    rows = dict(x=[1.0, 2.0])
    compare(Profile.of(rows), rows, rows)
except MissingExtraError as error:
    print(error)
""")
    assert "not versions that fit it (cannot import name)" in done.stdout
    assert done.stdout.endswith(f"Install them with: {pip_install('evidently')}\n")
