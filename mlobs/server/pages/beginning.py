"""Since when spans are counted: what happens an hour is said of the hours that have data."""

from collections.abc import Mapping

from mlobs.server.ask.ranges import length_ns
from mlobs.server.minutes import TABLE
from mlobs.server.pages.amounts import duration
from mlobs.server.pages.period import DEFAULT, MINUTE_NS, NAMES, PRESETS, Period, read_period
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


def basis(hours: float) -> str:
    """Return from how little data a rate or a sum over a longer time was worked out; "" for an hour or more.

    >>> basis(0.4), basis(1.0)
    ('from 24 min of data', '')
    """
    minutes = max(1, round(hours * 60))
    return "" if minutes >= 60 else f"from {duration(minutes * 60_000)} of data"


def begun(store: Store, given: Mapping[str, str], now_ns: int) -> Period:
    """Return the period that parameters say; if they say none, the usual one.

    Where all spans are younger than that, it is the shortest of the usual lengths that holds them.

    Args:
        store: Is asked since when there are spans, if that matters.
        given: The parameters.
        now_ns: The clock.

    Raises:
        QueryError: They cannot be read.
    """
    if any(given.get(name) for name in NAMES) or store.sharded:  # A cluster may have older ones uncounted.
        return read_period(given, now_ns)
    return read_period({**given, "since": shortest(earliest_ns(store), now_ns)}, now_ns)


def shortest(first_ns: int | None, now_ns: int) -> str:
    """Return the shortest usual length that holds everything since a moment, the default at most.

    >>> shortest(0, 40 * MINUTE_NS), shortest(0, 10**18), shortest(None, 10**18)
    ('1h', '24h', '24h')
    """
    if first_ns is None:
        return DEFAULT
    lengths_ns = {name: length_ns("since", name) for name in PRESETS}
    held = (name for name, length in lengths_ns.items() if now_ns - first_ns <= length <= lengths_ns[DEFAULT])
    return next(held, DEFAULT)
