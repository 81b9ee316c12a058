"""Chooses the bins of a feature, given a sample of its values."""

import base64
from collections.abc import Sequence

import numpy as np

from mlobs.drift import centroids
from mlobs.drift.bins import fingerprint, shortened, text_lengths
from mlobs.drift.columns import (
    WHOLE_MAX,
    Categories,
    Countable,
    Doubles,
    Numbers,
    Vectors,
    by_text,
    is_number,
)
from mlobs.drift.feature import Feature
from mlobs.errors import ProfileError

ONLINE_BINS = 10
ONLINE_LEVELS = 8
RARE_LEVELS_PER_BIN = 8
LEVEL_BYTES_PER_BIN = 64  # of the names and fingerprints together, so that ten bins are under 1 KB
FINGERPRINT_BYTES = 16 / 3  # in base64
DISCRETE_VALUES_MAX = 64
DISCRETE_TIMES_MIN = 5
UNIQUE_ROWS_MIN = 100
WHOLE_ROWS_MIN = 100
UNIQUE_SHARE = 0.95
TEXT_UNIQUE_SHARE = 0.5
TEXT_CHARACTERS_MIN = 20
TEXT_SPREAD_MIN = 0.1
VECTORS_MAX = 20_000

NUMBERS_SHARE = 0.8
NEARLY_UNIQUE = "nearly every value is unique; to keep it, name it among the columns"
ROW_COUNTER = (
    "whole numbers that only rise or fall, as those that count rows; to keep it, name it among the columns"
)


def choose(
    name: str,
    column: Countable,
    bins: int,
    *,
    categorical: bool = False,
    text: bool = False,
    keep: bool = False,
) -> Feature | str:
    """Return a feature whose counts are zero until rows were counted, or why there is none.

    Args:
        name: For errors.
        column: The sample.
        bins: At most so many, besides the reserved ones.
        categorical: Numbers are to be counted by value.
        text: Strings are to be counted by length.
        keep: Even if nearly every value is unique.

    Raises:
        ProfileError: The column cannot be counted in the way that was asked for.
    """
    if categorical and isinstance(column, Numbers) and column.kind == "numeric":
        column = by_text(Numbers(column.values, _number_type(column)))
    elif categorical and not isinstance(column, Categories):
        raise ProfileError(
            f"Column {name!r} holds {column.dtype}, which cannot be counted by value. "
            f"Wanted: strings, numbers or booleans."
        )
    if text and (not isinstance(column, Categories) or column.boolean or column.dtype != "string"):
        raise ProfileError(f"Column {name!r} holds {column.dtype}, which has no length. Wanted: strings.")
    if isinstance(column, Numbers):
        return ROW_COUNTER if _counts_rows(column) and not keep else _numeric(column, bins)
    if isinstance(column, Vectors):
        return _embedding(column, bins)
    lengths = text_lengths(column)
    lengths = np.sort(lengths[~np.isnan(lengths)])
    unique = len(np.unique(column.codes[column.codes >= 0])) / max(len(lengths), 1)
    enough = len(lengths) >= UNIQUE_ROWS_MIN and column.dtype == "string" and not (categorical or text)
    if text or (enough and unique > TEXT_UNIQUE_SHARE and _is_text(lengths)):
        return _axis("text", "string", lengths, bins)
    if enough and unique > UNIQUE_SHARE and not keep:
        return _mixed_up(column) or NEARLY_UNIQUE
    return _levels(column, bins)


def shortest(low: float, high: float, digits_min: int = 0) -> float:
    """Return the number between `low` and `high` that has the fewest digits.

    Args:
        low: Finite.
        high: Not below `low`.
        digits_min: It is known that fewer digits behind the first one do not do.

    >>> shortest(0.12345678, 0.12399999), shortest(3, 3), shortest(999, 1011)
    (0.1235, 3.0, 1000.0)
    """
    for digits in range(digits_min, 17):
        for target in (high, low, low / 2 + high / 2):
            found = float(f"{target:.{digits}e}")
            if low <= found <= high:
                return found
    return high


def shortest_of(lows: Doubles, highs: Doubles) -> list[float]:
    """Return `shortest` of each pair, faster.

    >>> shortest_of(np.array([0.12345678, 3.0]), np.array([0.12399999, 3.0]))
    [0.1235, 3.0]
    """
    largest = np.maximum(np.abs(lows), np.abs(highs))
    with np.errstate(all="ignore"):  # zeros, and the largest doubles; what comes of them is not used
        first = np.floor(np.log10(largest))
        steps = 10.0 ** (first[:, None] - np.arange(17))
        slack = 1e-9  # rounding of the division
        hits = np.ceil(lows[:, None] / steps - slack) <= np.floor(highs[:, None] / steps + slack)
    least = np.where(hits.any(axis=1), hits.argmax(axis=1), 16) - 1
    least = np.where(largest > 0, least, 0)
    return [
        shortest(low, high, max(digits, 0))
        for low, high, digits in zip(lows.tolist(), highs.tolist(), least.tolist(), strict=True)
    ]


def _numeric(column: Numbers, bins: int) -> Feature:
    values = np.sort(column.values[np.isfinite(column.values)])
    dtype = _number_type(column)
    if column.kind == "datetime" or dtype != "int64":
        return _axis(column.kind, dtype, values, bins)
    distinct = values[np.flatnonzero(np.diff(values, prepend=np.nan) != 0)]
    few = len(distinct) <= min(bins, DISCRETE_VALUES_MAX)
    if not len(values) or not few or len(values) < DISCRETE_TIMES_MIN * len(distinct):
        return _axis("numeric", dtype, values, bins)
    starts = np.searchsorted(values, distinct).tolist()
    edges = tuple(distinct.tolist())
    return Feature(
        kind="numeric",
        dtype=dtype,
        discrete=True,
        edges=(*edges, edges[-1]),
        medians=edges,
        counts=(0,) * (len(edges) + 4),
        online=_runs(starts, len(values)),
    )


def _counts_rows(column: Numbers) -> bool:
    """Return whether whole numbers only rise or only fall, which no quantity does."""
    if column.dtype != "int64" or len(column.values) < UNIQUE_ROWS_MIN:
        return False
    before, after = column.values[:-1], column.values[1:]
    return bool((after > before).all() or (after < before).all())


def _mixed_up(column: Categories) -> str | None:
    """Return why texts are left out that are numbers but for some; None if they are no numbers."""
    texts = [level for level in column.levels if not is_number(level)]
    if not texts or len(texts) > (1 - NUMBERS_SHARE) * len(column.levels):
        return None
    return f"numbers, but for texts such as {shortened(texts[0])!r}; make those missing values"


def _number_type(column: Numbers) -> str:
    """Return int64 for floats that are whole: so are the integers of many sources where one is missing."""
    if column.dtype != "float64":
        return column.dtype
    values = column.values[np.isfinite(column.values)]
    if len(values) < WHOLE_ROWS_MIN:
        return "float64"  # a handful of prices may be whole by chance
    whole = bool((np.abs(values) < WHOLE_MAX).all() and (values == np.floor(values)).all())
    return "int64" if whole else "float64"


def _axis(kind: str, dtype: str, values: Doubles, bins: int) -> Feature:
    """Choose quantile bins. Equal edges become one, so few distinct values get few bins."""
    if not len(values):
        return Feature.model_validate({"kind": kind, "dtype": dtype, "counts": (0,) * 4})
    n = len(values)
    ranks = values[np.arange(1, bins) * n // bins]
    # An edge is the smallest value of its bin: ties stay together, to the right of it.
    starts = np.unique(np.searchsorted(values, ranks, side="left"))
    starts = starts[values[starts] > values[0]] if len(starts) else starts
    inner = shortest_of(np.nextafter(values[starts - 1], np.inf), values[starts])
    edges = np.array([values[0], *inner, values[-1]])
    bounds = np.array([0, *starts, n])
    # A median to a thousandth of the bin's width: further digits would say nothing.
    middles = values[(bounds[:-1] + bounds[1:]) // 2]
    slack = np.diff(edges / 1000)
    with np.errstate(over="ignore"):  # beyond the largest double is beyond the bin
        lows = np.maximum(middles - slack, edges[:-1])
        highs = np.minimum(middles + slack, edges[1:])
    return Feature.model_validate(
        {
            "kind": kind,
            "dtype": dtype,
            "edges": tuple(edges.tolist()),
            "medians": tuple(shortest_of(lows, highs)),
            "counts": (0,) * (len(edges) + 3),
            "online": _runs(bounds[:-1].tolist(), n),
        }
    )


def _runs(starts: Sequence[int], n: int) -> tuple[int, ...]:
    """Return the first bins of about ten runs that hold about equally many values."""
    places = np.array(starts)
    wanted = np.arange(1, ONLINE_BINS) * n / ONLINE_BINS
    nearest = np.abs(places[:, None] - wanted).argmin(axis=0)
    return tuple(sorted({0, *nearest.tolist()}))


def _is_text(lengths: Doubles) -> bool:
    """Return whether these are the lengths of text rather than of ids, which are short or of one length."""
    mean = float(lengths.mean())
    return mean >= TEXT_CHARACTERS_MIN and float(lengths.std()) >= TEXT_SPREAD_MIN * mean


def _levels(column: Categories, bins: int) -> Feature:
    times = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    found: dict[str, int] = {}
    for level, count in zip(column.levels, times.tolist(), strict=True):
        if count:
            key = shortened(level)
            found[key] = found.get(key, 0) + count
    common = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    top = [level for level, _ in common[:bins]]
    room = LEVEL_BYTES_PER_BIN * bins - sum(len(level.encode()) + 3 for level in top)
    remembered = min(RARE_LEVELS_PER_BIN * bins, max(int(room / FINGERPRINT_BYTES), 0))
    rest = [fingerprint(level) for level, _ in common[bins : bins + remembered]]
    return Feature(
        kind=column.kind,
        dtype=column.dtype,
        levels=tuple(top),
        rare=base64.b64encode(np.sort(np.array(rest, dtype="<u4")).tobytes()).decode(),
        counts=(0,) * (len(top) + 3),
        online=tuple(range(min(ONLINE_LEVELS, len(top)))),
    )


def _embedding(column: Vectors, bins: int) -> Feature:
    values = column.values[centroids.usable(column.values)][:VECTORS_MAX]
    cells = centroids.choose(values, min(bins, centroids.CELLS_MAX))
    return Feature(
        kind="embedding",
        dtype=column.dtype,
        width=column.values.shape[1],
        centroids=centroids.pack(cells),
        counts=(0,) * (len(cells) + 2),
        online=tuple(range(len(cells))),
    )
