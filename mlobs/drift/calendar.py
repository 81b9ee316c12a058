"""Lengths of time and moments, as all of this room means them: seconds since 1970, UTC."""

from datetime import UTC, datetime

HOUR_S = 3_600
DAY_S = 86_400
YEAR_S = 365.25 * DAY_S
HOURS, DAYS = 24, 7  # of a day, of a week
SLOTS = HOURS * DAYS  # hours of a week
MONDAY_H = 72  # 1970 began on a Thursday


def hour_of_week(seconds: float) -> int:
    """Return the hour of the week of a moment, Monday 00h being 0.

    >>> hour_of_week(0.0), hour_of_week(4 * 86400.0)
    (72, 0)
    """
    return int(seconds // HOUR_S + MONDAY_H) % SLOTS


def utc(seconds: float) -> datetime:
    """Return a moment as a datetime.

    >>> utc(1_700_000_000.0).isoformat()
    '2023-11-14T22:13:20+00:00'
    """
    return datetime.fromtimestamp(float(seconds), tz=UTC)
