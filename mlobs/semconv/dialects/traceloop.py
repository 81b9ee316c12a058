"""OpenLLMetry, Traceloop's instrumentations and SDK."""

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.older import OLDER
from mlobs.semconv.dialects.rows import TENANT, Dialect, Meaning, keys, nouns

_ABOUT = "traceloop.association.properties"
_KIND = nouns(
    "traceloop.span.kind",
    {
        "workflow": ("invoke_workflow", "workflow"),
        "agent": ("invoke_agent", "agent"),
        "tool": ("execute_tool", "tool"),
        "task": ("", "step"),
    },
    {"workflow": a.AGENT_NAME, "agent": a.AGENT_NAME, "tool": a.TOOL_NAME},
    name_key="traceloop.entity.name",
)

TRACELOOP = Dialect(
    "traceloop",
    "OpenLLMetry, Traceloop's instrumentations and SDK.",
    markers=(
        "traceloop.span.kind",
        "traceloop.workflow.name",
        "traceloop.entity.name",
        "traceloop.entity.path",
        "llm.request.type",
        "llm.usage.total_tokens",
        "gen_ai.usage.total_tokens",
        "llm.is_streaming",
        "gen_ai.is_streaming",
    ),
    sources={
        **OLDER.sources,
        a.CONVERSATION_ID: keys(f"{_ABOUT}.session_id", f"{_ABOUT}.conversation_id", f"{_ABOUT}.thread_id"),
        a.SESSION_ID: keys(f"{_ABOUT}.session_id"),
        a.USER_ID: keys(f"{_ABOUT}.user_id", "llm.user", "gen_ai.user"),
        TENANT: keys(f"{_ABOUT}.tenant_id", f"{_ABOUT}.tenant"),
    },
    meanings=(
        *OLDER.meanings,
        *_KIND,
        *(
            Meaning("llm.request.type", value, {a.OPERATION_NAME: operation})
            for value, operation in (
                ("chat", "chat"),
                ("completion", "text_completion"),
                ("embedding", "embeddings"),
            )
        ),
    ),
    content={
        **OLDER.content,
        a.INPUT_MESSAGES: (*OLDER.content[a.INPUT_MESSAGES], "traceloop.entity.input"),
        a.OUTPUT_MESSAGES: (*OLDER.content[a.OUTPUT_MESSAGES], "traceloop.entity.output"),
        a.TOOL_DEFINITIONS: ("llm.request.functions.",),
    },
)
