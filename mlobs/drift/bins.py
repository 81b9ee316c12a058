"""Counts values by the bins of a profile.

`Bins` is a feature made ready for counting. It turns a column of a batch into numbers of fine bins,
and a list of Python values, as services have them, into numbers of online bins. What lies on an axis
is binned by one binary search, NaN included; categories by one look-up for each level that occurs;
vectors by the centroid that is nearest.
"""

import base64
from collections.abc import Sequence
from datetime import date, datetime
from math import inf, nextafter
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlobs.drift.centroids import nearest, unpack, usable
from mlobs.drift.columns import (
    AXIS_TYPES,
    BOOLEAN_LEVELS,
    NO_TYPE,
    NUMBER_TYPES,
    VECTOR_TYPES,
    Categories,
    Codes,
    Countable,
    Numbers,
    Singles,
    Unusable,
    Vectors,
    all_missing,
    by_text,
    is_missing,
    length,
    number_of,
    seconds_of,
    singles,
    text_of,
)
from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER, RESERVED, REST, Feature

Counts = NDArray[np.int64]
BOOLEAN_TYPES = (bool, np.bool_, *NUMBER_TYPES)  # of which 0 and 1 are false and true
LEVEL_CHARACTERS_MAX = 64
CACHED_LEVELS_MAX = 10_000
CACHED_CHARACTERS_MAX = 200  # of a level that is kept: clients choose what they send


class Bins:
    """The bins of one feature, ready for counting.

    `names` are the fine bins, in the order of `Feature.counts`. `coarse_names` are those of live
    monitors, and `group` says for each fine bin which of those it is part of. `numeric` says whether
    they lie along an axis, which those of times and text lengths do, too.
    """

    def __init__(self, feature: Feature) -> None:
        self.feature = feature
        self.numeric = feature.has_axis
        inner = feature.inner
        self.inner = inner
        self.starts = feature.online or tuple(range(inner))  # of the runs that are one bin online
        runs = np.searchsorted(np.array(self.starts), np.arange(inner), side="right") - 1
        numbered = [f"{run:02d}" for run in range(int(runs[-1]) + 1 if inner else 0)]
        if self.numeric:
            self.names = [BELOW, *(f"{i:02d}" for i in range(inner)), ABOVE, NULL, OTHER]
            self.coarse_names = [BELOW, *numbered, ABOVE, NULL, OTHER]
            self.group = np.concatenate([[0], runs + 1, len(numbered) + 1 + np.arange(3)]).astype(np.intp)
        elif feature.kind == "embedding":
            self.names = self.coarse_names = [*numbered, NULL, OTHER]
            self.group = np.arange(inner + 2, dtype=np.intp)
        else:
            top = len(self.starts)
            self.names = [*feature.levels, REST, NULL, OTHER]
            self.coarse_names = [*feature.levels[:top], REST, NULL, OTHER]
            places = np.minimum(np.arange(inner), top)  # the less frequent levels join the rest
            self.group = np.concatenate([places, top + np.arange(3)]).astype(np.intp)
        self.null = len(self.names) - 2
        self.other = len(self.names) - 1
        # The largest value is inside. NaN sorts behind infinity, so a last cut of NaN tells them apart.
        last = [nextafter(edge, inf) for edge in feature.edges[-1:]]
        self.cuts = np.array([*feature.edges[:-1], *last, np.nan], dtype=np.float64)
        starts = [feature.edges[run] for run in self.starts] if self.numeric and inner else []
        self.online_cuts = np.array([*starts, *last, np.nan], dtype=np.float64)
        self.table = {level: place for place, level in enumerate(feature.levels)}
        # What services mostly have, looked up at once: strings, or booleans, and None.
        known: dict[str | bool | None, int] = {
            level == "true" if feature.kind == "boolean" else level: int(self.group[place])
            for level, place in self.table.items()
        }
        self.online_table = known | {None: int(self.group[self.null])}
        self.plain_types = {bool if feature.kind == "boolean" else str, NO_TYPE}
        self.rare = frozenset(np.frombuffer(base64.b64decode(feature.rare), dtype="<u4").tolist())
        self.centroids = unpack(feature.centroids, feature.width)

    def of_column(self, column: Countable | Unusable) -> Codes | None:
        """Return the bin of each value, or None if the column is of another kind."""
        if isinstance(column, Unusable):
            return None
        if all_missing(column):
            return np.full(length(column) or 0, self.null, dtype=np.intp)
        kind = self.feature.kind
        if kind in {"numeric", "datetime"}:
            if not isinstance(column, Numbers) or column.kind != kind:
                return None
            return self._of_numbers(column.values, self.cuts)
        if kind == "embedding":
            return self._of_vectors(column) if isinstance(column, Vectors) else None
        if isinstance(column, Numbers) and column.kind == "numeric" and self._numbers_are_levels:
            column = by_text(column)
        if not isinstance(column, Categories) or column.boolean is not (kind == "boolean"):
            return None
        if kind == "text":
            return self._of_numbers(text_lengths(column), self.cuts)
        places = np.array([*(self.level(text) for text in column.levels), self.null], dtype=np.intp)
        return places[column.codes]  # a code of -1 is the last place

    def of_values(self, values: Sequence[Any]) -> Codes:
        """Return the online bin of each Python value. What is of another type is in `__other__`."""
        kind = self.feature.kind
        if kind == "numeric":
            types = set(map(type, values)) - {float, NO_TYPE}
            if all(issubclass(kind, NUMBER_TYPES) for kind in types):
                try:
                    numbers = np.array(values, dtype=np.float64)
                except (OverflowError, ValueError):  # an int beyond the largest double; the slow way knows
                    pass
                else:
                    return self._online(numbers)
        if kind == "embedding":
            return self._of_vector_values(values)
        if self.numeric:
            return self._of_axis_values(values)
        if set(map(type, values)) <= self.plain_types:
            known = self.online_table.get
            found = [known(value, -1) for value in values]
            for row in [row for row, place in enumerate(found) if place < 0]:
                found[row] = self._of_category(values[row])
            return np.array(found, dtype=np.intp)
        return np.array([self._of_category(value) for value in values], dtype=np.intp)

    def level(self, text: str) -> int:
        """Return the bin of a level, which may be known, known but rare, or new."""
        place = self.table.get(text)
        if place is None:
            key = shortened(text)
            place = self.table.get(key, self.inner if fingerprint(key) in self.rare else self.other)
            if len(self.table) < CACHED_LEVELS_MAX and len(text) <= CACHED_CHARACTERS_MAX:
                self.table[text] = place
        return place

    def counts(self, places: Codes) -> Counts:
        """Return how many values are in each fine bin."""
        return np.bincount(places, minlength=len(self.names))

    def coarse(self, counts: ArrayLike) -> Counts:
        """Return the counts of live monitors' bins, given those of the fine ones."""
        given = np.asarray(counts, dtype=np.float64)  # exact up to 2**53 rows
        return np.bincount(self.group, weights=given, minlength=len(self.coarse_names)).astype(np.int64)

    @property
    def _numbers_are_levels(self) -> bool:
        return self.feature.kind == "categorical" and self.feature.dtype in {"int64", "float64"}

    def _of_numbers(self, values: NDArray[np.float64], cuts: NDArray[np.float64]) -> Codes:
        if not self.inner:  # the reference had no number, so any is new
            return np.where(np.isnan(values), self.null, self.other)
        found = cuts.searchsorted(values, side="right")
        if self.feature.discrete:
            unknown = self.cuts[np.minimum(found, self.inner) - 1] != values
            unknown &= (found > 0) & (found <= self.inner)
            found[unknown] = self.other
        return found

    def _online(self, values: NDArray[np.float64]) -> Codes:
        if self.inner and not self.feature.discrete:
            return self._of_numbers(values, self.online_cuts)
        return self.group[self._of_numbers(values, self.cuts)]

    def _of_vectors(self, column: Vectors) -> Codes:
        values = column.values
        found = np.where(column.missing, self.null, self.other)
        if self.inner and values.shape[1] == self.feature.width:
            rows = np.flatnonzero(usable(values))
            found[rows] = nearest(values[rows], self.centroids)
        return found

    def _of_vector_values(self, values: Sequence[Any]) -> Codes:
        whole = self._stacked(values)
        if whole is not None:
            return self._of_vectors(Vectors(whole, np.zeros(len(values), np.bool_)))
        found = np.array([self.null if is_missing(value) else self.other for value in values], dtype=np.intp)
        vectors = [self._vector(value) for value in values]
        rows = [row for row, vector in enumerate(vectors) if vector is not None]
        if rows and self.inner:
            stacked = np.stack([vector for vector in vectors if vector is not None])
            found[rows] = self._of_vectors(Vectors(stacked, np.zeros(len(rows), np.bool_)))
        return found

    def _stacked(self, values: Sequence[Any]) -> Singles | None:
        """Return values at once if all are vectors of the right width, or None."""
        width = self.feature.width
        if not values or not all(isinstance(v, VECTOR_TYPES) and len(v) == width for v in values):
            return None
        try:
            found = singles(values)
        except (TypeError, ValueError, OverflowError):
            return None
        return found if found.ndim == 2 else None

    def _vector(self, value: Any) -> Singles | None:
        """Return a Python value as a vector of the right width, or None if it is none."""
        if not isinstance(value, VECTOR_TYPES) or len(value) != self.feature.width:
            return None
        try:
            found = singles(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return found if found.ndim == 1 else None

    def _of_axis_values(self, values: Sequence[Any]) -> Codes:
        """Return the online bins of values on an axis, whatever types they have."""
        numbers = [self._number(value) for value in values]
        found = self._online(np.array([np.nan if number is None else number for number in numbers]))
        found[[row for row, number in enumerate(numbers) if number is None]] = self.group[self.other]
        return found

    def _number(self, value: Any) -> float | None:
        """Return where on the axis a value is: NaN if it is missing, None if it is of another type."""
        if is_missing(value):
            return np.nan
        kind = self.feature.kind
        if kind == "text":
            return float(len(value)) if isinstance(value, str) else None
        if isinstance(value, bool | np.bool_):
            return float(value) if kind == "numeric" else None
        if kind == "datetime" and not isinstance(value, NUMBER_TYPES):
            return _seconds(value)
        return number_of(value) if isinstance(value, AXIS_TYPES) else None

    def _of_category(self, value: Any) -> int:
        if is_missing(value):
            return int(self.group[self.null])
        if self.feature.kind == "boolean":
            known = isinstance(value, BOOLEAN_TYPES) and value in (0, 1)
            return int(self.group[self.level(BOOLEAN_LEVELS[int(value)]) if known else self.other])
        return int(self.group[self.level(value if isinstance(value, str) else text_of(value))])


def text_lengths(column: Categories) -> NDArray[np.float64]:
    """Return how many characters each value has, NaN where it is missing."""
    lengths = np.array([*map(len, column.levels), np.nan], dtype=np.float64)
    return lengths[column.codes]


def shortened(text: str) -> str:
    """Return a level's name as profiles keep it: of bounded length, and no reserved name.

    >>> shortened("JFK"), shortened("__null__"), len(shortened("x" * 10_000))
    ('JFK', '=__null__', 64)
    """
    if text in RESERVED:
        return f"={text}"
    if not text.isascii():  # half a surrogate pair cannot be written
        text = text.encode("utf-8", "replace").decode()
    if len(text) <= LEVEL_CHARACTERS_MAX:
        return text
    return f"{text[: LEVEL_CHARACTERS_MAX - 9]}…{fingerprint(text):08x}"


def fingerprint(level: str) -> int:
    """Return the CRC-32 of a level's name."""
    return crc32(level.encode("utf-8", "surrogatepass"))


def _seconds(value: Any) -> float | None:
    """Return the seconds since 1970 of a time or of its ISO text, as services have it."""
    if isinstance(value, date | np.datetime64):
        return seconds_of(value)
    try:
        return seconds_of(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except ValueError:
        return None
