"""Hours and days of a reference, and the floor that they teach.

A learned floor is a total variation that unchanged data keeps within. It is the 99 % quantile over the
days of the distance between a day and all other days, with the sampling noise taken off; without counts
by hour of the week, the largest such distance of an hour of the day is added, because a monitor's block
is shorter than a day and lies in some hour of it.

The noise is taken off like this. The mean chi-square of the days over its degrees of freedom is 1, times
the design effect, if they differ by chance alone. If it is R times as much, the true differences make up
the share 1 - 1/R of the variance, and distances are scaled by the root of that; less than two standard
errors above 1 counts as chance.
"""

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.calendar import DAY_S, HOUR_S, HOURS, MONDAY_H, SLOTS, YEAR_S
from mlobs.drift.columns import Categories, Codes, Column, Doubles, Numbers, Unusable, seconds_of
from mlobs.errors import ProfileError

DAYS_MIN = 10
GROUP_ROWS_MIN = 50
QUANTILE = 0.99
EXPECTED_MIN = 5  # rows of a group; the chi-square of rarer bins is too noisy

Counts = NDArray[np.int64]


def slots_of(seconds: Doubles) -> Codes:
    """Return the hour of the week (UTC, Monday 00h is 0) of each time, -1 where there is none.

    >>> slots_of(np.array([0.0, 4 * 86400.0, np.nan])).tolist()
    [72, 0, -1]
    """
    known = np.isfinite(seconds)
    hours = np.floor(np.where(known, seconds, 0) / HOUR_S) + MONDAY_H
    return np.where(known, hours % SLOTS, -1).astype(np.intp)


def days_of(seconds: Doubles) -> tuple[Codes, tuple[int, ...]]:
    """Return for each time the place of its day (UTC), -1 where there is none, and the days since 1970."""
    known = np.isfinite(seconds)
    numbers, places = np.unique(np.floor(seconds[known] / DAY_S), return_inverse=True)
    found = np.full(len(seconds), -1, dtype=np.intp)
    found[known] = places
    return found, tuple(int(number) for number in numbers)


def seconds_column(name: str, column: Column) -> Doubles:
    """Return the seconds since 1970 of a column of times, of their ISO texts, or of seconds.

    Args:
        name: For errors.
        column: NaN where there is no time.

    Raises:
        ProfileError: The column holds something else.
    """
    found = column.why if isinstance(column, Unusable) else column.dtype
    if isinstance(column, Numbers) and (column.kind == "datetime" or found in {"int64", "float64"}):
        _refuse_other_numbers(name, column)
        return column.values
    if isinstance(column, Categories) and found in {"string", "null"}:
        try:
            moments = [seconds_of(datetime.fromisoformat(level)) for level in column.levels]
        except ValueError:
            pass  # said below
        else:
            return np.array([*moments, np.nan])[column.codes]
    raise ProfileError(
        f"Column {name!r} holds {found}, so it cannot say when a row came. "
        f"Wanted: timestamps, dates, their ISO texts, or seconds since 1970."
    )


def _refuse_other_numbers(name: str, column: Numbers) -> None:
    """Refuse years and other whole numbers that would all be times of 1970."""
    known = column.values[np.isfinite(column.values)]
    if column.dtype == "int64" and len(known) and known.min() >= 0 and known.max() < YEAR_S:
        raise ProfileError(
            f"Column {name!r} holds whole numbers from {known.min():.0f} to {known.max():.0f}, which as "
            f"seconds since 1970 are all in that year, so it cannot say when a row came. "
            f"Wanted: timestamps, dates, their ISO texts, or seconds since 1970."
        )


def learned_floor(days: Counts, slots: Counts | None, *, design_effect: float) -> float | None:
    """Return the floor, or None if there are fewer than ten days with enough rows.

    Args:
        days: Shape (days, bins).
        slots: Shape (168, bins), or None if a monitor will know the hour of the week.
        design_effect: Of neighbouring rows, which makes the noise larger.
    """
    if int((days.sum(axis=1) >= GROUP_ROWS_MIN).sum()) < DAYS_MIN:
        return None
    floor = float(np.quantile(_distances(days, design_effect), QUANTILE))
    if slots is not None:
        hours = slots.reshape(-1, HOURS, slots.shape[1]).sum(axis=0)
        floor += float(_distances(hours, design_effect).max(initial=0.0))
    return min(round(floor, 4), 1.0)


def _distances(groups: Counts, design_effect: float) -> Doubles:
    """Return how far each group with enough rows is from all others, with the noise taken off."""
    whole = groups.sum(axis=0)
    others = whole - groups
    enough = (groups.sum(axis=1) >= GROUP_ROWS_MIN) & (others.sum(axis=1) >= GROUP_ROWS_MIN)
    here, there = groups[enough].astype(np.float64), others[enough].astype(np.float64)
    n, m = here.sum(axis=1, keepdims=True), there.sum(axis=1, keepdims=True)
    apart = here / n - there / m
    p = whole / max(int(whole.sum()), 1)
    used = p * float(n.mean()) >= EXPECTED_MIN if len(n) else p > 1
    if used.sum() < 2:
        return np.zeros(len(n))
    freedom = float((1 - p[used]).sum())
    chi_squares = (apart[:, used] ** 2 / (p[used] * (1 / n + 1 / m))).sum(axis=1)
    times = float(chi_squares.mean()) / freedom / design_effect
    if times < 1 + 2 * np.sqrt(2 / (freedom * len(n))):
        return np.zeros(len(n))
    clear: Doubles = np.abs(apart).sum(axis=1) / 2 * np.sqrt(1 - 1 / times)
    return clear
