"""Counts one column by its bins, and what a profile tells besides: moments, dependence, hours, days.

A `Tally` is fed batch by batch; several can be added, and it can be pickled without its bins, for engines
that count elsewhere.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.bins import Bins, Counts, text_lengths
from mlobs.drift.calendar import HOURS, SLOTS
from mlobs.drift.centroids import pack
from mlobs.drift.choosing import shortest
from mlobs.drift.columns import Categories, Codes, Column, Numbers, Vectors
from mlobs.drift.days import learned_floor
from mlobs.drift.dependence import Blocks
from mlobs.drift.feature import Feature
from mlobs.drift.sequential.dispersion import Effects
from mlobs.drift.sequential.hours import effects_of
from mlobs.drift.sequential.swings import Swings
from mlobs.errors import DataError

VECTORS_AT_ONCE = 4_096  # they are widened to doubles


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known about the rows of a batch, the same for all columns.

    Args:
        order: Of the rows in time, or None if it is their own.
        blocks: For each row in this order the number of its block, ascending from that of the open
            one, 0; empty if the rows are in no order.
        slots: For each row its hour of the week, or None if times are not known.
        days: For each row the place of its day in `day_numbers`.
        day_numbers: Days since 1970.
        segments: For each row its segment, or None if there are none.
    """

    order: Codes | None = None
    blocks: Codes = field(default_factory=lambda: np.empty(0, np.intp))
    slots: Codes | None = None
    days: Codes | None = None
    day_numbers: tuple[int, ...] = ()
    segments: Codes | None = None


class Tally:
    """The counts of one column.

    Args:
        bins: Of the feature.
        segments: How many there are.
        by_time: The rows' times are known: compare blocks with their neighbours, and keep hours and days.
        share: Of the rows that are counted.
    """

    def __init__(self, bins: Bins, *, segments: int = 0, by_time: bool = False, share: float = 1.0) -> None:
        self.bins = bins
        width = len(bins.coarse_names)
        self.counts: Counts = np.zeros(len(bins.names), np.int64)
        self.moments = Spread()
        self.vectors = Spread()
        self.blocks = Blocks(width, by_time=by_time, share=share)
        self.swings = Swings(width, share=share)
        self.slots: Counts = np.zeros((SLOTS if by_time else 0, width), np.int64)
        self.days: dict[int, NDArray[np.int32]] = {}  # each (hours, bins)
        self.segments: Counts = np.zeros((segments, width), np.int64)

    def add(self, column: Column, rows: Rows) -> None:
        """Count the values of a batch.

        Raises:
            DataError: The column is of another kind than the feature.
        """
        places = self.bins.of_column(column)
        if places is None:
            raise DataError("its kind changes from one part of the data to another")
        self.counts += self.bins.counts(places)
        self._add_moments(column)
        online = self.bins.group[places]
        width = self.slots.shape[1]
        if len(rows.blocks):
            ordered = online if rows.order is None else online[rows.order]
            self.blocks.add(ordered, rows.blocks)
            self.swings.add(ordered)
        if rows.slots is not None and len(self.slots):
            self.slots += table(rows.slots, online, SLOTS, width)
        if rows.days is not None:
            hours = rows.days * HOURS + (0 if rows.slots is None else rows.slots % HOURS)
            counted = table(hours, online, len(rows.day_numbers) * HOURS, width).astype(np.int32)
            for day, counts in zip(rows.day_numbers, counted.reshape(-1, HOURS, width), strict=True):
                self.days[day] = self.days[day] + counts if day in self.days else counts.copy()
        if rows.segments is not None:
            self.segments += table(rows.segments, online, len(self.segments), width)

    def merge(self, other: "Tally") -> None:
        """Add the counts of other rows by the same bins. Open blocks are not counted."""
        self.counts += other.counts
        self.moments.merge(other.moments)
        self.vectors.merge(other.vectors)
        self.blocks.merge(other.blocks)
        self.swings.merge(other.swings)
        self.slots += other.slots
        self.segments += other.segments
        for day, counts in other.days.items():
            self.days[day] = self.days[day] + counts if day in self.days else counts

    def feature(self, *, season: bool = False, shuffled: bool = False) -> Feature:
        """Return the feature with these counts.

        Args:
            season: With those by hour of the week.
            shuffled: The rows were in no order, so of their dependence only that is known which hours
                show, if there are times. Nothing is known of a column by which they are sorted.
        """
        known = not (shuffled or self.swings.sorted())
        effect = self.blocks.design_effect(self.bins.coarse(self.counts)) if known else None
        found: dict[str, object] = {
            "counts": tuple(self.counts.tolist()),
            "design_effect": effect,
            "unrest": self.swings.effects() if known else (),
        }
        if self.days and (known or shuffled):
            found |= self._unrest_by_hour(season=season, shuffled=shuffled)
        if self.bins.feature.kind == "embedding":
            found |= self.vectors.of_vectors()
        else:
            found |= self.moments.of_numbers()
        if self.days:
            days = np.stack([self.days[day].sum(axis=0) for day in sorted(self.days)])
            found["learned_floor"] = learned_floor(
                days, None if season else self.slots, design_effect=effect or 1.0
            )
        if season:
            found["slots"] = tuple(map(tuple, self.slots.tolist()))
        return self.bins.feature.model_copy(update=found)

    def _unrest_by_hour(self, *, season: bool, shuffled: bool) -> dict[str, object]:
        """Return what the hours show; beside the laws of the hours only if a monitor will know those."""
        days = sorted(self.days)
        numbers = (np.array(days)[:, None] * HOURS + np.arange(HOURS)).ravel()
        counts = np.concatenate([self.days[day] for day in days]).astype(np.float64)
        blocks = () if shuffled else self.swings.effects()

        def measured(hours: int) -> Effects:
            return effects_of(numbers, counts, hours=hours, share=self.swings.share, shorter=blocks)

        found: dict[str, object] = {"unrest": measured(1)} if shuffled else {}
        if season:
            found |= {"unrest_by_hour_of_day": measured(HOURS), "unrest_by_hour_of_week": measured(SLOTS)}
        return found

    def _add_moments(self, column: Column) -> None:
        kind = self.bins.feature.kind
        if kind == "text" and isinstance(column, Categories):
            self.moments.add(text_lengths(column))
        elif self.bins.numeric and isinstance(column, Numbers):
            self.moments.add(column.values)
        elif isinstance(column, Vectors) and column.values.shape[1] == self.bins.feature.width:
            self.vectors.add(column.values)


@dataclass
class Spread:
    """Mean and squared deviation of numbers or vectors, by batches: Chan, Golub and LeVeque (1979)."""

    finite: int = 0
    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))
    deviation: float = 0.0  # sum of squared distances from the mean

    def add(self, values: NDArray[np.float64] | NDArray[np.float32]) -> None:
        """Add the finite ones of some rows."""
        if values.ndim == 2 and len(values) > VECTORS_AT_ONCE:
            for start in range(0, len(values), VECTORS_AT_ONCE):
                self.add(values[start : start + VECTORS_AT_ONCE])
            return
        usable = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
        if not usable.all():
            values = values[usable]
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):  # `of_numbers` looks whether it held
                mean = values.mean(axis=0, dtype=np.float64)
                apart = (values - mean).ravel()
                square = float(np.einsum("i,i->", apart, apart))  # a dot would start threads
            self.merge(Spread(len(values), mean, square))

    def merge(self, other: "Spread") -> None:
        """Add the rows of another one."""
        if not other.finite:
            return
        count = self.finite + other.finite
        with np.errstate(over="ignore", invalid="ignore"):
            step = other.mean - self.mean
            self.deviation += other.deviation + float((step**2).sum()) * self.finite * other.finite / count
            self.mean = self.mean + step * (other.finite / count)
        self.finite = count

    def of_numbers(self) -> dict[str, object]:
        """Return mean and std, if they are known, with as many digits as say something."""
        if not self.finite or not np.isfinite(self.deviation):
            return {}
        mean, std = float(self.mean), float(np.sqrt(self.deviation / self.finite))
        slack = 1e-6 * abs(mean)
        return {
            "mean": shortest(mean - slack, mean + slack),
            "std": shortest(std * (1 - 1e-6), std * (1 + 1e-6)),
        }

    def of_vectors(self) -> dict[str, object]:
        """Return the mean vector and the root mean square distance from it, if they are known."""
        if not self.finite or not np.isfinite(self.deviation):
            return {}
        spread = float(np.sqrt(self.deviation / self.finite))
        return {
            "mean_vector": pack(self.mean),
            "spread": shortest(spread * (1 - 1e-6), spread * (1 + 1e-6)),
        }


def table(keys: Codes, places: Codes, rows: int, width: int) -> Counts:
    """Return how often each place occurs with each key. Keys below 0 are left out.

    >>> table(np.array([0, 1, 1, -1]), np.array([2, 0, 0, 0]), 2, 3).tolist()
    [[0, 0, 1], [2, 0, 0]]
    """
    flat = keys * width + places
    if len(keys) and keys.min() < 0:
        flat = flat[keys >= 0]
    return np.bincount(flat, minlength=rows * width).reshape(rows, width)
