"""A program to test the collectors with: `python -m tests.collectors.shop ENDPOINT RUNS TOKEN`.

Every operation that metrics are derived from, failures, and spans in the words of other tools.
"""

import contextlib
import os
import sys

from opentelemetry import trace

import mlobs


@mlobs.llm(model="gpt-4o-mini", provider="openai")
def answer(number: int) -> str:
    """Answer, or fail once in a while."""
    mlobs.usage({"prompt_tokens": 1000 + number, "completion_tokens": 7})
    if number % 10 == 9:
        raise TimeoutError("the model did not answer")
    mlobs.score("grounded", number % 3 > 0, by="rule")
    return "yes"


@mlobs.embedding(model="text-embedding-3-small", provider="openai")
def embed() -> None:
    """Make vectors."""
    mlobs.usage({"prompt_tokens": 5})


@mlobs.retrieval
def search() -> list[str]:
    """Find documents."""
    return ["one"]


@mlobs.tool
def look_up(number: int) -> int:
    """Look an order up."""
    if number % 5 == 4:
        raise LookupError("no such order")
    return number


@mlobs.predict(model="churn@7")
def churn() -> float:
    """Predict."""
    return 0.5


@mlobs.agent
def shop(number: int) -> None:
    """One run."""
    embed()
    search()
    churn()
    with contextlib.suppress(LookupError):
        look_up(number)
    with contextlib.suppress(TimeoutError):
        answer(number)
    mlobs.score("helpful", number % 5 / 4)
    mlobs.score("tone", label="kind")


def others() -> None:
    """Write spans as OpenInference, OpenLLMetry and the older conventions do."""
    tracer = trace.get_tracer("others")
    for attributes in (
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "claude-sonnet",
            "llm.provider": "Anthropic",
            "llm.token_count.prompt": 30,
            "llm.token_count.completion": 4,
            "llm.token_count.prompt_details.cache_read": 50,
        },
        {"openinference.span.kind": "TOOL", "tool.name": "weather"},
        {
            "traceloop.span.kind": "agent",
            "traceloop.entity.name": "planner",
        },
        {
            "gen_ai.system": "mistral",
            "gen_ai.operation.name": "completion",
            "gen_ai.request.model": "mistral-large",
            "gen_ai.usage.prompt_tokens": 11,
            "gen_ai.usage.completion_tokens": 2,
        },
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "azure-openai.chat",
            "ai.model.id": "gpt-4o",
            "ai.usage.inputTokens": 9,
            "ai.usage.outputTokens": 1,
            "ai.response.msToFirstChunk": 250.0,
        },
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.usage_details": '{"input": 10, "output": 3, "input_cached_tokens": 6}',
            "langfuse.observation.cost_details": '{"total": 0.5}',
        },
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.llm.model": '"gpt-4.1"',
            "mlflow.llm.provider": '"openai"',
            "mlflow.chat.tokenUsage": '{"input_tokens": 21, "output_tokens": 8}',
        },
    ):
        with tracer.start_as_current_span("foreign", attributes=attributes):
            pass


def main(endpoint: str, runs: int, token: str) -> None:
    """Run and hand everything in."""
    os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"Authorization=Bearer%20{token}"
    mlobs.init("shop", endpoint=endpoint)
    for number in range(runs):
        shop(number)
    others()
    if not mlobs.flush(60):
        raise SystemExit("not everything was taken")
    mlobs.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
