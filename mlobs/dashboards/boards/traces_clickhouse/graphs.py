"""The numbers and lines of the board that asks spans in SQL."""

from mlobs.dashboards.boards.traces_clickhouse.tables import SERVICES
from mlobs.dashboards.layout import Row
from mlobs.dashboards.panels import Bounds
from mlobs.dashboards.sql import columns
from mlobs.dashboards.sql import statements as sql
from mlobs.dashboards.sql.panels import lines, number

MODEL_CALLS = f"{sql.WHERE_MODEL} AND {sql.MODEL_CALLS}"
PAID_CALLS = f"{sql.WHERE_MODEL} AND {sql.PAID_CALLS}"
FIRST_CHUNKS = f"{MODEL_CALLS} AND TimeToFirstChunk >= 0"
ANEW = "greatest(toInt64(ifNull(InputTokens, 0)) - toInt64(ifNull(CacheReadTokens, 0)), 0)"


def _by_model(value: str, where: str, size: str = sql.COUNT, missing: sql.Missing = "zero") -> str:
    return sql.series(value, where, by="RequestModel", named="model", size=size, missing=missing)


_ANSWERS = (
    number(
        "Model calls",
        sql.asked(f"{sql.COUNT} AS calls", MODEL_CALLS),
        unit="short",
        meaning="Requests to language models in the chosen time.",
    ),
    number(
        "Failed model calls",
        sql.asked(f"{sql.FAILED_SHARE} AS share", MODEL_CALLS, rest="HAVING count() > 0"),
        unit="percentunit",
        bounds=Bounds(orange=0.01, red=0.05),
        meaning="Share of requests to language models that failed; tools and agents are not among them.",
    ),
    number(
        "Model calls, p95",
        sql.asked(f"{sql.quantile(0.95)} AS p95", MODEL_CALLS, rest="HAVING count() > 0"),
        unit="s",
        meaning="95 of 100 requests to language models took no longer.",
    ),
    number(
        "Agent runs",
        sql.asked(f"{sql.COUNT} AS runs", f"{sql.WHERE_AGENT} AND {sql.AGENT_RUNS}"),
        unit="short",
        meaning="Runs of agents and workflows in the chosen time.",
    ),
    number(
        "Tokens",
        sql.asked(f"{sql.TOKENS} AS tokens", PAID_CALLS),
        unit="short",
        meaning="Tokens that models read and wrote; those from a cache are among them.",
    ),
    number(
        "Cost",
        sql.asked(f"{sql.COST} AS cost", PAID_CALLS),
        unit="currencyUSD",
        meaning="What the calls cost by the estimate on their spans; `mlobs cost report` prices them anew.",
    ),
)
_SYMPTOMS = (
    lines(
        "All failed calls by error",
        sql.series(
            f"{sql.COUNT} {sql.PER_MINUTE}",
            f"{sql.WHERE} AND {sql.ANY_CALL} AND {columns.FAILED}",
            by="ErrorType",
            named="error",
        ),
        unit="cpm",
        named="error",
        stacked=True,
        meaning="Calls of models, tools and agents that failed, in a minute; above are model calls only.",
    ),
    lines(
        "Model calls by model",
        _by_model(f"{sql.COUNT} {sql.PER_MINUTE}", MODEL_CALLS),
        unit="cpm",
        named="model",
        stacked=True,
        meaning="Requests to language models in a minute; a model that is new or gone shows here.",
    ),
)
_SLOW = (
    lines(
        "Model calls, quantiles",
        sql.over_time(
            {f"p{level:g}": sql.quantile(level / 100) for level in (50, 95, 99)}, MODEL_CALLS, missing="gap"
        ),
        unit="s",
        meaning="How long requests to language models take.",
    ),
    lines(
        "Model calls by model, p95",
        _by_model(sql.quantile(0.95), MODEL_CALLS, missing="gap"),
        unit="s",
        named="model",
        meaning="95 of 100 requests to a model take no longer.",
    ),
    lines(
        "First chunk by model, p95",
        _by_model(sql.quantile(0.95, "assumeNotNull(TimeToFirstChunk) * 1e9"), FIRST_CHUNKS, missing="gap"),
        unit="s",
        named="model",
        meaning="How long people wait for the first words of a stream.",
    ),
)
_SPENT = (
    lines(
        "Tokens by model",
        _by_model(f"{sql.TOKENS} {sql.PER_MINUTE}", PAID_CALLS, sql.TOKENS),
        unit="count:tok/min",
        named="model",
        stacked=True,
        meaning="Tokens read and written in a minute.",
    ),
    lines(
        "Tokens by kind",
        sql.over_time(
            {
                "read anew": f"{sql.total(ANEW)} {sql.PER_MINUTE}",
                "read from a cache": f"{sql.total('CacheReadTokens')} {sql.PER_MINUTE}",
                "written": f"{sql.total('OutputTokens')} {sql.PER_MINUTE}",
            },
            PAID_CALLS,
        ),
        unit="count:tok/min",
        stacked=True,
        meaning="Tokens in a minute by what is paid for them; those from a cache cost least.",
    ),
    lines(
        "Cost per hour by model",
        _by_model(f"{sql.COST} {sql.PER_HOUR}", PAID_CALLS, sql.COST),
        unit="currencyUSD",
        named="model",
        stacked=True,
        meaning="Estimated US dollars in an hour at this pace.",
    ),
)
ROWS = (
    Row("", _ANSWERS, width=4, height=4),
    Row("Is it broken, for whom, since when?", _SYMPTOMS, width=12, height=8),
    Row("", (SERVICES,), width=24, height=6),
    Row("How slow is it?", _SLOW, width=8, height=8),
    Row("What does it spend?", _SPENT, width=8, height=8),
)
