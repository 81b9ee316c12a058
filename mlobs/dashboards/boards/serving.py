"""Engines that serve models, and the GPUs below: vLLM, SGLang, Triton, DCGM.

Their metrics are their own. A row is closed until somebody opens it, so that what is not there asks
nothing; the first screen has the one number of each that matters most.
"""

from mlobs.dashboards.board import Board
from mlobs.dashboards.charts import percentiles, text
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import of_series, onward
from mlobs.dashboards.panels import Bounds, Json, Link, Query, Unit, alerting, bands, lines, stat, timeseries
from mlobs.dashboards.queries import (
    current,
    each,
    largest,
    latest,
    legend,
    part_of,
    peak,
    per_second,
    quantile,
    share,
)
from mlobs.semconv import foreign as f
from mlobs.semconv.rows import Attribute, Series
from mlobs.thresholds import Thresholds

MODEL = f.SERVED_MODEL
MODELS = Link("What its callers see", of_series("models", MODEL))
TRITON = (f.TRITON_MODEL, f.TRITON_VERSION)
GPU = (f.GPU_HOST, f.GPU)
MICROSECONDS = 1_000_000


def gauge(title: str, series: Series, meaning: str, *, unit: Unit, highest: float | None = None) -> Json:
    """Return a gauge of each GPU."""
    return timeseries(title, [lines(latest(series, *GPU), *GPU)], unit=unit, meaning=meaning, highest=highest)


def a_request(time: Series) -> str:
    """Return the seconds of a request, of a counter that adds up microseconds."""
    return each(f"{per_second(time, *TRITON)} / {MICROSECONDS}", per_second(f.TRITON_SUCCESS, *TRITON))


def first_token(q: float, *by: Attribute) -> str:
    """Return a quantile of the time to the first token, of either engine."""
    return f"{quantile(q, f.VLLM_FIRST_TOKEN, *by)} or {quantile(q, f.SGLANG_FIRST_TOKEN, *by)}"


def numbers(limits: Thresholds) -> Row:
    """Return the first screen."""
    return Row(
        "",
        [
            stat(
                "Waiting requests",
                [
                    Query(current(f.VLLM_WAITING), "vLLM"),
                    Query(current(f.SGLANG_QUEUE), "SGLang"),
                    Query(current(f.TRITON_PENDING), "Triton"),
                ],
                unit="short",
                meaning="Requests that wait for a place. Not 0 for long: there is less hardware than work.",
                bounds=Bounds(orange=1, red=20),
                link=Link("What callers see", onward("models")),
            ),
            stat(
                "First token, p95",
                [Query(first_token(0.95), "p95")],
                unit="s",
                meaning="Of vLLM, else of SGLang. Up with waiting requests: the queue; up alone: longer "
                "prompts. Red is later than the objective of those who call.",
                bounds=alerting(limits.first_chunk_s),
                link=Link("What callers see", onward("models")),
            ),
            stat(
                "Fullest cache",
                [Query(peak(f"{latest(f.VLLM_KV_CACHE)} or {latest(f.SGLANG_KV_CACHE)}"), "KV cache")],
                unit="percentunit",
                meaning="The used share of the fullest KV cache. Near 1, requests are put back and begin "
                "anew.",
                bounds=Bounds(orange=0.8, red=0.95),
                link=Link("Cost", onward("cost")),
            ),
            stat(
                "Failed in Triton",
                [
                    Query(
                        part_of(per_second(f.TRITON_FAILURE), per_second(f.TRITON_SUCCESS)),
                        "failed",
                    )
                ],
                unit="percentunit",
                meaning="Share of requests that failed, of all Triton models.",
                bounds=alerting(limits.error_ratio_max),
                link=Link("Overview", onward("overview")),
            ),
            stat(
                "Busiest GPU",
                [Query(latest(f.GPU_UTILISATION), "busy")],
                unit="percent",
                meaning="Of the busiest GPU. Low with waiting requests: something else is short.",
                link=Link("Cost", onward("cost")),
            ),
            stat(
                "GPUs with errors",
                [Query(f"count ({latest(f.GPU_XID, *GPU)} > 0) or 0 * max ({latest(f.GPU_XID)})", "GPUs")],
                unit="short",
                meaning="GPUs whose driver told an XID error. Not 0: look at the machine, it may answer "
                "wrongly.",
                bounds=Bounds(red=1),
                link=Link("Overview", onward("overview")),
            ),
        ],
        width=4,
        height=5,
    )


HELP = Row(
    "",
    [
        text(
            "What is shown here",
            "Where the numbers come from.",
            "Open the row of what you run. **No data**: Prometheus does not scrape it. Scrape `/metrics` of "
            "vLLM, of SGLang (started with `--enable-metrics`) and of Triton (port 8002), and NVIDIA's DCGM "
            "exporter (port 9400) for GPUs. The choice *Model* above narrows vLLM and SGLang to the model "
            "they serve, where services ask for it by the same name.",
        )
    ],
    width=24,
    height=3,
)
VLLM = Row(
    "vLLM",
    [
        timeseries(
            "vLLM: requests",
            [
                lines(current(f.VLLM_RUNNING, MODEL), MODEL),
                Query(largest(current(f.VLLM_WAITING, MODEL)), f"waiting {legend(MODEL)}"),
            ],
            unit="short",
            meaning="In the batch, and waiting for a place in it. Waiting that grows wants another replica.",
            link=MODELS,
        ),
        timeseries(
            "vLLM: KV cache used",
            [lines(latest(f.VLLM_KV_CACHE, MODEL, f.ENGINE), MODEL, f.ENGINE)],
            unit="percentunit",
            meaning="Near 1, requests are put back and begin anew.",
            highest=1,
            link=MODELS,
        ),
        timeseries(
            "vLLM: prompts found in the prefix cache",
            [
                lines(
                    share(per_second(f.VLLM_PREFIX_HITS, MODEL), per_second(f.VLLM_PREFIX_QUERIES, MODEL)),
                    MODEL,
                )
            ],
            unit="percentunit",
            meaning="Share of prompt tokens. Up is good: what is found is not computed again.",
            highest=1,
            link=MODELS,
        ),
        percentiles("vLLM: first token", f.VLLM_FIRST_TOKEN, "Queue and prompt together. Up is bad."),
        percentiles("vLLM: between tokens", f.VLLM_INTER_TOKEN, "How haltingly answers come. Up is bad."),
        timeseries(
            "vLLM: where a request's time goes, p95",
            [
                Query(quantile(0.95, f.VLLM_QUEUE), "queue", exemplars=True),
                Query(quantile(0.95, f.VLLM_PREFILL), "reading the prompt", exemplars=True),
                Query(quantile(0.95, f.VLLM_DECODE), "writing the answer", exemplars=True),
            ],
            unit="s",
            meaning="Queue: too few replicas. Prompt: long prompts. Answer: long answers or a full batch.",
        ),
        timeseries(
            "vLLM: tokens",
            [
                Query(per_second(f.VLLM_PROMPT_TOKENS), "prompt"),
                Query(per_second(f.VLLM_OUTPUT_TOKENS), "answer"),
            ],
            unit="count:tok/s",
            meaning="What the hardware gets done.",
        ),
        timeseries(
            "vLLM: how requests end",
            [bands(per_second(f.VLLM_FINISHED, f.FINISHED_REASON), f.FINISHED_REASON)],
            unit="reqps",
            stacked=True,
            meaning="Length: cut by the limit of tokens. Abort: callers that went away.",
        ),
        timeseries(
            "vLLM: requests put back",
            [lines(per_second(f.VLLM_PREEMPTIONS, MODEL), MODEL)],
            unit="reqps",
            meaning="For want of cache, and computed anew. Not 0 for long: fewer at a time, or more memory.",
            link=MODELS,
        ),
    ],
    collapsed=True,
)
SGLANG = Row(
    "SGLang",
    [
        timeseries(
            "SGLang: requests",
            [
                lines(current(f.SGLANG_RUNNING, MODEL), MODEL),
                Query(largest(current(f.SGLANG_QUEUE, MODEL)), f"waiting {legend(MODEL)}"),
            ],
            unit="short",
            meaning="In the batch, and waiting for a place in it. Waiting that grows wants another replica.",
            link=MODELS,
        ),
        timeseries(
            "SGLang: cache",
            [
                Query(largest(latest(f.SGLANG_KV_CACHE, MODEL)), f"used {legend(MODEL)}"),
                Query(largest(latest(f.SGLANG_HIT_RATE, MODEL)), f"found {legend(MODEL)}"),
            ],
            unit="percentunit",
            meaning="The used share of the KV cache, and the share of prompts found in the prefix cache.",
            highest=1,
            link=MODELS,
        ),
        timeseries(
            "SGLang: tokens",
            [
                Query(per_second(f.SGLANG_PROMPT_TOKENS), "prompt"),
                Query(per_second(f.SGLANG_OUTPUT_TOKENS), "answer"),
            ],
            unit="count:tok/s",
            meaning="What the hardware gets done.",
        ),
        percentiles("SGLang: first token", f.SGLANG_FIRST_TOKEN, "Queue and prompt together. Up is bad."),
        percentiles("SGLang: between tokens", f.SGLANG_INTER_TOKEN, "How haltingly answers come. Up is bad."),
        percentiles("SGLang: requests from end to end", f.SGLANG_REQUEST, "Up is bad, unless answers grew."),
    ],
    collapsed=True,
)
TRITON_ROW = Row(
    "Triton",
    [
        timeseries(
            "Triton: requests",
            [bands(per_second(f.TRITON_SUCCESS, *TRITON), *TRITON)],
            unit="reqps",
            stacked=True,
            meaning="Requests that succeeded, by model and version.",
        ),
        timeseries(
            "Triton: failures by reason",
            [
                lines(
                    per_second(f.TRITON_FAILURE, f.TRITON_MODEL, f.FAILURE_REASON),
                    f.TRITON_MODEL,
                    f.FAILURE_REASON,
                )
            ],
            unit="reqps",
            meaning="Rejected: the queue was full. Backend: the model's own code.",
        ),
        timeseries(
            "Triton: requests that wait",
            [lines(current(f.TRITON_PENDING, *TRITON), *TRITON)],
            unit="short",
            meaning="Growing without end wants more instances of the model.",
        ),
        timeseries(
            "Triton: time in the queue, mean",
            [lines(a_request(f.TRITON_QUEUE), *TRITON)],
            unit="s",
            meaning="Of a request. Triton adds up and keeps no buckets, so there are no percentiles.",
        ),
        timeseries(
            "Triton: time of computing, mean",
            [lines(a_request(f.TRITON_COMPUTE), *TRITON)],
            unit="s",
            meaning="Of a request. Up without a new version: larger inputs, or a GPU that is shared.",
        ),
        timeseries(
            "Triton: size of batches",
            [
                lines(
                    each(per_second(f.TRITON_INFERENCES, *TRITON), per_second(f.TRITON_EXECUTIONS, *TRITON)),
                    *TRITON,
                )
            ],
            unit="short",
            meaning="Inferences in one execution. At 1 under load, batching is not switched on.",
        ),
    ],
    collapsed=True,
)
GPUS = Row(
    "GPUs",
    [
        gauge("GPU: busy", f.GPU_UTILISATION, "Share of time with work.", unit="percent", highest=100),
        gauge("GPU: memory used", f.GPU_MEMORY_USED, "Near all of it, models do not load.", unit="mbytes"),
        gauge("GPU: memory free", f.GPU_MEMORY_FREE, "What is left for another model.", unit="mbytes"),
        gauge(
            "GPU: tensor cores at work",
            f.GPU_TENSOR,
            "Low while the GPU is busy: work that does not fit it.",
            unit="percentunit",
            highest=1,
        ),
        gauge(
            "GPU: memory interface at work",
            f.GPU_DRAM,
            "High with idle tensor cores: bound by memory, as decoding is.",
            unit="percentunit",
            highest=1,
        ),
        gauge("GPU: power", f.GPU_POWER, "At its limit the clock goes down.", unit="watt"),
        gauge("GPU: temperature", f.GPU_TEMPERATURE, "Too hot, the clock goes down.", unit="celsius"),
        gauge("GPU: last error", f.GPU_XID, "The number of the last XID error; 0 for none.", unit="none"),
    ],
    width=6,
    collapsed=True,
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-serving",
        "mlobs: serving",
        "Do engines and GPUs keep up with what is asked of the models they serve.",
        [numbers(limits), HELP, VLLM, SGLANG, TRITON_ROW, GPUS],
    )
