"""Language models: rate, errors, duration and tokens, by the model that was asked for."""

from mlobs.dashboards.board import Board
from mlobs.dashboards.charts import heatmap, percentiles
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import TRACES, of_series, onward
from mlobs.dashboards.panels import Link, Query, alerting, bands, lines, stat, timeseries
from mlobs.dashboards.queries import (
    UNSEEN,
    buckets,
    each,
    errors,
    failed_share,
    or_zero,
    per_second,
    quantile,
    reach,
)
from mlobs.dashboards.tables import Column, Key, table
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.thresholds import Thresholds

MODEL = a.REQUEST_MODEL
SINGLE_CALLS = Link("Traces of this model", of_series(TRACES, MODEL))
COSTS = Link("Costs of this model", of_series("cost", MODEL))
TOKENS = f"{per_second(m.INPUT_TOKENS)} + {per_second(m.OUTPUT_TOKENS)}"


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


def numbers(limits: Thresholds) -> Row:
    """Return the first screen."""
    return Row(
        "",
        [
            stat(
                "Failed model calls",
                [Query(failed_share(m.INFERENCE_DURATION), "failed")],
                unit="percentunit",
                meaning="Share of calls to language models that failed, with those refused for what a user "
                f"typed, which alerts and objectives do not mind. Up is bad. {UNSEEN}",
                bounds=alerting(limits.error_ratio_max),
                link=Link("Objectives", onward("slo")),
            ),
            stat(
                "Duration, p95",
                [Query(quantile(0.95, m.INFERENCE_DURATION), "p95")],
                unit="s",
                meaning="95 of 100 calls took less. Up is bad, unless answers grew longer. "
                f"{reach(m.INFERENCE_DURATION)}",
                bounds=alerting(limits.model_s_max),
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "First chunk, p95",
                [Query(quantile(0.95, m.TIME_TO_FIRST_CHUNK), "p95")],
                unit="s",
                meaning="95 of 100 streams began sooner. Red is later than the objective.",
                bounds=alerting(limits.first_chunk_s),
                nothing="nobody streams",
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "Model calls",
                [Query(per_second(m.INFERENCE_DURATION), "calls")],
                unit="reqps",
                meaning="Requests to language models.",
                nothing="no call",
                link=Link("Telemetry", onward("pipeline")),
            ),
            stat(
                "Tokens",
                [Query(TOKENS, "tokens")],
                unit="count:tok/s",
                meaning="Input and output tokens. Up without more calls means longer prompts or loops.",
                link=Link("Agents", onward("agents")),
            ),
            stat(
                "Cost per hour",
                [Query(f"{per_second(m.COST)} * 3600", "USD per hour")],
                unit="currencyUSD",
                meaning="Estimated cost if the present rate holds for an hour.",
                link=Link("Costs", onward("cost")),
            ),
        ],
        width=4,
        height=5,
    )


def comparison(limits: Thresholds) -> Row:
    """Return the models side by side."""
    return Row(
        "",
        [
            table(
                "Models",
                [Key(MODEL, "Model", TRACES), Key(a.PROVIDER_NAME, "Provider")],
                [
                    Column("Calls", per_second(m.INFERENCE_DURATION, MODEL, a.PROVIDER_NAME), "reqps"),
                    Column(
                        "Failed",
                        failed_share(m.INFERENCE_DURATION, MODEL, a.PROVIDER_NAME),
                        "percentunit",
                        alerting(limits.error_ratio_max),
                    ),
                    Column("p50", quantile(0.5, m.INFERENCE_DURATION, MODEL, a.PROVIDER_NAME), "s"),
                    Column("p95", quantile(0.95, m.INFERENCE_DURATION, MODEL, a.PROVIDER_NAME), "s"),
                    Column(
                        "First chunk, p95",
                        quantile(0.95, m.TIME_TO_FIRST_CHUNK, MODEL, a.PROVIDER_NAME),
                        "s",
                    ),
                    Column(
                        "Output",
                        per_second(m.OUTPUT_TOKENS, MODEL, a.PROVIDER_NAME),
                        "count:tok/s",
                    ),
                    Column(
                        "Cost of 1000 calls",
                        each(
                            f"1000 * {per_second(m.COST, MODEL, a.PROVIDER_NAME)}",
                            per_second(m.INFERENCE_DURATION, MODEL, a.PROVIDER_NAME),
                        ),
                        "currencyUSD",
                        board="cost",
                    ),
                ],
                meaning="Models side by side, as their callers see them. Sort by what you care for.",
                sort="Calls",
            )
        ],
        width=24,
        height=7,
    )


ERRORS = Row(
    "What fails",
    [
        timeseries(
            "Failed calls by model",
            [lines(failed_share(m.INFERENCE_DURATION, MODEL), MODEL)],
            unit="percentunit",
            meaning="Share of each model's calls that failed. Up is bad; one model alone means its provider.",
            soft=0.05,
            link=SINGLE_CALLS,
        ),
        timeseries(
            "Failed calls by service",
            [lines(failed_share(m.INFERENCE_DURATION, a.SERVICE_NAME), a.SERVICE_NAME)],
            unit="percentunit",
            meaning="Share of each service's calls that failed. One service alone means its prompts or keys.",
            soft=0.05,
        ),
        timeseries(
            "Errors by type",
            [lines(errors(m.INFERENCE_DURATION, MODEL), MODEL, a.ERROR_TYPE)],
            unit="reqps",
            meaning="What went wrong. Rate limits and timeouts are the provider's, the rest is mostly ours. "
            f"{UNSEEN}",
            link=SINGLE_CALLS,
        ),
    ],
)
SPEED = Row(
    "How fast",
    [
        percentiles(
            "Duration",
            m.INFERENCE_DURATION,
            "Of all calls. A dot is one call: click it for its trace. p99 alone up means a few long answers.",
        ),
        timeseries(
            "Duration by model, p95",
            [lines(quantile(0.95, m.INFERENCE_DURATION, MODEL), MODEL, exemplars=True)],
            unit="s",
            meaning="Up is bad, unless answers grew longer. A dot is one call: click it for its trace.",
            link=SINGLE_CALLS,
        ),
        heatmap(
            "Durations",
            buckets(m.INFERENCE_DURATION),
            unit="s",
            meaning="How many calls took how long. Two bands are two kinds of call, not one with an average.",
        ),
        percentiles(
            "First chunk",
            m.TIME_TO_FIRST_CHUNK,
            "How long people wait for the first words of a stream. Up is bad.",
        ),
        timeseries(
            "First chunk by model, p95",
            [lines(quantile(0.95, m.TIME_TO_FIRST_CHUNK, MODEL), MODEL, exemplars=True)],
            unit="s",
            meaning="Up for one model alone: its provider is busy, or prompts to it got longer.",
            link=SINGLE_CALLS,
        ),
        timeseries(
            "Calls by model",
            [bands(per_second(m.INFERENCE_DURATION, MODEL), MODEL)],
            unit="reqps",
            stacked=True,
            meaning="Requests by the model that was asked for. More calls are the first cause of slow ones.",
            link=COSTS,
        ),
    ],
)
USE = Row(
    "Tokens",
    [
        timeseries(
            "Tokens by bucket",
            tokens(),
            unit="count:tok/s",
            stacked=True,
            meaning="Buckets do not overlap, so the stack is what is billed. More cache is cheaper.",
        ),
        timeseries(
            "Input tokens a call",
            [
                lines(
                    each(per_second(m.INPUT_TOKENS, MODEL), per_second(m.INFERENCE_DURATION, MODEL)),
                    MODEL,
                )
            ],
            unit="count:tok",
            meaning="Up means longer prompts: more history, more documents, or an agent that repeats itself.",
            link=COSTS,
        ),
        timeseries(
            "Output tokens a call",
            [
                lines(
                    each(per_second(m.OUTPUT_TOKENS, MODEL), per_second(m.INFERENCE_DURATION, MODEL)),
                    MODEL,
                )
            ],
            unit="count:tok",
            meaning="Up explains longer durations. A fall to near 0 means empty or cut answers.",
            link=COSTS,
        ),
    ],
)
BESIDE = Row(
    "Beside the models",
    [
        timeseries(
            "Retrievals and embeddings",
            [
                Query(per_second(m.OPERATION_DURATION), "retrieval"),
                Query(per_second(m.EMBEDDINGS_DURATION), "embedding"),
            ],
            unit="reqps",
            meaning="Searches for documents and requests for vectors.",
        ),
        timeseries(
            "Failed retrievals and embeddings",
            [
                Query(failed_share(m.OPERATION_DURATION), "retrieval"),
                Query(failed_share(m.EMBEDDINGS_DURATION), "embedding"),
            ],
            unit="percentunit",
            meaning="Share that failed. Up is bad: answers are then made up from nothing.",
            soft=0.05,
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
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-models",
        "mlobs: models",
        "Do models answer, how fast, with how many tokens, and which one does not.",
        [numbers(limits), comparison(limits), ERRORS, SPEED, USE, BESIDE],
    )
