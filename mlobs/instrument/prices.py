"""What models cost: dated prices per bucket of tokens, and the cost of a call.

`prices.json` holds the rows, each with its source and the day it became valid. They are the
providers' public list prices in US dollars as far as these were known when the rows were written, and
they change. MLOBS_PRICES names a file of the same form whose rows go before them: for models that
are missing, for what your contract says, and for what has changed since. A model that has no
row costs `None`, which means unknown; nothing is ever assumed to be free. A row of zeros is.

A row:

    {"provider": "openai", "model": "gpt-4o", "valid_from": "2024-10-01", "checked": "2026-11-25",
     "source": "https://...", "input": 2.5, "output": 10, "cached_read": 1.25,
     "tiers": {"batch": 0.5, "flex": {"input": 1.25, "output": 5}}, "above": 0, "regional": 1}

Numbers are US dollars per million tokens, by the buckets of `mlobs.Usage`. `tiers` are the other
service tiers: a factor for all prices, or the prices that differ. `above` makes a row hold for calls
with more input tokens than that; the row with the largest such number holds. `regional` is the factor
where a model runs in one region of a cloud. `valid_until` is a row's last day. A model's first row
begins when it was released, or earlier where that day is not known. `checked` is the day when a row
was last compared with published price lists.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from operator import attrgetter, mul
from pathlib import Path

from mlobs.errors import SettingError
from mlobs.instrument.models import NAME_CHARACTERS_MAX, provider_of, sellers, spellings
from mlobs.instrument.usage import BUCKETS, Usage

STANDARD = frozenset({"standard", "default", "auto", "on_demand", "standard_only", ""})
FILE_BYTES_MAX = 16 << 20

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

    def of(self, usage: Usage, tier: str = "standard") -> float | None:
        """Return the cost of `usage` in US dollars, or None if the tier's price is unknown."""
        rates = _rates(self, tier[:NAME_CHARACTERS_MAX])
        return None if rates is None else sum(map(mul, _counts(usage), rates)) / 1e6

    def holds(self, day: date) -> bool:
        """Return whether this is the price of a day, where no later row is."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def times(self, factor: float) -> "Price":
        """Return the same row with all prices multiplied."""
        prices = {name: price * factor for name, price in self.prices().items()}
        tiers = {
            name: {bucket: price * factor for bucket, price in told.items()}
            if isinstance(told, Mapping)
            else told
            for name, told in self.tiers.items()
        }
        return replace(self, **prices, tiers=tiers)  # type: ignore[arg-type] # all of them are prices

    def prices(self) -> dict[str, float]:
        """Return the buckets that have a price of their own."""
        return {name: price for name in BUCKETS if (price := getattr(self, name)) is not None}


@lru_cache(maxsize=1024)  # tiers may be named by users
def _rates(row: Price, tier: str) -> tuple[float, ...] | None:
    """Return the price of each bucket in turn, or None if the tier is not known."""
    factor, prices = 1.0, row.prices()
    name = tier.lower()
    if name not in STANDARD:
        told = row.tiers.get(name)
        if told is None:
            return None
        if isinstance(told, Mapping):
            prices |= told
        else:
            factor = told
    for bucket, instead in _INSTEAD.items():
        prices.setdefault(bucket, prices[instead])
    heard = "input_audio" if row.input_audio is not None else "cached_read"
    prices.setdefault("cached_audio", prices[heard])
    return tuple(prices[bucket] * factor for bucket in BUCKETS)


@cache
def packaged() -> tuple[Price, ...]:
    """Return the prices that ship with mlobs."""
    return read_rows("prices.json", (files("mlobs.instrument") / "prices.json").read_text(encoding="utf-8"))


class Book:
    """The rows in use: those of a file first, then the packaged ones."""

    own: tuple[Price, ...] = ()


def use(rows: Iterable[Price]) -> None:
    """Put `rows` before the packaged ones, instead of those put there before."""
    Book.own = tuple(rows)
    for kept in (_indexes, _rows, _rates):
        kept.cache_clear()


def load_prices(path: Path) -> tuple[Price, ...]:
    """Read a file of prices.

    Raises:
        SettingError: It cannot be read, or a row cannot be used.
    """
    came = f"MLOBS_PRICES={str(path)!r}"
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingError(f"{came} is larger than {FILE_BYTES_MAX >> 20} MiB.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{came} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingError(f"{came} is no text in UTF-8.") from None
    return read_rows(came, text)


def read_rows(came: str, text: str) -> tuple[Price, ...]:
    """Read rows of JSON; `came` says in errors where they are from.

    Raises:
        SettingError: A row cannot be used.
    """
    from mlobs.instrument.pricefile import checked_row

    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{came} is no JSON: {error}.") from None
    if not isinstance(rows, list):
        raise SettingError(f"{came}: a list of rows was expected, not {type(rows).__name__}.")
    found, seen = [], dict[tuple[object, ...], int]()
    for number, row in enumerate(rows, 1):
        price = Price(**checked_row(f"{came}, row {number}", row))
        key = (price.provider, price.model.lower(), price.valid_from, price.above)
        if key in seen:
            raise SettingError(f"{came}, row {number}: row {seen[key]} says the same model, day and above.")
        seen[key] = number
        found.append(price)
    return tuple(found)


def cost_usd(
    usage: Usage, provider: str | None, model: str, day: date, *, tier: str = "standard"
) -> float | None:
    """Return what a call cost, or None if its price is unknown."""
    price = find(provider, model, day, input_tokens=usage.input_total)
    return None if price is None else price.of(usage, tier)


def find(provider: str | None, model: str, day: date, *, input_tokens: int = 0) -> Price | None:
    """Return the price of `model` on `day`, or None if it is unknown.

    A dated snapshot (`gpt-4o-mini-2024-07-18`) costs what its model does, unless it has a row of its
    own. Without a provider the model's name decides.
    """
    if len(model) > NAME_CHARACTERS_MAX or len(provider or "") > NAME_CHARACTERS_MAX:
        return None  # nor is it kept: what is longer is no model's name
    for row in _rows(provider, model, day):  # the largest `above` first
        if input_tokens > row.above or row.above == 0:
            return row
    return None


@lru_cache(maxsize=2048)  # model names may be made from user input
def _rows(provider: str | None, model: str, day: date) -> tuple[Price, ...]:
    """Return the rows that hold for a model on a day, one for each `above`, the largest first."""
    names, in_region = spellings(model)
    wanted = sellers(provider_of(provider, model))
    for index in _indexes():
        for name in names:
            begun = [row for row in index.get(name, ()) if row.valid_from <= day]
            for seller in wanted or tuple(row.provider for row in begun[:1]):
                newest: dict[int, Price] = {}
                for row in begun:
                    if row.provider == seller:
                        newest.setdefault(row.above, row)  # when it ends, none before it comes back
                found = [newest[above] for above in sorted(newest, reverse=True) if newest[above].holds(day)]
                if found:
                    return tuple(row.times(row.regional) if in_region else row for row in found)
    return ()


@cache
def _indexes() -> tuple[dict[str, list[Price]], ...]:
    """Return the rows by model, the newest first: those of a file, and the packaged ones."""
    found: list[dict[str, list[Price]]] = []
    for rows in (Book.own, packaged()):
        index: dict[str, list[Price]] = {}
        for row in sorted(rows, key=lambda row: row.valid_from, reverse=True):
            index.setdefault(row.model.lower(), []).append(row)
        found.append(index)
    return tuple(found)
