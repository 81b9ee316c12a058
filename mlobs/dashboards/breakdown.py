"""Rate, errors and duration of what a service calls: models, agents, tools.

A dashboard takes the rows it wants; a row is here once.
"""

from mlobs.dashboards.layout import Row
from mlobs.dashboards.panels import Query, lines, timeseries
from mlobs.dashboards.queries import FAILED, failed_share, or_zero, per_second, quantile, rate, total
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m


def tokens() -> list[Query]:
    """Return tokens per second in buckets that do not overlap, so that they add up.

    On the wire input holds the cached parts and output the reasoning part. A call without
    cache or reasoning has no such series, and there zero is true.
    """
    read, write, thought = (
        or_zero(per_second(metric), whole)
        for metric, whole in (
            (m.CACHE_READ_TOKENS, per_second(m.INPUT_TOKENS)),
            (m.CACHE_WRITE_TOKENS, per_second(m.INPUT_TOKENS)),
            (m.REASONING_TOKENS, per_second(m.OUTPUT_TOKENS)),
        )
    )
    return [
        Query(f"clamp_min({per_second(m.INPUT_TOKENS)} - {read} - {write}, 0)", "input, not cached"),
        Query(read, "read from cache"),
        Query(write, "written to cache"),
        Query(f"clamp_min({per_second(m.OUTPUT_TOKENS)} - {thought}, 0)", "answer"),
        Query(thought, "reasoning"),
    ]


MODELS = Row(
    "Models",
    [
        timeseries(
            "Model calls",
            [lines(per_second(m.INFERENCE_DURATION, a.REQUEST_MODEL), a.REQUEST_MODEL)],
            unit="reqps",
            meaning="Requests to language models, by the model that was asked for.",
        ),
        timeseries(
            "Failed model calls",
            [lines(failed_share(m.INFERENCE_DURATION, a.REQUEST_MODEL), a.REQUEST_MODEL)],
            unit="percentunit",
            meaning="Share of each model's calls that failed. Up is bad; one model alone means its provider.",
        ),
        timeseries(
            "Model errors by type",
            [
                lines(
                    total(rate(m.INFERENCE_DURATION, "_count", FAILED), (a.REQUEST_MODEL, a.ERROR_TYPE)),
                    a.REQUEST_MODEL,
                    a.ERROR_TYPE,
                )
            ],
            unit="reqps",
            meaning="What went wrong. Rate limits and timeouts are the provider's, the rest is mostly ours.",
        ),
        timeseries(
            "Model calls, p95",
            [lines(quantile(0.95, m.INFERENCE_DURATION, a.REQUEST_MODEL), a.REQUEST_MODEL, exemplars=True)],
            unit="s",
            meaning="Up is bad, unless answers grew longer. A dot is one call: click it for its trace.",
        ),
        timeseries(
            "First chunk, p95",
            [lines(quantile(0.95, m.TIME_TO_FIRST_CHUNK, a.REQUEST_MODEL), a.REQUEST_MODEL, exemplars=True)],
            unit="s",
            meaning="How long people wait for the first words of a stream. Up is bad.",
        ),
        timeseries(
            "Tokens by bucket",
            tokens(),
            unit="suffix: tok/s",
            stacked=True,
            meaning="Buckets do not overlap, so the stack is what is billed. More cache is cheaper.",
        ),
        timeseries(
            "Cost per hour by model",
            [lines(f"{per_second(m.COST, a.REQUEST_MODEL)} * 3600", a.REQUEST_MODEL)],
            unit="currencyUSD",
            stacked=True,
            meaning="Estimated cost if the present rate holds for an hour.",
        ),
        timeseries(
            "Retrievals and embeddings, p95",
            [
                Query(quantile(0.95, m.OPERATION_DURATION), "retrieval", exemplars=True),
                Query(quantile(0.95, m.EMBEDDINGS_DURATION), "embedding", exemplars=True),
            ],
            unit="s",
            meaning="Up is bad: answers wait for what they are to be based on.",
        ),
    ],
    width=6,
)
AGENTS = Row(
    "Agents and tools",
    [
        timeseries(
            "Agent runs",
            [lines(per_second(m.AGENT_DURATION, a.AGENT_NAME), a.AGENT_NAME)],
            unit="reqps",
            meaning="Runs of agents and workflows.",
        ),
        timeseries(
            "Failed agent runs",
            [lines(failed_share(m.AGENT_DURATION, a.AGENT_NAME), a.AGENT_NAME)],
            unit="percentunit",
            meaning="Share of each agent's runs that failed. Up is bad.",
        ),
        timeseries(
            "Agent runs, p95",
            [lines(quantile(0.95, m.AGENT_DURATION, a.AGENT_NAME), a.AGENT_NAME, exemplars=True)],
            unit="s",
            meaning="Up is bad: slower tools and models, or more steps. The trace behind a dot says which.",
        ),
        timeseries(
            "Tool calls",
            [lines(per_second(m.TOOL_DURATION, a.TOOL_NAME), a.TOOL_NAME)],
            unit="reqps",
            meaning="Up without more agent runs means an agent that goes in circles.",
        ),
        timeseries(
            "Failed tool calls",
            [lines(failed_share(m.TOOL_DURATION, a.TOOL_NAME), a.TOOL_NAME)],
            unit="percentunit",
            meaning="Share of each tool's calls that failed. Up is bad, even where agents try again.",
        ),
        timeseries(
            "Tool calls, p95",
            [lines(quantile(0.95, m.TOOL_DURATION, a.TOOL_NAME), a.TOOL_NAME, exemplars=True)],
            unit="s",
            meaning="Up is bad: agents wait.",
        ),
    ],
)
