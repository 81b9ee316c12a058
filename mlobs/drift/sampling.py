"""A random sample of the rows that choose the bins, of bounded size, from a stream of batches.

Which rows choose the bins and which are counted follows from a hash of the row's number, so the same
data gives the same profile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.columns import (
    Categories,
    Codes,
    Column,
    Countable,
    Mask,
    Numbers,
    Unusable,
    Vectors,
    all_missing,
    nothing,
    part,
)
from mlobs.errors import DataError

SAMPLE_ROWS = 100_000
SAMPLE_VALUES = 16_000_000
SAMPLE_ROWS_MIN = 1_000

Hashes = NDArray[np.uint64]


def hashes_of(start: int, rows: int) -> Hashes:
    """Return a pseudo-random number for each of so many rows from `start` on (splitmix64 of its place)."""
    mixed = (np.arange(start + 1, start + rows + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def chooses_bins(hashes: Hashes) -> Mask:
    """Return which rows choose the bins; the others are counted."""
    return (hashes & np.uint64(1)).astype(np.bool_)


def counted_rows(start: int, rows: int) -> Codes:
    """Return which of so many rows from `start` on are counted, by their place in the batch."""
    return np.flatnonzero(~chooses_bins(hashes_of(start, rows)))


def kept_max(width: int) -> int:
    """Return how many rows of so many values are kept, or up to twice as many."""
    return min(max(SAMPLE_VALUES // max(width, 1), SAMPLE_ROWS_MIN), SAMPLE_ROWS)


def limit_of(rows: int, width: int) -> int:
    """Return the largest hash that is kept of so many rows of so many values.

    >>> limit_of(400_000, 20) == 2**64 - 1, limit_of(400_001, 20) == 2**63 - 1
    (True, True)
    """
    limit, kept = (1 << 64) - 1, rows / 2
    while kept > 2 * kept_max(width):
        limit, kept = limit // 2, kept / 2
    return limit


@dataclass
class Sample:
    """The sampled rows, by column. Feed it every batch in turn, then ask for `column`.

    Args:
        excluded: Columns that turned out not to be countable, and why.
    """

    rows: int = 0
    excluded: dict[str, str] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _hashes: list[Hashes] = field(default_factory=list)
    _parts: list[dict[str, Countable]] = field(default_factory=list)
    _kept: int = 0
    _kept_max: int = SAMPLE_ROWS
    _limit: int = (1 << 64) - 1

    @property
    def names(self) -> list[str]:
        """Return the columns that can be counted, in their order."""
        return [name for name in (self._parts[0] if self._parts else ()) if name not in self.excluded]

    def add(self, columns: Mapping[str, Column], rows: int) -> None:
        """Keep some rows of a batch.

        Raises:
            DataError: It has other columns than the batches before.
        """
        self._begin(columns)
        refuse_other_columns(self._names, columns, self.rows)
        hashes = hashes_of(self.rows, rows)
        keep = np.flatnonzero(chooses_bins(hashes) & (hashes <= np.uint64(self._limit)))
        self._keep(columns, hashes, keep)
        self.rows += rows
        while self._kept > 2 * self._kept_max:
            self._thin()

    def take(self, columns: Mapping[str, Column], hashes: Hashes) -> None:
        """Keep rows that were sampled elsewhere, by `limit_of`; `rows` is left for the caller to set."""
        self._begin(columns)
        self._keep(columns, hashes, np.arange(len(hashes)))

    def _begin(self, columns: Mapping[str, Column]) -> None:
        if not self._parts:
            self._names = set(columns)
            width = sum(c.values.shape[1] if isinstance(c, Vectors) else 1 for c in columns.values())
            self._kept_max = kept_max(width)

    def _keep(self, columns: Mapping[str, Column], hashes: Hashes, keep: Codes) -> None:
        found = {}
        for name, column in columns.items():
            if isinstance(column, Unusable):
                self.excluded[name] = column.why
            else:
                found[name] = _part(column, keep)
        self._hashes.append(hashes[keep])
        self._parts.append(found)
        self._kept += len(keep)

    def column(self, name: str) -> Countable:
        """Return what was kept of a column.

        Raises:
            DataError: Its kind changes from one part of the data to another.
        """
        parts = [batch[name] for batch in self._parts]
        known = [column for column in parts if not all_missing(column)]
        if len({column.kind for column in known}) > 1:
            raise DataError(
                f"Column {name!r} cannot be profiled: its kind changes from one part of the data to another. "
                f"Wanted: one type in all of the data. Leave it out with: --exclude"
            )
        if known:
            return _joined([_as(known[0], column) for column in parts])
        typed = [column for column in parts if column.dtype != "null"]
        return typed[0] if typed else nothing(sum(len(hashes) for hashes in self._hashes))

    def _thin(self) -> None:
        """Forget the rows whose hash is above the limit: every second one."""
        self._limit //= 2
        for place, hashes in enumerate(self._hashes):
            keep = np.flatnonzero(hashes <= np.uint64(self._limit))
            self._hashes[place] = hashes[keep]
            self._parts[place] = {name: _part(column, keep) for name, column in self._parts[place].items()}
        self._kept = sum(map(len, self._hashes))


def refuse_other_columns(wanted: set[str], found: Mapping[str, object], row: int) -> None:
    """Raise a DataError if the columns of a batch are not those of the batches before."""
    for name in sorted(wanted ^ set(found)):
        what = "is missing from" if name in wanted else "first occurs in"
        raise DataError(f"Column {name!r} {what} row {row} on. Wanted: the same columns in all of the data.")


def _part(column: Countable, rows: Codes) -> Countable:
    """Return some rows of a column, without the levels that are not among them."""
    if not isinstance(column, Categories):
        found = part(column, rows)
        assert not isinstance(found, Unusable)
        return found
    codes = column.codes[rows]
    used = np.zeros(len(column.levels) + 1, np.bool_)
    used[codes] = True  # a code of -1 is the last place
    used[-1] = False
    places = np.cumsum(used) - 1
    places[-1] = -1
    levels = [column.levels[int(place)] for place in np.flatnonzero(used)]
    return Categories(places[codes], levels, column.boolean, column.dtype)


def _as(model: Countable, column: Countable) -> Countable:
    """Return a column in the form of `model`, if it has no value."""
    if not all_missing(column):
        return column
    rows = len(column.codes if isinstance(column, Categories) else column.values)
    if isinstance(model, Numbers):
        return Numbers(np.full(rows, np.nan), model.dtype, model.kind)
    if isinstance(model, Categories):
        return Categories(np.full(rows, -1, np.intp), model.levels, model.boolean, model.dtype)
    values = np.full((rows, model.values.shape[1]), np.nan, np.float32)
    return Vectors(values, np.ones(rows, np.bool_))


def _joined(parts: list[Countable]) -> Countable:
    first = parts[0]
    if isinstance(first, Numbers):
        numbers = [column for column in parts if isinstance(column, Numbers)]
        whole = all(column.dtype == "int64" for column in numbers)
        dtype = "int64" if whole else next((c.dtype for c in numbers if c.dtype != "int64"), first.dtype)
        return Numbers(np.concatenate([column.values for column in numbers]), dtype, first.kind)
    if isinstance(first, Categories):
        return _joined_levels([column for column in parts if isinstance(column, Categories)])
    vectors = [column for column in parts if isinstance(column, Vectors)]
    widths = np.concatenate([np.full(len(v.values), v.values.shape[1]) for v in vectors])
    width = int(np.bincount(widths).argmax()) if len(widths) else first.values.shape[1]
    values = [
        v.values if v.values.shape[1] == width else np.full((len(v.values), width), np.nan, np.float32)
        for v in vectors
    ]
    return Vectors(np.concatenate(values), np.concatenate([v.missing for v in vectors]))


def _joined_levels(parts: list[Categories]) -> Categories:
    place: dict[str, int] = {}
    codes = []
    for column in parts:
        known = [place.setdefault(level, len(place)) for level in column.levels]
        codes.append(np.array([*known, -1], dtype=np.intp)[column.codes])
    mixed = any(column.dtype == "mixed" for column in parts)
    dtype = "mixed" if mixed else next((c.dtype for c in parts if c.dtype != "null"), "string")
    return Categories(np.concatenate(codes), list(place), parts[0].boolean, dtype)
