"""Which segment a row belongs to, and what the reference of a segment is."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.bins import Bins
from mlobs.drift.columns import Column, nothing
from mlobs.drift.feature import REST, Feature
from mlobs.drift.profile import Profile
from mlobs.drift.segments import label_of, places_of
from mlobs.errors import ProfileError

CACHED_MAX = 10_000
CACHED_CHARACTERS_MAX = 200  # of values that are kept: clients choose what they send


class Segments:
    """The segments of a profile: the largest ones, and all others as `__rest__`.

    Args:
        profile: With segments.
        most: So many by themselves, at most.
    """

    def __init__(self, profile: Profile, most: int) -> None:
        self.by = profile.by
        sizes = {name: _rows(counts) for name, counts in profile.segments.items() if name != REST}
        largest = sorted(sizes, key=lambda name: (-sizes[name], name))
        rest = [profile.segments[name] for name in (*largest[most:], REST) if name in profile.segments]
        self.names = [*largest[:most], REST]
        self._counts = [profile.segments[name] for name in largest[:most]]
        self._counts.append({name: _added([one[name] for one in rest]) for name in (rest[0] if rest else ())})
        self._place = {name: place for place, name in enumerate(self.names[:-1])}
        self._take = itemgetter(*self.by)
        self._learnt = _Learnt(self)

    def bins(self, place: int, features: Mapping[str, Feature]) -> list[Bins]:
        """Return the bins of features, with the counts of a segment."""
        counts = self._counts[place]
        return [Bins(_counted(feature, counts.get(name, ()))) for name, feature in features.items()]

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.intp]:
        """Return the place of each row's segment."""
        try:
            return np.array([self._learnt[values] for values in map(self._take, rows)], np.intp)
        except Exception:  # noqa: BLE001 a column is missing, or holds what has no hash
            named = [[row.get(name) for name in self.by] for row in rows]
            return np.array([self.place_of(values) for values in named], np.intp)

    def place_of(self, values: Sequence[object]) -> int:
        """Return the place of the segment of a row with these values."""
        rest = len(self.names) - 1
        try:
            return self._place.get(label_of(values), rest)
        except Exception:  # noqa: BLE001 a value that has no text is in no segment we know
            return rest

    def of_columns(self, columns: Mapping[str, Column], rows: int) -> NDArray[np.intp]:
        """Return the place of the segment of each row of a batch."""
        try:
            return places_of([columns.get(name, nothing(rows)) for name in self.by], self.names)
        except ProfileError:  # a column of something that has no name
            return np.full(rows, len(self.names) - 1, np.intp)


class _Learnt(dict[Any, int]):
    """The place of each segment, learnt when it is first seen, for as many as fit."""

    def __init__(self, segments: Segments) -> None:
        super().__init__()
        self._segments = segments

    def __missing__(self, key: Any) -> int:
        values = (key,) if len(self._segments.by) == 1 else key
        place = self._segments.place_of(values)
        # Of 1, 1.0 and True, which are one key, the names as segments differ.
        short = all(type(value) is str and len(value) <= CACHED_CHARACTERS_MAX for value in values)
        if short and len(self) < CACHED_MAX:
            self[key] = place
        return place


def _rows(counts: Mapping[str, Sequence[int]]) -> int:
    return max((sum(one) for one in counts.values()), default=0)


def _added(parts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*parts, strict=True))


def _counted(feature: Feature, online: Sequence[int]) -> Feature:
    """Return the feature with a segment's counts: within an online bin, in the proportions of the whole.

    The hours of the week are those of the whole, so a segment does without.
    """
    bins = Bins(feature)
    wanted = np.array(online or np.zeros(len(bins.coarse_names)), dtype=np.float64)
    whole = np.array(feature.counts, dtype=np.float64)
    sums = bins.coarse(feature.counts)[bins.group]
    share = np.divide(whole, sums, out=np.zeros_like(whole), where=sums > 0)
    counts = np.floor(share * wanted[bins.group])
    first = np.unique(bins.group, return_index=True)[1]
    counts[first] += wanted - np.bincount(bins.group, counts, minlength=len(wanted))
    return feature.model_copy(update={"counts": tuple(counts.astype(int).tolist()), "slots": ()})
