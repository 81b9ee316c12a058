"""Ranges of time: `since=15m`, `from=2026-05-01&to=2026-05-02T12:00:00Z`, `from=-2h&to=-1h`.

Times are nanoseconds since 1970, as the table has them. The clock is given, never read here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlobs.errors import QueryError

NS = 10**9
DAY_NS = 86_400 * NS
YEARS_MAX = 10
LENGTH_NS_MAX = YEARS_MAX * 366 * DAY_NS
NS_MAX = 2**63 - 1
# A trace may lie across the edge of a range; its facts are looked for this much outside.
AROUND_NS = 3600 * NS
# Clocks of other machines: a span from up to a day ahead still is of now.
AHEAD_NS = DAY_NS
_UNITS = {"s": NS, "m": 60 * NS, "min": 60 * NS, "h": 3600 * NS, "d": DAY_NS, "w": 7 * DAY_NS}
_RELATIVE = re.compile(r"-?([0-9]{1,9})(s|min|m|h|d|w)")
_WANTED = (
    "a time such as 2026-05-01, 2026-05-01T12:30:00Z, or how long ago, such as 90s, 15m, 24h, 7d, "
    "was expected"
)


@dataclass(frozen=True, slots=True)
class Range:
    """From `since_ns` to `until_ns`, both included; `now_ns` is the latest time worth looking at."""

    since_ns: int
    until_ns: int
    now_ns: int

    def params(self) -> dict[str, str | int | float]:
        """Return the parameters of a statement."""
        return {"since_ns": self.since_ns, "until_ns": self.until_ns, **around(self.since_ns, self.until_ns)}

    def before(self) -> "Range":
        """Return the range of the same length that ends where this one begins."""
        end = min(self.until_ns, self.now_ns)
        return Range(max(0, self.since_ns - (end - self.since_ns)), self.since_ns - 1, self.since_ns)


def read_range(given: Mapping[str, str], now_ns: int, *, default: str = "24h", prefix: str = "") -> Range:
    """Return the range that `since`, or `from` and `to`, say; without them the last `default`.

    Args:
        given: What was asked, by name.
        now_ns: The clock.
        default: How far back, when nothing is said.
        prefix: Before each name.

    Raises:
        QueryError: One of them cannot be read, or the range is empty or too long.
    """
    since, begin, end = (given.get(f"{prefix}{name}") for name in ("since", "from", "to"))
    if since and begin:
        raise QueryError(f"{prefix}since and {prefix}from both came; they say the same, so give one of them.")
    name = f"{prefix}{'from' if begin else 'since'}"
    seconds = given.get(f"{prefix}since_s")
    if seconds and not (since or begin):
        name, since = f"{prefix}since_s", f"{seconds}s"
    since_ns = _moment(name, begin or since or default, now_ns)
    if since and since_ns > now_ns:
        raise QueryError(
            f"{name}={since[:40]!r} lies in the future; a time that is past was expected, as UTC unless it "
            "says otherwise, or how long ago, such as 24h."
        )
    # A named end is meant as it is; an open one includes clocks that are ahead.
    until_ns = _moment(f"{prefix}to", end, now_ns) if end else now_ns + AHEAD_NS
    if since_ns >= until_ns:
        raise QueryError(
            f"The range is empty: it begins at {begin or since or default} and ends at {end or 'now'}."
        )
    if min(until_ns, now_ns) - since_ns > LENGTH_NS_MAX:
        raise QueryError(f"The range is longer than {YEARS_MAX} years; {name}={begin or since} came.")
    return Range(since_ns, until_ns, min(until_ns, now_ns))


def around(since_ns: int, until_ns: int, *, by_ns: int = AROUND_NS) -> dict[str, str | int | float]:
    """Return the parameters for what belongs to the traces of a range, which may lie across its edge."""
    return {"wide_since_ns": max(0, since_ns - by_ns), "wide_until_ns": min(NS_MAX, until_ns + by_ns)}


def length_ns(name: str, text: str) -> int:
    """Return a length of time such as 5m.

    Raises:
        QueryError: It is none.
    """
    found = _RELATIVE.fullmatch(text)
    if found is None or text.startswith("-") or int(found[1]) == 0:
        raise QueryError(f"{name}={text[:40]!r} came; a length of time such as 30s, 5m or 1h was expected.")
    return int(found[1]) * _UNITS[found[2]]


def _moment(name: str, text: str, now_ns: int) -> int:
    if text == "now":
        return now_ns
    if found := _RELATIVE.fullmatch(text):
        return max(0, now_ns - int(found[1]) * _UNITS[found[2]])
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise QueryError(f"{name}={text[:40]!r} came; {_WANTED}.") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since_1970 = moment - datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (since_1970.days * 86_400 + since_1970.seconds) * NS + since_1970.microseconds * 1000
    return min(max(0, nanoseconds), NS_MAX)  # what the table can hold
