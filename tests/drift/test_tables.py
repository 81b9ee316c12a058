"""What is a table, whatever holds it: every frame and array is read, the rest gets a sentence."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mlobs.drift.profile import Profile
from mlobs.errors import DataError, ProfileError


def test_a_numpy_array_of_rows_is_a_table():
    """The columns go by their numbers, or by the names of the fields."""
    rows = np.arange(300.0).reshape(100, 3)
    assert list(Profile.of(rows).features) == ["0", "1", "2"]
    named = np.zeros(100, dtype=[("x", "f8"), ("n", "i4"), ("c", "U3")])
    assert [f.kind for f in Profile.of(named).features.values()] == ["numeric", "numeric", "categorical"]
    with pytest.raises(DataError, match=r"An array of shape \(100,\) and type float64 cannot be read"):
        Profile.of(np.arange(100.0))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (np.zeros((5, 2, 2)), r"An array of shape \(5, 2, 2\) and type float64 cannot be read as a table"),
        (pd.Series([1, 2]), "A Series cannot be read as a table. Wanted: a mapping from column name"),
        (pl.Series([1, 2]), "A Series cannot be read as a table"),
        ("train.parquet", "There is no file 'train.parquet'"),
        (iter([{"x": 1}]), "A list_iterator cannot be read as a table"),
        (None, "A NoneType cannot be read as a table"),
        (5, "A int cannot be read as a table. Wanted: a mapping"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "more than one column named 'x'"),
        ({"x": [1], "y": [1, 2]}, "The columns differ in length"),
        (
            pl.DataFrame({"x": pl.Series([1], dtype=pl.Int128)}),
            "The frame cannot be read: .*Leave such columns out",
        ),
        (pd.DataFrame(), "The data has no rows"),
        ([], "The data has no rows"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(data, sentence):
    """With what came and what was wanted."""
    with pytest.raises(DataError, match=sentence):
        Profile.of(data)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (pd.Series([{"a": 1}] * 300), "values of type struct"),
        (pd.Series([b"a"] * 300), "values of type binary"),
        (pd.Series(np.arange(300) * 1j), "values of type complex128"),
        ([[True]] * 300, "lists of something that is not a number"),
        ([["a"]] * 300, "lists of something that is not a number"),
        ([[[1.0]]] * 300, "lists of something that is not a number"),
        ([f"u{i}" for i in range(300)], "nearly every value is unique"),
    ],
)
def test_where_no_column_can_be_profiled_the_reasons_are_told(values, why):
    """An empty profile would watch nothing, and say that nothing moves."""
    frame = pd.DataFrame({"v": values}) if isinstance(values, pd.Series) else {"v": values}
    with pytest.raises(ProfileError, match=rf"No column of the data can be profiled \('v': {why}"):
        Profile.of(frame)


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        (pd.Series(pd.Categorical(np.arange(300) % 3)), "numeric", "int64"),
        (pd.Series(pd.arrays.SparseArray(np.arange(300) % 3)), "numeric", "int64"),
        (pd.Series([1, None, 3] * 100, dtype="Int64"), "numeric", "int64"),
        (pd.Series([True, None] * 150, dtype="boolean"), "boolean", "bool"),
        (pd.Series([1, "a", None, 2.5] * 75), "categorical", "mixed"),
        (pd.Series(["\ud800"] * 300, dtype=object), "categorical", "string"),
        (pd.Series([10**400] * 300, dtype=object), "numeric", "int64"),
        (pd.Series(np.array([2**63] * 300, dtype="u8")), "numeric", "int64"),
        (pd.Series(np.array(["0001-01-01"] * 300, dtype="M8[s]")), "datetime", "timestamp"),
        (pd.Series([np.arange(3.0)] * 300), "embedding", "vector[3]"),
    ],
)
def test_the_oddities_of_pandas_are_columns_like_others(values, kind, dtype, tmp_path):
    """And what is made of them can be written and read again."""
    profile = Profile.of(pd.DataFrame({"v": values}))
    assert (profile.features["v"].kind, profile.features["v"].dtype) == (kind, dtype)
    profile.write(tmp_path / "p.json")
    assert Profile.read(tmp_path / "p.json") == profile


def test_columns_of_polars_and_readers_of_arrow_are_read():
    """Every type that polars has and Arrow can carry."""
    frame = pl.DataFrame(
        {
            "c": pl.Series(["a", "b"] * 100, dtype=pl.Categorical),
            "e": pl.Series(["a", "b"] * 100, dtype=pl.Enum(["a", "b"])),
            "d": pl.Series([1, 2] * 100, dtype=pl.Decimal(10, 2)),
            "v": pl.Series([[1.0, 2.0]] * 200, dtype=pl.Array(pl.Float32, 2)),
            "n": pl.Series([None] * 200),
        }
    )
    kinds = {name: feature.kind for name, feature in Profile.of(frame).features.items()}
    assert kinds == {
        "c": "categorical",
        "e": "categorical",
        "d": "numeric",
        "v": "embedding",
        "n": "categorical",
    }
    gap = pa.DictionaryArray.from_arrays(pa.array([0, 1, None] * 100), pa.array(["a", None]))
    counts = Profile.of({"c": gap}, like=Profile.of({"c": gap})).features["c"].counts
    assert counts == (100, 0, 200, 0)
    batch = pa.RecordBatch.from_pydict({"x": [*range(150)] * 2})
    assert Profile.of(pa.RecordBatchReader.from_batches(batch.schema, [batch])).rows == 300


@pytest.mark.parametrize("names", [["x", "x"], [1, "1"]])
def test_two_columns_of_one_name_are_refused(names):
    """Either could be meant."""
    with pytest.raises(DataError, match="more than one column named"):
        Profile.of(pd.DataFrame([[1, 2]], columns=names))
