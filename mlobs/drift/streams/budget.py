"""How patient a stream's detector must be, so that the monitor as a whole keeps its promise.

The promise: on average at most so many false alarms a year, for the whole monitor. A monitor has
several streams, one of all rows, one for each segment and one of labels, and each has features.

Why it holds. A feature's wealth has mean at most 1 at the end of each block that begins with 1. If
its alarm is raised when it has multiplied what it had by A(t) in block t, with an A that never
shrinks, the mean number of false alarms up to block n is at most the sum of 1 / A(t): the wealth
divided by A(t) stays below a process that is given 1 / A(t) in each block, plays fairly, and pays 1
for each alarm. Here A(t) = patience(t) * family, where the family is the number of features of all
streams there may ever be, fixed from the start. Sums add, whatever depends on what, and a stream
that never begins leaves its share unspent. So it remains to keep each stream's sum of
1 / patience(t) over a year below the promised number, and that is what `Budget` does: it takes every
day to be as busy as the busiest so far.

* A day of k blocks in which no record is broken adds at most k / record of a day's share.
* Records cost more: their blocks add 1 + 1/2 + ... + 1/K days' shares in all, where K is the busiest
  day's number of blocks. `MARGIN` pays for it in the first year: it covers 2 + ln K days for K up to a
  million. On a stream's first day the divisor is its age, at least an hour, and K that of an hour.

A stream that begins late is as old as its first row, not as the monitor: the quiet months before
would make its alarms cheap.
"""

import math

from pydantic import BaseModel, ConfigDict

from mlobs.drift.calendar import DAY_S, YEAR_S

AGE_MIN_S = 3600.0  # a rate is not extrapolated from less
MARGIN = 1.05


class Spending(BaseModel):
    """What a budget keeps over a restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    began_s: float | None
    day: int
    blocks_today: int
    patience: float


class Budget:
    """A stream's part of the promise.

    Args:
        false_alarms_per_year: What is promised for the whole monitor.
    """

    def __init__(self, false_alarms_per_year: float) -> None:
        self.days = MARGIN * YEAR_S / DAY_S / false_alarms_per_year
        self.began_s: float | None = None
        self.day = 0
        self.blocks_today = 0
        self.patience = 1.0

    def spend(self, began_s: float, now_s: float) -> float:
        """Return the patience for a block: the mean number of blocks to a false alarm, at least.

        >>> budget = Budget(1)
        >>> [round(budget.spend(0, minute * 60) / 365.25 / 1.05) for minute in (1, 30, 120, 1440 * 2)]
        [24, 48, 48, 48]
        """
        if self.began_s is None:
            self.began_s = began_s
        day = math.floor(now_s / DAY_S)
        if day != self.day:
            self.day, self.blocks_today = day, 0
        self.blocks_today += 1
        age_days = min(max(now_s - self.began_s, AGE_MIN_S), DAY_S) / DAY_S
        self.patience = max(self.patience, self.days * self.blocks_today / age_days)
        return self.patience

    def save(self) -> Spending:
        """Return what is needed to go on."""
        return Spending(
            began_s=self.began_s, day=self.day, blocks_today=self.blocks_today, patience=self.patience
        )

    def restore(self, saved: Spending) -> None:
        """Go on from what `save` returned."""
        self.began_s, self.day = saved.began_s, saved.day
        self.blocks_today, self.patience = saved.blocks_today, saved.patience
