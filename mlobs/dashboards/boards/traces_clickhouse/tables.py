"""The tables of the board that asks spans in SQL: runs, steps and tools, who, what fails, one trace."""

from mlobs.dashboards.layout import Row
from mlobs.dashboards.panels import Bounds, Json
from mlobs.dashboards.sql import columns
from mlobs.dashboards.sql import statements as sql
from mlobs.dashboards.sql.panels import Look, logs, of_a_trace, table, trace

ERRORS = Bounds(red=1)
FAILURES = Bounds(orange=0.01, red=0.05)
# As wide as the longest number is, or the heading: names have the rest.
NARROW, USUAL, WIDE = Look(width=56), Look(width=76), Look(width=80)
SECONDS, DOLLARS, SHARE = (
    Look("s", width=82),  # 0.0123 µs
    Look("currencyUSD", width=100),  # $0.0000123
    Look("percentunit", FAILURES, width=80),  # 0.0123%
)
AGO = Look("dateTimeFromNow", width=120)  # 59 minutes ago
RUN = {
    "Began": AGO,
    "Duration": SECONDS,
    "Calls": NARROW,
    "Tools": NARROW,
    "Errors": Look("short", ERRORS, width=64),
    "Cost": DOLLARS,
}
SPENT_LOOKS = {"Cost": DOLLARS, "Tokens": WIDE, "Calls": WIDE}
SPENT = {"Cost": sql.COST, "Tokens": sql.TOKENS, "Calls": sql.COUNT}
PAID_CALLS = f"{sql.WHERE_MODEL} AND {sql.PAID_CALLS}"

SERVICES = table(
    "Services",
    sql.ranked(
        {
            "Service": "ServiceName",
            "Calls": sql.COUNT,
            "Failed": sql.FAILED_SHARE,
            "p95": sql.quantile(0.95),
            "Last failure": f"maxOrNullIf(Timestamp, {columns.FAILED})",
        },
        f"{sql.WHERE} AND {sql.ANY_CALL}",
        by=["Service"],
        order="Failed",
    ),
    looks={"Calls": USUAL, "Failed": SHARE, "p95": SECONDS, "Last failure": AGO},
    meaning="Calls of models, tools and agents by service, those that fail most on top.",
)
_REPEATED = sql.top_traces("count()", f"{sql.WHERE} AND {sql.TOOL_CALLS}", by="TraceId, ToolName")


def _runs(trace_id: Look) -> tuple[Json, ...]:
    return (
        table(
            "Slowest runs",
            sql.of_traces(sql.top_spans("Duration", f"{sql.WHERE_AGENT} AND {sql.AGENT_RUNS}")),
            looks={**RUN, "Trace": trace_id},
            sort="Duration",
            meaning="The runs of agents and workflows that took longest, with their steps.",
        ),
        table(
            "Dearest runs",
            sql.of_traces(sql.top_traces(sql.COST_OF_RUN, PAID_CALLS)),
            looks={**RUN, "Trace": trace_id},
            sort="Cost",
            meaning="The runs whose model calls were estimated to cost most.",
        ),
        table(
            "Runs with most steps",
            sql.of_traces(
                sql.top_traces("count()", f"{sql.WHERE} AND (({sql.MODEL_CALLS}) OR ({sql.TOOL_CALLS}))")
            ),
            looks={**RUN, "Trace": trace_id},
            meaning="The runs with most calls of models and tools; one that goes in circles is on top.",
        ),
        table(
            "Calls repeated most in one run",
            sql.ranked(
                {
                    "Trace": "TraceId",
                    "Service": "any(ServiceName)",
                    "Tool": "ToolName",
                    "Calls": "count()",
                    "Failed": f"countIf({columns.FAILED}) / count()",
                    "Took": "sum(Duration) / 1e9",
                },
                f"{sql.WHEN} AND {sql.TOOL_CALLS} AND TraceId IN (SELECT id FROM ({_REPEATED}))",
                by=["Trace", "Tool"],
                order="Calls",
                having="count() > 1",
            ),
            none="No run called a tool twice.",
            looks={"Trace": trace_id, "Calls": USUAL, "Failed": SHARE, "Took": SECONDS},
            meaning="A tool that one run calls again and again is what a loop looks like.",
        ),
    )


_STEPS = (
    table(
        "Tools",
        sql.ranked(
            {
                "Tool": "ToolName",
                "Calls": sql.COUNT,
                "Failed": sql.FAILED_SHARE,
                "p95": sql.quantile(0.95),
                "All calls": sql.TIME_OF_ALL,
            },
            f"{sql.WHERE} AND {sql.TOOL_CALLS}",
            by=["Tool"],
            order="All calls",
        ),
        looks={"Calls": USUAL, "Failed": SHARE, "p95": SECONDS, "All calls": SECONDS},
        meaning="Where runs spend their time in tools.",
    ),
    table(
        "Agents",
        sql.ranked(
            {
                "Agent": "AgentName",
                "Service": "ServiceName",
                "Runs": sql.COUNT,
                "Failed": sql.FAILED_SHARE,
                "p50": sql.quantile(0.5),
                "p95": sql.quantile(0.95),
            },
            f"{sql.WHERE_AGENT} AND {sql.AGENT_RUNS}",
            by=["Agent", "Service"],
            order="Runs",
        ),
        looks={"Runs": USUAL, "Failed": SHARE, "p50": SECONDS, "p95": SECONDS},
        meaning="Runs of agents and workflows: how many, how slow, how often in vain.",
    ),
    table(
        "Prediction models",
        sql.ranked(
            {
                "Model": "ModelName",
                "Version": "ModelVersion",
                "Service": "any(ServiceName)",
                "Predictions": sql.COUNT,
                "Failed": sql.FAILED_SHARE,
                "p95": sql.quantile(0.95),
            },
            f"{sql.WHERE_PREDICTOR} AND {sql.PREDICTIONS}",
            by=["Model", "Version"],
            order="Predictions",
        ),
        looks={"Predictions": Look(width=95), "Failed": SHARE, "p95": SECONDS},
        meaning="Classical models by version: how often they were asked, how slow, how often in vain.",
    ),
)
_WHO = (
    table(
        "Users by cost",
        sql.ranked({"User": "UserId", **SPENT}, f"{PAID_CALLS} AND UserId != ''", by=["User"], order="Cost"),
        looks=SPENT_LOOKS,
        meaning="For whom the calls were made that cost most.",
    ),
    table(
        "Tenants by cost",
        sql.ranked({"Tenant": "Tenant", **SPENT}, PAID_CALLS, by=["Tenant"], order="Cost"),
        looks={**SPENT_LOOKS, "Tenant": Look(empty="(no tenant)")},
        meaning="The same by the tag `tenant` of sessions; calls that have none are one row.",
    ),
    table(
        "Conversations by cost",
        sql.ranked(
            {
                "Conversation": "ConversationId",
                **SPENT,
            },
            f"{PAID_CALLS} AND ConversationId != ''",
            by=["Conversation"],
            order="Cost",
        ),
        looks=SPENT_LOOKS,
        meaning="Conversations that cost most; one that never ends is on top.",
    ),
)


def _fails(trace_id: Look) -> tuple[Json, ...]:
    return (
        table(
            "Errors by type and span",
            sql.ranked(
                {
                    "Error": "ErrorType",
                    "Span": "SpanName",
                    "Service": "ServiceName",
                    "Times": sql.COUNT,
                    "Last": "max(Timestamp)",
                    "Trace": "argMax(TraceId, Timestamp)",
                },
                f"{sql.WHERE} AND {columns.FAILED}",
                by=["Error", "Span", "Service"],
                order="Times",
            ),
            looks={"Times": USUAL, "Last": AGO, "Trace": trace_id},
            meaning="What fails where; the trace is the newest that has it.",
        ),
        table(
            "Evaluations",
            sql.ranked(
                {
                    "Name": "Name",
                    "Judged by": "JudgedBy",
                    "Scores": "count()",
                    "Mean": "avg(Value)",
                    "Lowest tenth": "quantile(0.1)(Value)",
                    "Lowest": "min(Value)",
                    "Trace": "argMin(TraceId, Value)",
                },
                sql.WHERE,
                by=["Name", "Judged by"],
                order="Scores",
                table=sql.scores(),
            ),
            looks={
                "Scores": USUAL,
                "Mean": USUAL,
                "Lowest tenth": Look(width=110),
                "Lowest": USUAL,
                "Trace": trace_id,
            },
            meaning="Scores of judges, rules and people; the trace is the one with the lowest.",
        ),
    )


_TAGS = "arrayMap(m -> arrayMap(k -> map('key', k, 'value', m[k]), mapKeys(m)), [{}])[1]"
_ONE = (
    trace(
        "The trace",
        sql.asked(
            "TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, ServiceName AS serviceName, "
            "SpanName AS operationName, toUnixTimestamp64Micro(Timestamp) / 1000 AS startTime, "
            f"{_TAGS.format(sql.as_map('SpanAttributes'))} AS tags, "
            f"{_TAGS.format(sql.as_map('ResourceAttributes'))} AS serviceTags, "
            f"if({columns.FAILED}, 2, 0) AS statusCode, Duration / 1e6 AS duration",
            sql.THE_TRACE,
            rest="ORDER BY Timestamp LIMIT 5000",
        ),
        meaning="The trace whose id stands at the top, 5,000 spans of it at most; empty until one is chosen.",
    ),
    table(
        "Its spans",
        sql.asked(
            "Timestamp AS `Began`, SpanName AS `Span`, ServiceName AS `Service`, Duration / 1e9 AS `Took`, "
            "ErrorType AS `Error`, InputTokens AS `Read`, OutputTokens AS `Written`, CostUsd AS `Cost`",
            sql.THE_TRACE,
            rest="ORDER BY Timestamp LIMIT 5000",
        ),
        looks={
            "Began": Look("dateTimeAsLocal", width=160),
            "Took": SECONDS,
            "Read": USUAL,
            "Written": USUAL,
            "Cost": DOLLARS,
        },
        meaning="The spans of the trace in the order in which they began.",
    ),
    logs(
        "Its logs",
        f"SELECT Timestamp AS timestamp, Body AS body, SeverityText AS level, "
        f"{sql.as_map('LogAttributes')} AS labels "
        f"FROM {columns.LOGS} WHERE {sql.THE_TRACE} ORDER BY Timestamp LIMIT 1000",
        meaning="Log records that were written within the trace, evaluations among them.",
    ),
)


def rows(pages: str) -> tuple[Row, ...]:
    """Return the rows of tables.

    Args:
        pages: Where people open the server, for runs to lead to its pages; "" for no such link.
    """
    trace_id = of_a_trace(pages)
    return (
        Row("Which runs?", _runs(trace_id), width=24, height=7),
        Row("Which steps, tools and models?", _STEPS, width=12, height=7),
        Row("Who?", _WHO, width=8, height=9),
        Row("What fails, and what is bad?", _fails(trace_id), width=24, height=7),
        Row("One trace", _ONE[:1], width=24, height=11),
        Row("", _ONE[1:], width=24, height=10),
    )
