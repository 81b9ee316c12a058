"""When a span ended, in SQL: a number whatever a clock says, and whatever a program takes for a duration."""

START_NS_MAX = 8_900_000_000_000_000_000  # In the year 2252.
DURATION_NS_MAX = 2**63 - 1 - START_NS_MAX  # Ten years.
AT = "toUnixTimestamp64Nano(Timestamp)"


def end_ns(at: str = AT, duration: str = "Duration") -> str:
    """Return the expression of when a span ended, in nanoseconds since 1970.

    Args:
        at: The expression of when it began.
        duration: That of how long it took.
    """
    return f"least({at}, {START_NS_MAX}) + toInt64(least({duration}, {DURATION_NS_MAX}))"
