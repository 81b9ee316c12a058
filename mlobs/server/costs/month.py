"""What was spent this month, and where a straight line leads."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from mlobs.server.ask.ranges import NS, Range

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Month:
    """A month of UTC, seen from a moment in it."""

    begins: datetime
    ends: datetime
    now: datetime

    @property
    def range(self) -> Range:
        """All of the month: clocks of senders may be ahead."""
        begins_ns, ends_ns = (int(at.timestamp()) * NS for at in (self.begins, self.ends))
        return Range(begins_ns, ends_ns - 1, int(self.now.timestamp()) * NS)

    @property
    def past(self) -> float:
        """The share of the month that is over."""
        return (self.now - self.begins) / (self.ends - self.begins)


def month_of(now_ns: int) -> Month:
    """Return the month of a moment.

    >>> month_of(1_709_208_000 * NS).ends.isoformat()
    '2024-03-01T00:00:00+00:00'
    """
    now = datetime.fromtimestamp(now_ns // NS, UTC)
    begins = now.replace(day=1, hour=0, minute=0, second=0)
    return Month(begins, (begins + timedelta(days=32)).replace(day=1), now)


def forecast(month: Month, spent_usd: Decimal, budget_usd: Decimal | None) -> dict[str, Any]:
    """Return what a month will cost if it goes on as it went on average, and when a budget is used up.

    Args:
        month: With the moment up to which money was spent.
        spent_usd: So far.
        budget_usd: Of the whole month.
    """
    expected = float(spent_usd) / month.past if month.past else None
    found: dict[str, Any] = {
        "month": f"{month.begins:%Y-%m}",
        "spent_usd": float(spent_usd),
        "days_past": (month.now - month.begins).total_seconds() / DAY_S,
        "days": (month.ends - month.begins).days,
        "forecast_usd": expected,
    }
    if budget_usd is None:
        return found
    used_up = None
    if expected is not None and expected > budget_usd:
        used_up = month.begins + (month.ends - month.begins) * (float(budget_usd) / expected)
    return {
        **found,
        "budget_usd": float(budget_usd),
        "budget_spent": float(spent_usd / budget_usd),
        "budget_used_up": None if used_up is None else f"{used_up:%Y-%m-%dT%H:%M:%SZ}",
    }
