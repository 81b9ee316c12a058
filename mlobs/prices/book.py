"""Which price a call has: the rows of a file first, then the packaged ones."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache, cached_property, lru_cache
from importlib.resources import files

from mlobs.prices.buckets import Usage
from mlobs.prices.file import read_rows
from mlobs.prices.models import NAME_CHARACTERS_MAX, provider_of, sellers, spellings
from mlobs.prices.rows import Price

Index = dict[str, list[Price]]


class Book:
    """Prices to look up.

    Args:
        own: Rows that go before the packaged ones.
    """

    def __init__(self, own: Iterable[Price] = ()) -> None:
        self.own = tuple(own)
        self._known = lru_cache(maxsize=2048)(self._rows)  # model names may be made from user input

    def find(self, provider: str | None, model: str, day: date, *, input_tokens: int = 0) -> Price | None:
        """Return the price of `model` on `day`, or None if it is unknown.

        A dated snapshot (`gpt-4o-mini-2024-07-18`) costs what its model does, unless it has a row of its
        own. Without a provider the model's name decides.
        """
        if len(model) > NAME_CHARACTERS_MAX or len(provider or "") > NAME_CHARACTERS_MAX:
            return None  # nor is it kept: what is longer is no model's name
        for row in self._known(provider, model, day):  # the largest `above` first
            if input_tokens > row.above or row.above == 0:
                return row
        return None

    def cost_usd(
        self, usage: Usage, provider: str | None, models: Iterable[str], day: date, *, tier: str = "standard"
    ) -> float | None:
        """Return what a call cost by the first of `models` with a price on `day`, None if none has one.

        Args:
            usage: What the call used.
            provider: Of the model.
            models: The one that answered, which may be a deployment's name, and the one asked for.
            day: The day whose prices hold.
            tier: Of the service.
        """
        for model in models:
            price = self.find(provider, model, day, input_tokens=usage.input_total) if model else None
            cost = None if price is None else price.of(usage, tier)
            if cost is not None:
                return cost
        return None

    def days(self) -> list[date]:
        """Return the days on which a price may be another than the day before, in order."""
        found = {row.valid_from for rows in self._every for row in rows}
        ends = {row.valid_until for rows in self._every for row in rows if row.valid_until is not None}
        return sorted(found | {day + timedelta(days=1) for day in ends if day < date.max})

    def sizes(self) -> list[int]:
        """Return the numbers of input tokens above which a price may be another, in order."""
        return sorted({row.above for rows in self._every for row in rows if row.above})

    @property
    def _every(self) -> tuple[tuple[Price, ...], ...]:
        return (self.own, packaged())

    @cached_property
    def _indexes(self) -> tuple[Index, Index]:
        return (_index(self.own), _packaged_index())

    def _rows(self, provider: str | None, model: str, day: date) -> tuple[Price, ...]:
        """Return the rows that hold for a model on a day, one for each `above`, the largest first."""
        names, in_region = spellings(model)
        wanted = sellers(provider_of(provider, model))
        for index in self._indexes:
            for name in names:
                begun = [row for row in index.get(name, ()) if row.valid_from <= day]
                for seller in wanted or tuple(row.provider for row in begun[:1]):
                    newest: dict[int, Price] = {}
                    for row in begun:
                        if row.provider == seller:
                            newest.setdefault(row.above, row)  # when it ends, none before it comes back
                    found = [
                        newest[above] for above in sorted(newest, reverse=True) if newest[above].holds(day)
                    ]
                    if found:
                        return tuple(replace(row, factor=row.regional) if in_region else row for row in found)
        return ()


class _InUse:
    """The book that this process prices its own calls with."""

    book = Book()


def use(rows: Iterable[Price]) -> None:
    """Put `rows` before the packaged ones, instead of those put there before."""
    _InUse.book = Book(rows)


def find(provider: str | None, model: str, day: date, *, input_tokens: int = 0) -> Price | None:
    """Do as `Book.find` with the rows in use."""
    return _InUse.book.find(provider, model, day, input_tokens=input_tokens)


def cost_usd(
    usage: Usage, provider: str | None, model: str, day: date, *, tier: str = "standard"
) -> float | None:
    """Return what a call cost by the rows in use, or None if its price is unknown."""
    price = find(provider, model, day, input_tokens=usage.input_total)
    return None if price is None else price.of(usage, tier)


@cache
def packaged() -> tuple[Price, ...]:
    """Return the prices that ship with mlobs."""
    return read_rows("prices.json", (files("mlobs.prices") / "prices.json").read_text(encoding="utf-8"))


@cache
def _packaged_index() -> Index:
    return _index(packaged())


def _index(rows: Iterable[Price]) -> Index:
    """Return rows by model, the newest first."""
    found: Index = {}
    for row in sorted(rows, key=lambda row: row.valid_from, reverse=True):
        found.setdefault(row.model.lower(), []).append(row)
    return found
