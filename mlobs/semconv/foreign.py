"""Metrics of other projects that our dashboards show, under the names their documentation gives.

vLLM, SGLang, Triton and NVIDIA's DCGM exporter serve models; the OpenTelemetry Collector, Prometheus
and Alertmanager carry what we know of them. A scraper stores these names as they are. Collectors write
counters with and without `_total`, by version and settings. The colon of vLLM's and SGLang's names is an
underscore where Prometheus and the engine's client library agree on OpenMetrics, as newer ones do.
"""

from mlobs.semconv.rows import Attribute, MetricKind, Series

# Labels
SERVED_MODEL = Attribute("model_name", "string", "The model that an engine serves.")
ENGINE = Attribute("engine", "string", "One engine of a vLLM server.")
FINISHED_REASON = Attribute("finished_reason", "string", "Why vLLM ended an answer.")
TRITON_MODEL = Attribute("model", "string", "A model of a Triton server.")
TRITON_VERSION = Attribute("version", "string", "Its version.")
FAILURE_REASON = Attribute("reason", "string", "Why Triton failed a request.")
GPU = Attribute("gpu", "string", "The number of a GPU on its machine.")
GPU_HOST = Attribute("Hostname", "string", "The machine of a GPU.")
GPU_KIND = Attribute("modelName", "string", "The kind of a GPU.")
RECEIVER = Attribute("receiver", "string", "A receiver of a collector.")
EXPORTER = Attribute("exporter", "string", "An exporter of a collector.")
INTEGRATION = Attribute("integration", "string", "How Alertmanager tells somebody.")
JOB = Attribute("job", "string", "A scrape job of Prometheus.")
INSTANCE = Attribute("instance", "string", "What Prometheus scrapes.")
RULE_GROUP = Attribute("rule_group", "string", "A group of rules, with its file.")


def _vllm(name: str, kind: MetricKind, unit: str, about: str, *labels: Attribute) -> Series:
    labels = (SERVED_MODEL, ENGINE, *labels)
    return Series(f"vllm:{name}", kind, unit, about, labels, (f"vllm_{name}",))


def _sglang(name: str, kind: MetricKind, unit: str, about: str) -> Series:
    return Series(f"sglang:{name}", kind, unit, about, (SERVED_MODEL,), (f"sglang_{name}",))


def _triton(name: str, kind: MetricKind, unit: str, about: str, *labels: Attribute) -> Series:
    return Series(f"nv_{name}", kind, unit, about, (TRITON_MODEL, TRITON_VERSION, *labels))


def _gpu(field: str, unit: str, about: str) -> Series:
    return Series(f"DCGM_FI_{field}", "gauge", unit, about, (GPU, GPU_HOST, GPU_KIND))


def _collector(name: str, about: str, *labels: Attribute) -> Series:
    plain = f"otelcol_{name}"
    return Series(f"{plain}_total", "counter", "{record}", about, (INSTANCE, *labels), (plain,))


# vLLM
VLLM_RUNNING = _vllm("num_requests_running", "gauge", "{request}", "Requests in the running batch.")
VLLM_WAITING = _vllm("num_requests_waiting", "gauge", "{request}", "Requests that wait for a place.")
VLLM_KV_CACHE = _vllm("kv_cache_usage_perc", "gauge", "1", "The used share of the KV cache, 0 to 1.")
VLLM_PREFIX_QUERIES = _vllm("prefix_cache_queries_total", "counter", "{token}", "Tokens looked up.")
VLLM_PREFIX_HITS = _vllm("prefix_cache_hits_total", "counter", "{token}", "Tokens found in the prefix cache.")
VLLM_PREEMPTIONS = _vllm(
    "num_preemptions_total", "counter", "{request}", "Requests put back for want of cache."
)
VLLM_PROMPT_TOKENS = _vllm("prompt_tokens_total", "counter", "{token}", "Prompt tokens processed.")
VLLM_OUTPUT_TOKENS = _vllm("generation_tokens_total", "counter", "{token}", "Tokens generated.")
VLLM_FINISHED = _vllm(
    "request_success_total", "counter", "{request}", "Requests that came to an end.", FINISHED_REASON
)
VLLM_FIRST_TOKEN = _vllm("time_to_first_token_seconds", "histogram", "s", "Until the first token.")
VLLM_INTER_TOKEN = _vllm("inter_token_latency_seconds", "histogram", "s", "Between two tokens.")
VLLM_QUEUE = _vllm("request_queue_time_seconds", "histogram", "s", "Waiting for a place in the batch.")
VLLM_PREFILL = _vllm("request_prefill_time_seconds", "histogram", "s", "Reading the prompt.")
VLLM_DECODE = _vllm("request_decode_time_seconds", "histogram", "s", "Writing the answer.")

# SGLang
SGLANG_RUNNING = _sglang("num_running_reqs", "gauge", "{request}", "Requests in the running batch.")
SGLANG_QUEUE = _sglang("num_queue_reqs", "gauge", "{request}", "Requests in the waiting queue.")
SGLANG_KV_CACHE = _sglang("token_usage", "gauge", "1", "The used share of the KV cache, 0 to 1.")
SGLANG_HIT_RATE = _sglang("cache_hit_rate", "gauge", "1", "The share of prompts found in the prefix cache.")
SGLANG_PROMPT_TOKENS = _sglang("prompt_tokens_total", "counter", "{token}", "Prompt tokens processed.")
SGLANG_OUTPUT_TOKENS = _sglang("generation_tokens_total", "counter", "{token}", "Tokens generated.")
SGLANG_FIRST_TOKEN = _sglang("time_to_first_token_seconds", "histogram", "s", "Until the first token.")
SGLANG_INTER_TOKEN = _sglang("inter_token_latency_seconds", "histogram", "s", "Between two tokens.")
SGLANG_REQUEST = _sglang("e2e_request_latency_seconds", "histogram", "s", "A request from end to end.")

# Triton
TRITON_SUCCESS = _triton("inference_request_success", "counter", "{request}", "Requests that succeeded.")
TRITON_FAILURE = _triton(
    "inference_request_failure", "counter", "{request}", "Requests that failed.", FAILURE_REASON
)
TRITON_PENDING = _triton("inference_pending_request_count", "gauge", "{request}", "Requests that wait.")
TRITON_INFERENCES = _triton("inference_count", "counter", "{inference}", "Inferences, each of a batch.")
TRITON_EXECUTIONS = _triton("inference_exec_count", "counter", "{batch}", "Batches that were executed.")
TRITON_QUEUE = _triton("inference_queue_duration_us", "counter", "us", "Time of requests in the queue.")
TRITON_COMPUTE = _triton("inference_compute_infer_duration_us", "counter", "us", "Time of computing.")

# NVIDIA's DCGM exporter
GPU_UTILISATION = _gpu("DEV_GPU_UTIL", "%", "The share of time in which the GPU was busy, in percent.")
GPU_MEMORY_USED = _gpu("DEV_FB_USED", "MiBy", "Used framebuffer memory.")
GPU_MEMORY_FREE = _gpu("DEV_FB_FREE", "MiBy", "Free framebuffer memory.")
GPU_POWER = _gpu("DEV_POWER_USAGE", "W", "Power drawn.")
GPU_TEMPERATURE = _gpu("DEV_GPU_TEMP", "Cel", "Temperature of the GPU.")
GPU_TENSOR = _gpu("PROF_PIPE_TENSOR_ACTIVE", "1", "The share of cycles with the tensor cores at work.")
GPU_DRAM = _gpu("PROF_DRAM_ACTIVE", "1", "The share of cycles with the memory interface at work.")
GPU_XID = _gpu("DEV_XID_ERRORS", "{code}", "The number of the last XID error; 0 for none.")

# The OpenTelemetry Collector
COLLECTOR_ACCEPTED_SPANS = _collector("receiver_accepted_spans", "Spans taken in.", RECEIVER)
COLLECTOR_REFUSED_SPANS = _collector("receiver_refused_spans", "Spans turned away.", RECEIVER)
COLLECTOR_SENT_SPANS = _collector("exporter_sent_spans", "Spans delivered.", EXPORTER)
COLLECTOR_FAILED_SPANS = _collector("exporter_send_failed_spans", "Spans given up.", EXPORTER)
COLLECTOR_UNQUEUED_SPANS = _collector("exporter_enqueue_failed_spans", "Spans with no room.", EXPORTER)
COLLECTOR_QUEUE = Series(
    "otelcol_exporter_queue_size",
    "gauge",
    "{unit}",
    "What waits in an exporter's queue.",
    (INSTANCE, EXPORTER),
)
COLLECTOR_QUEUE_MAX = Series(
    "otelcol_exporter_queue_capacity",
    "gauge",
    "{unit}",
    "What fits into an exporter's queue.",
    (INSTANCE, EXPORTER),
)
COLLECTOR_MEMORY = Series(
    "otelcol_process_memory_rss_bytes",
    "gauge",
    "By",
    "Memory of the collector.",
    (),
    ("otelcol_process_memory_rss",),
)

# Prometheus and Alertmanager
UP = Series("up", "gauge", "{state}", "1 where the last scrape succeeded, else 0.", (JOB, INSTANCE))
SCRAPED = Series("scrape_samples_scraped", "gauge", "{sample}", "Samples of a scrape.", (JOB, INSTANCE))
HEAD_SERIES = Series("prometheus_tsdb_head_series", "gauge", "{series}", "Series in memory.")
RULE_FAILURES = Series(
    "prometheus_rule_evaluation_failures_total",
    "counter",
    "{evaluation}",
    "Rules that could not be evaluated.",
    (RULE_GROUP,),
)
ALERTS_DROPPED = Series(
    "prometheus_notifications_dropped_total", "counter", "{alert}", "Alerts that reached no Alertmanager."
)
NOTIFICATIONS = Series(
    "alertmanager_notifications_total", "counter", "{notification}", "Attempts to tell.", (INTEGRATION,)
)
NOTIFICATIONS_FAILED = Series(
    "alertmanager_notifications_failed_total",
    "counter",
    "{notification}",
    "Attempts to tell that failed.",
    (INTEGRATION,),
)

FOREIGN: tuple[Series, ...] = tuple(value for value in dict(globals()).values() if isinstance(value, Series))
