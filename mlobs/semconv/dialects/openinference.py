"""OpenInference, as Phoenix's instrumentations write it."""

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import Dialect, Source, keys, nouns

OPENINFERENCE = Dialect(
    "openinference",
    "OpenInference, as Phoenix's instrumentations write it.",
    markers=("openinference.span.kind",),
    sources={
        a.PROVIDER_NAME: keys("llm.provider", "llm.system"),
        a.REQUEST_MODEL: (
            Source("llm.request.model_name"),
            # Some packages replace llm.model_name when the answer comes.
            Source("llm.invocation_parameters", "model"),
            *keys("llm.model_name", "embedding.model_name"),
        ),
        a.RESPONSE_MODEL: keys("llm.response.model_name", "llm.model_name"),
        a.AGENT_NAME: (Source("agent.name"), Source("metadata", "lc_agent_name")),
        a.TOOL_NAME: keys("tool.name"),
        a.CONVERSATION_ID: keys("session.id"),
        a.INPUT_TOKENS: keys("llm.token_count.prompt"),
        a.OUTPUT_TOKENS: keys("llm.token_count.completion"),
        a.CACHE_READ_TOKENS: keys(
            "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"
        ),
        a.CACHE_WRITE_TOKENS: keys("llm.token_count.prompt_details.cache_write"),
        a.REASONING_TOKENS: keys("llm.token_count.completion_details.reasoning"),
        a.COST_USD: keys("llm.cost.total"),
    },
    meanings=nouns(
        "openinference.span.kind",
        {
            "LLM": ("chat", "llm"),
            "EMBEDDING": ("embeddings", "embedding"),
            "RETRIEVER": ("retrieval", "retrieval"),
            "TOOL": ("execute_tool", "tool"),
            "AGENT": ("invoke_agent", "agent"),
            "CHAIN": ("invoke_workflow", "workflow"),
            "RERANKER": ("", "step"),
            "GUARDRAIL": ("", "guardrail"),
            "EVALUATOR": ("", "evaluator"),
            "PROMPT": ("", "step"),
            "DECISION": ("", "step"),
            "UNKNOWN": ("", "step"),
        },
        {"TOOL": a.TOOL_NAME, "AGENT": a.AGENT_NAME, "CHAIN": a.AGENT_NAME},
    ),
    content={
        a.INPUT_MESSAGES: ("llm.input_messages.", "llm.prompts.", "input.value"),
        a.OUTPUT_MESSAGES: ("llm.output_messages.", "llm.choices.", "output.value"),
        a.TOOL_DEFINITIONS: ("llm.tools.",),
        a.RETRIEVAL_DOCUMENTS: ("retrieval.documents.",),
    },
)
