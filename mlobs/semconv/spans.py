"""The spans that decorated calls become: one row per noun."""

from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Span

AGENT = Span("agent", "invoke_agent", "INTERNAL", a.AGENT_NAME, "A model steers, through tool calls.")
WORKFLOW = Span("workflow", "invoke_workflow", "INTERNAL", a.AGENT_NAME, "Code steers.")
STEP = Span("step", "", "INTERNAL", None, "Any part of a run worth seeing by itself.")
TOOL = Span("tool", "execute_tool", "INTERNAL", a.TOOL_NAME, "What a model may call.")
LLM = Span("llm", "chat", "CLIENT", a.REQUEST_MODEL, "A request to a language model.")
EMBEDDING = Span("embedding", "embeddings", "CLIENT", a.REQUEST_MODEL, "A request for vectors.")
RETRIEVAL = Span("retrieval", "retrieval", "CLIENT", a.DATA_SOURCE_ID, "A search for documents.")
PLAN = Span("plan", "plan", "INTERNAL", a.AGENT_NAME, "An agent works out what to do before it does it.")
MEMORY = Span("memory", "search_memory", "CLIENT", None, "What an agent keeps and looks up again.")
GUARDRAIL = Span("guardrail", "", "INTERNAL", None, "A check that lets something pass or blocks it.")
EVALUATOR = Span("evaluator", "", "INTERNAL", None, "A judgement of something that was made.")
PREDICT = Span("predict", "", "INTERNAL", a.MODEL_NAME, "A prediction of a classical model.")

SPANS: tuple[Span, ...] = (
    AGENT,
    WORKFLOW,
    STEP,
    TOOL,
    LLM,
    EMBEDDING,
    RETRIEVAL,
    PLAN,
    MEMORY,
    GUARDRAIL,
    EVALUATOR,
    PREDICT,
)
BY_NOUN: dict[str, Span] = {span.noun: span for span in SPANS}
