"""What people get wrong with profiles and files, and the sentence that says so."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from mlobs.cli import main
from mlobs.drift.check import check
from mlobs.drift.profile import Profile
from mlobs.drift.readers import Files
from mlobs.errors import DataError, ProfileError

N = 4_000


def rows(seed=1, n=N):
    rng = np.random.default_rng(seed)
    return {
        "age": rng.normal(40, 10, n),
        "income": rng.normal(size=n),
        "gender": rng.choice(["f", "m"], n),
        "year": rng.integers(1974, 1999, n),
    }


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.parquet"
    pyarrow.parquet.write_table(pa.table(rows()), path)
    return path


def test_a_path_is_read_and_so_are_several(train):
    for given in (train, str(train), [train, str(train)]):
        assert list(Profile.of(given).features) == ["age", "income", "gender", "year"]
    assert not check(Profile.of(train), str(train)).moved


def test_a_single_name_need_not_be_in_a_list():
    """It would be taken for a list of letters."""
    profile = Profile.of(rows(), by="gender", columns="age", text=())
    assert profile.by == ("gender",)
    assert list(profile.features) == ["age"]
    assert "age" not in Profile.of(rows(), exclude="age", categorical="year").features


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"exclude": ["Agee"]}, "no column 'Agee'. .* Was 'age' meant?"),
        ({"exclude": ["zzz"]}, r"no column 'zzz'\. Columns found: age, gender, income, year\.$"),
        ({"prediction": "income", "target": "income"}, "'income' cannot be both what the model said"),
        ({"by": "income"}, "'income' cannot make segments: of its .* less than half of the rows"),
        ({"time": "year"}, "'year' holds whole numbers from 1974 to 1998, which as seconds since 1970"),
    ],
)
def test_what_makes_no_sense_is_refused(options, sentence):
    with pytest.raises(ProfileError, match=sentence):
        Profile.of(rows(), **options)


def test_numbers_of_few_values_make_segments():
    assert Profile.of(rows(), by="year").by == ("year",)


def test_whole_numbers_that_only_rise_are_left_out_unless_they_are_asked_for():
    """Row numbers drift for sure; a column that repeats a value counts nothing."""
    data = {**rows(), "rownames": np.arange(N), "back": -3 * np.arange(N), "twice": np.arange(N) // 2}
    profile = Profile.of(data)
    assert set(profile.excluded) == {"rownames", "back"}
    assert profile.excluded["rownames"].startswith("whole numbers that only rise or fall")
    assert "twice" in profile.features
    assert list(Profile.of(data, columns=["rownames"]).features) == ["rownames"]


def test_an_index_of_pandas_is_a_column_only_if_it_has_a_name(tmp_path):
    """Without one it holds row numbers, which nobody meant to store."""
    frame = pd.DataFrame(rows()).sample(frac=0.5, random_state=1)
    frame.to_parquet(tmp_path / "a.parquet")
    assert "__index_level_0__" in pyarrow.parquet.read_schema(tmp_path / "a.parquet").names
    assert list(Profile.of(Files([tmp_path / "a.parquet"])).features) == list(frame)
    frame.rename_axis("at").to_parquet(tmp_path / "b.parquet")
    [batch] = Files([tmp_path / "b.parquet"])
    assert set(batch.columns) == {*frame, "at"}
    # Files with and without it are of one kind.
    frame.to_parquet(tmp_path / "c.parquet", index=False)
    assert Profile.of([tmp_path / "a.parquet", tmp_path / "c.parquet"]).rows == N


def test_a_header_that_is_not_utf_8_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("größe,x\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"The first line of .* not UTF-8"):
        Files([path])
    assert main(["drift", "profile", str(path), "-o", str(tmp_path / "p.json")]) == 2


@pytest.mark.parametrize("form", [list, lambda values: pa.array(values)])
def test_lists_of_different_lengths_are_left_out_and_a_few_broken_vectors_are_not(form):
    lengths = np.random.default_rng(2).integers(1, 5, N)
    profile = Profile.of({"x": rows()["age"], "tags": form([[1.0] * k for k in lengths])})
    assert profile.excluded == {"tags": "lists of different lengths"}
    vectors = [[0.5, float(i)] if i % 50 else [1.0] for i in range(N)]
    assert Profile.of({"v": form(vectors)}).features["v"].dtype == "vector[2]"


def test_a_profile_says_in_a_line_what_it_is():
    profile = Profile.of(rows(), model="churn@7")
    assert repr(profile) == f"<Profile 'churn@7', {profile.ref}: 4 features of {N} rows>"
    assert str(profile) == repr(profile)


def test_nothing_else_is_overwritten(train, tmp_path, capsys):
    """A slip with -o must not cost the training data."""
    profile, html = str(tmp_path / "p.json"), str(tmp_path / "r.html")
    before = train.read_bytes()
    assert main(["drift", "profile", str(train), "-o", str(train)]) == 2
    assert "is there already and no profile" in capsys.readouterr().err
    assert train.read_bytes() == before
    for _ in range(2):  # an older one may be replaced
        assert main(["drift", "profile", str(train), "-o", profile]) == 0
        for output in (html, str(tmp_path / "r.json")):
            assert main(["drift", "report", profile, str(train), "-o", output]) == 0
    assert main(["drift", "profile", str(train), "-o", profile, "--like", profile]) == 2
    assert "names a file that is read here" in capsys.readouterr().err
    assert main(["drift", "report", profile, str(train), "-o", profile]) == 2
    (tmp_path / "notes.html").write_text("my notes")
    (tmp_path / "other.json").write_text('{"a": 1}')
    for name in ("notes.html", "other.json"):
        assert main(["drift", "report", profile, str(train), "-o", str(tmp_path / name)]) == 2
        assert "is there already and no report" in capsys.readouterr().err


def test_few_rows_are_told_and_so_is_an_empty_design_effect(tmp_path, capsys):
    path, out = tmp_path / "a.parquet", str(tmp_path / "p.json")
    pyarrow.parquet.write_table(pa.table(rows(n=1)), path)
    assert main(["drift", "profile", str(path), "-o", out]) == 0
    printed = capsys.readouterr().out
    assert "rows were counted: with so few, a check can prove little." in printed
    assert "'design effect' is empty where fewer than about 10,000 rows were counted" in printed


def test_with_a_time_nobody_is_told_to_name_one(tmp_path, capsys):
    rng = np.random.default_rng(3)
    path, out = tmp_path / "a.parquet", str(tmp_path / "p.json")
    at = pd.date_range("2025-01-01", periods=40_000, freq="1min")
    data = {"at": at, "x": np.sort(rng.normal(size=40_000)), "y": np.repeat(rng.normal(size=400), 100)}
    pd.DataFrame(data).to_parquet(path)
    assert main(["drift", "profile", str(path), "-o", out, "--time", "at"]) == 0
    printed = capsys.readouterr().out
    assert "sees little in " in printed
    assert "--time" not in printed
    assert "--unordered" not in printed
    assert main(["drift", "profile", str(path), "-o", out, "--exclude", "at"]) == 0
    assert "--time" in capsys.readouterr().out
