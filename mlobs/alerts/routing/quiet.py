"""When quiet hours end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlobs.alerts.routing.config import WEEKDAYS, Quiet

CHAINED_MAX = 14  # Hours that follow each other without a gap; more than two weeks of them are a mistake.


def quiet_until(hours: Sequence[Quiet], severity: str, now_s: float) -> float | None:
    """Return when a message may be told, or None if it may be now.

    Args:
        hours: The route's quiet hours.
        severity: Of the message.
        now_s: Seconds since 1970.
    """
    end_s: float | None = None
    for _ in range(CHAINED_MAX):
        ends_s = [_end(one, now_s if end_s is None else end_s) for one in hours if _holds(one, severity)]
        later_s = max((one for one in ends_s if one is not None), default=None)
        if later_s is None:
            break
        end_s = later_s
    return end_s


def _holds(hours: Quiet, severity: str) -> bool:
    return severity not in hours.except_severity


def _end(hours: Quiet, now_s: float) -> float | None:
    """Return when the hours end that have begun at `now_s`.

    Wall clocks are turned into moments one by one, so a night in which the clock is changed is an
    hour longer or shorter, as it is for whoever sleeps.
    """
    local = datetime.fromtimestamp(now_s, hours.time_zone)
    over_midnight = timedelta(days=1 if hours.end <= hours.begin else 0)
    for day in (local.date(), local.date() - timedelta(days=1)):
        if WEEKDAYS[day.weekday()] not in hours.days:
            continue
        begin = datetime.combine(day, hours.begin, hours.time_zone).astimezone(UTC)
        end = datetime.combine(day + over_midnight, hours.end, hours.time_zone).astimezone(UTC)
        if begin.timestamp() <= now_s < end.timestamp():
            return end.timestamp()
    return None
