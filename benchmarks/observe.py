"""CPU microseconds a row that a monitor takes, on the request path and all in.

    python -m benchmarks.observe [--json] [--rows N]

Rows are dicts of 40 numbers and 10 categories. `request path` is what the caller of `observe` waits for,
the loop itself taken off; the rows are counted in between, as the monitor's thread would, outside the
measured time. `all in` is the CPU time of the whole process for observing and counting, the detector
included. Where river and whylogs can be imported they are measured in the same run, in turn: river with one
ADWIN for each number (it has no detector for categories), whylogs with one profile that tracks every
row. whylogs wants numpy below 2, so both belong into an environment of their own. Medians of the rounds
are printed.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.measuring import show
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile

NUMBERS, CATEGORIES, SEGMENTS = 40, 10, 20
ROUNDS = 5
SLICE = 1_000


class Span:
    """What a row's trace looks like."""

    def __init__(self, trace_id: int) -> None:
        self.trace_id = trace_id
        self.span_id = 1


def columns(seed: int, rows: int) -> dict[str, Any]:
    """Return numbers of three shapes, categories of ten levels, and a country."""
    rng = np.random.default_rng(seed)
    shapes = (rng.standard_normal, rng.standard_exponential, lambda n: rng.standard_t(3, n))
    levels = np.array([f"level-{i}" for i in range(10)])
    countries = np.array([f"country-{i}" for i in range(SEGMENTS)])
    data: dict[str, Any] = {f"n{i:02d}": shapes[i % 3](rows) for i in range(NUMBERS)}
    data |= {f"c{i}": levels[rng.integers(0, 10, rows)] for i in range(CATEGORIES - 1)}
    return data | {"country": countries[rng.integers(0, SEGMENTS, rows)]}


def as_rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return columns as the dicts that services have."""
    lists = [column.tolist() for column in data.values()]
    return [dict(zip(data, values, strict=True)) for values in zip(*lists, strict=True)]


def still(profile: Profile, **settings: Any) -> Monitor:
    """Return a monitor whose thread does not run, so that all counting is in the measured time."""
    monitor = Monitor(profile, model="benchmark@1", **settings)
    monitor._wake.set()
    return monitor


def request_path_us(monitor: Monitor, rows: list[dict[str, Any]]) -> float:
    """Return what the caller of `observe` waits for, a row."""
    observe, spent, empty = monitor.observe, 0, 0
    for start in range(0, len(rows), SLICE):
        part = rows[start : start + SLICE]
        began = time.thread_time_ns()
        for row in part:
            observe(row, 0.5)
        between = time.thread_time_ns()
        for _ in part:
            pass
        empty += time.thread_time_ns() - between
        spent += between - began
        monitor.flush()
    return (spent - empty) / len(rows) / 1e3


def process_us(rows: int, work: Callable[[], object]) -> float:
    """Return the CPU time of the process that `work` takes, a row."""
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / rows / 1e3


def observed(
    monitor: Monitor,
    rows: list[dict[str, Any]],
    *,
    traces: Sequence[Span | None] | None = None,
    ids: Sequence[str | None] | None = None,
) -> None:
    """Observe and count all rows."""
    nothing = [None] * len(rows)
    given = list(zip(rows, traces or nothing, ids or nothing, strict=True))
    for start in range(0, len(rows), SLICE):
        for row, trace, key in given[start : start + SLICE]:
            monitor.observe(row, id=key, trace=trace)
        monitor.flush()


def river(rows: list[dict[str, Any]]) -> None:
    """Give each number to a detector of its own."""
    from river.drift import ADWIN

    detectors = {f"n{i:02d}": ADWIN() for i in range(NUMBERS)}
    for row in rows:
        for name, detector in detectors.items():
            detector.update(row[name])


def whylogs(rows: list[dict[str, Any]]) -> None:
    """Track each row in one profile."""
    from whylogs.core import DatasetProfile

    profile = DatasetProfile()
    for row in rows:
        profile.track(row)


PEERS: dict[str, Callable[[list[dict[str, Any]]], None]] = {"river": river, "whylogs": whylogs}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000, help="rows of a round (default: 50,000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    plain = Profile.of(columns(0, 50_000), model="benchmark@1")
    parted = Profile.of(columns(0, 50_000), model="benchmark@1", by=["country"])
    data = columns(1, arguments.rows)
    rows = as_rows(data)
    spans, ids = [Span(i + 1) for i in range(len(rows))], [f"order {i}" for i in range(len(rows))]
    few = rows[: max(len(rows) // 50, 100)]
    one, other = still(plain), still(parted)
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "all in": (len(rows), lambda: observed(one, rows)),
        "all in, with traces": (len(rows), lambda: observed(one, rows, traces=spans)),
        "all in, with ids": (len(rows), lambda: observed(one, rows, ids=ids)),
        f"all in, {SEGMENTS} segments": (len(rows), lambda: observed(other, rows)),
        "observe_batch of arrays": (len(rows), lambda: one.observe_batch(data)),
    }
    there = [name for name in PEERS if importlib.util.find_spec(name)]
    ways |= {name: (len(few), partial(PEERS[name], few)) for name in there}
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        found.setdefault("request path", []).append(request_path_us(one, rows))
        for name, (count, way) in ways.items():
            found.setdefault(name, []).append(process_us(count, way))
    medians = {name: statistics.median(times) for name, times in found.items()}
    targets = {"request path": "0.1", "all in": "5"}
    table: list[dict[str, object]] = [
        {
            "way": name,
            "us a row": round(value, 3),
            "at most": targets.get(name, ""),
            "times all in": round(value / medians["all in"], 2),
        }
        for name, value in medians.items()
    ]
    title = f"Observing rows of {NUMBERS} numbers and {CATEGORIES} categories, medians of {ROUNDS} rounds"
    show(title, table, as_json=arguments.json)
    missing = [name for name in PEERS if name not in there]
    if missing and not arguments.json:
        print(
            f"Not measured: {', '.join(missing)}. To have them beside, in an environment of their own: "
            f"pip install river whylogs 'numpy<2' 'pyarrow<19'"
        )


if __name__ == "__main__":
    main()
