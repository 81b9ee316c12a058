"""CPU seconds of `drift check` beside scipy, on the same frame in the same run.

    python -m benchmarks.drift_check [--json] [--rows N]

The check reads 60 columns (50 of numbers, 10 of categories) from Parquet and judges them by a saved
profile. scipy gets the same live frame and a reference frame of the same size in memory, and computes
per column a two-sample Kolmogorov-Smirnov test and a Wasserstein distance, or a chi-square test; it
cannot keep a reference but as rows. Rounds alternate; medians are printed.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from scipy import stats

from mlobs.drift.check import check
from mlobs.drift.profile import Profile
from mlobs.drift.readers import Files

NUMBERS, CATEGORIES = 50, 10
ROUNDS = 5


def frame(seed: int, rows: int) -> pa.Table:
    """Return numbers of three shapes and categories of ten levels; a tenth of the columns move."""
    rng = np.random.default_rng(seed)
    levels = np.array([f"level-{i}" for i in range(10)])
    shapes = (rng.standard_normal, rng.standard_exponential, lambda n: rng.standard_t(3, n))
    data: dict[str, object] = {}
    for i in range(NUMBERS):
        data[f"n{i:02d}"] = shapes[i % 3](rows) + (0.3 * (seed > 0) if i % 10 == 0 else 0)
    for i in range(CATEGORIES):
        data[f"c{i}"] = levels[rng.integers(0, 10, rows)]
    return pa.table(data)


def with_scipy(reference: pa.Table, live: pa.Table) -> None:
    """Do what scipy offers for each column."""
    for name in live.column_names:
        a, b = (table.column(name).to_numpy(zero_copy_only=False) for table in (reference, live))
        if a.dtype.kind == "f":
            stats.ks_2samp(a, b, method="asymp")
            stats.wasserstein_distance(a, b)
        else:
            levels, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
            counts = [np.bincount(part, minlength=len(levels)) for part in np.split(codes, [len(a)])]
            stats.chi2_contingency(counts)


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds that `work` takes, over all threads of the process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the live data (default: 100,000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    reference, live = frame(0, arguments.rows), frame(1, arguments.rows)
    found: dict[str, list[float]] = {"profile": [], "check": [], "scipy": []}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("reference.parquet", "live.parquet")]
        for path, table in zip(paths, (reference, live), strict=True):
            pyarrow.parquet.write_table(table, path)
        profile = Profile.of(Files(paths[:1]))
        report = check(profile, Files(paths[1:]))
        for _ in range(ROUNDS):
            found["profile"].append(cpu_s(lambda: Profile.of(Files(paths[:1]))))
            found["check"].append(cpu_s(lambda: check(profile, Files(paths[1:]))))
            found["scipy"].append(cpu_s(lambda: with_scipy(reference, live)))
    figures = {f"{name}_cpu_s": round(median(times), 3) for name, times in found.items()}
    figures["check_to_scipy_ratio"] = round(figures["check_cpu_s"] / figures["scipy_cpu_s"], 3)
    moved = [finding.column for finding in report.findings if finding.verdict == "drifted"]
    if arguments.json:
        print(
            json.dumps({"rows": arguments.rows, "columns": NUMBERS + CATEGORIES, "moved": moved, **figures})
        )
        return
    print(
        f"{arguments.rows:,} rows x {NUMBERS + CATEGORIES} columns, medians of {ROUNDS} rounds, CPU seconds"
    )
    print(f"  profile from Parquet (two passes)           {figures['profile_cpu_s']:8.3f}")
    print(f"  check from Parquet against a saved profile  {figures['check_cpu_s']:8.3f} (target: 1)")
    print(f"  scipy ks_2samp + wasserstein + chi2, memory {figures['scipy_cpu_s']:8.3f}")
    print(f"  check / scipy                               {figures['check_to_scipy_ratio']:8.3f}")
    print(f"  drifted: {', '.join(sorted(moved))} (moved on purpose: every tenth of the numbers)")


if __name__ == "__main__":
    main()
