"""Shapes the comparison with other prices: data in, data out."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlobs.prices.buckets import BUCKETS
from mlobs.prices.rows import Price, rates
from mlobs.server.pages.models.spending import TITLES

Row = Mapping[str, Any]


def compared(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of a report with other prices, each with its change as a share.

    What it cost is not known where no call had a price before; it is then no nought.
    """
    return [{**row, **_known(row), "changed": changed(row)} for row in rows]


def changed(figures: Row) -> float | None:
    """Return the change as a share of what was paid for the calls that have both prices."""
    then, change = figures["then_usd"], figures["change_usd"]
    return change / then if then and change is not None else None


def partly(figures: Row) -> bool:
    """Return whether some calls have only one of both prices, so that the change is not of all of them."""
    both: float = (figures["cost_usd"] or 0) - (figures["then_usd"] or 0)
    change: float = figures["change_usd"] or 0
    return abs(both - change) > 1e-9 * (abs(both) + 1)


def tokens(counts: Mapping[str, int], before: Price | None, after: Price | None) -> list[dict[str, Any]]:
    """Return the tokens of a model by kind, with the price of a million before and after."""
    old, new = (_by_bucket(row) for row in (before, after))
    return [
        {"title": TITLES[name], "count": counts[name], "before": old.get(name), "after": new.get(name)}
        for name in BUCKETS
        if counts.get(name)
    ]


def _known(row: Row) -> dict[str, float | None]:
    unknown = row["cost_usd"] and not row["then_usd"] and not row["change_usd"]
    return {"then_usd": None, "change_usd": None} if unknown else {}


def _by_bucket(row: Price | None) -> dict[str, float]:
    found = None if row is None else rates(row, "standard")
    return {} if found is None else dict(zip(BUCKETS, map(float, found), strict=True))
