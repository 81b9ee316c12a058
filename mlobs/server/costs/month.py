"""What was spent this month, and what it will be if the rest of it goes on as the last day did."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    def last_day(self) -> Range:
        """The last 24 hours, whatever month they are in."""
        return replace(self.range, since_ns=int((self.now - timedelta(days=1)).timestamp()) * NS)


def month_of(now_ns: int) -> Month:
    """Return the month of a moment.

    >>> month_of(1_709_208_000 * NS).ends.isoformat()
    '2024-03-01T00:00:00+00:00'
    """
    now = datetime.fromtimestamp(now_ns // NS, UTC)
    begins = now.replace(day=1, hour=0, minute=0, second=0)
    return Month(begins, (begins + timedelta(days=32)).replace(day=1), now)


def expected_usd(month: Month, spent_usd: float, day_usd: float) -> float:
    """Return what a month will cost if the rest of it goes on as the last day did.

    Not as the month did on average: days of which there are no data, as before a store was begun, cost
    nothing only because nobody counted.

    Args:
        month: With the moment up to which money was spent.
        spent_usd: So far.
        day_usd: In the last 24 hours.
    """
    return spent_usd + day_usd * (month.ends - month.now).total_seconds() / DAY_S


def forecast(
    month: Month,
    spent_usd: Decimal,
    day_usd: Decimal,
    budget_usd: Decimal | None,
    hours: Iterable[tuple[datetime, float]] = (),
) -> dict[str, Any]:
    """Return what a month will cost if it goes on as in the last day, and when a budget is used up.

    Args:
        month: With the moment up to which money was spent.
        spent_usd: So far.
        day_usd: In the last 24 hours.
        budget_usd: Of the whole month.
        hours: What was spent in which hour, if the budget is used up already.
    """
    expected = expected_usd(month, float(spent_usd), float(day_usd))
    found: dict[str, Any] = {
        "month": f"{month.begins:%Y-%m}",
        "spent_usd": float(spent_usd),
        "day_usd": float(day_usd),
        "days_past": (month.now - month.begins).total_seconds() / DAY_S,
        "days": (month.ends - month.begins).days,
        "forecast_usd": expected,
    }
    if budget_usd is None:
        return found
    is_used_up = spent_usd >= budget_usd
    used_up = None
    if is_used_up:
        used_up = _reached(hours, float(budget_usd)) or month.now
    elif expected > budget_usd:
        used_up = month.now + timedelta(days=float((budget_usd - spent_usd) / day_usd))
    return {
        **found,
        "budget_usd": float(budget_usd),
        "budget_spent": float(spent_usd / budget_usd),
        "budget_is_used_up": is_used_up,
        "budget_used_up": None if used_up is None else f"{used_up:%Y-%m-%dT%H:%M:%SZ}",
    }


def _reached(hours: Iterable[tuple[datetime, float]], budget_usd: float) -> datetime | None:
    """Return the hour in which so much was spent."""
    spent = 0.0
    for hour, usd in sorted(hours):
        spent += usd
        if spent >= budget_usd:
            return hour
    return None
