"""Counts values by the bins of a profile.

`Bins` is a feature made ready for counting. It turns a column of a batch into numbers of fine bins,
and a list of Python values, as services have them, into numbers of online bins. Numbers are binned by
one binary search, NaN included; categories by one look-up for each level that occurs.
"""

import base64
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlobs.drift.columns import BOOLEAN_LEVELS, NO_TYPE, NUMBER_TYPES, Categories, Codes, Column, Numbers
from mlobs.drift.profile import ABOVE, BELOW, NULL, OTHER, RESERVED, REST, Feature

Counts = NDArray[np.int64]
LEVEL_CHARACTERS_MAX = 64
CACHED_LEVELS_MAX = 10_000


class Bins:
    """The bins of one feature, ready for counting.

    `names` are the fine bins, in the order of `Feature.counts`. `coarse_names` are those of live
    monitors, and `group` says for each fine bin which of those it is part of.
    """

    def __init__(self, feature: Feature) -> None:
        self.feature = feature
        self.numeric = feature.kind == "numeric"
        inner = max(len(feature.edges) - 1, 0) if self.numeric else len(feature.levels)
        self.inner = inner
        self.starts = feature.online or tuple(range(inner))  # of the runs that are one bin online
        runs = np.searchsorted(np.array(self.starts), np.arange(inner), side="right") - 1
        numbered = [f"{run:02d}" for run in range(int(runs[-1]) + 1 if inner else 0)]
        if self.numeric:
            self.names = [BELOW, *(f"{i:02d}" for i in range(inner)), ABOVE, NULL, OTHER]
            self.coarse_names = [BELOW, *numbered, ABOVE, NULL, OTHER]
            self.group = np.concatenate([[0], runs + 1, len(numbered) + 1 + np.arange(3)]).astype(np.intp)
        else:
            top = len(self.starts)
            self.names = [*feature.levels, REST, NULL, OTHER]
            self.coarse_names = [*feature.levels[:top], REST, NULL, OTHER]
            places = np.minimum(np.arange(inner), top)  # the less frequent levels join the rest
            self.group = np.concatenate([places, top + np.arange(3)]).astype(np.intp)
        self.null = len(self.names) - 2
        self.other = len(self.names) - 1
        # The largest value is inside. NaN sorts behind infinity, so a last cut of NaN tells them apart.
        last = [np.nextafter(edge, np.inf) for edge in feature.edges[-1:]]
        self.cuts = np.array([*feature.edges[:-1], *last, np.nan], dtype=np.float64)
        starts = [feature.edges[run] for run in self.starts] if self.numeric and inner else []
        self.online_cuts = np.array([*starts, *last, np.nan], dtype=np.float64)
        self.table = {level: place for place, level in enumerate(feature.levels)}
        self.rare = frozenset(np.frombuffer(base64.b64decode(feature.rare), dtype="<u4").tolist())

    def of_column(self, column: Column) -> Codes | None:
        """Return the bin of each value, or None if the column is of another kind."""
        if isinstance(column, Numbers):
            return self._of_numbers(column.values, self.cuts) if self.numeric else None
        if not isinstance(column, Categories) or self.numeric:
            return None
        if column.boolean is not (self.feature.kind == "boolean") and bool((column.codes >= 0).any()):
            return None
        places = np.array([*(self.level(text) for text in column.levels), self.null], dtype=np.intp)
        return places[column.codes]  # a code of -1 is the last place

    def of_values(self, values: Sequence[Any]) -> Codes:
        """Return the online bin of each Python value. What is of another type is in `__other__`."""
        if not self.numeric:
            return self.group[[self._of_category(value) for value in values]]
        types = set(map(type, values)) - {float, NO_TYPE}
        if all(issubclass(kind, NUMBER_TYPES) for kind in types):
            try:
                numbers = np.array(values, dtype=np.float64)
            except OverflowError:  # an int beyond the largest double; the slow way knows
                pass
            else:
                return self._online(numbers)
        return np.array([self._of_any(value) for value in values], dtype=np.intp)

    def level(self, text: str) -> int:
        """Return the bin of a level, which may be known, known but rare, or new."""
        place = self.table.get(text)
        if place is None:
            key = shortened(text)
            place = self.table.get(key, self.inner if fingerprint(key) in self.rare else self.other)
            if len(self.table) < CACHED_LEVELS_MAX:
                self.table[text] = place
        return place

    def counts(self, places: Codes) -> Counts:
        """Return how many values are in each fine bin."""
        return np.bincount(places, minlength=len(self.names))

    def coarse(self, counts: ArrayLike) -> Counts:
        """Return the counts of live monitors' bins, given those of the fine ones."""
        given = np.asarray(counts, dtype=np.float64)  # exact up to 2**53 rows
        return np.bincount(self.group, weights=given, minlength=len(self.coarse_names)).astype(np.int64)

    def _of_numbers(self, values: NDArray[np.float64], cuts: NDArray[np.float64]) -> Codes:
        if not self.inner:  # the reference had no number, so any is new
            return np.where(np.isnan(values), self.null, self.other)
        return cuts.searchsorted(values, side="right")

    def _online(self, values: NDArray[np.float64]) -> Codes:
        found = self._of_numbers(values, self.online_cuts)
        return found if self.inner else self.group[found]

    def _of_any(self, value: Any) -> int:
        if value is None:
            return int(self.group[self.null])
        if not isinstance(value, NUMBER_TYPES):
            return int(self.group[self.other])
        try:
            number = float(value)
        except OverflowError:
            number = np.inf if value > 0 else -np.inf
        return int(self._online(np.array([number]))[0])

    def _of_category(self, value: Any) -> int:
        if value is None or (isinstance(value, float) and value != value):
            return self.null
        if self.feature.kind == "boolean":
            known = isinstance(value, bool | np.bool_ | int) and value in (0, 1)
            return self.level(BOOLEAN_LEVELS[int(value)]) if known else self.other
        return self.level(value if isinstance(value, str) else str(value))


def shortened(text: str) -> str:
    """Return a level's name as profiles keep it: of bounded length, and no reserved name.

    >>> shortened("JFK"), shortened("__null__"), len(shortened("x" * 10_000))
    ('JFK', '=__null__', 64)
    """
    if text in RESERVED:
        return f"={text}"
    if len(text) <= LEVEL_CHARACTERS_MAX:
        return text
    return f"{text[: LEVEL_CHARACTERS_MAX - 9]}…{fingerprint(text):08x}"


def fingerprint(level: str) -> int:
    """Return the CRC-32 of a level's name."""
    return crc32(level.encode("utf-8", "surrogatepass"))
