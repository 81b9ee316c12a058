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
FINISH = Attribute(
    "mlobs.finish", "string", "How an answer ended that is none: empty, length, refusal or content_filter."
)
TIME_TO_FIRST_CHUNK = Attribute(
    "gen_ai.response.time_to_first_chunk", "double", "Seconds to the first chunk.", "TimeToFirstChunk"
)
AGENT_NAME = Attribute("gen_ai.agent.name", "string", "The agent or workflow.", "AgentName")
AGENT_CALLER = Attribute("mlobs.agent.caller", "string", "The agent that called this one.")
PROMPT_NAME = Attribute("gen_ai.prompt.name", "string", "The prompt template in use.")
PROMPT_VERSION = Attribute("gen_ai.prompt.version", "string", "The prompt template's version.")
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
CACHE_WRITE_1H_TOKENS = Attribute(
    "mlobs.usage.cache_write_1h.input_tokens",
    "int",
    "Those written to a cache for an hour or longer, which cost more than for minutes.",
)
REASONING_TOKENS = Attribute(
    "gen_ai.usage.reasoning.output_tokens", "int", "Output tokens spent on reasoning.", "ReasoningTokens"
)
TEXT_INPUT_TOKENS = Attribute("gen_ai.usage.text.input_tokens", "int", "Input tokens of text.")
IMAGE_INPUT_TOKENS = Attribute("gen_ai.usage.image.input_tokens", "int", "Input tokens of images.")
AUDIO_INPUT_TOKENS = Attribute("gen_ai.usage.audio.input_tokens", "int", "Input tokens of sound.")
AUDIO_CACHE_READ_TOKENS = Attribute(
    "gen_ai.usage.audio.cache_read.input_tokens", "int", "Input tokens of sound read from a cache."
)
TEXT_OUTPUT_TOKENS = Attribute("gen_ai.usage.text.output_tokens", "int", "Output tokens of text.")
IMAGE_OUTPUT_TOKENS = Attribute("gen_ai.usage.image.output_tokens", "int", "Output tokens of images.")
AUDIO_OUTPUT_TOKENS = Attribute("gen_ai.usage.audio.output_tokens", "int", "Output tokens of sound.")
SERVICE_TIER = Attribute("mlobs.service_tier", "string", "The service tier that sets the price: batch, flex.")
OPENAI_REQUEST_TIER = Attribute("openai.request.service_tier", "string", "The service tier asked for.")
OPENAI_RESPONSE_TIER = Attribute("openai.response.service_tier", "string", "The service tier used.")
TOKEN_MODALITY = Attribute("gen_ai.token.modality", "string", "text, image, audio or unknown.")
COST_USD = Attribute(
    "mlobs.cost.usd",
    "double",
    "Estimate in US dollars, made when the span ended; reports price anew.",
    "CostUsd",
)

# Content, where it is recorded
SYSTEM_INSTRUCTIONS = Attribute(
    "gen_ai.system_instructions", "any", "Instructions given beside the messages."
)
INPUT_MESSAGES = Attribute("gen_ai.input.messages", "any", "What a model was sent, as JSON.")
OUTPUT_MESSAGES = Attribute("gen_ai.output.messages", "any", "What a model answered, as JSON.")
TOOL_DEFINITIONS = Attribute("gen_ai.tool.definitions", "any", "Type and name of each tool a model may call.")
TOOL_ARGUMENTS = Attribute("gen_ai.tool.call.arguments", "any", "What a tool was called with, as JSON.")
TOOL_RESULT = Attribute("gen_ai.tool.call.result", "any", "What a tool returned, as JSON.")
RETRIEVAL_QUERY = Attribute("gen_ai.retrieval.query.text", "string", "What was searched for.")
RETRIEVAL_DOCUMENTS = Attribute("gen_ai.retrieval.documents", "any", "What was found, as JSON.")
MEMORY_QUERY = Attribute("gen_ai.memory.query.text", "string", "What was looked up.")
MEMORY_RECORDS = Attribute("gen_ai.memory.records", "any", "What was remembered, as JSON.")
INPUT = Attribute("mlobs.input", "any", "The arguments of any other call, as JSON.")
OUTPUT = Attribute("mlobs.output", "any", "The result of any other call, as JSON.")
CONTENT_DROPPED = Attribute(
    "mlobs.content.dropped", "boolean", "True where content was dropped: too much of it waited, or it broke."
)
CONTENT_TRUNCATED = Attribute("mlobs.content.truncated", "boolean", "True where content was cut to fit.")

# How a call went, and where it came from
KIND = Attribute("mlobs.kind", "string", "The decorator's noun: agent, tool, llm and so on.", "Kind")
NAME = Attribute("mlobs.name", "string", "The function's name, or the one given to its decorator.")
CALL_STATE = Attribute(
    "mlobs.call.state", "string", "cancelled or abandoned; absent for ok and error.", "CallState"
)
STREAM_CHUNKS = Attribute("mlobs.stream.chunks", "int", "Items a stream handed out.")
CODE_FUNCTION = Attribute("code.function.name", "string", "The decorated function, with its module.")
HTTP_ROUTE = Attribute("http.route", "string", "The route of a request, such as /items/{id}.")
KEEP = Attribute("mlobs.keep", "boolean", "True where queues and samplers are to keep a trace first.")
VERSION = Attribute("mlobs.version", "string", "The version of an agent or workflow.")
EXPERIMENT = Attribute(
    "mlobs.experiment", "string", "Prefix of the arm of each experiment: mlobs.experiment.tone."
)
OUTPUT_TOKENS_PER_SECOND = Attribute(
    "mlobs.stream.output_tokens_per_second", "double", "Output tokens by the seconds after the first chunk."
)
GUARDRAIL_VERDICT = Attribute("mlobs.guardrail.verdict", "string", "pass or block.")
NOTE_TEXT = Attribute("mlobs.note.text", "string", "What a note says.")
HANDLED = Attribute("mlobs.handled", "boolean", "True for an exception that did not leave its call.")
HANDOFF_FROM = Attribute("mlobs.handoff.from", "string", "The agent that hands over.")
HANDOFF_TO = Attribute("mlobs.handoff.to", "string", "The agent that goes on.")
HANDOFF_REASON = Attribute("mlobs.handoff.reason", "string", "Why an agent hands over.")
TAG = Attribute("mlobs.tag", "any", "Prefix of a session's tags: mlobs.tag.tier.")
SDK_DROPPED = Attribute("mlobs.dropped.reason", "string", "Why telemetry was dropped.")

# Requests and messages that cross a process's border
RPC_SYSTEM = Attribute("rpc.system.name", "string", "grpc.")
RPC_METHOD = Attribute("rpc.method", "string", "The method with its service: shop.Orders/Place.")
RPC_STATUS = Attribute("rpc.response.status_code", "string", "Such as OK or NOT_FOUND, or a JSON-RPC code.")
SERVER_ADDRESS = Attribute("server.address", "string", "Where a request goes.")
SERVER_PORT = Attribute("server.port", "int", "The port a request goes to.")
CLIENT_ADDRESS = Attribute("client.address", "string", "Who asks, as the server sees it.")
CLIENT_PORT = Attribute("client.port", "int", "The port of who asks.")
MESSAGING_SYSTEM = Attribute("messaging.system", "string", "Such as kafka, aws_sqs or celery.")
MESSAGING_OPERATION = Attribute("messaging.operation.type", "string", "send, receive or process.")
MESSAGING_OPERATION_NAME = Attribute("messaging.operation.name", "string", "What the system calls it.")
MESSAGING_DESTINATION = Attribute("messaging.destination.name", "string", "The topic or queue.")
MESSAGING_PARTITION = Attribute("messaging.destination.partition.id", "string", "The partition of a topic.")
MESSAGING_MESSAGE_ID = Attribute("messaging.message.id", "string", "The message's id, as its system gave it.")
MESSAGING_OFFSET = Attribute("messaging.kafka.offset", "int", "Where the message is in its partition.")
MESSAGING_BATCH = Attribute("messaging.batch.message_count", "int", "Messages processed together.")
MESSAGING_ATTEMPT = Attribute("mlobs.messaging.attempt", "int", "Which try this is; 1 is the first.")
MCP_METHOD = Attribute("mcp.method.name", "string", "Such as tools/call.")
MCP_SESSION_ID = Attribute("mcp.session.id", "string", "The transport's session.")
MCP_PROTOCOL_VERSION = Attribute("mcp.protocol.version", "string", "The negotiated version of MCP.")
MCP_RESOURCE_URI = Attribute("mcp.resource.uri", "string", "The resource that is read.")
JSONRPC_REQUEST_ID = Attribute("jsonrpc.request.id", "string", "The request's id on its connection.")
NETWORK_TRANSPORT = Attribute("network.transport", "string", "tcp for HTTP, pipe for stdio.")

# Predictions and drift
MODEL_NAME = Attribute("mlobs.model.name", "string", "A classical model, as in churn@7.", "ModelName")
MODEL_VERSION = Attribute("mlobs.model.version", "string", "What follows the @ of a model.", "ModelVersion")
FEATURE = Attribute("mlobs.feature", "string", "A column of a model's input, or its prediction.")
BIN = Attribute("mlobs.bin", "string", "A bin of a feature: 00, 01, ..., a category, or a reserved name.")
BIN_RANGE = Attribute(
    "mlobs.bin.range", "string", "The values a bin holds, such as [12.5, 20); absent where its name says it."
)
SEGMENT = Attribute(
    "mlobs.segment", "string", "A part of the rows that is watched by itself; absent for all rows."
)
PROFILE_REF = Attribute("mlobs.profile.ref", "string", "The profile's version; changes with its bins.")
DRIFT_METHOD = Attribute("mlobs.drift.method", "string", "psi, js, ks, tv or w1.")
SCHEMA_FINDING = Attribute("mlobs.schema.finding", "string", "missing, wrong_type or extra.")
LABEL_OUTCOME = Attribute(
    "mlobs.label.outcome",
    "string",
    "joined, unusable, late, duplicate, unknown, queue_full, closed; expired where none came.",
)
QUALITY_MEASURE = Attribute(
    "mlobs.quality.measure", "string", "accuracy, bias, brier, log_loss, mae or rmse."
)
QUALITY_WINDOW = Attribute(
    "mlobs.quality.window", "string", "recent, overall, or reference for the training data."
)
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
ORIGIN = Attribute(
    "mlobs.origin", "string", "received from a sender, recovered from an earlier process's journal, or own."
)
FATE = Attribute("mlobs.fate", "string", "stored, or set_aside because the store refused it.")
RULE = Attribute("mlobs.rule", "string", "An alert rule.")
OUTCOME = Attribute(
    "mlobs.outcome", "string", "delivered, failed (to be tried again), dead, dropped, demoted or muted."
)
SINK = Attribute("mlobs.sink", "string", "Where alerts are delivered, by the name the user gave it.")

ATTRIBUTES: tuple[Attribute, ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Attribute)
)
