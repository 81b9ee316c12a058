"""One number out of many: the calculations of legends, stats and bars."""

from collections.abc import Sequence
from itertools import pairwise

# What Grafana calls the calculations.
TITLES = {
    "lastNotNull": "Last *",
    "last": "Last",
    "firstNotNull": "First *",
    "mean": "Mean",
    "max": "Max",
    "min": "Min",
    "sum": "Total",
    "count": "Count",
    "range": "Range",
    "delta": "Delta",
    "diff": "Difference",
}


def reduced(values: Sequence[float | None], calc: str) -> float | None:
    """Return what a calculation of Grafana's makes of values; None where there is nothing.

    >>> reduced([1, 3, None], "lastNotNull"), reduced([1, 3, None], "mean")
    (3, 2.0)
    """
    there = [value for value in values if value is not None]
    if calc == "count":
        return float(len(values))
    if calc == "last":
        return values[-1] if values else None
    if calc == "first":
        return values[0] if values else None
    if not there:
        return None
    match calc:
        case "firstNotNull":
            return there[0]
        case "min":
            return min(there)
        case "max":
            return max(there)
        case "mean":
            return sum(there) / len(there)
        case "median":
            return sorted(there)[len(there) // 2]
        case "sum":
            return sum(there)
        case "range":
            return max(there) - min(there)
        case "diff":
            return there[-1] - there[0]
        case "delta":
            return sum(max(after - before, 0.0) for before, after in pairwise(there))
        case _:
            return there[-1]
