"""What the server finds out about services once a minute: endings, blocks, scores, budgets.

Pure: `figures` asks and returns points, which are stored like what services send, so that alert rules,
/metrics and dashboards read them like anything else. The questions are `queries/figures_*.sql`.
"""

from collections.abc import Callable, Iterator, Mapping
from math import log
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.semconv import finishes
from mlobs.semconv import metrics as m
from mlobs.server.ask.ranges import NS
from mlobs.server.costs.month import DAY_S, expected_usd, month_of
from mlobs.server.engine import Value
from mlobs.server.points import Point

FINISH_S = 15 * 60
GUARDRAIL_S = 30 * 60
SCORES_S = (60 * 60, DAY_S)
SCORES_MEMORY_S = 7 * DAY_S
SCORES_MIN = 30
# Of all looks of a week, one a minute at each window, chance succeeds with one in so many weeks or fewer.
SCORES_WEEKS = 1000
SCORES_CHANCE = log(SCORES_WEEKS * len(SCORES_S) * 7 * 24 * 60)
ROWS_MAX = 500  # Of each question, those with most calls.

_ENDINGS: dict[str, Value] = {
    "keys": ",".join(finishes.KEYS),
    "messages": ",".join(finishes.MESSAGES),
    "prefix": f"^{finishes.plain(finishes.PREFIX)}",
    **{ending: ",".join(map(finishes.plain, words)) for ending, words in finishes.WORDS.items()},
}

Named = Callable[[str, Mapping[str, Value]], list[dict[str, Any]]]


def figures(named: Named, now_s: float, *, calls_min: int, budget_usd: float) -> Iterator[Point]:
    """Ask and yield the points.

    Args:
        named: Answers the question of that name.
        now_s: In seconds since 1970.
        calls_min: Shares of fewer calls are not told.
        budget_usd: Of each service and month; 0 for none.

    Raises:
        StoreError: The store does not answer.
    """
    asked: dict[str, Value] = {"now_ms": round(now_s * 1000), "rows_max": ROWS_MAX}
    calls: dict[str, Value] = {**asked, "calls_min": calls_min}
    for row in named("figures_finish", {**calls, "window_s": FINISH_S, **_ENDINGS}):
        for finish in finishes.ENDINGS:
            labels = {a.REQUEST_MODEL.name: row["model"], a.FINISH.name: finish}
            yield Point(row["service"], m.FINISH_RATIO, labels, row[finish])
    names: dict[str, Value] = {"name": a.NAME.name, "verdict": a.GUARDRAIL_VERDICT.name}
    for row in named("figures_guardrail", {**calls, "window_s": GUARDRAIL_S, **names}):
        yield Point(row["service"], m.GUARDRAIL_BLOCK_RATIO, {a.NAME.name: row["guardrail"]}, row["blocked"])
    hour_s, day_s = SCORES_S
    spans: dict[str, Value] = {"hour_s": hour_s, "day_s": day_s, "memory_s": SCORES_MEMORY_S}
    proof: dict[str, Value] = {"scores_min": SCORES_MIN, "chance": SCORES_CHANCE}
    for row in named("figures_scores", {**asked, **spans, **proof}):
        yield Point(row["service"], m.EVALUATION_DROP, {a.EVALUATION_NAME.name: row["name"]}, row["drop"])
    if budget_usd:
        yield from _budgets(named, asked, now_s, budget_usd)


def _budgets(named: Named, asked: dict[str, Value], now_s: float, budget_usd: float) -> Iterator[Point]:
    month = month_of(round(now_s) * NS)
    begins: dict[str, Value] = {
        "month_ms": round(month.begins.timestamp() * 1000),
        "day_ms": round((now_s - DAY_S) * 1000),
    }
    for row in named("figures_budget", {**asked, **begins}):
        yield Point(row["service"], m.BUDGET_SPENT, {}, row["month_usd"] / budget_usd)
        expected = expected_usd(month, row["month_usd"], row["day_usd"])
        yield Point(row["service"], m.BUDGET_FORECAST, {}, expected / budget_usd)
