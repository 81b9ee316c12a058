"""Shapes the overview for its template: data in, data out.

Everything is added up from `minutes`; requests are the first spans of traces, calls those of models. What is
not known, such as the cost of calls without a price, is None and never nought.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mlobs.semconv import attributes as a
from mlobs.server.ask.ranges import NS
from mlobs.server.engine import Value
from mlobs.server.minutes import TEN, TEN_S, added, quantiles, table_for
from mlobs.server.pages import charts
from mlobs.server.pages.amounts import count, duration, money
from mlobs.server.pages.charts import Axis, Series
from mlobs.server.pages.links import address, term
from mlobs.server.pages.period import MINUTE_NS, Period

Row = Mapping[str, Any]
LEVELS = (0.5, 0.95)
GROUPS_SHOWN = 12
NANOS = 1e9
TRACES = "/traces"
CALLS = "call:yes"
TOKENS, COST = f"{CALLS} tokens>0", f"{CALLS} cost>0"
AGENT, PREDICTION = "agent", "predict"
DRIFT_RULES = {"MlobsFeatureDrift", "MlobsFleetDrift"}
FEATURE_LABELS = {
    "service": a.SERVICE_NAME.label,
    "model": a.MODEL_NAME.label,
    "version": a.MODEL_VERSION.label,
    "feature": a.FEATURE.label,
}


@dataclass(frozen=True, slots=True)
class Sums:
    """What some rows of `queries/page_totals.sql` come to.

    Attributes:
        spans: How many.
        errors: That failed.
        input_tokens: None where no call tells its tokens.
        output_tokens: The same.
        cached_tokens: Of those that went in.
        cost_usd: None where no call tells its cost.
        unpriced: Calls of models that lack their cost; those that failed before anything was counted do not.
        took_ms: How long half of them took at most, and 95 of a hundred.
        first_chunk_ms: The same until the first token.
    """

    spans: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int
    cost_usd: float | None
    unpriced: int
    took_ms: tuple[float, float] | None
    first_chunk_ms: tuple[float, float] | None

    @property
    def error_ratio(self) -> float | None:
        """The share that failed."""
        return self.errors / self.spans if self.spans else None


@dataclass(frozen=True, slots=True)
class Group:
    """A row of a table: a name, what it came to, and where its numbers lead.

    Attributes:
        name: Of the service, agent, model or tool.
        sums: What it came to.
        share: Of the largest in the table, by number.
        question: That finds its spans.
        links: Addresses by what they are for.
    """

    name: str
    sums: Sums
    share: float
    question: str
    links: Mapping[str, str]


def added_up(rows: Sequence[Row]) -> Sums:
    """Return what rows come to."""
    counted = any(row["counted"] for row in rows)
    priced = sum(row["priced"] for row in rows)
    return Sums(
        spans=sum(row["spans"] for row in rows),
        errors=sum(row["errors"] for row in rows),
        input_tokens=sum(row["input_tokens"] for row in rows) if counted else None,
        output_tokens=sum(row["output_tokens"] for row in rows) if counted else None,
        cached_tokens=sum(row["cached_tokens"] for row in rows),
        cost_usd=sum(row["cost_nanos"] for row in rows) / NANOS if priced else None,
        unpriced=max(0, sum(row["calls"] - row["failed_untold"] for row in rows) - priced),
        took_ms=_pair(added([row["durations"] for row in rows])),
        first_chunk_ms=_pair(added([row["first_chunks"] for row in rows])),
    )


def requests_and_predictions(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the requests, and apart from them the predictions that were made outside of any.

    A model that is called a million times an hour would hide how requests go. Where there is nothing else,
    as in a service that serves a model, its predictions are the requests.
    """
    roots = [row for row in rows if row["is_root"]]
    requests = [row for row in roots if row["noun"] != PREDICTION]
    return (requests, [row for row in roots if row["noun"] == PREDICTION]) if requests else (roots, [])


def of_requests(question: str, predictions: Sequence[Row]) -> str:
    """Return the question that finds requests, as `requests_and_predictions` tells them apart.

    Args:
        question: That holds for all of them, such as for one service.
        predictions: Those that are no requests.
    """
    return f"{question} root:yes{f' -kind:{PREDICTION}' if predictions else ''}".strip()


def of_calls(rows: Sequence[Row], question: str = "") -> str:
    """Return the question that finds the calls of models and the predictions among which some rows are.

    Args:
        rows: Of `queries/page_totals.sql`.
        question: That holds for all of them.
    """
    kinds = [CALLS] if any(row["calls"] for row in rows) else []
    kinds += [f"kind:{PREDICTION}"] if any(row["noun"] == PREDICTION for row in rows) else []
    either = f"({' OR '.join(kinds)})" if len(kinds) > 1 else kinds[0]
    return f"{either} {question}".strip()


def services(rows: Sequence[Row], period: Period) -> list[Group]:
    """Return the table of services by their requests."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["service"], []).append(row)
    found = {name: requests_and_predictions(of) for name, of in by_name.items()}

    def question(name: str, _: Sequence[Row]) -> str:
        return of_requests(term("service", name), found[name][1])

    requests = [row for of, _ in found.values() for row in of]
    return groups(requests, "service", question, period)


def agents(rows: Sequence[Row], period: Period, also: str) -> list[Group]:
    """Return the table of agents by their runs; `also` holds for all of them, such as for one service."""
    runs = [row for row in rows if row["noun"] == AGENT]
    return groups(runs, "agent", lambda name, _: f"kind:{AGENT} {term('agent', name)} {also}".strip(), period)


def models(rows: Sequence[Row], period: Period, also: str) -> list[Group]:
    """Return the table of models by their calls and predictions; `also` as of `agents`."""
    calls = [row for row in rows if row["calls"] or row["noun"] == PREDICTION]
    return groups(
        calls, "model", lambda name, of: of_calls(of, f"{term('answered', name)} {also}".strip()), period
    )


def groups(
    rows: Iterable[Row], by: str, question: Callable[[str, Sequence[Row]], str], period: Period
) -> list[Group]:
    """Return the table by one of the columns, those with most spans first.

    Args:
        rows: Of `queries/page_totals.sql`.
        by: The column.
        question: Returns the question that finds the spans of a name with some rows.
        period: Of the page.
    """
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        if row[by]:
            by_name.setdefault(row[by], []).append(row)
    sums = sorted(
        ((name, added_up(of)) for name, of in by_name.items()), key=lambda one: (-one[1].spans, one[0])
    )
    most = max((one.spans for _, one in sums), default=1)
    found = []
    for name, one in sums:
        asked = question(name, by_name[name])
        found.append(Group(name, one, one.spans / most, asked, links(asked, one, period)))
    return found


def tools(rows: Sequence[Row], period: Period, also: str) -> list[Group]:
    """Return the table of tools; `rows` are those of `queries/page_tools.sql`."""
    most = max((row["spans"] for row in rows), default=1)
    found = []
    for row in rows:
        sums = Sums(row["spans"], row["errors"], None, None, 0, None, 0, _pair(row["durations"]), None)
        question = f"kind:tool {term('tool', row['tool'])} {also}"
        share = row["spans"] / most
        found.append(Group(row["tool"], sums, share, question, links(question, sums, period)))
    return found


def links(question: str, sums: Sums, period: Period) -> dict[str, str]:
    """Return where numbers lead: to the traces behind them, those that matter first."""

    def to(more: str = "", sort: str = "") -> str:
        return address(TRACES, period.given, q=f"{question} {more}".strip(), sort=sort)

    slow, late = sums.took_ms, sums.first_chunk_ms
    said = f"{CALLS} " if question.startswith(CALLS) else ""
    return {
        "all": to(),
        "errors": to("status:error"),
        "slow": to(f"duration>{slow[1]:.0f}ms" if slow and slow[1] >= 1 else "", "slowest"),
        "middle": to("", "slowest"),
        "late": to(f"ttfc>{late[1]:.0f}ms" if late and late[1] >= 1 else "ttfc>=0s"),
        "tokens": to(TOKENS.removeprefix(said)),
        "cost": to(COST.removeprefix(said), "dearest"),
    }


def pictures(
    steps: Sequence[Row], period: Period, question: str, predictions: Sequence[Row]
) -> dict[str, Markup]:
    """Return the charts by name, of which each step leads to the traces behind it.

    Args:
        steps: The rows of `queries/page_steps.sql`.
        period: Of the page.
        question: That holds for all of them.
        predictions: Those that are no requests.
    """
    by_time = {row["at_s"] * NS: row for row in steps}
    rows = [by_time.get(time) for time in time_axis(period, question).times_ns]
    took = [None if row is None else _pair(row["durations"]) for row in rows]
    chunks = [None if row is None else _pair(row["first_chunks"]) for row in rows]
    asked = time_axis(period, of_requests(question, predictions))

    def of(more: str) -> Axis:
        return time_axis(period, f"{question} {more}".strip())

    def values(read: Callable[[Row], float | None], mark: str, name: str) -> Series:
        return Series(name, [0 if row is None else read(row) for row in rows], mark)

    def spent(row: Row) -> float | None:
        return row["cost_nanos"] / NANOS if row["priced"] else None

    requests = (
        values(lambda row: row["requests"] - row["failed"], "s1", "well"),
        values(lambda row: row["failed"], "bad", "failed"),
    )
    failed = (values(lambda row: row["errors"], "bad", "failed spans"),)
    tokens = (
        values(lambda row: row["input_tokens"], "s1", "input"),
        values(lambda row: row["output_tokens"], "s3", "output"),
    )
    return {
        "requests": charts.bars("Requests", asked, requests, told=count),
        "errors": charts.bars("Failed spans", of("status:error"), failed, told=count),
        "took": charts.lines("Latency of requests", asked, _levels(took), told=duration),
        "first_chunk": charts.lines("Time to first token", of("ttfc>=0s"), _levels(chunks), told=duration),
        "tokens": charts.bars("Tokens", of(TOKENS), tokens, told=count),
        "cost": charts.bars("Cost", of(COST), (values(spent, "s4", "cost"),), told=money),
    }


def causes(firing: Sequence[Row]) -> list[Row]:
    """Return the alerts that fire, one for each cause.

    Drift of a feature may be told of by two rules, and of each of its segments.
    """
    found: dict[object, Row] = {}
    for number, alert in enumerate(firing):
        feature = _feature(alert.get("labels") or {}) if alert["rule"] in DRIFT_RULES else None
        found.setdefault(number if feature is None else feature, alert)
    return list(found.values())


def untold(alarms: Sequence[Row], firing: Sequence[Row]) -> list[Row]:
    """Return what moved of those features that no alert tells of, of whichever segment."""
    told = {_feature(one.get("labels") or {}) for one in firing if one["rule"] in DRIFT_RULES}
    return [one for one in alarms if _watched(one) not in told]


def by_feature(alarms: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a row for each feature that moved: as a whole, or the first of its segments.

    Each has `segments`, the names of those that moved, and `since`, when the first of them did.
    """
    found: dict[tuple[str, ...], list[Row]] = {}
    for one in alarms:
        found.setdefault(_watched(one), []).append(one)
    return [
        {
            **min(of, key=lambda one: one["segment"]),  # The whole is the segment without a name.
            "segments": sorted(one["segment"] for one in of if one["segment"]),
            "since": min((one["since"] for one in of if one["since"]), default=""),
        }
        for of in found.values()
    ]


def _watched(one: Row) -> tuple[str, ...]:
    return tuple(one[name] for name in FEATURE_LABELS)


def _feature(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(label, "") for label in FEATURE_LABELS.values())


def time_axis(period: Period, question: str) -> Axis:
    """Return a period as an axis; each step leads to the traces that a question finds in it."""
    return period.axis(address(TRACES, q=question))


def window(period: Period) -> dict[str, Value]:
    """Return the parameters of a question to `minutes`: whole minutes, or tens, that the range touches."""
    step_s = period.step_ns // NS
    table = table_for(step_s)
    each_s = TEN_S if table == TEN else 60
    return {
        "table": table,
        "since_s": period.range.since_ns // NS // each_s * each_s,
        "until_s": -(-period.end_ns // MINUTE_NS) * 60,
        "step_s": step_s,
    }


def _levels(pairs: Sequence[tuple[float, float] | None]) -> tuple[Series, Series]:
    low, high = ([None if pair is None else pair[level] for pair in pairs] for level in (0, 1))
    return Series("p95", high, "s2"), Series("p50", low, "s1")


def _pair(buckets: Mapping[str, int]) -> tuple[float, float] | None:
    found = quantiles(buckets, LEVELS)
    return None if found is None else (found[0] / 1e6, found[1] / 1e6)
