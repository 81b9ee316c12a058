"""Rows until a shift is told, beside window methods with the same budget of false alarms.

    python -m benchmarks.drift_delay [--streams N] [--json]

A normal feature moves by some of its standard deviations at a moment unknown; the figure is the median over
streams of the rows after it until the alarm. The budget is that of a monitor of 60 features with 120 blocks
of 200 rows an hour: at most one false alarm a year, over a billion values.

* mlobs: the Detector on deciles, from a reference of 1M rows, after 200k rows in which nothing had changed;
  with floors 0, .02 and .05 (the default). A shift whose total variation is inside the floor is not drift
  by definition, and is never told: .05 sigma are a total variation of .020, .1 .040, .2 .079, .3 .119.
* KS: a two-sample test (reference 100k rows) in each window, its level the budget over the windows of a year.
* KS, p < .05: what libraries do by default. It has no budget: its false alarms are counted.
* PSI > .2 on deciles, and Evidently's default for numbers, Wasserstein distance (scipy's) over the
  reference's deviation >= .1: fixed thresholds; false alarms are counted too.

The change falls anywhere into a window or into a block of ours; rows are counted from it to the end of the
first window or block that alarms.
"""

import argparse
import json
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlobs.drift.detector import Detector, Reference
from mlobs.drift.distances import population_stability_index

SIGMAS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
FEATURES = 60
BLOCKS_A_YEAR = 120 * 24 * 365
BLOCK_ROWS = 200
ROWS_A_YEAR = BLOCKS_A_YEAR * BLOCK_ROWS
HEALTHY_ROWS = 200_000
ROWS_MAX = 1_000_000
REFERENCE_ROWS, WINDOW_REFERENCE_ROWS = 1_000_000, 100_000
NULL_WINDOWS = 400

Doubles = NDArray[np.float64]
EDGES = stats.norm.ppf(np.arange(1, 10) / 10)


def deciles(sigma: float) -> Doubles:
    """Return the chances of the reference's deciles after a shift."""
    return np.diff(np.concatenate([[0], stats.norm.cdf(EDGES - sigma), [1]]))


def detector_rows(sigma: float, *, floor: float, block: int, streams: int) -> float | None:
    """Return the median of the rows until the alarm, or None if most streams have none."""
    rng = np.random.default_rng(5)
    counts = rng.multinomial(REFERENCE_ROWS, deciles(0), size=streams)
    detector = Detector([Reference(row.tolist()) for row in counts], floor=floor)
    # One budget for 60 features; here each feature is a stream of its own.
    patience = BLOCKS_A_YEAR * BLOCK_ROWS / block * FEATURES / streams
    for _ in range(HEALTHY_ROWS // block):
        detector.update(
            rng.multinomial(block, deciles(0), size=streams), began_s=0.0, patience_blocks=patience
        )
    found: list[int] = [0] * streams
    before = rng.integers(0, block, size=streams)  # rows of the first block that came before the change
    for number in range(1, ROWS_MAX // block + 1):
        unchanged = before if number == 1 else np.zeros_like(before)
        live = rng.multinomial(unchanged, deciles(0)) + rng.multinomial(block - unchanged, deciles(sigma))
        for place in np.flatnonzero(
            detector.update(live, began_s=float(number), patience_blocks=patience)
        ).tolist():
            found[place] = found[place] or int(number * block - before[place])
        if sum(map(bool, found)) > streams / 2:
            break
    return _median(found)


def window_rows(
    sigma: float, alarms: Callable[[Doubles], bool], *, window: int, streams: int, rows_max: int
) -> float | None:
    """Return the same for a method that judges windows one after the other."""
    rng = np.random.default_rng(6)
    found = [0] * streams
    before = rng.integers(0, window, size=streams)  # rows of the first window that came before the change
    for number in range(1, rows_max // window + 1):
        for place in range(streams):
            if not found[place]:
                values = rng.standard_normal(window) + sigma
                if number == 1:
                    values[: before[place]] -= sigma
                if alarms(values):
                    found[place] = int(number * window - before[place])
        if sum(map(bool, found)) > streams / 2:
            break
    return _median(found)


def false_alarms(alarms: Callable[[Doubles], bool], window: int) -> float:
    """Return the false alarms in a million rows, of one feature."""
    rng = np.random.default_rng(7)
    windows = NULL_WINDOWS if window < 5000 else NULL_WINDOWS // 4
    hits = sum(alarms(rng.standard_normal(window)) for _ in range(windows))
    return hits / windows / window * 1e6


def _median(found: list[int]) -> float | None:
    known = [float(rows) if rows else np.inf for rows in found]
    middle = median(known)
    return None if np.isinf(middle) else middle


def window_methods(reference: Doubles) -> dict[str, tuple[int, Callable[[Doubles], bool]]]:
    """Return each method's window and rule."""
    counts = np.bincount(np.searchsorted(EDGES, reference), minlength=10)
    deviation = reference.std()

    def by_test(level: float) -> Callable[[Doubles], bool]:
        return lambda values: _ks_p(reference, values) < level

    def by_index(values: Doubles) -> bool:
        live = np.bincount(np.searchsorted(EDGES, values), minlength=10)
        return population_stability_index(counts, live) > 0.2

    def by_distance(values: Doubles) -> bool:
        return bool(stats.wasserstein_distance(reference, values) / deviation >= 0.1)

    found: dict[str, tuple[int, Callable[[Doubles], bool]]] = {}
    for window in (1_000, 10_000):
        level = window / (ROWS_A_YEAR * FEATURES)
        found[f"KS, window {window:,}, same budget (p < {level:.1e})"] = (window, by_test(level))
        found[f"KS, window {window:,}, p < .05"] = (window, by_test(0.05))
        found[f"PSI > .2, window {window:,}"] = (window, by_index)
        found[f"Evidently's default, window {window:,}"] = (window, by_distance)
    return found


def _ks_p(ordered: Doubles, values: Doubles) -> float:
    """Return the asymptotic p-value of the two-sample test; `ordered` is sorted already."""
    values = np.sort(values)
    n = len(values)
    # The distance is largest just before or at a live value.
    at = np.searchsorted(ordered, values, side="right") / len(ordered)
    distance = max((np.arange(1, n + 1) / n - at).max(), (at - np.arange(n) / n).max())
    both = n * len(ordered) / (n + len(ordered))
    return float(stats.kstwobign.sf(distance * np.sqrt(both)))


def table(streams: int) -> dict[str, dict[str, float | None]]:
    """Measure everything."""
    found: dict[str, dict[str, float | None]] = {}
    ways = ((0.0, 200), (0.02, 200), (0.05, 200), (0.0, 1000), (0.05, 1000))
    for floor, block in ways:
        name = f"mlobs, floor {floor:g}, block {block:,}"
        found[name] = {"false per 1M rows": 1e6 / ROWS_A_YEAR / FEATURES}
        for sigma in SIGMAS:
            found[name][f"{sigma:g}"] = detector_rows(sigma, floor=floor, block=block, streams=streams)
        _print(name, found[name])
    reference = np.sort(np.random.default_rng(8).standard_normal(WINDOW_REFERENCE_ROWS))
    for name, (window, rule) in window_methods(reference).items():
        budgeted = "same budget" in name
        found[name] = {
            "false per 1M rows": 1e6 / ROWS_A_YEAR / FEATURES if budgeted else false_alarms(rule, window)
        }
        slow = "Evidently" in name
        for sigma in SIGMAS:
            found[name][f"{sigma:g}"] = window_rows(
                sigma,
                rule,
                window=window,
                streams=min(streams, 20) if slow and window > 5000 else streams,
                rows_max=200_000 if slow else ROWS_MAX,
            )
        _print(name, found[name])
    return found


def _print(name: str, line: dict[str, float | None]) -> None:
    cells = [f"{line[f'{sigma:g}']:9,.0f}" if line[f"{sigma:g}"] else f"{'never':>9}" for sigma in SIGMAS]
    print(f"{name:50} {line['false per 1M rows']:9.2g} {''.join(cells)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=100, help="of each line (default: 100)")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    arguments = parser.parse_args()
    print(
        f"{'median rows until the alarm, by shift':50} {'false/1M':>9} {''.join(f'{s:8g}s' for s in SIGMAS)}"
    )
    found = table(arguments.streams)
    print("never: not within 1M rows after the change (Evidently: 200k rows)")
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
