"""Makes a profile from batches of data, in two passes and bounded memory.

The first pass takes a random sample of one half of the rows and chooses the bins; the second counts
the other half by them. Which row is in which half follows from a hash of its number, so the same
data gives the same profile. The second pass also measures how much more the counts of blocks of
neighbouring rows vary than those of independent rows would.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.bins import Bins, fingerprint, shortened
from mlobs.drift.columns import Batch, Categories, Codes, Column, Doubles, Kind, Numbers, Unusable, part
from mlobs.drift.frames import batches
from mlobs.drift.profile import PREDICTION, Feature, Profile
from mlobs.errors import DataError, ProfileError

SAMPLE_ROWS = 100_000
ONLINE_BINS = 10
ONLINE_LEVELS = 8
RARE_LEVELS_PER_BIN = 8
DESIGN_BLOCK_ROWS = 500
DESIGN_BLOCKS_MIN = 10

Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]


def build(
    data: Any,
    *,
    model: str | None,
    columns: Sequence[str] | None,
    exclude: Sequence[str],
    prediction: str | None,
    ordered: bool,
    bins: int,
) -> Profile:
    """Return the profile of `data`. `Profile.of` says what the arguments mean."""
    if bins < 2:
        raise ProfileError(f"A profile of {bins} bins tells nothing. Wanted: at least 2 bins; 64 is usual.")
    source = batches(data)
    samples, excluded, rows, names = _sample(source, columns, exclude)
    if rows == 0:
        raise DataError("The data has no rows. Wanted: the rows a model was trained on.")
    for name in (*(columns or ()), *((prediction,) if prediction else ())):
        if name not in samples:
            raise _no_column(name, excluded, names)
    chosen = {name: sample.feature(bins) for name, sample in samples.items()}
    tallies = _count(source, chosen, ordered=ordered)
    features = {name: tally.feature() for name, tally in tallies.items()}
    if prediction is None and PREDICTION in features:
        prediction = PREDICTION
    if prediction not in {None, PREDICTION} and PREDICTION in features:
        raise ProfileError(
            f"The prediction is in column {prediction!r}, but there is a column {PREDICTION!r} as well. "
            f"Leave one of them out with: --exclude"
        )
    return Profile(model=model, rows=rows, prediction=prediction, excluded=excluded, features=features)


def shortest(low: float, high: float) -> float:
    """Return the number between `low` and `high` that has the fewest digits.

    >>> shortest(0.12345678, 0.12399999), shortest(3, 3), shortest(999, 1011)
    (0.1235, 3.0, 1000.0)
    """
    for digits in range(17):
        for target in (high, low, low / 2 + high / 2):
            found = float(f"{target:.{digits}e}")
            if low <= found <= high:
                return found
    return high


@dataclass
class _Sample:
    """Values of one column from the half of the rows that chooses the bins."""

    kind: Kind
    numbers: list[Doubles] = field(default_factory=list)
    hashes: list[Hashes] = field(default_factory=list)
    levels: Counter[str] = field(default_factory=Counter)

    def add(self, column: Column, hashes: Hashes) -> None:
        if isinstance(column, Numbers):
            self.numbers.append(column.values)
            self.hashes.append(hashes)
        elif isinstance(column, Categories):
            codes = column.codes
            times = np.bincount(codes[codes >= 0], minlength=len(column.levels))
            for place in np.flatnonzero(times):
                self.levels[shortened(column.levels[int(place)])] += int(times[place])

    def thin(self, limit: int) -> None:
        """Forget the rows whose hash is above the limit: every second one."""
        if self.numbers:
            hashes = np.concatenate(self.hashes)
            keep = hashes <= np.uint64(limit)
            self.numbers = [np.concatenate(self.numbers)[keep]]
            self.hashes = [hashes[keep]]
        self.levels = Counter({level: times // 2 for level, times in self.levels.items() if times > 1})

    def feature(self, bins: int) -> Feature:
        """Choose the bins. Their counts are zero until the other half was counted."""
        if self.kind == "numeric":
            values = np.concatenate([*self.numbers, np.empty(0)])
            return _numeric(np.sort(values[np.isfinite(values)]), bins)
        common = sorted(self.levels.items(), key=lambda item: (-item[1], item[0]))
        top = [level for level, _ in common[:bins]]
        rest = [fingerprint(level) for level, _ in common[bins : bins * (1 + RARE_LEVELS_PER_BIN)]]
        rare = base64.b64encode(np.sort(np.array(rest, dtype="<u4")).tobytes()).decode()
        online = tuple(range(min(ONLINE_LEVELS, len(top))))
        return Feature(
            kind=self.kind, levels=tuple(top), rare=rare, counts=(0,) * (len(top) + 3), online=online
        )


def _numeric(values: Doubles, bins: int) -> Feature:
    """Choose quantile bins. Equal edges become one, so few distinct values get few bins."""
    if not len(values):
        return Feature(kind="numeric", counts=(0,) * 4)
    n = len(values)
    edges = [float(values[0])]
    starts = [0]
    for rank in range(1, bins):
        # An edge is the smallest value of its bin: ties stay together, to the right of it.
        start = int(np.searchsorted(values, values[rank * n // bins], side="left"))
        if start > starts[-1] and values[start] > values[0]:
            edges.append(shortest(float(np.nextafter(values[start - 1], np.inf)), float(values[start])))
            starts.append(start)
    medians = [
        _median(values[start:stop], low, high)
        for (start, stop), (low, high) in zip(
            pairwise([*starts, n]), pairwise([*edges, float(values[-1])]), strict=True
        )
    ]
    return Feature(
        kind="numeric",
        edges=(*edges, float(values[-1])),
        medians=tuple(medians),
        counts=(0,) * (len(edges) + 3),
        online=_runs(starts, n),
    )


def _median(values: Doubles, low: float, high: float) -> float:
    """Return the median to a thousandth of the bin's width: further digits would say nothing."""
    middle = float(values[len(values) // 2])
    slack = (high - low) / 1000
    return shortest(middle - slack, middle + slack)


def _runs(starts: Sequence[int], n: int) -> tuple[int, ...]:
    """Return the first bins of about ten runs that hold about equally many values."""
    runs = [0]
    for run in range(1, ONLINE_BINS):
        nearest = int(np.argmin([abs(start - run * n / ONLINE_BINS) for start in starts]))
        if nearest > runs[-1]:
            runs.append(nearest)
    return tuple(runs)


@dataclass
class _Tally:
    """The counts of one column in the other half of the rows."""

    bins: Bins
    counts: NDArray[np.int64]
    open_block: NDArray[np.int64]
    squares: NDArray[np.float64]
    blocks: int = 0
    finite: int = 0
    mean: float = 0.0
    deviation: float = 0.0  # sum of squared differences from the mean

    def add(self, column: Column, block_of_row: Codes) -> None:
        places = self.bins.of_column(column)
        if places is None:
            raise DataError("its kind changes from one part of the data to another")
        self.counts += self.bins.counts(places)
        if isinstance(column, Numbers):
            self._add_moments(column.values)
        width = len(self.bins.coarse_names)
        if len(block_of_row):
            blocks = int(block_of_row[-1]) + 1
            flat = np.bincount(block_of_row * width + self.bins.group[places], minlength=blocks * width)
            table = flat.reshape(blocks, width)
            table[0] += self.open_block
            self.squares += (table[:-1].astype(np.float64) ** 2).sum(axis=0)
            self.blocks += blocks - 1
            self.open_block = table[-1]

    def _add_moments(self, values: Doubles) -> None:
        values = values[np.isfinite(values)]
        if not len(values):
            return
        mean, count = float(values.mean()), self.finite + len(values)
        step = mean - self.mean
        self.deviation += float(((values - mean) ** 2).sum()) + step**2 * self.finite * len(values) / count
        self.mean += step * len(values) / count
        self.finite = count

    def feature(self) -> Feature:
        found: dict[str, object] = {
            "counts": tuple(self.counts.tolist()),
            "design_effect": self._design_effect(),
        }
        if self.finite and np.isfinite(self.deviation):
            found["mean"] = shortest(self.mean - 1e-6 * abs(self.mean), self.mean + 1e-6 * abs(self.mean))
            std = float(np.sqrt(self.deviation / self.finite))
            found["std"] = shortest(std * (1 - 1e-6), std * (1 + 1e-6))
        return self.bins.feature.model_copy(update=found)

    def _design_effect(self) -> float | None:
        """Return the mean chi-square of blocks over its degrees of freedom, or None for few blocks.

        Every second row was left out of the blocks, which halves what the rows of a block have in
        common; that is undone. Less than two standard errors above 1 count as 1.

        Source: Rao and Scott, J. Am. Stat. Assoc. 76 (1981) 221, for the use of the factor.
        """
        if self.blocks < DESIGN_BLOCKS_MIN:
            return None
        p = self.bins.coarse(self.counts) / max(int(self.counts.sum()), 1)
        used = p > 0
        freedom = int(used.sum()) - 1
        if freedom < 1:
            return 1.0
        mean_square = self.squares[used] / self.blocks
        chi_square = float((mean_square / (DESIGN_BLOCK_ROWS * p[used])).sum()) - DESIGN_BLOCK_ROWS
        excess = chi_square / freedom - 1
        noise = float(np.sqrt(2 / (freedom * self.blocks)))
        return round(1 + 2 * excess, 2) if excess > 2 * noise else 1.0


def _sample(
    source: Iterable[Batch], columns: Sequence[str] | None, exclude: Sequence[str]
) -> tuple[dict[str, _Sample], dict[str, str], int, set[str]]:
    """Read the data once and keep a random sample of the half that chooses the bins.

    Returns also which columns were left out and why, how many rows there are, and all columns' names.
    """
    names: set[str] = set()
    samples: dict[str, _Sample] = {}
    excluded = dict.fromkeys(exclude, "left out on request")
    limit, kept, rows = (1 << 64) - 1, 0, 0
    for batch in source:
        hashes = _hashes(rows, batch.rows)
        keep = np.flatnonzero(_chooses_bins(hashes) & (hashes <= np.uint64(limit)))
        names |= set(batch.columns)
        for name, column in batch.columns.items():
            if name in excluded or (columns is not None and name not in columns):
                continue
            if isinstance(column, Unusable):
                excluded[name] = column.why
                continue
            samples.setdefault(name, _Sample(column.kind)).add(part(column, keep), hashes[keep])
        rows += batch.rows
        kept += len(keep)
        while kept > 2 * SAMPLE_ROWS:
            limit //= 2
            kept //= 2
            for sample in samples.values():
                sample.thin(limit)
    return samples, excluded, rows, names


def _count(source: Iterable[Batch], chosen: Mapping[str, Feature], *, ordered: bool) -> dict[str, _Tally]:
    """Read the data again and count the other half."""
    tallies = {}
    for name, feature in chosen.items():
        bins = Bins(feature)
        coarse = len(bins.coarse_names)
        tallies[name] = _Tally(
            bins, np.zeros(len(bins.names), np.int64), np.zeros(coarse, np.int64), np.zeros(coarse)
        )
    rows = counted = 0
    for batch in source:
        keep = np.flatnonzero(~_chooses_bins(_hashes(rows, batch.rows)))
        new = len(keep)
        inside = counted % DESIGN_BLOCK_ROWS
        block_of_row = (
            (np.arange(inside, inside + new) // DESIGN_BLOCK_ROWS) if ordered else np.empty(0, np.intp)
        )
        for name, tally in tallies.items():
            try:
                tally.add(part(batch.columns[name], keep), block_of_row)
            except KeyError:
                raise DataError(
                    f"Column {name!r} is missing from row {rows} on. "
                    f"Wanted: the same columns in all of the data."
                ) from None
            except DataError as error:
                raise DataError(f"Column {name!r} cannot be profiled: {error}.") from None
        rows += batch.rows
        counted += new
    return tallies


def _hashes(start: int, rows: int) -> Hashes:
    """Return a pseudo-random number for each row (splitmix64 of its place)."""
    mixed = (np.arange(start + 1, start + rows + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _chooses_bins(hashes: Hashes) -> Mask:
    return (hashes & np.uint64(1)).astype(np.bool_)


def _no_column(name: str, excluded: Mapping[str, str], found: Iterable[str]) -> ProfileError:
    if name in excluded:
        return ProfileError(f"Column {name!r} cannot be profiled: {excluded[name]}.")
    return ProfileError(f"The data has no column {name!r}. Columns found: {', '.join(sorted(found))}.")
