"""Every metric that mlobs emits or derives.

Those with `operations` are derived from spans, by the server or by the collector, under the
same names. `predict` is the one operation here that is a noun of ours and not a value of
`gen_ai.operation.name`.
"""

from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Metric

# Bucket bounds recommended by the conventions.
CALL_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
RUN_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
CALLS = (1, 2, 4, 8, 16, 32, 64, 128)
PREDICT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

INFERENCE_OPERATIONS = ("chat", "generate_content", "text_completion")
CLIENT_LABELS = (a.OPERATION_NAME, a.PROVIDER_NAME, a.REQUEST_MODEL)
TOKEN_LABELS = (*CLIENT_LABELS, a.TOKEN_MODALITY)
MODEL_LABELS = (a.MODEL_NAME, a.MODEL_VERSION)
FEATURE_LABELS = (*MODEL_LABELS, a.FEATURE, a.PROFILE_REF)

INFERENCE_DURATION = Metric(
    "gen_ai.client.inference.duration",
    "histogram",
    "s",
    "Model calls, as the caller sees them.",
    (*CLIENT_LABELS, a.ERROR_TYPE),
    CALL_SECONDS,
    INFERENCE_OPERATIONS,
)
TIME_TO_FIRST_CHUNK = Metric(
    "gen_ai.client.inference.time_to_first_chunk",
    "histogram",
    "s",
    "From the request to the first chunk; streams only.",
    CLIENT_LABELS,
    CALL_SECONDS,
    INFERENCE_OPERATIONS,
    "TimeToFirstChunk",
)
EMBEDDINGS_DURATION = Metric(
    "gen_ai.client.embeddings.duration",
    "histogram",
    "s",
    "Requests for embeddings.",
    (*CLIENT_LABELS, a.ERROR_TYPE),
    CALL_SECONDS,
    ("embeddings",),
)
OPERATION_DURATION = Metric(
    "gen_ai.client.operation.duration",
    "histogram",
    "s",
    "Client operations other than inference and embeddings: retrieval.",
    (*CLIENT_LABELS, a.ERROR_TYPE),
    CALL_SECONDS,
    ("retrieval",),
)
AGENT_DURATION = Metric(
    "gen_ai.invoke_agent.duration",
    "histogram",
    "s",
    "Runs of agents and workflows.",
    (a.OPERATION_NAME, a.AGENT_NAME, a.ERROR_TYPE),
    RUN_SECONDS,
    ("invoke_agent", "invoke_workflow"),
)
TOOL_DURATION = Metric(
    "gen_ai.execute_tool.duration",
    "histogram",
    "s",
    "Tool calls.",
    (a.TOOL_NAME, a.ERROR_TYPE),
    CALL_SECONDS,
    ("execute_tool",),
)
AGENT_INFERENCE_CALLS = Metric(
    "gen_ai.invoke_agent.inference_calls",
    "histogram",
    "{call}",
    "Model calls in one run of an agent, without those of the agents it calls.",
    (a.AGENT_NAME,),
    CALLS,
)
AGENT_TOOL_CALLS = Metric(
    "gen_ai.invoke_agent.tool_calls",
    "histogram",
    "{call}",
    "Tool calls in one run of an agent, without those of the agents it calls.",
    (a.AGENT_NAME,),
    CALLS,
)
PREDICT_DURATION = Metric(
    "mlobs.predict.duration",
    "histogram",
    "s",
    "Predictions of classical models.",
    (*MODEL_LABELS, a.ERROR_TYPE),
    PREDICT_SECONDS,
    ("predict",),
)


def _tokens(bucket: str, about: str, column: str) -> Metric:
    return Metric(
        f"gen_ai.client.inference.usage.{bucket}",
        "counter",
        "{token}",
        about,
        TOKEN_LABELS,
        operations=INFERENCE_OPERATIONS,
        measures=column,
    )


INPUT_TOKENS = _tokens("input_tokens", "Input tokens, cached ones included.", "InputTokens")
OUTPUT_TOKENS = _tokens("output_tokens", "Output tokens, reasoning included.", "OutputTokens")
CACHE_READ_TOKENS = _tokens("cache_read.input_tokens", "Input read from a cache.", "CacheReadTokens")
CACHE_WRITE_TOKENS = _tokens("cache_write.input_tokens", "Input written to a cache.", "CacheWriteTokens")
REASONING_TOKENS = _tokens("reasoning.output_tokens", "Output spent on reasoning.", "ReasoningTokens")
COST = Metric(
    "mlobs.cost.usd",
    "counter",
    "{USD}",
    "Estimated cost of model calls, as stamped on their spans.",
    CLIENT_LABELS,
    operations=(*INFERENCE_OPERATIONS, "embeddings"),
    measures="CostUsd",
)

# Drift: emitted by monitors.
DRIFT_OBSERVATIONS = Metric(
    "mlobs.drift.observations",
    "counter",
    "{observation}",
    "Live values by bin; adds up over a fleet.",
    (*FEATURE_LABELS, a.BIN),
)
DRIFT_REFERENCE_RATIO = Metric(
    "mlobs.drift.reference_ratio",
    "gauge",
    "{proportion}",
    "The share of each bin in the training data.",
    (*FEATURE_LABELS, a.BIN),
)
DRIFT_REFERENCE_ROWS = Metric(
    "mlobs.drift.reference_rows", "gauge", "{row}", "Rows the proportions were taken from.", FEATURE_LABELS
)
DRIFT_LOG_E = Metric(
    "mlobs.drift.log_e", "gauge", "{nat}", "Evidence that a feature has moved.", FEATURE_LABELS
)
DRIFT_THRESHOLD = Metric(
    "mlobs.drift.threshold", "gauge", "{nat}", "Evidence at which a monitor raises its alarm.", MODEL_LABELS
)
DRIFT_ALARM = Metric(
    "mlobs.drift.alarm", "gauge", "{state}", "1 while a feature's alarm stands, else 0.", FEATURE_LABELS
)
DRIFT_CHANGE_START = Metric(
    "mlobs.drift.change_start_timestamp",
    "gauge",
    "s",
    "When the change began, by estimate; seconds since 1970.",
    FEATURE_LABELS,
)
DRIFT_DISTANCE = Metric(
    "mlobs.drift.distance",
    "gauge",
    "{distance}",
    "Distance of recent live data from the profile; after an alarm, of data since the change.",
    (*FEATURE_LABELS, a.DRIFT_METHOD),
)
DRIFT_TV_LOWER_BOUND = Metric(
    "mlobs.drift.tv_lower_bound",
    "gauge",
    "{proportion}",
    "At least this share of live values sits in the wrong bin.",
    FEATURE_LABELS,
)
DRIFT_DROPPED = Metric(
    "mlobs.drift.dropped",
    "counter",
    "{row}",
    "Rows a monitor could not count.",
    (*MODEL_LABELS, a.SDK_DROPPED),
)

# The SDK about itself.
SDK_DROPPED = Metric(
    "mlobs.sdk.dropped", "counter", "{span}", "Spans the SDK could not deliver.", (a.SDK_DROPPED,)
)
SDK_EXPORTED = Metric("mlobs.sdk.exported", "counter", "{span}", "Spans the endpoint accepted.")

# The server about itself. These carry no service.name.
SERVER_RECEIVED = Metric(
    "mlobs.server.received", "counter", "{request}", "OTLP requests acknowledged as durable.", (a.SIGNAL,)
)
SERVER_RECEIVED_BYTES = Metric(
    "mlobs.server.received.bytes", "counter", "By", "Bytes acknowledged as durable.", (a.SIGNAL,)
)
SERVER_REFUSED = Metric(
    "mlobs.server.refused",
    "counter",
    "{request}",
    "Requests refused: OTLP by its signal, others as api.",
    (a.SIGNAL, a.REASON),
)
SERVER_LOADED = Metric(
    "mlobs.server.loaded", "counter", "{segment}", "Journal segments loaded into the store.", (a.SIGNAL,)
)
SERVER_SET_ASIDE = Metric(
    "mlobs.server.set_aside",
    "counter",
    "{segment}",
    "Journal segments that could not be loaded.",
    (a.SIGNAL,),
)
SERVER_PENDING_BYTES = Metric(
    "mlobs.server.pending.bytes", "gauge", "By", "Journal bytes that wait to be loaded.", (a.SIGNAL,)
)
SERVER_STORED_BYTES = Metric(
    "mlobs.server.stored.bytes", "gauge", "By", "Bytes of the store's tables on disk.", (a.SIGNAL,)
)
SERVER_EXPIRED = Metric(
    "mlobs.server.expired",
    "counter",
    "{row}",
    "Rows that went because they were too old, or the store too large.",
    (a.SIGNAL, a.REASON),
)
ALERT_FIRING = Metric("mlobs.alert.firing", "gauge", "{alert}", "Alerts that fire now.", (a.RULE,))
ALERT_RULE_FAILURES = Metric(
    "mlobs.alert.rule.failures", "counter", "{failure}", "Evaluations of a rule that failed.", (a.RULE,)
)
ALERT_DELIVERIES = Metric(
    "mlobs.alert.deliveries", "counter", "{delivery}", "Webhook deliveries.", (a.OUTCOME,)
)

METRICS: tuple[Metric, ...] = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))
DERIVED: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric.operations)
# Counted where the calls are made, and only there: no span knows how many calls were below it.
PROCESS: tuple[Metric, ...] = (AGENT_INFERENCE_CALLS, AGENT_TOOL_CALLS)
DRIFT: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric.name.startswith("mlobs.drift."))
SERVER: tuple[Metric, ...] = tuple(
    metric for metric in METRICS if metric.name.startswith(("mlobs.server.", "mlobs.alert."))
)
