"""The range of time a dashboard shows, and how far apart its points are."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlobs.errors import SettingError

RELATIVE = re.compile(r"now(?:-(\d{1,6})([smhdwMy]))?(?:/([smhdwMy]))?")
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w|y)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
# Steps that Grafana rounds an interval to.
STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600,
    43200, 86400, 604800, 2592000, 31536000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in seconds since 1970."""

    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_s - self.begin_s


def span(begin: str, end: str, now_s: float) -> Span:
    """Return the range two words such as `now-1h` and `now` stand for.

    Raises:
        SettingError: A word cannot be read, or nothing lies between them.
    """
    found = Span(moment(begin, now_s), moment(end, now_s))
    if found.seconds <= 0:
        raise SettingError(
            f"Nothing lies from {begin!r} to {end!r}. Give the earlier of the two with --from."
        )
    return found


def moment(word: str, now_s: float) -> float:
    """Return when `now-15m`, a count of milliseconds or an ISO 8601 moment is.

    Raises:
        SettingError: It is none of them.
    """
    if found := RELATIVE.fullmatch(word.strip()):
        count, unit, whole = found.groups()
        return _begin(now_s - (int(count) * SECONDS[unit] if count else 0), whole)
    if word.strip().isascii() and word.strip().isdigit():
        return int(word) / 1000
    try:
        given = datetime.fromisoformat(word.strip())
    except ValueError:
        raise SettingError(
            f"{word[:40]!r} is no moment. "
            f"Give one such as now-6h, 2026-11-26T08:00 or milliseconds since 1970."
        ) from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def of_panel(shown: Span, begin: str) -> Span:
    """Return the range of a panel that has one of its own: `6h`, or `now/d` for today so far.

    Raises:
        SettingError: It cannot be read.
    """
    lasting = duration_s(begin)
    return Span(shown.end_s - lasting if lasting else moment(begin, shown.end_s), shown.end_s)


def _begin(at_s: float, whole: str | None) -> float:
    """Return when the day, week, month, ... of a moment began, in UTC."""
    at = datetime.fromtimestamp(at_s, UTC)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match whole:
        case None:
            return at_s
        case "y":
            return day.replace(month=1, day=1).timestamp()
        case "M":
            return day.replace(day=1).timestamp()
        case "w":
            return (day - timedelta(days=day.weekday())).timestamp()
        case "d":
            return day.timestamp()
        case unit:
            return at_s - at_s % SECONDS[unit]


def duration_s(word: str) -> float:
    """Return how many seconds `30s`, `1m30s` or `1h` is; 0 if it is no duration."""
    word = word.strip().lstrip(">")
    parts = DURATION.findall(word)
    if "".join(number + unit for number, unit in parts) != word:
        return 0.0
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


def step_s(shown: Span, points: int, least_s: float) -> float:
    """Return the step between points, such that at most about `points` are shown."""
    wanted = max(shown.seconds / max(points, 1), least_s)
    return next((step for step in STEPS_S if step >= wanted * 0.999), STEPS_S[-1])


def written(seconds: float) -> str:
    """Return a duration as Prometheus reads it.

    >>> written(90), written(3600), written(0.5)
    ('90s', '1h', '500ms')
    """
    for unit in ("d", "h", "m"):
        if seconds >= SECONDS[unit] and seconds % SECONDS[unit] == 0:
            return f"{int(seconds // SECONDS[unit])}{unit}"
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{int(seconds * 1000)}ms"
