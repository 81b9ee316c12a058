"""The moments at which a rule is evaluated in a replay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, gcd


@dataclass(frozen=True, slots=True)
class Grid:
    """Moments `step_s` apart, numbered; windows are whole numbers of steps.

    Args:
        origin_s: The moment numbered 0, in seconds since 1970; windows of the first look back no further.
        step_s: From one to the next.
        first: The number of the first moment that is evaluated.
        last: And of the last.
    """

    origin_s: int
    step_s: int
    first: int
    last: int

    def moment_s(self, number: int) -> float:
        """Return when a moment is, in seconds since 1970."""
        return float(self.origin_s + number * self.step_s)

    def number_at(self, time_s: float) -> int:
        """Return the number of the first moment that is not before a time."""
        return ceil((time_s - self.origin_s) / self.step_s)

    def every(self, steps: int) -> "Grid":
        """Return one moment of each `steps`, numbered anew: moment n is the former n * steps."""
        return Grid(self.origin_s, self.step_s * steps, -(-self.first // steps), self.last // steps)

    def steps(self, seconds: int) -> int:
        """Return how many steps a window has."""
        return seconds // self.step_s

    def slices(self, length_s: int, longest_s: int) -> Iterator["Grid"]:
        """Yield the moments in parts, each numbered from an origin of its own.

        Args:
            length_s: Of a part.
            longest_s: The longest window, which a part has to look back by.
        """
        back, moments = self.steps(longest_s), max(self.steps(length_s), 1)
        for first in range(self.first, self.last + 1, moments):
            last = min(first + moments - 1, self.last)
            origin_s = self.origin_s + (first - back) * self.step_s
            yield Grid(origin_s, self.step_s, first=back, last=back + last - first)

    @property
    def last_s(self) -> float:
        """Return when the last moment is."""
        return self.moment_s(self.last)


def grid(from_s: float, to_s: float, *, interval_s: float, windows_s: Sequence[int]) -> Grid:
    """Return the moments from one time to another.

    Args:
        from_s: Seconds since 1970.
        to_s: Seconds since 1970.
        interval_s: How often the rule is evaluated; moments are as far apart, or a little less, so
            that each window is a whole number of steps.
        windows_s: The windows of the rule.

    >>> found = grid(1000.0, 2000.0, interval_s=15, windows_s=(300, 3600))
    >>> found.step_s, found.moment_s(found.first), found.last_s
    (15, 1005.0, 1995.0)
    """
    common = gcd(*windows_s)  # 0 without any, which every step divides.
    longest = max(windows_s, default=0)
    step_s = max((one for one in range(1, max(int(interval_s), 1) + 1) if common % one == 0), default=1)
    origin_s = (int(from_s) - longest) // step_s * step_s
    return Grid(
        origin_s, step_s, first=-((origin_s - int(from_s)) // step_s), last=int(to_s - origin_s) // step_s
    )
