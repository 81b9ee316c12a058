"""What becomes of the sums: figures of a group, of everything, and of what has no price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from operator import mul
from typing import Any

from mlobs.prices.buckets import BUCKETS
from mlobs.server.costs.pricing import SCALE, Edges, Prices, Pricing, reason

# A token at a price of one unit costs this many digits after the point of a dollar.
UNIT_DIGITS = SCALE + 6
OUTPUTS = frozenset({"output", "reasoning", "output_audio", "output_image"})
CACHED = ("cached_read", "cached_audio")
_EXACT = Context(prec=80)
Row = dict[str, Any]


def usd(units: int) -> Decimal:
    """Return dollars.

    >>> usd(75 * 10**21)
    Decimal('0.075')
    """
    return _EXACT.scaleb(Decimal(units), -UNIT_DIGITS).normalize(_EXACT)


@dataclass(slots=True)
class Figures:
    """Of some calls.

    Attributes:
        calls: How many.
        calls_without_usage: Those that told no tokens: failed ones, and streams that do not count.
        calls_without_price: Those that no price is known for.
        tokens_without_price: Their tokens.
        tokens: By bucket.
        cost_units: What those with a price cost.
        saved_units: What caching saved of it, less what writing to the cache cost more than other input.
        then_units: What they cost by the prices of their days, where other prices were asked for.
        compared_units: What those of them that have both prices cost by the ones asked for.
        traces: That have such calls.
        successful_traces: Those of them whose root did not fail.
    """

    calls: int = 0
    calls_without_usage: int = 0
    calls_without_price: int = 0
    tokens_without_price: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUCKETS, 0))
    cost_units: int = 0
    saved_units: int = 0
    then_units: int = 0
    compared_units: int = 0
    traces: int = 0
    successful_traces: int = 0

    def add(self, prices: Prices | None, calls: int, counts: Sequence[int]) -> None:
        """Add what calls of one class cost; None if their price is not known."""
        if prices is None:
            self.calls_without_price += calls
            self.tokens_without_price += sum(counts)
            return
        cost = sum(map(mul, counts, prices.now))
        self.cost_units += cost
        self.saved_units += sum(map(mul, counts, prices.saved))
        if prices.then is not None:
            self.then_units += sum(map(mul, counts, prices.then))
            self.compared_units += cost

    def shown(self, *, repriced: bool) -> Row:
        """Return them as the API shows them: dollars as numbers, None where nothing has a price."""
        priced = self.calls > self.calls_without_price
        cost = usd(self.cost_units) if priced else None
        inputs = sum(count for name, count in self.tokens.items() if name not in OUTPUTS)
        found: Row = {
            "calls": self.calls,
            "calls_without_usage": self.calls_without_usage,
            "calls_without_price": self.calls_without_price,
            "tokens_without_price": self.tokens_without_price,
            "traces": self.traces,
            "successful_traces": self.successful_traces,
            "tokens": {name: count for name, count in self.tokens.items() if count},
            "cost_usd": _number(cost),
            "cost_per_trace_usd": _share(cost, self.traces),
            "cost_per_successful_trace_usd": _share(cost, self.successful_traces),
            "cache_share": sum(self.tokens[name] for name in CACHED) / inputs if inputs else None,
            "cache_saved_usd": _number(usd(self.saved_units)) if priced else None,
        }
        if repriced:
            found["then_usd"] = _number(usd(self.then_units)) if priced else None
            found["change_usd"] = _number(usd(self.compared_units - self.then_units)) if priced else None
        return found


def of_group(row: Mapping[str, Any], prices: Mapping[int, Prices]) -> Figures:
    """Return the figures of a row of `statements.rows`."""
    found = Figures(traces=row["traces"], successful_traces=row["successful_traces"])
    for ident, (calls, unused, *counts) in row["parts"].items():
        found.calls += calls
        found.calls_without_usage += unused
        for name, count in zip(BUCKETS, counts, strict=True):
            found.tokens[name] += count
        found.add(prices.get(int(ident)), calls, counts)
    return found


def of_everything(rows: Sequence[Mapping[str, Any]], prices: Mapping[int, Prices]) -> Figures:
    """Return the figures of all calls, of the rows of `statements.classes`.

    Of the classes beyond those listed no price is looked up.
    """
    found = Figures()
    if not rows:
        return found
    found.calls, found.calls_without_usage = rows[0]["all_calls"], rows[0]["all_unused"]
    found.tokens = {name: rows[0][f"all_{name}"] for name in BUCKETS}
    listed, tokens = 0, 0
    for row in rows:
        counts = _counts(row)
        found.add(prices.get(row["class"]), row["calls"], counts)
        listed, tokens = listed + row["calls"], tokens + sum(counts)
    found.calls_without_price += found.calls - listed
    found.tokens_without_price += sum(found.tokens.values()) - tokens
    return found


def unpriced(
    rows: Sequence[Mapping[str, Any]], prices: Mapping[int, Prices], edges: Edges, pricing: Pricing
) -> list[Row]:
    """Return what has no price, with its tokens, most tokens first; a row for each model and tier."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        if row["class"] in prices:
            continue
        model = row["response_model"] or row["request_model"]
        first: Row = {
            "provider": row["provider"] or None,
            "model": model or None,
            "service_tier": row["tier"] or None,
            "unknown": reason(row, edges, pricing),
            "calls": 0,
            "tokens": {},
            "told_usd": None,
        }
        one = found.setdefault((row["provider"], model, row["tier"]), first)
        one["calls"] += row["calls"]
        for name, count in zip(BUCKETS, _counts(row), strict=True):
            if count:
                one["tokens"][name] = one["tokens"].get(name, 0) + count
        if row["told_usd"] is not None:
            one["told_usd"] = (one["told_usd"] or 0) + row["told_usd"]
    return sorted(found.values(), key=lambda one: (-sum(one["tokens"].values()), -one["calls"]))


def _counts(row: Mapping[str, Any]) -> list[int]:
    return [row[f"n_{name}"] for name in BUCKETS]


def _share(cost: Decimal | None, count: int) -> float | None:
    return None if cost is None or not count else float(_EXACT.divide(cost, Decimal(count)))


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
