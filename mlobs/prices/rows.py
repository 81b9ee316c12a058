"""One price: what a model's tokens cost from a day on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from functools import lru_cache
from operator import attrgetter, mul

from mlobs.prices.buckets import BUCKETS, Usage
from mlobs.prices.models import NAME_CHARACTERS_MAX

STANDARD = frozenset({"standard", "default", "auto", "on_demand", "standard_only", ""})

_INSTEAD = {  # a bucket without a price of its own is charged as
    "cached_read": "input",
    "cached_write": "input",
    "cached_write_1h": "cached_write",
    "input_audio": "input",
    "input_image": "input",
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
}
_counts = attrgetter(*BUCKETS)
_EXACT = Context(prec=80)  # three prices multiplied, with all their digits


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Price:
    """What one model's tokens cost from a day on, in US dollars per million.

    A bucket without a price of its own is charged as the bucket it is part of: cached and audio input
    as input, a cache write of an hour as one of minutes, reasoning and audio output as output; sound
    read from a cache as any other sound where that has a price, else as what is read from a cache.
    """

    provider: str
    model: str
    valid_from: date
    input: float
    output: float
    source: str
    cached_read: float | None = None
    cached_write: float | None = None
    cached_write_1h: float | None = None
    input_audio: float | None = None
    input_image: float | None = None
    cached_audio: float | None = None
    reasoning: float | None = None
    output_audio: float | None = None
    output_image: float | None = None
    tiers: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    above: int = 0
    regional: float = 1.0
    valid_until: date | None = None
    checked: date | None = None
    factor: float = 1.0  # for all prices: `regional` where the call was made in a region

    def of(self, usage: Usage, tier: str = "standard") -> float | None:
        """Return the cost of `usage` in US dollars, or None if the tier's price is unknown."""
        known = _floats(self, tier[:NAME_CHARACTERS_MAX])
        return None if known is None else sum(map(mul, _counts(usage), known)) / 1e6

    def holds(self, day: date) -> bool:
        """Return whether this is the price of a day, where no later row is."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def prices(self) -> dict[str, float]:
        """Return the buckets that have a price of their own."""
        return {name: price for name in BUCKETS if (price := getattr(self, name)) is not None}


def rates(row: Price, tier: str) -> tuple[Decimal, ...] | None:
    """Return the price of each of BUCKETS in turn, exactly, or None if the tier is not known.

    >>> mini = Price(provider="p", model="m", valid_from=date(2025, 1, 1), source="s", input=0.15, output=0.6,
    ...              tiers={"batch": 0.5})
    >>> print(rates(mini, "batch")[0].normalize())
    0.075
    """
    factor, prices = _exact(row.factor), {name: _exact(price) for name, price in row.prices().items()}
    name = tier.lower()
    if name not in STANDARD:
        told = row.tiers.get(name)
        if told is None:
            return None
        if isinstance(told, Mapping):
            prices |= {bucket: _exact(price) for bucket, price in told.items()}
        else:
            factor = _EXACT.multiply(factor, _exact(told))
    for bucket, instead in _INSTEAD.items():
        prices.setdefault(bucket, prices[instead])
    heard = "input_audio" if row.input_audio is not None else "cached_read"
    prices.setdefault("cached_audio", prices[heard])
    return tuple(_EXACT.multiply(prices[bucket], factor) for bucket in BUCKETS)


@lru_cache(maxsize=1024)  # tiers may be named by users
def _floats(row: Price, tier: str) -> tuple[float, ...] | None:
    exact = rates(row, tier)
    return None if exact is None else tuple(map(float, exact))


def _exact(price: float) -> Decimal:
    """Return a price as it was written in the file: 0.1 is a tenth."""
    return Decimal(repr(price))
