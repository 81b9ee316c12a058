"""Where axes have their marks, and where on a drawing a value stands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlobs.dashboards.preview.spans import Span

STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
    604800, 2592000,
)  # fmt: skip
LABEL_PIXELS = 54  # Of hours and minutes; with seconds or a date half as many again.
CHARACTER = 0.56  # Of a font's size, on average.


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` lie on pixels from `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float
    log: float = 0.0

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high = self._bent(self.low), self._bent(self.high)
        share = (self._bent(value) - low) / (high - low) if high != low else 0.5
        # Far outside is as good as outside, and keeps drawings free of infinite numbers.
        return self.begin + min(max(share, -10.0), 10.0) * (self.end - self.begin)

    def _bent(self, value: float) -> float:
        if not self.log:
            return value
        return math.log(max(value, self.low if self.low > 0 else 1e-9)) / math.log(self.log)


def ticks(low: float, high: float, count: int, *, binary: bool = False) -> list[float]:
    """Return round values from `low` to `high`, about `count` of them.

    >>> ticks(0, 1, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(count, 1)
    if binary:
        step = 2.0 ** math.ceil(math.log2(rough))
    else:
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def powers(low: float, high: float, base: float) -> list[float]:
    """Return the powers of a base from `low` to `high`."""
    first, last = math.floor(math.log(low, base)), math.ceil(math.log(high, base))
    every = max((last - first) // 8, 1)
    return [base**place for place in range(first, last + 1, every) if low <= base**place <= high]


def moments(span: Span, width: float) -> list[tuple[float, str]]:
    """Return round moments within a span, in UTC, as many as have room."""
    rough = span.seconds / max(width / LABEL_PIXELS, 1)
    step = next((step for step in STEPS_S if step >= rough), STEPS_S[-1])
    if step < 60 or 86400 < span.seconds < 86400 * width / LABEL_PIXELS:
        step = next((step for step in STEPS_S if step >= rough * 1.5), STEPS_S[-1])
    form = "%H:%M:%S" if step < 60 else "%H:%M" if span.seconds <= 86400 else "%m/%d %H:%M"
    if step >= 86400:
        form = "%m/%d"
    first = math.ceil(span.begin_s / step)
    return [
        (place * step, datetime.fromtimestamp(place * step, UTC).strftime(form))
        for place in range(first, math.floor(span.end_s / step) + 1)
    ]


def text_width(text: str, size: float) -> float:
    """Return about how many pixels text takes."""
    return len(text) * size * CHARACTER


def fitting(text: str, pixels: float, size: float) -> str:
    """Return text, cut with an ellipsis where it is too wide."""
    room = int(pixels / (size * CHARACTER))
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def widest(texts: Sequence[str], size: float) -> float:
    """Return about how many pixels the widest of some texts takes."""
    return max((text_width(text, size) for text in texts), default=0.0)
