"""Langfuse's SDK."""

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import (
    TENANT,
    Dialect,
    Meaning,
    Source,
    keys,
    members,
    nouns,
)

_USAGE = "langfuse.observation.usage_details"

LANGFUSE = Dialect(
    "langfuse",
    "Langfuse's SDK.",
    markers=("langfuse.observation.type",),
    sources={
        a.REQUEST_MODEL: keys("langfuse.observation.model.name"),
        a.CONVERSATION_ID: keys("session.id", "langfuse.session.id"),
        a.SESSION_ID: keys("langfuse.session.id"),
        a.USER_ID: keys("langfuse.user.id"),
        TENANT: keys("langfuse.trace.metadata.tenant_id", "langfuse.trace.metadata.tenant"),
        a.INPUT_TOKENS: (
            *members(_USAGE, "prompt_tokens", "input_tokens"),
            Source(_USAGE, "input", unit="uncached"),
        ),
        a.OUTPUT_TOKENS: members(_USAGE, "output", "output_tokens", "completion_tokens"),
        a.CACHE_READ_TOKENS: members(
            _USAGE,
            "input_cached_tokens",
            "cache_read_input_tokens",
            "input_cache_read",
            "prompt_tokens_details/cached_tokens",
            "input_tokens_details/cached_tokens",
        ),
        a.CACHE_WRITE_TOKENS: members(_USAGE, "cache_creation_input_tokens", "input_cache_creation"),
        a.REASONING_TOKENS: members(
            _USAGE,
            "output_reasoning_tokens",
            "reasoning_tokens",
            "output_reasoning",
            "completion_tokens_details/reasoning_tokens",
            "output_tokens_details/reasoning_tokens",
        ),
        a.COST_USD: members("langfuse.observation.cost_details", "total"),
        a.TIME_TO_FIRST_CHUNK: (Source("langfuse.observation.completion_start_time", unit="moment"),),
    },
    meanings=(
        *nouns(
            "langfuse.observation.type",
            {
                "generation": ("chat", "llm"),
                "embedding": ("embeddings", "embedding"),
                "tool": ("execute_tool", "tool"),
                "agent": ("invoke_agent", "agent"),
                "retriever": ("retrieval", "retrieval"),
                "chain": ("invoke_workflow", "workflow"),
                "evaluator": ("", "evaluator"),
                "guardrail": ("", "guardrail"),
                "span": ("", "step"),
                "event": ("", "step"),
            },
            {"tool": a.TOOL_NAME, "agent": a.AGENT_NAME, "chain": a.AGENT_NAME},
        ),
        Meaning("langfuse.observation.level", "ERROR", {a.ERROR_TYPE: "_OTHER"}),
    ),
    content={
        a.INPUT_MESSAGES: ("langfuse.observation.input", "langfuse.trace.input"),
        a.OUTPUT_MESSAGES: ("langfuse.observation.output", "langfuse.trace.output"),
    },
)
