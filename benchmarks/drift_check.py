"""CPU seconds and memory of a drift check beside scipy, Evidently, NannyML and Frouros, on the same files.

    python -m benchmarks.drift_check                     # scipy and, if it is installed, Evidently
    python -m benchmarks.drift_check --peers FOLDER      # also NannyML and Frouros, in environments of theirs

60 columns (50 of numbers of three shapes, 10 of categories); in the live file every tenth of the numbers
has moved by 0.3. Each way runs in a process of its own, one after the other, and reads Parquet itself: mlobs
in batches, the others into pandas. A profile is made once per model and a check as often as data comes, so
they have rows of their own. Seconds are CPU seconds of all threads, without imports, which have a column.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks.measuring import show

NUMBERS, CATEGORIES = 50, 10
WAYS = ("mlobs profile", "mlobs check", "mlobs report", "scipy", "evidently")
# Neither declares all that it needs, nor all that it cannot stand.
PEERS = {
    "nannyml": ("nannyml==0.13.1", "statsmodels", "setuptools<81"),
    "frouros": ("frouros==0.9.0", "pandas", "pyarrow"),
}
SCRIPT = Path(__file__).with_name("drift_contenders.py")


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


def python_of(peer: str, folder: Path) -> str:
    """Return the interpreter of a peer's environment, which is made where it is missing."""
    place = folder / peer
    if not (place / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        install = [str(place / "bin" / "pip"), "install", "--quiet", *PEERS[peer]]
        subprocess.run(install, check=True)
        (place / "done").touch()
    return str(place / "bin" / "python")


def measured(name: str, python: str, files: list[Path], folder: str) -> dict[str, Any]:
    """Return what one run of a way took."""
    done = subprocess.run(
        [python, str(SCRIPT), name, *map(str, files)],
        capture_output=True, text=True, cwd=Path(__file__).parent.parent,
        env={"PYTHONPATH": ".", "TMPDIR": folder, "PATH": "/usr/bin:/bin", "HOME": folder},
    )  # fmt: skip
    assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, runs: list[dict[str, Any]], ours: float) -> dict[str, object]:
    """Return a line of the table: medians of the runs."""
    parts = {
        part: median(run["cpu_s"].get(part, 0.0) for run in runs) for part in ("import", "read", "compare")
    }
    total = parts["read"] + parts["compare"]
    drifted = runs[0]["drifted"]
    return {
        "way": name,
        "read and compare, CPU s": round(total, 2),
        "of that reading": round(parts["read"], 2),
        "import, CPU s": round(parts["import"], 2),
        "peak MB": round(median(run["peak_mb"] for run in runs)),
        "times mlobs check": round(total / ours, 1),
        "moved and found": sum(int(n[1:]) % 10 == 0 for n in drifted if n[0] == "n"),
        "wrongly found": sum(n[0] != "n" or int(n[1:]) % 10 != 0 for n in drifted),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference-rows", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the live data (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=1, help="default: 1; the peers take minutes")
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments; made when missing")
    parser.add_argument("--way", action="append", help="only this one and 'mlobs profile' and 'check'")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    ways = {name: sys.executable for name in WAYS if name != "evidently" or find_spec("evidently")}
    if given.peers is not None:
        ways |= {name: python_of(name, given.peers.resolve()) for name in PEERS}
    if given.way:
        ways = {n: python for n, python in ways.items() if n in {*WAYS[:2], *given.way}}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("reference.parquet", "live.parquet")]
        for seed, (path, rows) in enumerate(zip(files, (given.reference_rows, given.rows), strict=True)):
            pyarrow.parquet.write_table(frame(seed, rows), path)
        for _ in range(given.rounds):
            for name, python in ways.items():
                runs[name].append(measured(name, python, files, folder))
    check = runs["mlobs check"]
    ours = median(run["cpu_s"]["compare"] for run in check)
    title = f"{given.reference_rows:,} x 60 reference, {given.rows:,} x 60 live, {given.rounds} round(s)"
    show(title, [row(name, found, ours) for name, found in runs.items()], as_json=given.json)


if __name__ == "__main__":
    main()
