"""Every attribute that mlobs emits or reads.

The `gen_ai.*` names are those of the GenAI semantic conventions, v0.1.0. Ours begin with
`mlobs.`. Columns are the materialised ones of `otel_traces`.
"""

from mlobs.semconv.rows import Attribute

# Resource
SERVICE_NAME = Attribute("service.name", "string", "The service that emitted the data.", "ServiceName")
SERVICE_VERSION = Attribute("service.version", "string", "The service's version.")
SERVICE_INSTANCE_ID = Attribute("service.instance.id", "string", "One process of the service.")
DEPLOYMENT_ENVIRONMENT = Attribute("deployment.environment.name", "string", "Such as production or staging.")

# What was called
OPERATION_NAME = Attribute("gen_ai.operation.name", "string", "Such as chat or execute_tool.", "Operation")
PROVIDER_NAME = Attribute("gen_ai.provider.name", "string", "Such as openai or anthropic.", "Provider")
REQUEST_MODEL = Attribute("gen_ai.request.model", "string", "The model that was asked for.", "RequestModel")
RESPONSE_MODEL = Attribute("gen_ai.response.model", "string", "The model that answered.", "ResponseModel")
RESPONSE_ID = Attribute("gen_ai.response.id", "string", "The provider's id of the answer.")
REQUEST_STREAM = Attribute("gen_ai.request.stream", "boolean", "True for streams, absent otherwise.")
FINISH_REASONS = Attribute("gen_ai.response.finish_reasons", "string[]", "Why each choice ended.")
TIME_TO_FIRST_CHUNK = Attribute(
    "gen_ai.response.time_to_first_chunk", "double", "Seconds to the first chunk.", "TimeToFirstChunk"
)
AGENT_NAME = Attribute("gen_ai.agent.name", "string", "The agent or workflow.", "AgentName")
AGENT_VERSION = Attribute("gen_ai.agent.version", "string", "The agent's version.")
TOOL_NAME = Attribute("gen_ai.tool.name", "string", "The tool.", "ToolName")
TOOL_TYPE = Attribute("gen_ai.tool.type", "string", "function, extension or datastore.")
TOOL_CALL_ID = Attribute("gen_ai.tool.call.id", "string", "The id the model gave the tool call.")
DATA_SOURCE_ID = Attribute("gen_ai.data_source.id", "string", "What a retrieval searched.")
CONVERSATION_ID = Attribute("gen_ai.conversation.id", "string", "The conversation.", "ConversationId")
SESSION_ID = Attribute("session.id", "string", "The session a call belongs to.", "SessionId")
USER_ID = Attribute("user.id", "string", "The user a call was made for.", "UserId")
ERROR_TYPE = Attribute("error.type", "string", "What went wrong: an exception's name or a code.", "ErrorType")

# Tokens. On the wire input holds the cached parts and output the reasoning part.
INPUT_TOKENS = Attribute(
    "gen_ai.usage.input_tokens", "int", "Input tokens, cached ones included.", "InputTokens"
)
OUTPUT_TOKENS = Attribute(
    "gen_ai.usage.output_tokens", "int", "Output tokens, reasoning included.", "OutputTokens"
)
CACHE_READ_TOKENS = Attribute(
    "gen_ai.usage.cache_read.input_tokens", "int", "Input tokens read from a cache.", "CacheReadTokens"
)
CACHE_WRITE_TOKENS = Attribute(
    "gen_ai.usage.cache_write.input_tokens", "int", "Input tokens written to a cache.", "CacheWriteTokens"
)
REASONING_TOKENS = Attribute(
    "gen_ai.usage.reasoning.output_tokens", "int", "Output tokens spent on reasoning.", "ReasoningTokens"
)
TOKEN_MODALITY = Attribute("gen_ai.token.modality", "string", "text, image, audio or unknown.")
COST_USD = Attribute(
    "mlobs.cost.usd",
    "double",
    "Estimate in US dollars, made when the span ended; reports price anew.",
    "CostUsd",
)

# How a call went, and where it came from
KIND = Attribute("mlobs.kind", "string", "The decorator's noun: agent, tool, llm and so on.", "Kind")
NAME = Attribute("mlobs.name", "string", "The function's name, or the one given to its decorator.")
CALL_STATE = Attribute(
    "mlobs.call.state", "string", "cancelled or abandoned; absent for ok and error.", "CallState"
)
STREAM_CHUNKS = Attribute("mlobs.stream.chunks", "int", "Items a stream handed out.")
CODE_FUNCTION = Attribute("code.function.name", "string", "The decorated function, with its module.")
TAG = Attribute("mlobs.tag", "any", "Prefix of a session's tags: mlobs.tag.tier.")
SDK_DROPPED = Attribute("mlobs.dropped.reason", "string", "Why telemetry was dropped.")

# Predictions and drift
MODEL_NAME = Attribute("mlobs.model.name", "string", "A classical model, as in churn@7.", "ModelName")
MODEL_VERSION = Attribute("mlobs.model.version", "string", "What follows the @ of a model.", "ModelVersion")
FEATURE = Attribute("mlobs.feature", "string", "A column of a model's input, or its prediction.")
BIN = Attribute("mlobs.bin", "string", "A bin of a feature: 00, 01, ..., a category, or a reserved name.")
PROFILE_REF = Attribute("mlobs.profile.ref", "string", "The profile's version; changes with its bins.")
DRIFT_METHOD = Attribute("mlobs.drift.method", "string", "psi, js, ks, tv or w1.")
DRIFT_LOG_E = Attribute("mlobs.drift.log_e", "double", "Evidence against 'unchanged', in nats.")

# Evaluation
EVALUATION_NAME = Attribute("gen_ai.evaluation.name", "string", "What was judged.")
EVALUATION_SCORE = Attribute("gen_ai.evaluation.score.value", "double", "The score.")
EVALUATION_LABEL = Attribute("gen_ai.evaluation.score.label", "string", "The score in words.")
EVALUATION_EXPLANATION = Attribute("gen_ai.evaluation.explanation", "string", "Why this score.")
EVALUATION_BY = Attribute("mlobs.evaluation.by", "string", "Who judged: judge:v3, human:ana.")

# Exceptions
EXCEPTION_TYPE = Attribute("exception.type", "string", "The exception's class.")
EXCEPTION_MESSAGE = Attribute("exception.message", "string", "The exception's text.")
EXCEPTION_STACKTRACE = Attribute("exception.stacktrace", "string", "Where it was raised.")

# The server's own
SIGNAL = Attribute("mlobs.signal", "string", "traces, metrics or logs.")
REASON = Attribute("mlobs.reason", "string", "Why a request was refused.")
RULE = Attribute("mlobs.rule", "string", "An alert rule.")
OUTCOME = Attribute("mlobs.outcome", "string", "delivered, failed (to be tried again), dead or dropped.")

ATTRIBUTES: tuple[Attribute, ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Attribute)
)
