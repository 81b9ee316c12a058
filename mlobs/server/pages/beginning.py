"""Since when spans are counted: what happens an hour is said of the hours that have data."""

from mlobs.server.minutes import TABLE
from mlobs.server.pages.period import MINUTE_NS, Period
from mlobs.server.store import Store

EARLIEST = (
    f"SELECT toUInt32(min(Minute)) AS minute_s, count() AS held FROM {TABLE} "
    "WHERE {service:String} = '' OR ServiceName = {service:String}"
)
HOUR_NS = 60 * MINUTE_NS


def earliest_ns(store: Store, service: str = "") -> int | None:
    """Return the first minute with a span, of one service or of all; None where there is none."""
    earliest = store.query(EARLIEST, {"service": service})[0]
    return int(earliest["minute_s"]) * 10**9 if earliest["held"] else None


def hours(period: Period, first_ns: int | None) -> float:
    """Return how many hours of a range have data: those before the first span have none.

    Args:
        period: The range.
        first_ns: When the first span was, as `earliest_ns` says.
    """
    if first_ns is None or first_ns <= period.range.since_ns:
        return period.hours
    return min(period.hours, max(MINUTE_NS, period.end_ns - first_ns) / HOUR_NS)
