"""Shapes cost reports for their templates: data in, data out."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from mlobs.prices.buckets import BUCKETS
from mlobs.server.ask.keys import find
from mlobs.server.ask.ranges import DAY_NS, NS, Range
from mlobs.server.costs.month import Month
from mlobs.server.pages import charts
from mlobs.server.pages.amounts import money
from mlobs.server.pages.charts import Axis, Series
from mlobs.server.pages.links import address, term
from mlobs.server.pages.models.view import MARKS, NAMED, OTHERS, OTHERS_MARK

Row = Mapping[str, Any]
HOUR_NS = 3600 * NS
TITLES = {
    "input": "input", "cached_read": "read from a cache", "cached_write": "written to a cache",
    "output": "output", "reasoning": "reasoning", "cached_write_1h": "written to a cache for an hour",
    "input_audio": "sound in", "input_image": "pictures in", "cached_audio": "sound from a cache",
    "output_audio": "sound out", "output_image": "pictures out",
}  # fmt: skip


def rows(report: Row, by: str, period: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a report, each with its share and where it leads."""
    whole = report["total"]["cost_usd"]
    most = max((row["cost_usd"] or 0 for row in report["rows"]), default=0)
    return [
        {
            **row,
            "name": row["group"][by],
            "all_tokens": sum(row["tokens"].values()),
            "part": row["cost_usd"] / whole if whole and row["cost_usd"] is not None else None,
            "share": (row["cost_usd"] or 0) / most if most else 0,
            "address": leads(by, row["group"][by], period),
        }
        for row in report["rows"]
    ]


def leads(by: str, name: str | None, period: Mapping[str, str]) -> str:
    """Return where a group leads: its own page, or the traces with such calls; "" for nowhere."""
    if not name:
        return ""
    if by in {"session", "user"}:
        return address(f"/{by}", period, id=name)
    return address("/traces", period, q=term(by, name), sort="dearest") if find(by) else ""


def over_time(
    rows: Sequence[Row], by: str, names: Sequence[str | None], step: str, within: Range
) -> tuple[Markup, list[tuple[str, str]]]:
    """Return a chart of costs by time and group, and its legend.

    Args:
        rows: Of a report by step and by what costs are divided by.
        by: What that is.
        names: The groups, the dearest first.
        step: hour or day.
        within: The range.
    """
    step_ns = HOUR_NS if step == "hour" else DAY_NS
    until_ns = min(within.until_ns, within.now_ns)
    times = range(within.since_ns // step_ns * step_ns, until_ns, step_ns)
    shown = list(names[:NAMED])
    cells: dict[tuple[int, object], float] = {}
    for row in rows:
        at = datetime.fromisoformat(row["group"][step].replace("Z", "+00:00"))
        at_ns = int(at.replace(tzinfo=UTC).timestamp()) * NS
        key = (at_ns, row["group"][by] if row["group"][by] in shown else OTHERS_MARK)
        cells[key] = cells.get(key, 0) + (row["cost_usd"] or 0)
    listed = [(name, name or "not told", mark) for mark, name in zip(MARKS, shown, strict=False)]
    if len(names) > len(shown):
        listed.append((OTHERS_MARK, OTHERS, OTHERS_MARK))
    series = [Series(title, [cells.get((at, name), 0) for at in times], mark) for name, title, mark in listed]
    axis = Axis(times, within.since_ns, until_ns, step_ns, address("/traces", q="cost>0", sort="dearest"))
    picture = charts.bars(f"Cost by {step}", axis, series, told=money)
    return picture, [(mark, title) for _, title, mark in listed]


def unpriced(report: Row) -> list[dict[str, Any]]:
    """Return what has no price, each with what to do about it."""
    return [
        {
            **row,
            "all_tokens": sum(row["tokens"].values()),
            "row": _price_row(row, report["from"][:10]) if row["unknown"] != "no model" else "",
        }
        for row in report["unpriced"]
    ]


def buckets(tokens: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Return tokens by kind: a title, how many, and which share of all."""
    whole = sum(tokens.values())
    return [(TITLES[name], tokens[name], tokens[name] / whole) for name in BUCKETS if tokens.get(name)]


def month_chart(rows: Sequence[Row], month: Month, budget_usd: float | None) -> Markup:
    """Return what a month has cost up to each day, with the budget as a line.

    Args:
        rows: Of a report by day.
        month: Which.
        budget_usd: Of the month, None for none.
    """
    spent = {row["group"]["day"]: row["cost_usd"] or 0 for row in rows}
    days = [month.begins + timedelta(days=number) for number in range((month.ends - month.begins).days)]
    whole, sums = 0.0, list[float | None]()
    for day in days:
        whole += spent.get(f"{day:%Y-%m-%d}", 0)
        sums.append(whole if day <= month.now else None)
    times = [int(day.timestamp()) * NS for day in days]
    axis = Axis(times, times[0], int(month.ends.timestamp()) * NS, DAY_NS)
    return charts.lines("Spent so far", axis, [Series("spent", sums, "s4")], told=money, limit=budget_usd)


def _price_row(row: Row, day: str) -> str:
    """Return a row of a price file to be filled in."""
    made: dict[str, Any] = {
        "provider": row["provider"] or "PROVIDER",
        "model": row["model"],
        "valid_from": day,
        "input": "DOLLARS PER MILLION",
        "output": "DOLLARS PER MILLION",
        "source": "WHERE THE PRICE IS FROM",
    }
    if row["unknown"] == "service tier":
        made["tiers"] = {row["service_tier"]: "FACTOR, SUCH AS 0.5"}
    return json.dumps(made, ensure_ascii=False)
