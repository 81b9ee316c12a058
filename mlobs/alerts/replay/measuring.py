"""What a rule measured over time, of one alert: the line that is drawn beside its limit."""

from collections.abc import Mapping

from mlobs.alerts.replay.grid import grid
from mlobs.alerts.replay.grouped import measured
from mlobs.alerts.replay.shapes import windows_s
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import Ask

MOMENTS = 180

Stretch = tuple[float, float, float | None]  # From, until, and the value between.


def stretches(
    rule: Rule, labels: Mapping[str, str], ask: Ask, *, from_s: float, to_s: float
) -> list[Stretch] | None:
    """Return what `rule` measured for some labels, or None if that cannot be asked at once.

    Args:
        rule: The rule.
        labels: Of the alert.
        ask: Answers a query.
        from_s: Seconds since 1970.
        to_s: Seconds since 1970.

    Raises:
        QueryError: The store cannot answer.
    """
    moments = grid(from_s, to_s, interval_s=(to_s - from_s) / MOMENTS, windows_s=windows_s(rule))
    asked = measured(rule, moments, labels)
    if asked is None:
        return None
    found = []
    for row in ask(asked.sql, asked.params):
        begin, end = max(int(row["step"]), moments.first), int(row["until"])
        if begin < end:
            value = None if row["value"] is None else float(row["value"])
            found.append((moments.moment_s(begin), moments.moment_s(end), value))
    return found
