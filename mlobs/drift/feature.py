"""One feature of a profile: its bins, and how many reference rows fell into each.

Plain data, as it stands in the file; `bins` makes it ready for counting.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mlobs.drift.calendar import SLOTS
from mlobs.errors import ProfileError

Kind = Literal["numeric", "categorical", "boolean", "datetime", "text", "embedding"]

NULL = "__null__"
OTHER = "__other__"
BELOW = "__below__"
ABOVE = "__above__"
REST = "__rest__"
RESERVED = (NULL, OTHER, BELOW, ABOVE, REST)

AXIS_KINDS = frozenset({"numeric", "datetime", "text"})
FLOAT_BYTES = 4


def _of_fours(text: str) -> str:
    if len(base64.b64decode(text, validate=True)) % FLOAT_BYTES:
        raise ValueError("a multiple of four bytes was expected")
    return text


Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Unrest = tuple[tuple[Count, Annotated[Number, Field(ge=1)], Share], ...]
Packed = Annotated[str, AfterValidator(_of_fours)]


class Feature(BaseModel):
    """One column of the reference.

    Bins of a feature with an axis (numeric, datetime, text), in the order of `counts`: `__below__`,
    one per pair of neighbouring `edges` (the lower edge belongs to the bin), `__above__`, `__null__`,
    `__other__` (not a number; of a discrete feature also a value between the known ones).
    Bins of categories and booleans: one per level, `__rest__` (a rarer level that the reference had),
    `__null__`, `__other__` (a level that it did not have).
    Bins of an embedding: one per centroid, for the vectors nearest to it, `__null__`, `__other__` (of
    another width, or not finite).

    Args:
        kind: Boolean is categorical with the levels false and true. A datetime's axis is seconds since
            1970 UTC, a text's is its length in characters.
        dtype: The type that the data had, as a word: int64 (whole numbers, in whatever type),
            float64, bool, string, mixed, date, timestamp, timestamp[UTC] (with any time zone), time,
            duration, vector[WIDTH].
        discrete: Each value between the smallest and the largest edge has its own bin: the edges are
            the values, and the largest stands twice.
        edges: From the smallest value to the largest; empty if the reference had no number.
        medians: Of the values between each pair of edges.
        levels: The most frequent ones, most frequent first.
        rare: Fingerprints of the levels in `__rest__`: CRC-32s, sorted, four bytes each, base64.
            Levels rarer still are not remembered and count as `__other__`, in the reference too.
        counts: Reference rows in each bin.
        online: The first of each run of inner bins that live monitors count as one.
        design_effect: How much more counts of neighbouring rows vary than independent rows would;
            None if it was not measured.
        unrest: For several block lengths: rows, by how much more the counts of so many rows in a row vary
            than of independent ones (in the direction in which they vary most), and the amplitude of
            the swing as a total variation. Of lengths without effect only the longest is told. Empty if
            it was not measured. What a detector makes of it: `sequential.dispersion`. Of shuffled rows
            with times it tells of lengths from an hour on.
        unrest_by_hour_of_day: The same, around the law of the same hour of the day; of a feature with
            slots whose days are enough to tell (`sequential.hours`).
        unrest_by_hour_of_week: The same, around that of the same hour of the week.
        learned_floor: The total variation that the reference's own days keep within; None if not known.
        mean: Of the finite values.
        std: Of the finite values.
        slots: Reference rows by hour of the week (UTC, Monday 00h first) and online bin, or empty.
        width: Of an embedding's vectors.
        centroids: Of an embedding's cells: float32, little-endian, row by row, base64.
        mean_vector: Of the embedding's vectors, in the same form.
        spread: The root mean square distance of an embedding's vectors from `mean_vector`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    dtype: str | None = None
    discrete: bool = False
    edges: tuple[Number, ...] = ()
    medians: tuple[Number, ...] = ()
    levels: tuple[str, ...] = ()
    rare: Packed = ""
    counts: tuple[Count, ...]
    online: tuple[int, ...] = ()
    design_effect: Annotated[Number, Field(ge=1)] | None = None
    unrest: Unrest = ()
    unrest_by_hour_of_day: Unrest = ()
    unrest_by_hour_of_week: Unrest = ()
    learned_floor: Share | None = None
    mean: Number | None = None
    std: Annotated[Number, Field(ge=0)] | None = None
    slots: tuple[tuple[Count, ...], ...] = ()
    width: Count = 0
    centroids: Packed = ""
    mean_vector: Packed = ""
    spread: Annotated[Number, Field(ge=0)] | None = None

    @property
    def rows(self) -> int:
        """Return how many rows the counts were taken from."""
        return sum(self.counts)

    @property
    def has_axis(self) -> bool:
        """Return whether the bins lie along an axis."""
        return self.kind in AXIS_KINDS

    @property
    def inner(self) -> int:
        """Return how many fine bins there are besides the reserved ones."""
        if self.has_axis:
            return max(len(self.edges) - 1, 0)
        if self.kind == "embedding":
            return _cells(self)
        return len(self.levels)

    @property
    def reserved(self) -> int:
        """Return how many reserved bins there are."""
        return {"embedding": 2, "categorical": 3, "boolean": 3}.get(self.kind, 4)

    @property
    def online_bins(self) -> int:
        """Return how many bins live monitors count, the reserved ones included."""
        return len(self.online or range(self.inner)) + self.reserved


def check_shape(where: str, name: str, feature: Feature) -> None:
    """Refuse a feature that cannot be counted with.

    Raises:
        ProfileError: Its parts do not fit each other.
    """
    kind_fits = {"embedding": _embedding_fits, "categorical": _levels_fit, "boolean": _levels_fit}.get(
        feature.kind, _axis_fits
    )
    fits = (
        len(feature.counts) == feature.inner + feature.reserved
        and _runs_fit(feature.online, feature.inner)
        and kind_fits(feature)
        and len(feature.slots) in {0, SLOTS}
        and all(len(slot) == feature.online_bins for slot in feature.slots)
    )
    if not fits:
        raise ProfileError(
            f"{where} is not a profile: the bins of {name!r} do not fit each other. "
            f"Make it anew with: mlobs drift profile DATA -o FILE"
        )


def _runs_fit(starts: Sequence[int], inner: int) -> bool:
    ascending = list(starts) == sorted(set(starts))
    return ascending and (not starts or (starts[0] == 0 and starts[-1] < inner))


def _axis_fits(feature: Feature) -> bool:
    edges = list(feature.edges)
    apart = len(set(edges)) == max(len(edges) - 1, 0) and edges[-1:] == edges[-2:-1]
    return (
        edges == sorted(edges)
        and len(feature.medians) == feature.inner
        and (not feature.discrete or apart)
        and not (feature.levels or feature.rare or feature.centroids)
    )


def _levels_fit(feature: Feature) -> bool:
    return (
        len(set(feature.levels)) == len(feature.levels)
        and list(feature.online) == list(range(len(feature.online)))
        and not (feature.edges or feature.medians or feature.centroids or feature.discrete)
    )


def _embedding_fits(feature: Feature) -> bool:
    mean = base64.b64decode(feature.mean_vector)
    cells = _cells(feature)
    return (
        len(base64.b64decode(feature.centroids)) == cells * feature.width * FLOAT_BYTES
        and len(mean) in {0, feature.width * FLOAT_BYTES}
        and list(feature.online) in ([], list(range(cells)))
        and not (feature.edges or feature.medians or feature.levels or feature.rare or feature.discrete)
    )


def _cells(feature: Feature) -> int:
    packed = len(feature.centroids) // 4 * 3 - feature.centroids[-2:].count("=")
    return packed // (feature.width * FLOAT_BYTES) if feature.width else 0
