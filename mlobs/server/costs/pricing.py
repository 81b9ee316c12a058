"""Which prices a class of calls has.

The rule is that of the SDK's estimate: the model that answered decides, or else the one asked for, as the
former may be a deployment's name. Of a call in a service tier without a price nothing is known.

No model answers what another embeds: calls priced as a model are those of its kind, either embeddings or all
others, and the rest keeps its own prices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Context
from typing import Any

from mlobs.prices.book import Book
from mlobs.prices.buckets import BUCKETS
from mlobs.prices.rows import Price, rates
from mlobs.server.ask.ranges import NS

# A price for each of BUCKETS, in units of 10^-SCALE dollars per million tokens; what is below is lost.
Units = tuple[int, ...]
SCALE = 18
_EXACT = Context(prec=80)
# What a token would have been without a cache.
_PLAIN = {
    "cached_read": "input",
    "cached_audio": "input_audio",
    "cached_write": "input",
    "cached_write_1h": "input",
}


@dataclass(frozen=True, slots=True)
class Pricing:
    """How calls are priced.

    Attributes:
        book: Where prices are looked up.
        day: The day whose prices hold; each call's own if None.
        model: The model that calls of its kind are priced as; each call's own if None.
        embeds: Whether that is one for embeddings.
        others: Where other calls' prices are looked up then; `book` if None.
    """

    book: Book
    day: date | None = None
    model: str | None = None
    embeds: bool = False
    others: Book | None = None

    def book_of(self, row: Mapping[str, Any]) -> Book:
        """Return where the price of a class is looked up."""
        return self.book if self.others is None or self.as_model(row) else self.others

    def as_model(self, row: Mapping[str, Any]) -> bool:
        """Return whether a class is priced as `model`."""
        return self.model is not None and bool(row["embeds"]) == self.embeds


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a class, by bucket.

    Attributes:
        now: By the prices asked for.
        saved: What a token would have cost more without a cache; a write would have cost less.
        then: By those of its day, where others were asked for and these are known.
    """

    now: Units
    saved: Units
    then: Units | None


@dataclass(frozen=True, slots=True)
class Edges:
    """Where prices change: sizes of the input, and days within a range, which begins on `first`."""

    sizes: tuple[int, ...]
    days: tuple[date, ...]
    first: date

    def starts(self) -> list[int]:
        """Return when the days begin, as the table has times."""
        return [int(datetime.combine(day, time(), UTC).timestamp()) * NS for day in self.days]

    def size(self, index: int) -> int:
        """Return a number of input tokens of the classes that reached so many sizes."""
        return self.sizes[index - 1] + 1 if index else 0

    def day(self, index: int) -> date:
        """Return a day of the classes that reached so many days."""
        return self.days[index - 1] if index else self.first


def edges(books: Sequence[Book], since_ns: int, until_ns: int) -> Edges:
    """Return where the prices of some books change within a range of time."""
    first, last = (datetime.fromtimestamp(at_ns // NS, UTC).date() for at_ns in (since_ns, until_ns))
    days = {day for book in books for day in book.days() if first < day <= last}
    sizes = {size for book in books for size in book.sizes()}
    return Edges(tuple(sorted(sizes)), tuple(sorted(days)), first)


def prices(row: Mapping[str, Any], edges: Edges, pricing: Pricing, then: Pricing | None) -> Prices | None:
    """Return what a class costs, what caching saved, and what it cost `then`; None if it has no price."""
    now = price(row, edges, pricing)
    if now is None:
        return None
    by_name = dict(zip(BUCKETS, now, strict=True))
    saved = tuple(by_name[_PLAIN[name]] - by_name[name] if name in _PLAIN else 0 for name in BUCKETS)
    return Prices(now, saved, None if then is None else price(row, edges, then))


def embeds(row: Price) -> bool:
    """Return whether a model is one for embeddings: only what goes in has a price."""
    return row.output == 0 < row.input


def price(row: Mapping[str, Any], edges: Edges, pricing: Pricing) -> Units | None:
    """Return the price of each bucket of a class, None if it is not known."""
    day = pricing.day or edges.day(row["period"])
    called: list[tuple[str | None, str]]
    if pricing.model is not None and pricing.as_model(row):
        called = [(None, pricing.model)]
    else:
        called = [(row["provider"] or None, row[name]) for name in ("response_model", "request_model")]
    for provider, model in called:
        if model:
            listed = pricing.book_of(row).find(provider, model, day, input_tokens=edges.size(row["size"]))
            known = None if listed is None else rates(listed, row["tier"])
            if known is not None:
                return tuple(int(_EXACT.scaleb(rate, SCALE)) for rate in known)
    return None


def reason(row: Mapping[str, Any], edges: Edges, pricing: Pricing) -> str:
    """Return what is not known of a class without a price: its model, or the price of its service tier."""
    if not pricing.as_model(row) and not (row["response_model"] or row["request_model"]):
        return "no model"
    return "model" if price({**row, "tier": ""}, edges, pricing) is None else "service tier"
