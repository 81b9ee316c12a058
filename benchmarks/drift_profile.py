"""CPU seconds and peak memory of profiling 10 million rows from Parquet, beside chDB's SQL.

    python -m benchmarks.drift_profile [--rows N] [--rounds N] [--json]

20 columns: 18 of numbers of three shapes, 2 of categories. chDB, ClickHouse in the process, gets one query
for the 64 quantiles of the numbers, and for each column one for the counts between them; that is less than
a profile, as it has no two halves, no bins for what is missing or new, and no measure of how rows depend on
each other. Each way runs in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks.drift_contenders import peak_mb
from benchmarks.measuring import show

NUMBERS, CATEGORIES = 18, 2
BINS = 64
GROUP_ROWS = 250_000
WAYS = ("mlobs profile", "chdb")


def write(path: Path, rows: int) -> None:
    """Write the rows, a row group at a time."""
    rng = np.random.default_rng(0)
    levels = np.array([f"level-{i}" for i in range(40)])
    shapes = (rng.standard_normal, rng.standard_exponential, lambda n: rng.standard_t(3, n))
    writer = None
    for start in range(0, rows, GROUP_ROWS):
        n = min(GROUP_ROWS, rows - start)
        columns: dict[str, Any] = {f"n{i:02d}": shapes[i % 3](n) for i in range(NUMBERS)}
        columns |= {f"c{i}": levels[rng.integers(0, 40, n)] for i in range(CATEGORIES)}
        table = pa.table(columns)
        writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def with_mlobs(path: str) -> None:
    """Profile the file."""
    from mlobs.drift.profile import Profile
    from mlobs.drift.readers import Files

    assert len(Profile.of(Files([path])).features) == NUMBERS + CATEGORIES


def with_chdb(path: str) -> None:
    """Ask for quantiles, and for the counts between them."""
    import chdb

    levels = ", ".join(str(i / BINS) for i in range(BINS))
    numbers = [f"n{i:02d}" for i in range(NUMBERS)]
    asked = ", ".join(f"quantiles({levels})({name}) AS {name}" for name in numbers)
    found = json.loads(str(chdb.query(f"SELECT {asked} FROM file('{path}')", "JSONEachRow")))
    for name in numbers:
        edges = ", ".join(map(repr, found[name]))
        counted = chdb.query(
            f"SELECT roundDown({name}, [{edges}]) AS bin, count() FROM file('{path}') GROUP BY bin", "CSV"
        )
        assert len(str(counted).splitlines()) == BINS
    for i in range(CATEGORIES):
        chdb.query(f"SELECT c{i}, count() FROM file('{path}') GROUP BY c{i}", "CSV")


def measured(way: str, path: Path) -> dict[str, float]:
    """Run a way in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.drift_profile", "--way", way, "--file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="default: 10,000,000")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way is not None:
        wall, cpu = time.perf_counter(), time.process_time()
        (with_mlobs if given.way == WAYS[0] else with_chdb)(given.file)
        took = {
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.perf_counter() - wall,
            "peak_mb": peak_mb(),
        }
        print(json.dumps(took))
        return
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.parquet"
        write(path, given.rows)
        for _ in range(given.rounds):
            for way, found in runs.items():
                found.append(measured(way, path))
    rows = [
        {"way": way, **{name: round(median(run[name] for run in found), 1) for name in found[0]}}
        for way, found in runs.items()
    ]
    for row in rows:
        row["times mlobs"] = round(float(row["cpu_s"]) / float(rows[0]["cpu_s"]), 1)
    show(f"{given.rows:,} x {NUMBERS + CATEGORIES} from Parquet", rows, as_json=given.json)


if __name__ == "__main__":
    main()
