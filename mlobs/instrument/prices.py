"""What models cost: dated prices per bucket of tokens, and the cost of a call.

`prices.json` holds the rows, each with its source and the day it became valid. A model that
has no row costs `None`, which means unknown; nothing is ever assumed to be free.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from mlobs.instrument.usage import Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What one model's tokens cost from a day on, in US dollars per million.

    A bucket without a price of its own is charged as the bucket it is part of: cached input as
    input, reasoning as output.
    """

    provider: str
    model: str
    valid_from: date
    input: float
    output: float
    source: str
    cached_read: float | None = None
    cached_write: float | None = None

    def of(self, usage: Usage) -> float:
        """Return the cost of `usage` in US dollars."""
        read = self.input if self.cached_read is None else self.cached_read
        write = self.input if self.cached_write is None else self.cached_write
        dollars = usage.input * self.input + usage.cached_read * read + usage.cached_write * write
        return (dollars + usage.output_total * self.output) / 1e6


@cache
def packaged() -> tuple[Price, ...]:
    """Return the prices that ship with mlobs, newest first."""
    rows = [
        Price(**{**row, "valid_from": date.fromisoformat(row["valid_from"])})
        for row in json.loads((files("mlobs.instrument") / "prices.json").read_text())
    ]
    return tuple(sorted(rows, key=lambda row: row.valid_from, reverse=True))


def find(rows: Iterable[Price], provider: str | None, model: str, day: date) -> Price | None:
    """Return the price of `model` on `day`, or None if it is unknown.

    `rows` are newest first. A dated snapshot (`gpt-4o-mini-2024-07-18`) costs what its model
    does. Without a provider the model's name decides.
    """
    for row in rows:
        if row.valid_from <= day and provider in {None, row.provider} and _same_model(model, row.model):
            return row
    return None


def cost_usd(usage: Usage, provider: str | None, model: str, day: date) -> float | None:
    """Return what a call cost by the packaged prices, or None if the price is unknown."""
    price = find(packaged(), provider, model, day)
    return None if price is None else price.of(usage)


def _same_model(asked: str, listed: str) -> bool:
    if asked == listed:
        return True
    snapshot = asked.removeprefix(f"{listed}-")
    return snapshot != asked and snapshot.replace("-", "").isdecimal()
