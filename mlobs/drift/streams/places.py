"""Turns rows into places: the online bin of each value, an array of shape (features, rows).

This is where a monitor's time goes, so it works on all numbers of a slice of rows at once. A row's
numbers are packed as doubles: that is the fastest way from Python objects into an array that refuses
text, which numpy's own conversion would read as a number. Tried on 200 rows of 40 numbers and 10
categories, in microseconds a row: `np.array(columns)` 1.0 and a check of types before it 0.9, packing
0.34 with the check for free; a binary search for each column 0.87, comparing all columns with their
first, second, ... cut 0.21; a look-up of each category by a method call 1.66, by a dict that learns 0.4.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, repeat
from operator import itemgetter
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.bins import CACHED_CHARACTERS_MAX, CACHED_LEVELS_MAX, Bins
from mlobs.drift.columns import Column, Numbers
from mlobs.drift.streams.joining import name_of
from mlobs.drift.streams.schema import is_of_type, tells_types
from mlobs.drift.streams.values import distinct, missing_of

Places = NDArray[np.intp]
Row = dict[str, Any]
NAN = float("nan")
EXTRA_NAMES_MAX = 20
EXTRA_CHARACTERS_MAX = 64
ONE = Struct("d")


class Placer:
    """Finds the bins of rows.

    Args:
        names: Of the columns, one for each of `bins`.
        bins: Of the features.
        given: The column whose values come beside the rows, such as the prediction, or None.
        known: Further columns that rows may have.
    """

    def __init__(
        self, names: Sequence[str], bins: Sequence[Bins], *, given: str | None, known: Sequence[str]
    ) -> None:
        self.names = list(names)
        self.bins = list(bins)
        self.given = given
        self.missing: Counter[str] = Counter()
        self.extra: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()  # of features whose `__other__` holds new values as well
        self._mixed = {i for i, one in enumerate(bins) if not tells_types(one.feature)}
        self._known = {*names, *known}
        self._kept: dict[object, str] = {}  # the first further columns, with what they are told as
        self._usual_columns = len(self.names) - (given in names)
        inner = [i for i, name in enumerate(self.names) if name != given]
        numeric = [i for i in inner if self.bins[i].feature.kind == "numeric"]
        self._cut = [i for i in numeric if self.bins[i].inner and not self.bins[i].feature.discrete]
        self._numeric = self._cut + [i for i in numeric if i not in set(self._cut)]
        self._levels = {i: Learning(self.bins[i]) for i in inner if bins[i].feature.kind == "categorical"}
        self._others = [i for i in inner if i not in self._levels and i not in set(numeric)]
        self._numbers = {self.names[i]: i for i in self._numeric}
        self._take = _taker(list(self._numbers))
        self._take_levels = _taker([self.names[i] for i in self._levels])
        self._pack = Struct(f"{len(self._numeric)}d").pack
        self._cuts, self._nulls = _table([self.bins[i] for i in self._cut])

    def of_rows(self, rows: Sequence[Row], given: Sequence[Any] | None) -> Places:
        """Return the places of rows; `given` has the values of the column that comes beside them."""
        places = np.empty((len(self.names), len(rows)), np.intp)
        missing = self.missing.total()
        if self._numeric:
            self._place_numbers(rows, places)
        if self._levels:
            self._place_levels(rows, places)
        for i in self._others:
            places[i] = placed(self.bins[i], [row.get(self.names[i]) for row in rows])
            self._note_missing(self.names[i], rows)
        if self.given in self.names:
            place, values = self.names.index(self.given), given or [None] * len(rows)
            beside = [row.get(self.given) if v is None else v for row, v in zip(rows, values, strict=True)]
            places[place] = placed(self.bins[place], beside)
            self._note_wrong(place, places[place], beside)
        self._note_extra(rows, missing=self.missing.total() > missing)
        return places

    def of_columns(self, columns: Mapping[str, Column], rows: int) -> Places:
        """Return the places of a batch. Columns of another kind are counted as their values in rows are."""
        places = np.empty((len(self.names), rows), np.intp)
        for i, (name, bins) in enumerate(zip(self.names, self.bins, strict=True)):
            column = columns.get(name)
            found = None if column is None else bins.of_column(column)
            if found is not None:
                places[i] = bins.group[found]
            elif column is not None:
                places[i] = self._of_another_kind(i, column, rows)
            else:
                places[i] = bins.group[bins.null]
            if column is None and name != self.given:
                self.missing[name] += rows
        self._keep_extra(columns)
        for text in [text for name, text in self._kept.items() if name in columns]:
            self.extra[text] += rows
        return places

    def _of_another_kind(self, i: int, column: Column, rows: int) -> Places:
        """Return the places of a column that is of another kind than its feature, value by value."""
        places: Places
        bins, known = self.bins[i], distinct(column)
        null, other = bins.group[[bins.null, bins.other]].tolist()
        if known is None:
            places = np.where(missing_of(column, rows), null, other)
            wrong = int((places == other).sum())
        else:
            values, codes = known
            own = placed(bins, values)
            odd = [p == other and not is_of_type(bins.feature, v) for p, v in zip(own, values, strict=True)]
            places, wrong = own[codes], int(np.array(odd, np.intp)[codes].sum())
        if wrong and i in self._mixed:
            self.wrong[self.names[i]] += wrong
        return places

    def _place_numbers(self, rows: Sequence[Row], places: Places) -> None:
        pack, take, odd = self._pack, self._take, []
        try:
            packed = b"".join([pack(*take(row)) for row in rows])
        except Exception:  # noqa: BLE001 a value is missing or no number; row by row, then
            parts = [self._pack_one(row) for row in rows]
            odd = [place for place, part in enumerate(parts) if part is None]
            nothing = pack(*repeat(NAN, len(self._numeric)))
            packed = b"".join([nothing if part is None else part for part in parts])
        values = np.frombuffer(packed).reshape(len(rows), -1).T
        cut = len(self._cut)
        if cut:
            found = np.zeros((cut, len(rows)), np.int16)
            inside = np.ascontiguousarray(values[:cut])
            for cuts in self._cuts:
                found += inside >= cuts
            lost = np.isnan(inside)
            places[self._cut] = np.where(lost, self._nulls, found) if lost.any() else found
        for i, column in zip(self._numeric[cut:], values[cut:], strict=True):
            bins = self.bins[i]
            counted = bins.of_column(Numbers(column))
            places[i] = bins.group[bins.other if counted is None else counted]
        for i in self._numeric if odd else ():
            name = self.names[i]
            beside = [_unpacked(rows[place].get(name)) for place in odd]
            places[i, odd] = placed(self.bins[i], beside)
            self._note_wrong(i, places[i, odd], beside)

    def _pack_one(self, row: Row) -> bytes | None:
        """Return a row's numbers, NaN for those that are missing, or None if one is of another type."""
        values = [row.get(name) for name in self._numbers]
        self.missing.update([name for name in self._numbers if name not in row])
        try:
            return self._pack(*[NAN if value is None else value for value in values])
        except Exception:  # noqa: BLE001 whatever a value does when it is asked for a number
            return None

    def _place_levels(self, rows: Sequence[Row], places: Places) -> None:
        try:
            columns = list(zip(*map(self._take_levels, rows), strict=True))
        except KeyError:
            names = [self.names[i] for i in self._levels]
            columns = [tuple(row.get(name) for row in rows) for name in names]
            for name in names:
                self._note_missing(name, rows)
        for (i, learning), values in zip(self._levels.items(), columns, strict=True):
            try:
                places[i] = list(map(learning.__getitem__, values))
            except Exception:  # noqa: BLE001 such as a list where a category was expected
                places[i] = placed(self.bins[i], values)
            self._note_wrong(i, places[i], values)

    def _note_wrong(self, i: int, places: Places, values: Sequence[Any]) -> None:
        """Tell values of another type from those that are new, where both are in `__other__`."""
        if i in self._mixed:
            bins = self.bins[i]
            others = np.flatnonzero(places == bins.group[bins.other]).tolist()
            wrong = sum(not is_of_type(bins.feature, values[place]) for place in others)
            if wrong:
                self.wrong[self.names[i]] += wrong

    def _note_missing(self, name: str, rows: Sequence[Row]) -> None:
        lost = sum(name not in row for row in rows)
        if lost:
            self.missing[name] += lost

    def _note_extra(self, rows: Sequence[Row], *, missing: bool) -> None:
        """Look for columns the profile does not know, in rows longer than it, or that lack others."""
        longest = max(rows, key=len)
        if missing or len(longest) > self._usual_columns:
            for row in rows:
                self._keep_extra(row)
            for name, text in self._kept.items():
                found = sum(name in row for row in rows)
                if found:
                    self.extra[text] += found

    def _keep_extra(self, names: Iterable[object]) -> None:
        """Keep further columns' names. A row may have any number, so we look no further than they fit."""
        room = EXTRA_NAMES_MAX - len(self._kept)
        if room > 0:
            new = (name for name in names if name not in self._known and name not in self._kept)
            self._kept |= {name: name_of(name)[:EXTRA_CHARACTERS_MAX] for name in islice(new, room)}


class Learning(dict[Any, int]):
    """The online bin of each level, learnt when it is first seen, for as many as fit."""

    def __init__(self, bins: Bins) -> None:
        super().__init__()
        self._bins = bins

    def __missing__(self, value: Any) -> int:
        [place] = placed(self._bins, [value]).tolist()
        # Of 1, 1.0 and True, which are one key, the names as levels differ.
        if type(value) is str and len(self) < CACHED_LEVELS_MAX and len(value) <= CACHED_CHARACTERS_MAX:
            self[value] = place
        return int(place)


def _unpacked(value: Any) -> Any:
    """Return what packing makes of a value, or the value itself if it is no number."""
    try:
        return ONE.unpack(ONE.pack(value))[0]
    except Exception:  # noqa: BLE001 see `_pack_one`
        return value


def placed(bins: Bins, values: Sequence[Any]) -> Places:
    """Return the online bin of Python values of any kind; those that cannot be read are in `__other__`."""
    try:
        with np.errstate(all="ignore"):  # a number too large for the type it is counted in
            return bins.of_values(values)
    except Exception:  # noqa: BLE001 a value may run any code; then one by one
        return np.array([_place(bins, value) for value in values], np.intp)


def _place(bins: Bins, value: Any) -> int:
    try:
        return int(bins.of_values([value])[0])
    except Exception:  # noqa: BLE001 see `placed`
        return int(bins.group[bins.other])


def _taker(names: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    """Return what takes columns out of a dict at once; KeyError if one is missing."""
    if not names:
        return lambda _: ()
    take = itemgetter(*names)
    return take if len(names) > 1 else lambda row: (take(row),)


def _table(bins: Sequence[Bins]) -> tuple[NDArray[np.float64], Places]:
    """Return all features' first cuts, second cuts and so on, shape (cuts, features, 1), and their nulls.

    A value's place is the number of cuts that are at most as large. Rows of the table that a feature
    does not have are NaN, which nothing exceeds.
    """
    height = max((len(one.online_cuts) for one in bins), default=0)
    table = np.full((height, len(bins), 1), np.nan)
    for i, one in enumerate(bins):
        table[: len(one.online_cuts), i, 0] = one.online_cuts
    nulls = np.array([one.group[one.null] for one in bins], np.intp).reshape(-1, 1)
    return table, nulls
