"""Spans of every dialect, made by the real packages, answer the same questions.

The golden spans are made by `tests.server.golden.make`; each of its programs asks the model of
`tests.server.golden.model`, and the figures are that model's.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.semconv.dialects import CONTENT_BEGINNINGS, CONTENT_KEYS, DIALECTS
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.spans import BY_NOUN
from mlobs.server.canonical import FACTS, columns
from mlobs.server.serve import Server
from tests.server.golden.make import PACKAGES
from tests.server.otlp import post, span

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"))
MODEL, ANSWERED = "gpt-4o-mini", "gpt-4o-mini-2024-07-18"
CLAUDE, CLAUDE_ANSWERED = "claude-haiku-4-5", "claude-haiku-4-5-20251001"
WHO = ("ConversationId", "UserId")
TOKENS = ("InputTokens", "CacheReadTokens", "CacheWriteTokens", "OutputTokens", "ReasoningTokens")
SERVED = ("session-1", "user-1")
NOBODY = ("", "")

# By file: the dialect, the provider, the model that was asked for and the one that answered, tokens,
# and for whom. None and "" are what a package does not tell.
CALLS: dict[str, tuple[str, str, str, str, tuple[int | None, ...], tuple[str, str]]] = {
    "genai_openai": ("", "openai", MODEL, ANSWERED, (120, 100, None, 30, 12), NOBODY),
    "older_openai": ("older", "openai", MODEL, ANSWERED, (120, None, None, 30, None), NOBODY),
    "openinference_openai": ("openinference", "openai", MODEL, ANSWERED, (120, 100, None, 30, 12), SERVED),
    "openinference_anthropic": (
        "openinference", "anthropic", CLAUDE, CLAUDE_ANSWERED, (120, 100, 10, 30, None), SERVED,
    ),
    "openinference_langchain": ("openinference", "openai", MODEL, ANSWERED, (120, 100, None, 30, 12), SERVED),
    "traceloop_openai": ("traceloop", "openai", MODEL, ANSWERED, (120, 100, None, 30, 12), SERVED),
    "traceloop_anthropic": (
        "traceloop", "anthropic", CLAUDE, CLAUDE_ANSWERED, (120, 100, 10, 30, None), NOBODY,
    ),
    "langfuse_sdk": ("langfuse", "", ANSWERED, "", (120, 100, None, 30, 12), SERVED),
    "langfuse_anthropic": ("langfuse", "", CLAUDE, "", (120, 100, 10, 30, None), NOBODY),
    "mlflow_openai": ("mlflow", "openai", MODEL, ANSWERED, (120, 100, None, 30, None), NOBODY),
    "mlflow_anthropic": ("mlflow", "anthropic", CLAUDE, CLAUDE, (120, 100, 10, 30, None), NOBODY),
    "langsmith_openai": ("langsmith", "openai", MODEL, ANSWERED, (120, 100, None, 30, 12), SERVED),
    "pydantic_ai_agent": ("older", "openai", MODEL, ANSWERED, (120, 100, None, 30, 12), ("session-1", "")),
    "logfire_openai": ("older", "openai", MODEL, ANSWERED, (120, 100, None, 30, None), NOBODY),
    "vercel_ai": ("vercel", "openai", MODEL, ANSWERED, (120, None, None, 30, None), SERVED),
}  # fmt: skip
ERRORS = {
    "genai_openai": "openai.AuthenticationError",
    "older_openai": "AuthenticationError",
    "openinference_openai": "openai.AuthenticationError",
    "openinference_anthropic": "anthropic.AuthenticationError",
    "traceloop_openai": "AuthenticationError",
    "traceloop_anthropic": "AuthenticationError",
    "langfuse_sdk": "_OTHER",
    "mlflow_openai": "AuthenticationError",
    "mlflow_anthropic": "AuthenticationError",
    "langsmith_openai": "Exception",
    "pydantic_ai_agent": "pydantic_ai.exceptions.ModelAuthenticationError",
    "logfire_openai": "openai.AuthenticationError",
    "vercel_ai": "AI_APICallError",
}
WITH_TOOL = (
    "openinference_openai", "openinference_langchain", "traceloop_openai", "langfuse_sdk", "mlflow_openai",
    "langsmith_openai", "pydantic_ai_agent", "vercel_ai",
)  # fmt: skip
AGENTS = {
    "openinference_openai": "invoke_agent",
    "openinference_langchain": "invoke_workflow",
    "traceloop_openai": "invoke_agent",
    "langfuse_sdk": "invoke_agent",
    "mlflow_openai": "invoke_agent",
    "langsmith_openai": "invoke_workflow",
    "pydantic_ai_agent": "invoke_agent",
    "vercel_ai": "invoke_agent",
}


# Spans of a package that says it otherwise, by name; `__` is for dots.
GIVEN: dict[str, dict[str, str | float]] = {
    "both": {
        "openinference__span__kind": "LLM",
        "gen_ai__operation__name": "text_completion",
        "gen_ai__request__model": "right",
        "llm__model_name": "wrong",
        "gen_ai__usage__input_tokens": 7,
        "llm__token_count__prompt": 9,
        "llm__token_count__completion": 3,
    },
    "beside": {
        "gen_ai__system": "anthropic",
        "gen_ai__usage__prompt_tokens": 10,
        "gen_ai__usage__cache_read_input_tokens": 100,
        "gen_ai__usage__cache_creation_input_tokens": 10,
    },
    "langfuse input": {
        "langfuse__observation__type": "generation",
        "langfuse__observation__usage_details": '{"input": 500, "input_cached_tokens": 100, "output": null}',
    },
    "milliseconds": {"ai__operationId": "ai.streamText.doStream", "ai__response__msToFirstChunk": 250.5},
    "moment": {
        "langfuse__observation__type": "generation",
        "langfuse__observation__completion_start_time": '"2026-09-21T14:13:20.500000Z"',
    },
    "no facts": {
        "openinference__span__kind": "TOOL",
        "tool__name": "__REDACTED__",
        "user__id": "",
        "llm__invocation_parameters": '{"model":',
        "metadata": "[1, 2]",
    },
}
PROVIDERS = {
    ("azure", "openai"): "azure.ai.openai",
    ("azure", ""): "azure.ai.inference",
    ("google", "vertexai"): "gcp.vertex_ai",
    ("Google", ""): "gcp.gen_ai",
    ("aws", "anthropic"): "aws.bedrock",
    ("", "mistralai"): "mistral_ai",
    ("somebody", ""): "somebody",
}


@pytest.fixture(scope="module")
def golden(served: Server) -> list[dict[str, Any]]:
    """The canonical columns of all spans of this module, sent to the server and stored."""
    for path in FILES:
        request = json.loads(path.read_text())
        for item in request["resourceSpans"]:
            for pair in item["resource"]["attributes"]:
                pair["value"]["stringValue"] = path.stem
            for found in (found for scope in item["scopeSpans"] for found in scope["spans"]):
                for key in ("traceId", "spanId", "parentSpanId"):
                    found[key] = base64.b64encode(bytes.fromhex(found[key])).decode()
        body = ParseDict(request, ExportTraceServiceRequest(), ignore_unknown_fields=True).SerializeToString()
        assert post(served.url, body).status_code == 200
    given = ExportTraceServiceRequest()
    for name, attributes in GIVEN.items():
        span(given, name, **attributes).start_time_unix_nano = 1_790_000_000 * 10**9
    for serves, speaks in PROVIDERS:
        name = f"{serves}/{speaks}"
        span(given, name, openinference__span__kind="LLM", llm__provider=serves, llm__system=speaks)
    given.resource_spans[0].resource.attributes[0].value.string_value = "given"
    assert post(served.url, given.SerializeToString()).status_code == 200
    served.drain()
    shown = ", ".join(name for name in columns() if name != FACTS)
    return served.store.query(
        f"SELECT ServiceName, SpanName, {shown} FROM otel_traces WHERE ServiceName = 'given' "
        "OR TraceId < '00000000000000000000000000000100' ORDER BY ServiceName, SpanId"
    )


def one(rows: list[dict[str, Any]], file: str, **wanted: object) -> dict[str, Any]:
    """Return the first span of `file` that has these values."""
    for row in rows:
        if row["ServiceName"] == file and all(row[key] == value for key, value in wanted.items()):
            return row
    raise AssertionError(f"{file} has no span with {wanted}.")


def test_every_program_has_its_golden_spans_and_every_dialect_a_program():
    """A dialect nobody tried is a guess."""
    assert {path.stem for path in FILES} == set(PACKAGES) == set(CALLS)
    assert {call[0] for call in CALLS.values()} == {"", *(row.name for row in DIALECTS)}


@pytest.mark.parametrize("file", CALLS)
def test_a_model_call_is_told_the_same_in_every_dialect(golden, file):
    """Who was asked, what for, how much it took: the model behind all of them is the same."""
    dialect, provider, asked, answered, tokens, who = CALLS[file]
    row = one(golden, file, Operation="chat", ErrorType="")
    assert (row["Dialect"], row["Kind"], row["Provider"]) == (dialect, "llm", provider)
    assert (row["RequestModel"], row["ResponseModel"]) == (asked, answered)
    assert tuple(row[column] for column in TOKENS) == tokens
    assert tuple(row[column] for column in WHO) == who


@pytest.mark.parametrize("file", CALLS)
def test_token_buckets_add_up_in_every_dialect(golden, file):
    """Cached tokens that are counted twice, or not at all, make every cost wrong."""
    for row in golden:
        if row["ServiceName"] == file and row["InputTokens"] is not None:
            cached = (row["CacheReadTokens"] or 0) + (row["CacheWriteTokens"] or 0)
            assert row["InputTokens"] % 120 == 0
            assert 0 <= cached <= row["InputTokens"]
            assert (row["ReasoningTokens"] or 0) <= row["OutputTokens"]


@pytest.mark.parametrize("file", ERRORS)
def test_a_failed_call_says_what_went_wrong(golden, file):
    """Some have error.type, some an exception event, one nothing."""
    row = one(golden, file, RequestModel="broken", Operation="chat")
    assert (row["ErrorType"], row["ResponseModel"], row["OutputTokens"]) == (ERRORS[file], "", None)


@pytest.mark.parametrize("file", WITH_TOOL)
def test_a_tool_is_named_in_every_dialect(golden, file):
    """It may be in an attribute of the dialect's own, or be the span's name."""
    row = one(golden, file, Operation="execute_tool")
    assert (row["ToolName"], row["Kind"]) == ("get_weather", "tool")


@pytest.mark.parametrize("file", AGENTS)
def test_an_agent_is_named_in_every_dialect(golden, file):
    """Dialects name an agent by an attribute or by its span."""
    row = one(golden, file, Operation=AGENTS[file])
    assert row["AgentName"] == "forecaster"
    assert row["Kind"] in {"agent", "workflow"}


def test_cost_and_tenant_come_from_the_dialects_that_tell_them(golden):
    """An estimate of another tool is still an estimate."""
    assert one(golden, "langfuse_anthropic")["CostUsd"] == 0.003
    assert one(golden, "pydantic_ai_agent", Operation="chat")["CostUsd"] == 2.85e-05
    for file in ("langfuse_sdk", "traceloop_openai", "vercel_ai"):
        assert one(golden, file, Operation="chat")["Tenant"] == "tenant-1"


def test_attributes_of_the_conventions_win_over_those_of_a_dialect(golden):
    """A span that says it twice means what the conventions' attribute says."""
    row = one(golden, "given", SpanName="both")
    assert (row["Operation"], row["RequestModel"], row["ResponseModel"]) == (
        "text_completion",
        "right",
        "wrong",
    )
    assert (row["InputTokens"], row["OutputTokens"]) == (7, 3)


def test_input_that_leaves_out_the_cached_tokens_is_made_whole(golden):
    """Anthropic's own count has them beside, and some packages pass it on."""
    row = one(golden, "given", SpanName="beside")
    assert (row["InputTokens"], row["CacheReadTokens"], row["CacheWriteTokens"]) == (120, 100, 10)


def test_langfuse_input_never_has_the_cached_tokens_in_it(golden):
    """Also where there is more of it than was cached, so that the numbers do not show it."""
    row = one(golden, "given", SpanName="langfuse input")
    assert (row["InputTokens"], row["CacheReadTokens"], row["OutputTokens"]) == (600, 100, None)


def test_time_to_first_chunk_is_in_seconds_whatever_the_dialect_counts_in(golden):
    """Milliseconds in one, a time of day in another."""
    row = one(golden, "given", SpanName="milliseconds")
    assert (row["Operation"], row["TimeToFirstChunk"]) == ("chat", 0.2505)
    assert one(golden, "given", SpanName="moment")["TimeToFirstChunk"] == 0.5


@pytest.mark.parametrize(("serves", "speaks"), PROVIDERS)
def test_providers_are_spelled_as_the_conventions_do(golden, serves, speaks):
    """Otherwise one provider is two lines in every table."""
    row = one(golden, "given", SpanName=f"{serves}/{speaks}")
    assert row["Provider"] == PROVIDERS[serves, speaks]


def test_a_value_that_is_redacted_or_no_json_is_no_fact(golden):
    """What stands there instead is nobody's name, and broken JSON does not stop a load."""
    row = one(golden, "given", SpanName="no facts")
    assert (row["ToolName"], row["UserId"], row["RequestModel"]) == ("no facts", "", "")


def test_what_models_and_tools_read_and_wrote_is_known_as_content():
    """The question and the tool's argument, which both name a city, are in no other attribute."""
    ours = {row.name for row in ATTRIBUTES if row.type == "any"}
    for path in FILES:
        for item in json.loads(path.read_text())["resourceSpans"]:
            for found in (found for scope in item["scopeSpans"] for found in scope["spans"]):
                keys = {pair["key"] for pair in found["attributes"] if "Oslo" in json.dumps(pair["value"])}
                unknown = keys - ours - set(CONTENT_KEYS)
                assert not {key for key in unknown if not key.startswith(CONTENT_BEGINNINGS)}, path.name


def test_every_fact_of_a_dialect_is_one_of_the_conventions_or_ours():
    """A misspelt canonical name would be a fact that no column reads."""
    known = {*ATTRIBUTES, TENANT}
    for row in DIALECTS:
        facts = {*row.sources, *row.content, *(fact for meaning in row.meanings for fact in meaning.facts)}
        assert facts | {meaning.named for meaning in row.meanings if meaning.named} <= known, row.name
        for meaning in row.meanings:
            for fact, value in meaning.facts.items():
                assert fact.column != "Kind" or value in BY_NOUN


def test_every_canonical_attribute_with_a_column_has_an_expression():
    """A column of the vocabulary that no expression fills would be empty for ever."""
    ours = {row.column for row in ATTRIBUTES if row.column and row.column != "ServiceName"}
    assert ours <= set(columns())
