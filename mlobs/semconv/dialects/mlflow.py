"""MLflow's tracing; every value is JSON, texts included."""

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import Dialect, Meaning, keys, members, nouns

_USAGE = "mlflow.chat.tokenUsage"

MLFLOW = Dialect(
    "mlflow",
    "MLflow's tracing; every value is JSON, texts included.",
    markers=("mlflow.spanType",),
    sources={
        a.PROVIDER_NAME: keys("mlflow.llm.provider"),
        a.REQUEST_MODEL: keys("model", "mlflow.llm.model"),
        a.RESPONSE_MODEL: keys("mlflow.llm.model"),
        a.CONVERSATION_ID: keys("session.id", "mlflow.trace.session"),
        a.SESSION_ID: keys("mlflow.trace.session"),
        a.USER_ID: keys("mlflow.trace.user"),
        a.INPUT_TOKENS: members(_USAGE, "input_tokens"),
        a.OUTPUT_TOKENS: members(_USAGE, "output_tokens"),
        a.CACHE_READ_TOKENS: members(_USAGE, "cache_read_input_tokens"),
        a.CACHE_WRITE_TOKENS: members(_USAGE, "cache_creation_input_tokens"),
        a.REASONING_TOKENS: members(_USAGE, "reasoning_tokens"),
        a.COST_USD: members("mlflow.llm.cost", "total_cost"),
    },
    meanings=(
        *nouns(
            "mlflow.spanType",
            {
                "CHAT_MODEL": ("chat", "llm"),
                "LLM": ("generate_content", "llm"),
                "EMBEDDING": ("embeddings", "embedding"),
                "TOOL": ("execute_tool", "tool"),
                "AGENT": ("invoke_agent", "agent"),
                "RETRIEVER": ("retrieval", "retrieval"),
                "CHAIN": ("invoke_workflow", "workflow"),
                "WORKFLOW": ("invoke_workflow", "workflow"),
                "MEMORY": ("", "memory"),
                "RERANKER": ("", "step"),
                "PARSER": ("", "step"),
                "TASK": ("", "step"),
                "GUARDRAIL": ("", "guardrail"),
                "EVALUATOR": ("", "evaluator"),
                "UNKNOWN": ("", "step"),
            },
            {"TOOL": a.TOOL_NAME, "AGENT": a.AGENT_NAME, "CHAIN": a.AGENT_NAME, "WORKFLOW": a.AGENT_NAME},
        ),
        *(
            Meaning("mlflow.message.format", value, {a.PROVIDER_NAME: provider})
            for value, provider in (
                ("openai", "openai"),
                ("anthropic", "anthropic"),
                ("gemini", "gcp.gemini"),
                ("bedrock", "aws.bedrock"),
                ("groq", "groq"),
                ("mistral", "mistral_ai"),
            )
        ),
    ),
    content={
        a.INPUT_MESSAGES: ("mlflow.spanInputs",),
        a.OUTPUT_MESSAGES: ("mlflow.spanOutputs",),
        a.TOOL_DEFINITIONS: ("mlflow.chat.tools",),
    },
)
