"""How far a sample of rows in a row may lie from the law of the long run, for `check`.

Rows that are alike for a while make a sample worth fewer rows; a sample of two hours of a day lies where
those two hours lie. Either its rows are divided by their design effect, or the law's swing is allowed for
on top of the bound of independent rows; both are true, and the smaller one is taken. A swing within the
floor needs nothing: it is part of what is called unchanged.
"""

from dataclasses import dataclass
from math import log, sqrt

from mlobs.drift.distances import deviation_bound
from mlobs.drift.sequential.dispersion import Effects, of_sample, swing_of_whole


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of a feature.

    Args:
        effects: Rows, design effect and wave for several lengths; not empty.
        bins: How many.
        error: The probability that a sample lies further off.
        floor: What is called unchanged.
    """

    effects: Effects
    bins: int
    error: float
    floor: float

    def of_live(self, rows: float) -> float:
        """Return what a sample may be off from a law within the floor of the long run's."""
        effect, swing = of_sample(self.effects, rows)
        if rows > max(self.effects)[0]:
            swing = min(swing, self._evened_out(rows))
        beyond = max(swing - self.floor, 0.0)
        return min(self._bound(rows / effect), self._bound(rows) + beyond)

    def of_reference(self, rows: float) -> float:
        """Return what the reference may be off from the law of the long run."""
        effect, _ = of_sample(self.effects, rows)
        return min(self._bound(rows / effect), self._bound(rows) + self._evened_out(rows))

    def _bound(self, rows: float) -> float:
        return deviation_bound(self.bins, rows, self.error)

    def _evened_out(self, rows: float) -> float:
        return sqrt(2 * log(1 / self.error)) * swing_of_whole(self.effects, rows)
