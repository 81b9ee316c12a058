"""The same rows make the same profile, whatever file or frame they come in."""

import gc
import gzip
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from mlobs.drift.columns import Categories
from mlobs.drift.profile import Profile
from mlobs.drift.readers import Files
from mlobs.drift.sources import blocks, source, spool
from mlobs.errors import DataError, ProfileError

N = 5_000


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=N).round(4), mask=rng.random(N) < 0.1),
            "n": rng.integers(0, 9, N),
            "c": pa.array(np.array(["a", "bb", "NA"])[rng.integers(0, 3, N)], mask=rng.random(N) < 0.1),
            "b": pa.array(rng.random(N) < 0.3),
            "t": pa.array(rng.integers(16e14, 17e14, N), pa.timestamp("us")),
        }
    )


def write_json_lines(table, path):
    table.to_pandas().to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")


def write_stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=777)


def write_gzip(write):
    def written(table, path):
        write(table, path.with_suffix(""))
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))

    return written


WRITERS = {
    ".parquet": pyarrow.parquet.write_table,
    ".csv": pyarrow.csv.write_csv,
    ".csv.gz": write_gzip(pyarrow.csv.write_csv),
    ".jsonl": write_json_lines,
    ".jsonl.gz": write_gzip(write_json_lines),
    ".feather": pyarrow.feather.write_feather,
    ".arrow": write_stream,
}


def values(files):
    """Return all values of all columns, and their types, as the batches have them."""
    found = {}
    for batch in files:
        for name, column in batch.columns.items():
            if isinstance(column, Categories):
                new = [None if code < 0 else column.levels[code] for code in column.codes]
            else:
                new = [None if value != value else value for value in column.values.tolist()]
            found.setdefault(name, []).extend(new)
    return found


@pytest.mark.parametrize("ending", WRITERS)
def test_every_kind_of_file_gives_the_same_profile(table, tmp_path, ending):
    """A team that moves from CSV to Parquet keeps its reference."""
    path = tmp_path / f"data{ending}"
    WRITERS[ending](table, path)
    assert Profile.of(Files([path])) == Profile.of(table)


@pytest.mark.parametrize("pieces", [1, 5])
@pytest.mark.parametrize("ending", [".parquet", ".csv", ".feather"])
def test_how_rows_lie_in_files_does_not_matter(table, tmp_path, ending, pieces):
    """A folder, a pattern and a list of files are the same rows."""
    for i in range(pieces):
        WRITERS[ending](table.slice(i * N // pieces, N // pieces), tmp_path / f"{i}{ending}")
    (tmp_path / "_SUCCESS").touch()
    whole = Profile.of(table)
    assert Profile.of(Files([tmp_path])) == whole
    assert Profile.of(Files([f"{tmp_path}/*{ending}"])) == whole
    assert Profile.of(Files(sorted(tmp_path.glob(f"*{ending}")))) == whole


def test_several_files_are_one_data_set(table, tmp_path):
    """Days are often files."""
    for i in range(2):
        pyarrow.parquet.write_table(table.slice(2_500 * i, 2_500), tmp_path / f"{i}.parquet")
    seen = []
    files = Files([tmp_path / "0.parquet", tmp_path / "1.parquet"], progress=seen.append)
    assert files.rows == 5_000
    assert Profile.of(files) == Profile.of(table)
    assert sum(seen) == 10_000  # both passes


@pytest.mark.slow
def test_whole_numbers_may_turn_out_not_to_be(tmp_path):
    """The first megabytes of a CSV file do not bind the rest."""
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "1,\n" * 9_000_000 + "2.5,late\n")
    assert path.stat().st_size > blocks.BLOCK_BYTES
    files = Files([path])
    last = [batch.columns for batch in files][-1]
    assert files.rows == 9_000_001
    assert last["x"].values[-2:].tolist() == [1, 2.5]
    assert last["y"].levels[last["y"].codes[-1]] == "late"


def test_a_text_is_as_it_stands_even_if_it_first_looked_like_a_number(tmp_path, monkeypatch):
    """0123 must not become 123 because the first block had digits alone."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100)
    (tmp_path / "data.csv").write_text("x,y\n" + "0123,\n" * 100 + "A1,NA\n,b\n")
    (tmp_path / "data.jsonl").write_text('{"x": 1.0}\n' * 100 + '{"x": "A1", "y": "2025-01-01"}\n')
    assert values(Files([tmp_path / "data.csv"])) == {
        "x": ["0123"] * 100 + ["A1", None],
        "y": [None] * 100 + ["NA", "b"],
    }
    found = values(Files([tmp_path / "data.jsonl"]))
    assert found["x"] == ["1.0"] * 100 + ["A1"]
    assert found["y"][:-1] == [None] * 100


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('x,y\n1,"a\nb"\n2,"c""d"\n', {"x": [1, 2], "y": ["a\nb", 'c"d']}),
        ("x;y\n1;2\n", {"x": [1], "y": [2]}),
        ("\ufeffx\ty\r\n1\t2\r\n", {"x": [1], "y": [2]}),
        ("x\n1\n\n3\n", {"x": [1, None, 3]}),
        ("x,y\nNA,NA\n1,a\n", {"x": [None, 1], "y": ["NA", "a"]}),
        ('x,y\n"",""\n1,a\n', {"x": [None, 1], "y": [None, "a"]}),
        ("x\ntrue\nFALSE\n", {"x": ["true", "false"]}),
        ("x\n1970-01-02\n", {"x": [86_400]}),
        ("x\n1970-01-01T01:00:00+01:00\n", {"x": [0]}),
        ("x\n1970-01-01 00:00:01.5\n", {"x": [1.5]}),
        ('x,y\n5" pipe,1\nfence,2\n', {"x": ['5" pipe', "fence"], "y": [1, 2]}),
    ],
)
@pytest.mark.parametrize("block_bytes", [8, 1 << 20])
def test_csv_is_understood(tmp_path, monkeypatch, text, wanted, block_bytes):
    """Quotes, separators, missing values, dates; also where a block ends in the middle."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(blocks, "LINES_MIN", 1)
    (tmp_path / "data.csv").write_text(text, newline="")
    assert values(Files([tmp_path / "data.csv"])) == wanted


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([{"x": 1}, {"x": 2.5}], {"x": [1, 2.5]}),
        ([{"x": 1}, {"y": "a"}], {"x": [1, None], "y": [None, "a"]}),
        (
            [{"x": 1}, {"x": "a"}, {"x": None}, {"x": True}, {"x": [1]}],
            {"x": ["1", "a", None, "true", "[1]"]},
        ),
        ([{"x": 2**70}, {"x": "a"}], {"x": [str(2**70), "a"]}),
        ([{"x": "1970-01-01T00:00:01.500Z"}], {"x": [1.5]}),
        ([{"x": "1970-01-01T00:00:01.500"}, {"x": "soon"}], {"x": ["1970-01-01T00:00:01.500", "soon"]}),
    ],
)
def test_json_lines_are_understood(tmp_path, rows, wanted):
    """Fields come and go, and change their type."""
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert values(Files([tmp_path / "data.jsonl"])) == wanted


def test_folders_named_by_a_key_add_a_column(table, tmp_path):
    """As Spark and Hive write them. Whole numbers and dates are such."""
    for country, day in (("DE", "2025-01-01"), ("__HIVE_DEFAULT_PARTITION__", "2025-01-02")):
        folder = tmp_path / f"country={country}" / f"day={day}" / "hour=7"
        folder.mkdir(parents=True)
        pyarrow.parquet.write_table(table.slice(0, 10), folder / "part.parquet")
        (folder / ".part.parquet.crc").touch()
    found = values(Files([tmp_path]))
    assert sorted(found["country"], key=str) == ["DE"] * 10 + [None] * 10
    assert set(found["day"]) == {1_735_689_600, 1_735_776_000}
    assert set(found["hour"]) == {7}
    assert set(found) == {*table.column_names, "country", "day", "hour"}


def test_types_that_fit_together_are_joined_and_others_are_refused(tmp_path):
    """Yesterday's file had whole numbers, today's has fractions: that is one column."""
    write = pyarrow.parquet.write_table
    write(
        pa.table({"x": pa.array([1], pa.int32()), "c": pa.array(["a"]).dictionary_encode()}),
        tmp_path / "0.parquet",
    )
    write(pa.table({"x": [2.5], "c": ["b"]}), tmp_path / "1.parquet")
    write(pa.table({"x": [None], "c": pa.array([None], pa.string())}), tmp_path / "2.parquet")
    (tmp_path / "3.csv").write_text("c,x\n7,3\n")
    assert values(Files([tmp_path])) == {"x": [1, 2.5, None, 3], "c": ["a", "b", None, "7"]}
    write(pa.table({"x": ["one"], "c": ["b"]}), tmp_path / "4.parquet")
    with pytest.raises(DataError, match=r"Column 'x' is string in .*4.parquet and double in files before it"):
        Files([tmp_path])
    (tmp_path / "4.parquet").unlink()
    (tmp_path / "4.csv").write_text("c,x\n7,three\n")
    with pytest.raises(
        DataError, match=r"Column 'x' is string in .*4.csv and double in other files\. Wanted"
    ):
        list(Files([tmp_path]))


def test_lines_are_kept_in_a_file_that_goes_away(table, tmp_path, monkeypatch):
    """Memory stays bounded, and so does the disk."""
    monkeypatch.setattr(spool, "MEMORY_BYTES_MAX", 1_000)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    pyarrow.csv.write_csv(table, tmp_path / "data.csv")
    files = Files([tmp_path / "data.csv"])
    assert Profile.of(files) == Profile.of(table)
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del files
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []
    monkeypatch.setattr(spool, "DISK_BYTES_MAX", 50_000)
    with pytest.raises(
        DataError, match=r"data\.csv do not fit into .*: they take more than 50000 bytes\. Read"
    ):
        list(Files([tmp_path / "data.csv"]))


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_ten_thousand_columns_are_read_in_small_batches(tmp_path, ending):
    """A batch of 65,536 of them would take five gigabytes."""
    wide = pa.table({f"c{i}": np.arange(600) for i in range(10_000)})
    WRITERS[ending](wide, tmp_path / f"wide{ending}")
    found = [len(batch.columns) for batch in Files([tmp_path / f"wide{ending}"])]
    assert set(found) == {10_000}
    assert Files([tmp_path / f"wide{ending}"], columns=["c7"]).__iter__().__next__().columns.keys() == {"c7"}


def test_a_column_that_is_not_there_is_told_with_those_that_are(table, tmp_path):
    """Whoever mistypes a name wants to see the right one."""
    for ending in (".parquet", ".csv", ".jsonl"):
        path = tmp_path / f"data{ending}"
        WRITERS[ending](table, path)
        with pytest.raises(ProfileError, match=r"no column 'y'\. Columns found: b, c, n, t, x\."):
            Profile.of(Files([path], columns=["y"]), columns=["y"])


def test_a_column_of_several_types_is_read_as_text():
    """Frames from notebooks have them; they must not end in a stack trace."""
    frame = pd.DataFrame({"x": [1, "one", None] * 100})
    assert Profile.of(frame).features["x"].levels in {("1", "one"), ("one", "1")}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "none.csv",
            None,
            r"There is no file '.*none.csv'. Wanted: a .parquet, .csv, .jsonl, .arrow or .feather file\.",
        ),
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
        ("data.csv", b"\xff\xfex\0\n\0", r"data.csv is in UTF-16\. Save it as UTF-8"),
        ("data.csv", b"x,y\n1,\xff\n", r"Column 'y' of .*data.csv holds bytes that are not UTF-8"),
        (
            "data.csv.gz",
            gzip.compress(b"x,y\n" + b"1,2\n" * 99, mtime=0)[:-20],
            "data.csv.gz cannot be read as csv: ",
        ),
        ("data.csv.gz", gzip.compress(b"", mtime=0), r"data.csv.gz is empty\. Wanted: a csv file"),
        ("data.jsonl", "[1, 2]\n", r"data.jsonl has a line that is a list\. Wanted: one JSON object in each"),
        (
            "data.jsonl",
            '{"x": 1, "x": 2}\n',
            r"data.jsonl cannot be read as json: JSON parse error: Column\(/x\)",
        ),
        ("data.arrow", "x,y\n1,2\n", "data.arrow cannot be read as arrow: "),
        ("*.parquet", None, r"No file matches the pattern '.*/\*\.parquet'\. Wanted: a \.parquet"),
    ],
)
def test_a_file_that_cannot_be_read_gets_a_sentence(tmp_path, name, content, sentence):
    """With the path, what was wanted and what came."""
    if content is not None:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=sentence):
        Profile.of(Files([tmp_path / name]))
    gc.collect()


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    """One profile of two schemas would be wrong in both."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(DataError, match=r"b\.csv and .*a\.csv differ in the columns y, z"):
        Files([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_a_folder_without_data_and_a_folder_with_something_else_are_refused(tmp_path):
    """What is not read must not be thought read."""
    with pytest.raises(DataError, match="There is no data file in the folder"):
        Files([tmp_path])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"The ending of '.*notes\.txt' does not say what it is"):
        Files([tmp_path])
    with pytest.raises(DataError, match=r"There is nothing to read\. Wanted"):
        Files([])


def test_texts_of_parquet_that_are_not_utf8_are_refused_with_a_sentence(tmp_path):
    """Parquet writers do not all check what they write."""
    bad = pa.array([b"\xff"], pa.binary()).view(pa.string())
    pyarrow.parquet.write_table(pa.table({"x": bad}), tmp_path / "data.parquet")
    with pytest.raises(DataError, match=r"Column 'x' holds bytes that are not UTF-8\."):
        Profile.of(Files([tmp_path / "data.parquet"]))


def test_a_source_is_files_or_a_query():
    """The command line must not guess."""
    with pytest.raises(DataError, match=r"nothing to read\. Give files, or a query with: --query SQL"):
        source()
    with pytest.raises(DataError, match=r"Both a query and files were given \(a\.csv\)"):
        source(["a.csv"], query="SELECT 1")
    with pytest.raises(DataError, match=r"--from clickhouse://db:8123 says where a query runs"):
        source(["a.csv"], url="clickhouse://ana:secret@db:8123")


def test_files_are_read_while_they_are_counted(tmp_path):
    """Rows are told to the progress bar batch by batch, in every pass."""
    (tmp_path / "data.csv").write_text("x\n" + "1\n" * 100_000)
    seen = []
    list(Files([Path(tmp_path / "data.csv")], progress=seen.append))
    assert seen == [100_000, 65_536, 34_464]
