"""False alarms of the detector on streams in which nothing changes, beside what was promised.

    python -m benchmarks.false_alarms [--quick] [--json]

Each line: 300 streams of 2.5M rows, judged in blocks of 200 by the real Detector. Each has a profile of its
own, which `Profile.of` made of a reference with the same waves or bursts; so streams are independent, and
the interval is of streams and references. The alarm is set to one false alarm in ten lives of a stream, so
that the promise is a mean of 0.1 a stream; and to a p-value of .05, which at most .05 of the streams may
ever reach. Measured are alarms by stream, the share of streams with any, and the upper end of its 95 %
interval (Clopper and Pearson). The last line is about monitors of 60 features with one budget. `plain` is
the same detector without what it has learnt of the reference's unrest, so that one sees what the naive way
does.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.drift_streams import STEP_ROWS, Stream, binned, of_profile
from mlobs.drift.detector import Detector, Reference

BLOCK_ROWS = 200
HEAD = (
    f"{'':66} alarms a life   streams with any  p <= .05 ever  counts   floor\n"
    f"{'stream':47} floor way    rows units promised measured share (at most)  share (at most) divided  used"
)
LIVES = 10
ALPHA = 0.05
AT_ONCE = 25  # references made together, to bound the memory

STREAMS = [
    Stream("independent, reference 2M rows", reference_rows=2_000_000),
    Stream("independent, reference 20k rows (10k counted)", reference_rows=20_000),
    Stream("on the edge of the floor, TV .05", edge=0.05, reference_rows=2_000_000),
    Stream("daily wave of TV .05, days of 20k rows", wave=0.05),
    Stream("daily wave of TV .15, days of 20k rows", wave=0.15),
    Stream("bursts of 100 rows, design effect 5", effect=5, burst_rows=100),
    Stream("bursts of 500 rows, design effect 5", effect=5, burst_rows=500),
    Stream("bursts of 500 rows, design effect 20", effect=20, burst_rows=500),
    Stream("bursts of 2,000 rows, design effect 5", effect=5, burst_rows=2000),
    Stream("ten equal rows at a time", equal=10),
]


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was measured of one law, floor and way."""

    stream: str
    floor: float
    plain: bool
    units: int
    features: int
    rows: int
    promised: float
    alarms: float
    any_alarm: float
    any_alarm_at_most: float
    ever_p: float
    ever_p_at_most: float
    effect: float
    tolerated: float
    seconds: float


def at_most(hits: int, of: int) -> float:
    """Return the upper end of the 95 % interval of a proportion (Clopper and Pearson)."""
    return 1.0 if hits >= of else float(stats.beta.ppf(0.975, hits + 1, of - hits))


def references(
    stream: Stream, rng: np.random.Generator, number: int
) -> tuple[list[Reference], NDArray[np.int64], int]:
    """Return so many references, the places of the levels in each one's bins, and the most bins of any."""
    found: list[Reference] = []
    places: list[NDArray[np.int64]] = []
    width = 0
    for first in range(0, number, AT_ONCE):
        some, where, most = of_profile(stream.profiles(rng, min(AT_ONCE, number - first)))
        found += some
        places.append(where)
        width = max(width, most)
    return found, np.concatenate(places), width


def measure(
    stream: Stream, floor: float, *, plain: bool, units: int, features: int, rows: int, seed: int
) -> Line:
    """Run `units` monitors of so many features each; all of them are features of one detector."""
    began = time.perf_counter()
    rng = np.random.default_rng(seed)
    found, places, width = references(stream, rng, units * features)
    if plain:
        found = [Reference(reference.counts) for reference in found]
    detector = Detector(found, floor=floor, family=features)
    blocks = rows // BLOCK_ROWS
    # The detector takes all its features for one family; a monitor has only `features` of them.
    patience = LIVES * blocks * features / detector.family
    alarms = np.zeros(detector.features)
    for steps in stream.steps(rng, detector.features, rows, live=True):
        size = BLOCK_ROWS // STEP_ROWS
        whole = len(steps) // size * size
        summed = steps[:whole].reshape(-1, size, *steps.shape[1:]).sum(axis=1)
        for counts in binned(summed, places, width):
            detector.update(counts, began_s=float(detector.blocks), patience_blocks=patience)
            # Also those that come again while the alarm stands: an alarm that never ends is worse.
            alarms += detector.crossed == detector.blocks - 1
    by_unit = alarms.reshape(units, features).sum(axis=1)
    low = (detector.p_values().reshape(units, features).min(axis=1) * features <= ALPHA).sum()
    return Line(
        stream=stream.name if features == 1 else f"{features} features, {stream.name}",
        floor=floor,
        plain=plain,
        units=units,
        features=features,
        rows=rows,
        promised=1 / LIVES,
        alarms=float(by_unit.mean()),
        any_alarm=float((by_unit > 0).mean()),
        any_alarm_at_most=at_most(int((by_unit > 0).sum()), units),
        ever_p=float(low / units),
        ever_p_at_most=at_most(int(low), units),
        effect=float(np.median(detector.effect)),
        tolerated=float(np.median(detector.tolerated)),
        seconds=time.perf_counter() - began,
    )


def text(line: Line) -> str:
    """Return a line of the table."""
    way = "plain" if line.plain else "ours"
    return (
        f"{line.stream:47} {line.floor:4.2f}  {way:5} {line.rows / 1e6:4.2f}M {line.units:5} "
        f"{line.promised:8.3f} {line.alarms:7.3f}  {line.any_alarm:.3f} ({line.any_alarm_at_most:.3f})  "
        f"{line.ever_p:.3f} ({line.ever_p_at_most:.3f})  {line.effect:5.1f}  {line.tolerated:.3f}"
    )


def jobs(*, quick: bool) -> list[tuple[Stream, float, bool, int, int, int]]:
    """Return what to measure: law, floor, plain, monitors, features of each, rows."""
    units, rows = (100, 200_000) if quick else (300, 2_500_000)
    found = []
    for stream in STREAMS:
        floors = (0.05, 0.0) if not stream.edge else (0.05,)
        found += [(stream, floor, False, units, 1, rows) for floor in floors]
        if stream.wave or stream.effect > 1 or stream.equal > 1:
            found.append((stream, 0.05, True, min(units, 100), 1, min(rows, 500_000)))
    independent = Stream("independent, reference 200k rows", reference_rows=200_000)
    found.append((independent, 0.0, False, 20 if quick else 100, 60, rows // 10))
    return found


def run(job: tuple[Stream, float, bool, int, int, int]) -> Line:
    """Do one of the jobs."""
    stream, floor, plain, units, features, rows = job
    return measure(stream, floor, plain=plain, units=units, features=features, rows=rows, seed=17)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a minute instead of ten: fewer and shorter streams"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lines = []
    if not arguments.json:
        print(HEAD)
    with ProcessPoolExecutor(2) as pool:
        for line in pool.map(run, jobs(quick=arguments.quick)):
            lines.append(line)
            if not arguments.json:
                print(text(line), flush=True)
    if arguments.json:
        print(json.dumps([asdict(line) for line in lines]))


if __name__ == "__main__":
    main()
