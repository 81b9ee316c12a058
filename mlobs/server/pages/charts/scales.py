"""Where values lie on a picture, and at which of them an axis has marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MARKS_WANTED, MOMENTS_WANTED = 3, 5
LEAST = 1e-12
_NICE = (1.0, 2.0, 5.0, 10.0)
# Where ten is not the base: durations from a second on, in milliseconds, and moments.
_SECONDS_MS = tuple(
    1000.0 * seconds
    for seconds in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18_000, 36_000, 86_400)
)
_MINUTES_NS = 60 * 10**9
_TIMES_NS = tuple(
    minutes * _MINUTES_NS
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 20_160)
)


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places, evenly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value lies."""
        if self.high <= self.low:
            return self.start
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def top_of(values: Sequence[float | None]) -> float:
    """Return the largest value; 1 where there is none, or so small a one that nothing of it is seen."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    high = max([0.0, *finite])
    return high if high > LEAST else 1.0


def marks(high: float, *, milliseconds: bool = False) -> list[float]:
    """Return round values from nought to a little above the highest.

    Args:
        high: The highest.
        milliseconds: Whether values are durations.

    >>> marks(83)
    [0.0, 50.0, 100.0]
    >>> marks(0.3)
    [0.0, 0.1, 0.2, 0.3]
    >>> marks(1_900_000, milliseconds=True)
    [0.0, 900000.0, 1800000.0, 2700000.0]
    """
    rough = high / MARKS_WANTED
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * size for nice in _NICE if nice * size >= rough)
    if milliseconds and rough > _SECONDS_MS[0]:
        step = next((nice for nice in _SECONDS_MS if nice >= rough), step)
    count = math.ceil(round(high / step, 9))
    if count < 2:
        step, count = step / 2, 2
    return [round(step * number, 12) for number in range(count + 1)]


def moments(since_ns: int, until_ns: int) -> list[int]:
    """Return round moments within a range."""
    rough = (until_ns - since_ns) / MOMENTS_WANTED
    step = next((one for one in _TIMES_NS if one >= rough), _TIMES_NS[-1])
    first = -(-since_ns // step) * step
    return list(range(first, until_ns + 1, step))
