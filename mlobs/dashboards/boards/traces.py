"""The board that asks Tempo, in TraceQL: the same questions as the one that asks ClickHouse."""

from mlobs.dashboards.board import Board
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import TRACES, beside
from mlobs.dashboards.panels import Json
from mlobs.dashboards.traceql import queries as q
from mlobs.dashboards.traceql.panels import DATA_SOURCE, PLUGIN, found, graph, lines, number, trace
from mlobs.dashboards.variables import asked, data_source, typed
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute

SLOW_RUN, DEAR_CALL_USD, MANY_CALLS = "60s", 0.1, 20


def _choice(name: str, row: Attribute) -> Json:
    query = {"type": 1, "label": row.name, "stream": ""}  # 1: its values
    return asked(name, DATA_SOURCE, row.name, query, everything=q.everything(name))


VARIABLES: tuple[Json, ...] = (
    data_source("tempo", "Tempo", PLUGIN),
    *(_choice(name, row) for name, row in q.CHOICES.items()),
    typed("trace", "Trace", "A trace's id, for the last row."),
)
_CALLS = q.spans(*q.MODEL, q.of_operations(m.INFERENCE_DURATION.operations))
_FAILED_CALLS = q.spans(*q.MODEL, q.of_operations(m.INFERENCE_DURATION.operations), q.FAILED)
_ANY = f"{q.scoped(a.OPERATION_NAME)} != nil"
_RUNS = q.spans(q.AGENT, q.of_operations(m.AGENT_DURATION.operations))
_TOOLS = q.spans(q.of_operations(m.TOOL_DURATION.operations))
# Agents and workflows repeat the usage of what they called.
_PAYING = q.of_operations(m.COST.operations)
_PAID = q.spans(*q.MODEL, _PAYING, f"{q.scoped(a.COST_USD)} > 0")
_WRITTEN = q.spans(*q.MODEL, _PAYING, f"{q.scoped(a.OUTPUT_TOKENS)} > 0")
_READ = q.spans(*q.MODEL, _PAYING, f"{q.scoped(a.INPUT_TOKENS)} > 0")
_STREAMS = q.spans(
    *q.MODEL, q.of_operations(m.TIME_TO_FIRST_CHUNK.operations), f"{q.scoped(a.TIME_TO_FIRST_CHUNK)} > 0"
)
_PREDICTIONS = q.spans(q.chosen("predictor"))
_MONEY = {a.COST_USD: "currencyUSD"}

_ANSWERS = (
    number("Model calls", q.rate(_CALLS), unit="reqps", meaning="Requests to language models in a second."),
    number(
        "Failed calls",
        q.rate(_FAILED_CALLS),
        unit="reqps",
        meaning="Requests to language models that failed, in a second.",
    ),
    number(
        "Model calls, p95",
        q.quantiles(_CALLS, [0.95]),
        unit="s",
        meaning="95 of 100 requests to language models took no longer.",
    ),
    number("Agent runs", q.rate(_RUNS), unit="reqps", meaning="Runs of agents and workflows in a second."),
)
_SYMPTOMS = (
    lines(
        "Failed calls by error",
        q.rate(q.spans(_ANY, q.FAILED), a.ERROR_TYPE),
        unit="reqps",
        stacked=True,
        meaning="Calls of models, tools and agents that failed, in a second.",
    ),
    lines(
        "Failed calls by service",
        q.rate(q.spans(_ANY, q.FAILED), a.SERVICE_NAME),
        unit="reqps",
        stacked=True,
        meaning="For whom it is broken.",
    ),
    lines(
        "Failed calls by model",
        q.rate(_FAILED_CALLS, a.REQUEST_MODEL),
        unit="reqps",
        stacked=True,
        meaning="Whether it is one model. What else failed calls have in common, Traces Drilldown finds out.",
    ),
)
_SLOW = (
    lines(
        "Model calls by model, p50 and p95",
        q.quantiles(_CALLS, [0.5, 0.95], a.REQUEST_MODEL),
        unit="s",
        meaning="How long requests to each model take; the dots lead to traces.",
    ),
    lines(
        "First chunk by model, p95",
        q.quantiles(_STREAMS, [0.95], a.REQUEST_MODEL, value=q.scoped(a.TIME_TO_FIRST_CHUNK)),
        unit="s",
        meaning="How long people wait for the first words of a stream.",
    ),
    lines(
        "Agent runs by agent, p95",
        q.quantiles(_RUNS, [0.95], a.AGENT_NAME),
        unit="s",
        meaning="95 of 100 runs of an agent take no longer.",
    ),
    lines(
        "Tools by tool, p95",
        q.quantiles(_TOOLS, [0.95], a.TOOL_NAME),
        unit="s",
        meaning="95 of 100 calls of a tool take no longer.",
    ),
    lines(
        "Predictions by model, p95",
        q.quantiles(_PREDICTIONS, [0.95], a.MODEL_NAME),
        unit="s",
        meaning="95 of 100 predictions of a classical model take no longer.",
    ),
)
_SPENT = (
    lines(
        "Tokens written by model",
        q.total(_WRITTEN, a.OUTPUT_TOKENS, a.REQUEST_MODEL),
        unit="short",
        stacked=True,
        meaning="Output tokens in each step of the graph.",
    ),
    lines(
        "Tokens read by model",
        q.total(_READ, a.INPUT_TOKENS, a.REQUEST_MODEL),
        unit="short",
        stacked=True,
        meaning="Input tokens in each step of the graph, those from a cache among them.",
    ),
    lines(
        "Cost by service",
        q.total(_PAID, a.COST_USD, a.SERVICE_NAME),
        unit="currencyUSD",
        stacked=True,
        meaning="Estimated US dollars in each step of the graph.",
    ),
)
_WHICH = (
    found(
        "Slow runs",
        q.shown(
            q.spans(q.AGENT, q.of_operations(m.AGENT_DURATION.operations), f"{q.DURATION} > {SLOW_RUN}"),
            a.AGENT_NAME,
            a.INPUT_TOKENS,
            a.CONVERSATION_ID,
        ),
        meaning="The newest runs of agents and workflows that took more than a minute.",
    ),
    found(
        "Runs with a tool that failed",
        q.shown(
            f"{_RUNS} >> {q.spans(q.of_operations(m.TOOL_DURATION.operations), q.FAILED)}",
            a.TOOL_NAME,
            a.ERROR_TYPE,
        ),
        meaning="Tool calls that failed below an agent, the newest first.",
    ),
    found(
        "Runs with many tool calls",
        f"{_RUNS} >> {_TOOLS} | count() > {MANY_CALLS} {q.NEWEST}",
        meaning=f"An agent that calls tools more than {MANY_CALLS} times in a run may go in circles.",
    ),
    found(
        "Dear calls",
        q.shown(
            q.spans(*q.MODEL, _PAYING, f"{q.scoped(a.COST_USD)} > {DEAR_CALL_USD}"),
            a.REQUEST_MODEL,
            a.COST_USD,
            a.INPUT_TOKENS,
            a.OUTPUT_TOKENS,
            a.USER_ID,
        ),
        units=_MONEY,
        meaning="Model calls that were estimated at more than ten cents.",
    ),
    found(
        "Blocked by a guardrail",
        q.shown(q.spans(f'{q.scoped(a.GUARDRAIL_VERDICT)} = "block"'), a.NAME, a.CONVERSATION_ID, a.USER_ID),
        meaning="Checks that let something not pass, the newest first.",
    ),
    found(
        "Cancelled and abandoned",
        q.shown(q.spans(f"{q.scoped(a.CALL_STATE)} != nil"), a.CALL_STATE, a.KIND, a.NAME),
        meaning="Calls that nobody waited for to the end; they are no errors.",
    ),
)
_ROWS = (
    Row("", _ANSWERS, width=6, height=4),
    Row("Is it broken, for whom, since when?", _SYMPTOMS, width=8, height=9),
    Row("How slow is it?", _SLOW, width=8, height=8),
    Row("What does it spend?", _SPENT, width=8, height=8),
    Row("Which runs?", _WHICH, width=12, height=8),
    Row(
        "Who calls whom?",
        (graph("Services", meaning="Services and their calls; needs Tempo's metrics generator."),),
        width=24,
        height=10,
    ),
    Row(
        "One trace",
        (
            trace(
                "The trace",
                "trace",
                meaning="The trace whose id stands at the top; empty until one is chosen.",
            ),
        ),
        width=24,
        height=14,
    ),
)

BOARD = Board(
    "mlobs-traces",
    "mlobs: traces (Tempo)",
    "Runs and calls, measured where Tempo keeps their spans: which failed, were slow or dear, and why.",
    _ROWS,
    refresh="5m",
    variables=VARIABLES,
    annotations=(),
    leads=(beside("Traces in ClickHouse", TRACES),),
)
