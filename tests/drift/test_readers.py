"""The same rows make the same profile, whatever file or frame they come in."""

import gc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from mlobs.drift.profile import Profile
from mlobs.drift.readers import Files
from mlobs.errors import DataError


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    n = 5_000
    return pa.table(
        {
            "x": pa.array(rng.normal(size=n).round(4), mask=rng.random(n) < 0.1),
            "n": rng.integers(0, 9, n),
            "c": pa.array(np.array(["a", "bb", "c"])[rng.integers(0, 3, n)], mask=rng.random(n) < 0.1),
            "b": pa.array(rng.random(n) < 0.3),
        }
    )


def write_json_lines(table, path):
    table.to_pandas().to_json(path, orient="records", lines=True)


WRITERS = {
    ".parquet": pyarrow.parquet.write_table,
    ".csv": pyarrow.csv.write_csv,
    ".jsonl": write_json_lines,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_every_kind_of_file_gives_the_same_profile(table, tmp_path, ending):
    """A team that moves from CSV to Parquet keeps its reference."""
    path = tmp_path / f"data{ending}"
    WRITERS[ending](table, path)
    assert Profile.of(Files([path])) == Profile.of(table)


@pytest.mark.parametrize(
    "form",
    [
        lambda table: {name: table.column(name) for name in table.column_names},
        lambda table: table.to_pydict(),
        lambda table: table.to_pylist(),
        lambda table: table.to_pandas(),
        lambda table: table.to_pandas().set_index(pd.Index(range(5_000, 0, -1), name="row")),
        lambda table: table.set_column(2, "c", table.column("c").combine_chunks().dictionary_encode()),
        lambda table: {name: table.to_pandas()[name].to_numpy() for name in table.column_names},
    ],
)
def test_every_form_in_memory_gives_the_same_profile(table, form):
    """Mappings of arrays, rows, pandas with any index, Arrow with dictionaries."""
    assert Profile.of(form(table)) == Profile.of(table)


def test_several_files_are_one_data_set(table, tmp_path):
    """Days are often files."""
    for i in range(2):
        pyarrow.parquet.write_table(table.slice(2_500 * i, 2_500), tmp_path / f"{i}.parquet")
    seen = []
    files = Files([tmp_path / "0.parquet", tmp_path / "1.parquet"], progress=seen.append)
    assert files.rows == 5_000
    assert Profile.of(files) == Profile.of(table)
    assert sum(seen) == 10_000  # both passes


def test_whole_numbers_may_turn_out_not_to_be(tmp_path):
    """The first megabytes of a CSV file do not bind the rest."""
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "1,\n" * 3_000_000 + "2.5,late\n")
    assert sum(batch.rows for batch in Files([path])) == 3_000_001


def test_a_column_of_several_types_is_read_as_text():
    """Frames from notebooks have them; they must not end in a stack trace."""
    frame = pd.DataFrame({"x": [1, "one", None] * 100})
    assert Profile.of(frame).features["x"].levels in {("1", "one"), ("one", "1")}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.csv", None, r"There is no file '.*none.csv'. Wanted: a .parquet, .csv or .jsonl file\."),
        ("data.xlsx", "x", r"The ending of '.*data.xlsx' does not say what it is. Wanted: one of \.parquet"),
        ("data.csv", "", r"data.csv is empty. Wanted: a csv file with at least one row\."),
        (
            "data.parquet",
            "x,y\n1,2\n",
            "data.parquet cannot be read as parquet: Parquet magic bytes not found",
        ),
        (
            "data.csv",
            "x,y\n1,2\n3\n",
            "data.csv cannot be read as csv: CSV parse error: Expected 2 columns, got 1",
        ),
        ("data.jsonl", '{"x": 1}\n{"x"\n', "data.jsonl cannot be read as json: JSON parse error"),
        ("data.csv", "x,x\n1,2\n", "data.csv has more than one column named 'x'. Give each"),
    ],
)
def test_a_file_that_cannot_be_read_gets_a_sentence(tmp_path, name, content, sentence):
    """With the path, what was wanted and what came."""
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=sentence):
        Profile.of(Files([tmp_path / name]))
    gc.collect()


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    """One profile of two schemas would be wrong in both."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(DataError, match=r"b\.csv and .*a\.csv differ in the columns y, z"):
        Files([tmp_path / "a.csv", tmp_path / "b.csv"])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (5, "A int cannot be read as a table. Wanted: a mapping"),
        ({"x": [1], "y": [1, 2]}, "The columns differ in length"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "more than one column named 'x'"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(data, sentence):
    """It is an argument, so it raises at once."""
    with pytest.raises(DataError, match=sentence):
        Profile.of(data)
