"""Shapes the models for their template: data in, data out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mlobs.server.ask.ranges import NS
from mlobs.server.minutes import quantiles
from mlobs.server.pages import charts
from mlobs.server.pages.amounts import count, duration, money, ratio
from mlobs.server.pages.charts import Series
from mlobs.server.pages.overview.view import NANOS, Group, Sums, time_axis
from mlobs.server.pages.period import Period

Row = Mapping[str, Any]
MARKS = ("s1", "s2", "s3", "s4", "s5", "s6")
NAMED = 5
OTHERS, OTHERS_MARK = "others", "quiet"
THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the table.

    Attributes:
        group: Its name, sums and links.
        cost_share: Of what all models cost.
        per_thousand_usd: What a thousand calls cost, of those that do not lack their cost.
        cache_share: Of its input tokens, those read from a cache.
    """

    group: Group
    cost_share: float | None
    per_thousand_usd: float | None
    cache_share: float | None


def models(groups: Sequence[Group], whole: Sums) -> list[Model]:
    """Return the rows of the table, the dearest first and then those with most calls."""
    rows = sorted(groups, key=lambda one: (-(one.sums.cost_usd or 0), -one.sums.spans, one.name))
    return [
        Model(
            one,
            one.sums.cost_usd / whole.cost_usd if one.sums.cost_usd is not None and whole.cost_usd else None,
            per_thousand(one.sums),
            cache_share(one.sums),
        )
        for one in rows
    ]


def per_thousand(sums: Sums) -> float | None:
    """Return what a thousand calls cost, of those that do not lack their cost."""
    known = sums.spans - sums.unpriced
    return sums.cost_usd / known * THOUSAND if sums.cost_usd is not None and known > 0 else None


def cache_share(sums: Sums) -> float | None:
    """Return which share of the input tokens was read from a cache."""
    return sums.cached_tokens / sums.input_tokens if sums.input_tokens else None


def named(rows: Sequence[Model]) -> list[str]:
    """Return the models that charts show each by itself."""
    return [row.group.name for row in rows[:NAMED]]


def legend(names: Sequence[str], *, others: bool) -> list[tuple[str, str]]:
    """Return the colours of models, with that of all others where there are some."""
    return [*zip(MARKS, names, strict=False), *([(OTHERS_MARK, OTHERS)] if others else [])]


def pictures(
    steps: Sequence[Row], names: Sequence[str], period: Period, question: str, *, others: bool
) -> dict[str, Markup]:
    """Return the charts by name; `steps` are the rows of `queries/page_models.sql`."""
    axis = time_axis(period, question)
    cells = {(row["at_s"] * NS, row["model"]): row for row in steps}
    listed = [*((name, name, mark) for mark, name in legend(names, others=False))]
    if others:
        listed.append(("", OTHERS, OTHERS_MARK))

    def series(read: Callable[[Row], float | None], empty: float | None = 0) -> list[Series]:
        found = []
        for name, title, mark in listed:
            rows = (cells.get((time, name)) for time in axis.times_ns)
            found.append(Series(title, [empty if row is None else read(row) for row in rows], mark))
        return found

    def spent(row: Row) -> float:
        return float(row["cost_nanos"]) / NANOS

    return {
        "cost": charts.bars("Cost by model", axis, series(spent), told=money),
        "calls": charts.bars("Calls by model", axis, series(lambda row: row["spans"]), told=count),
        "took": charts.lines("Latency by model, p95", axis, series(_p95, None), told=duration),
        "tokens": charts.bars("Tokens", axis, _tokens(steps, axis.times_ns), told=count),
        "cached": charts.lines("Cached input", axis, [_cached(steps, axis.times_ns)], told=ratio),
        "failed": charts.bars("Failed calls by model", axis, series(lambda row: row["errors"]), told=count),
    }


def _p95(row: Row) -> float | None:
    found = quantiles(row["durations"], (0.95,))
    return None if found is None else found[0] / 1e6


def _tokens(steps: Sequence[Row], times_ns: Sequence[int]) -> list[Series]:
    sums = _by_time(steps)
    return [
        Series(
            "input", [max(0, sums[at]["input_tokens"] - sums[at]["cached_tokens"]) for at in times_ns], "s1"
        ),
        Series("from a cache", [sums[at]["cached_tokens"] for at in times_ns], "s6"),
        Series("output", [sums[at]["output_tokens"] for at in times_ns], "s3"),
    ]


def _cached(steps: Sequence[Row], times_ns: Sequence[int]) -> Series:
    sums = _by_time(steps)
    shares = [
        sums[at]["cached_tokens"] / sums[at]["input_tokens"] if sums[at]["input_tokens"] else None
        for at in times_ns
    ]
    return Series("from a cache", shares, "s6")


class _Sums(dict[int, dict[str, int]]):
    def __missing__(self, at_ns: int) -> dict[str, int]:
        return dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens"), 0)


def _by_time(steps: Sequence[Row]) -> _Sums:
    found = _Sums()
    for row in steps:
        at_ns = row["at_s"] * NS
        before = found[at_ns]
        found[at_ns] = {name: number + row[name] for name, number in before.items()}
    return found
