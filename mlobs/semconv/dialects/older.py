"""Older versions of the GenAI conventions, and what natives and packages add to them."""

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import Dialect, Meaning, keys

# What every package that speaks some gen_ai.* may still say in an older way.
USAGE = {
    a.INPUT_TOKENS: keys("gen_ai.usage.prompt_tokens", "gen_ai.aggregated_usage.input_tokens"),
    a.OUTPUT_TOKENS: keys("gen_ai.usage.completion_tokens", "gen_ai.aggregated_usage.output_tokens"),
    a.CACHE_READ_TOKENS: keys(
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.details.cached_tokens",
        "gen_ai.aggregated_usage.cache_read.input_tokens",
    ),
    a.CACHE_WRITE_TOKENS: keys(
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.aggregated_usage.cache_creation.input_tokens",
        "gen_ai.aggregated_usage.cache_write.input_tokens",
    ),
    a.REASONING_TOKENS: keys(
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.aggregated_usage.details.reasoning_tokens",
    ),
}

OLDER = Dialect(
    "older",
    "The GenAI conventions before v0.1.0.",
    markers=(
        "gen_ai.system",
        "gen_ai.workflow.name",
        "gen_ai.request.is_stream",
        "gen_ai.response.finish_reason",
        "gcp.vertex.agent.session_id",
        *(source.key for sources in USAGE.values() for source in sources),
    ),
    sources={
        **USAGE,
        a.PROVIDER_NAME: keys("gen_ai.system"),
        a.AGENT_NAME: keys("gen_ai.workflow.name"),
        a.CONVERSATION_ID: keys("gcp.vertex.agent.session_id"),
        a.COST_USD: keys("gen_ai.usage.cost", "operation.cost"),
        a.USER_ID: keys("gen_ai.user", "enduser.id"),
    },
    meanings=tuple(
        Meaning(a.OPERATION_NAME.name, old, {a.OPERATION_NAME: new})
        for old, new in (
            ("completion", "text_completion"),
            ("embedding", "embeddings"),
            ("vector_db_retrieve", "retrieval"),
            ("llm_request", "chat"),
        )
    ),
    content={
        a.SYSTEM_INSTRUCTIONS: ("gen_ai.system_instructions",),
        a.INPUT_MESSAGES: (
            "gen_ai.input.messages",
            "gen_ai.prompt",
            "gen_ai.prompt.",
            "pydantic_ai.all_messages",
        ),
        a.OUTPUT_MESSAGES: (
            "gen_ai.output.messages",
            "gen_ai.completion",
            "gen_ai.completion.",
            "final_result",
        ),
    },
)
