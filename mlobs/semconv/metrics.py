"""Every metric that mlobs emits or derives.

Those with `operations` are derived from spans, those with an `event` from log records, by the
server or by the collector, under the same names. `predict` is the one operation here that is a
noun of ours and not a value of `gen_ai.operation.name`.
"""

from mlobs.semconv import attributes as a
from mlobs.semconv import loss
from mlobs.semconv.judged import EVALUATION_RESULTS as EVALUATION_RESULTS
from mlobs.semconv.judged import EVALUATION_SCORE as EVALUATION_SCORE
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
FEATURE_LABELS = (*MODEL_LABELS, a.FEATURE, a.PROFILE_REF, a.SEGMENT)

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
    (*FEATURE_LABELS, a.BIN, a.BIN_RANGE),
)
DRIFT_REFERENCE_ROWS = Metric(
    "mlobs.drift.reference_rows", "gauge", "{row}", "Rows the proportions were taken from.", FEATURE_LABELS
)
DRIFT_DESIGN_EFFECT = Metric(
    "mlobs.drift.design_effect",
    "gauge",
    "{effect}",
    "What a detector divides counts by, as rows depend on each other; 1 where its floor is wider instead.",
    FEATURE_LABELS,
)
DRIFT_FLOOR = Metric(
    "mlobs.drift.floor",
    "gauge",
    "{proportion}",
    "The total variation that is not worth an alarm; with a profile by hour of week, of the whole week.",
    FEATURE_LABELS,
)
DRIFT_CUT_GAP = Metric(
    "mlobs.drift.cut_gap",
    "gauge",
    "{deviation}",
    "From where a bin's values are to where those of the next are, in standard deviations of the reference.",
    (*FEATURE_LABELS, a.BIN),
)
DRIFT_LOG_E = Metric(
    "mlobs.drift.log_e", "gauge", "{nat}", "Evidence that a feature has moved.", FEATURE_LABELS
)
DRIFT_THRESHOLD = Metric(
    "mlobs.drift.threshold", "gauge", "{nat}", "Evidence at which a monitor raises its alarm.", FEATURE_LABELS
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
DRIFT_SCHEMA = Metric(
    "mlobs.drift.schema",
    "counter",
    "{row}",
    "Rows without a column of the profile, with a value of another type, or with further columns.",
    (*MODEL_LABELS, a.FEATURE, a.PROFILE_REF, a.SCHEMA_FINDING),
)
DRIFT_LABELS = Metric(
    "mlobs.drift.labels",
    "counter",
    "{label}",
    "Labels by what became of them, and predictions whose label never came.",
    (*MODEL_LABELS, a.LABEL_OUTCOME),
)
DRIFT_QUALITY = Metric(
    "mlobs.drift.quality",
    "gauge",
    "{figure}",
    "How good predictions were, by their labels.",
    (*MODEL_LABELS, a.PROFILE_REF, a.QUALITY_MEASURE, a.QUALITY_WINDOW),
)
DRIFT_DROPPED = Metric(
    "mlobs.drift.dropped",
    "counter",
    "{row}",
    "Rows a monitor could not count.",
    (*MODEL_LABELS, a.SDK_DROPPED),
)

# Drift of a fleet: what all processes of a service have counted together, judged by the server.
DRIFT_FLEET_LOG_E = Metric(
    "mlobs.drift.fleet.log_e",
    "gauge",
    "{nat}",
    "Evidence that a feature has moved, from the counts of all processes.",
    FEATURE_LABELS,
)
DRIFT_FLEET_THRESHOLD = Metric(
    "mlobs.drift.fleet.threshold",
    "gauge",
    "{nat}",
    "Evidence at which the fleet's alarm is raised.",
    FEATURE_LABELS,
)
DRIFT_FLEET_ALARM = Metric(
    "mlobs.drift.fleet.alarm",
    "gauge",
    "{state}",
    "1 while the fleet's alarm for a feature stands, else 0.",
    FEATURE_LABELS,
)
DRIFT_FLEET_CHANGE_START = Metric(
    "mlobs.drift.fleet.change_start_timestamp",
    "gauge",
    "s",
    "When the fleet's change began, by estimate; seconds since 1970.",
    FEATURE_LABELS,
)
DRIFT_FLEET_TV_LOWER_BOUND = Metric(
    "mlobs.drift.fleet.tv_lower_bound",
    "gauge",
    "{proportion}",
    "At least this share of the fleet's values sits in the wrong bin.",
    FEATURE_LABELS,
)

# What the server finds out once a minute, about a service.
FINISH_RATIO = Metric(
    "mlobs.finish.ratio",
    "gauge",
    "{proportion}",
    "The share of a model's answers in the last 15 minutes that ended in one way.",
    (a.REQUEST_MODEL, a.FINISH),
)
GUARDRAIL_BLOCK_RATIO = Metric(
    "mlobs.guardrail.block_ratio",
    "gauge",
    "{proportion}",
    "The share of a guardrail's checks in the last 30 minutes that blocked.",
    (a.NAME,),
)
EVALUATION_DROP = Metric(
    "mlobs.evaluation.drop",
    "gauge",
    "{proportion}",
    "By at least this share the mean score of the last hour or day is below that of the 7 days before.",
    (a.EVALUATION_NAME,),
)
BUDGET_SPENT = Metric(
    "mlobs.budget.spent", "gauge", "{proportion}", "The share of a month's budget that a service has spent."
)
BUDGET_FORECAST = Metric(
    "mlobs.budget.forecast",
    "gauge",
    "{proportion}",
    "The share of a month's budget that a service will have spent if it goes on as in the last day.",
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
    "Spans, log records and metric points that went because they were too old, or the store too large.",
    (a.SIGNAL, a.REASON),
)
ALERT_FIRING = Metric("mlobs.alert.firing", "gauge", "{alert}", "Alerts that fire now.", (a.RULE,))
ALERT_RULE_FAILURES = Metric(
    "mlobs.alert.rule.failures", "counter", "{failure}", "Evaluations of a rule that failed.", (a.RULE,)
)
ALERT_RULES_REFUSED = Metric(
    "mlobs.alert.rules.refused",
    "counter",
    "{look}",
    "Looks at the file of rules that found it unusable; the former rules stay.",
)
ALERT_ROUTES_REFUSED = Metric(
    "mlobs.alert.routes.refused", "counter", "{look}", "Looks at the file of routes that found it unusable."
)
ALERT_DELIVERIES = Metric(
    "mlobs.alert.deliveries", "counter", "{delivery}", "Attempts to tell a sink.", (a.SINK, a.OUTCOME)
)
ALERT_WAITING = Metric(
    "mlobs.alert.waiting", "gauge", "{message}", "Messages that wait for a sink.", (a.SINK,)
)
ALERT_SINK_OPEN = Metric(
    "mlobs.alert.sink.open",
    "gauge",
    "{sink}",
    "1 while a sink fails so often that it is left alone.",
    (a.SINK,),
)
ALERT_RECEIVED = Metric(
    "mlobs.alert.received",
    "counter",
    "{alert}",
    "Alerts that came by webhook: changed, repeated, late, or truncated by the sender.",
    (a.OUTCOME,),
)
ALERT_REFUSED = Metric(
    "mlobs.alert.refused", "counter", "{request}", "Webhooks from elsewhere that were refused.", (a.REASON,)
)

METRICS: tuple[Metric, ...] = (
    *(value for value in dict(globals()).values() if isinstance(value, Metric)),
    *loss.METRICS,
)
DERIVED: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric.operations)
JUDGED: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric.event)
# Counted where the calls are made, and only there: no span knows how many calls were below it.
PROCESS: tuple[Metric, ...] = (AGENT_INFERENCE_CALLS, AGENT_TOOL_CALLS)
FLEET: tuple[Metric, ...] = tuple(
    metric for metric in METRICS if metric.name.startswith("mlobs.drift.fleet.")
)
DRIFT: tuple[Metric, ...] = tuple(
    metric for metric in METRICS if metric.name.startswith("mlobs.drift.") and metric not in FLEET
)
SERVER: tuple[Metric, ...] = tuple(
    metric for metric in METRICS if metric.name.startswith(("mlobs.server.", "mlobs.alert."))
)
