"""The Vercel AI SDK up to version 6, and its older telemetry in version 7."""

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import TENANT, Dialect, Source, keys, nouns

_ABOUT = "ai.telemetry.metadata"
_LOOPS = (
    "ai.generateText",
    "ai.streamText",
    "ai.generateObject",
    "ai.streamObject",
    "ai.workflowAgent.stream",
)

VERCEL = Dialect(
    "vercel",
    "The Vercel AI SDK up to version 6, and its older telemetry in version 7.",
    markers=("ai.operationId",),
    sources={
        a.PROVIDER_NAME: (Source("ai.model.provider", up_to="."),),
        a.REQUEST_MODEL: keys("ai.model.id"),
        a.RESPONSE_MODEL: keys("ai.response.model"),
        a.AGENT_NAME: keys("ai.telemetry.functionId"),
        a.TOOL_NAME: keys("ai.toolCall.name"),
        a.CONVERSATION_ID: keys(f"{_ABOUT}.sessionId", f"{_ABOUT}.conversationId", f"{_ABOUT}.threadId"),
        a.SESSION_ID: keys(f"{_ABOUT}.sessionId"),
        a.USER_ID: keys(f"{_ABOUT}.userId"),
        TENANT: keys(f"{_ABOUT}.tenantId", f"{_ABOUT}.tenant"),
        a.INPUT_TOKENS: keys("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        a.OUTPUT_TOKENS: keys("ai.usage.outputTokens", "ai.usage.completionTokens"),
        a.CACHE_READ_TOKENS: keys("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
        a.CACHE_WRITE_TOKENS: keys("ai.usage.inputTokenDetails.cacheWriteTokens"),
        a.REASONING_TOKENS: keys("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
        a.TIME_TO_FIRST_CHUNK: (
            Source("ai.response.msToFirstChunk", unit="ms"),
            Source("ai.stream.msToFirstChunk", unit="ms"),
        ),
    },
    meanings=nouns(
        "ai.operationId",
        {
            **dict.fromkeys(_LOOPS, ("invoke_agent", "agent")),
            **{f"{loop}.{do}": ("chat", "llm") for loop in _LOOPS for do in ("doGenerate", "doStream")},
            **dict.fromkeys(
                ("ai.embed", "ai.embedMany", "ai.embed.doEmbed", "ai.embedMany.doEmbed"),
                ("embeddings", "embedding"),
            ),
            "ai.toolCall": ("execute_tool", "tool"),
            "ai.rerank": ("", "step"),
        },
    ),
    content={
        a.INPUT_MESSAGES: ("ai.prompt", "ai.prompt.messages"),
        a.OUTPUT_MESSAGES: (
            "ai.response.text",
            "ai.response.object",
            "ai.response.toolCalls",
            "ai.response.reasoning",
        ),
        a.TOOL_DEFINITIONS: ("ai.prompt.tools",),
        a.TOOL_ARGUMENTS: ("ai.toolCall.args",),
        a.TOOL_RESULT: ("ai.toolCall.result",),
    },
)
