"""LangSmith's export to OpenTelemetry."""

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.older import OLDER
from mlobs.semconv.dialects.rows import TENANT, Dialect, Meaning, keys, members, nouns

_ABOUT = "langsmith.metadata"
# gen_ai.usage.input_token_details is the text of a Python dict, this is JSON.
_USAGE = f"{_ABOUT}.usage_metadata"

LANGSMITH = Dialect(
    "langsmith",
    "LangSmith's export to OpenTelemetry.",
    markers=("langsmith.span.kind",),
    sources={
        **OLDER.sources,
        # langsmith.trace.session_id is the project, not a session.
        a.CONVERSATION_ID: keys(f"{_ABOUT}.thread_id", f"{_ABOUT}.session_id", f"{_ABOUT}.conversation_id"),
        a.SESSION_ID: keys(f"{_ABOUT}.session_id"),
        a.USER_ID: keys(f"{_ABOUT}.user_id"),
        a.REQUEST_MODEL: keys(f"{_ABOUT}.ls_model_name"),
        a.PROVIDER_NAME: keys(f"{_ABOUT}.ls_provider", "gen_ai.system"),
        a.CACHE_READ_TOKENS: members(_USAGE, "input_token_details/cache_read"),
        a.CACHE_WRITE_TOKENS: members(_USAGE, "input_token_details/cache_creation"),
        a.REASONING_TOKENS: members(_USAGE, "output_token_details/reasoning"),
        TENANT: keys(f"{_ABOUT}.tenant_id", f"{_ABOUT}.tenant"),
    },
    meanings=(
        Meaning(a.OPERATION_NAME.name, "chain", {a.OPERATION_NAME: "invoke_workflow"}),
        *nouns(
            "langsmith.span.kind",
            {
                "llm": ("chat", "llm"),
                "tool": ("execute_tool", "tool"),
                "retriever": ("retrieval", "retrieval"),
                "embedding": ("embeddings", "embedding"),
                "chain": ("invoke_workflow", "workflow"),
                "prompt": ("", "step"),
                "parser": ("", "step"),
            },
            {"tool": a.TOOL_NAME, "chain": a.AGENT_NAME},
        ),
    ),
    content=OLDER.content,
)
