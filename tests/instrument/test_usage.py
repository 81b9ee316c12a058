"""Tokens are counted once, whoever counts them."""

import json
import math
import re
from dataclasses import FrozenInstanceError
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.errors import SettingError
from mlobs.instrument.counts import COUNT_MAX
from mlobs.instrument.usage import BUCKETS, Usage, latest, read_tier, read_usage

COUNTS = st.integers(0, 10**9)
SOME = st.none() | COUNTS


def total(usage):
    """Return all tokens, after looking that no bucket is below nothing."""
    assert min(getattr(usage, name) for name in BUCKETS) >= 0
    return usage.input_total + usage.output_total


def chat(n, m):
    """OpenAI's chat: details are inside."""
    from openai.types import CompletionUsage

    return CompletionUsage.model_validate(
        {
            "prompt_tokens": n[0],
            "completion_tokens": n[1],
            "total_tokens": n[0] + n[1],
            "prompt_tokens_details": {
                "cached_tokens": m[0],
                "audio_tokens": m[1],
                "cache_write_tokens": m[2],
            },
            "completion_tokens_details": {"reasoning_tokens": m[3], "audio_tokens": m[4]},
        }
    ), n[0] + n[1]


def responses(n, m):
    """OpenAI's responses: the same under other names."""
    from openai.types.responses import ResponseUsage

    return ResponseUsage.model_validate(
        {
            "input_tokens": n[0],
            "output_tokens": n[1],
            "total_tokens": n[0] + n[1],
            "input_tokens_details": {"cached_tokens": m[0] or 0, "cache_write_tokens": m[1] or 0},
            "output_tokens_details": {"reasoning_tokens": m[2] or 0},
        }
    ), n[0] + n[1]


def realtime(n, m):
    """OpenAI's realtime: what is cached is split as well."""
    from openai.types.realtime import RealtimeResponseUsage

    return RealtimeResponseUsage.model_validate(
        {
            "input_tokens": n[0],
            "output_tokens": n[1],
            "total_tokens": n[0] + n[1],
            "input_token_details": {
                "cached_tokens": m[0],
                "audio_tokens": m[1],
                "cached_tokens_details": {"audio_tokens": m[2]},
            },
            "output_token_details": {"audio_tokens": m[3]},
        }
    ), n[0] + n[1]


def anthropic(n, m):
    """Anthropic: cached parts are beside the input."""
    from anthropic.types import Usage as AnthropicUsage

    return AnthropicUsage.model_validate(
        {
            "input_tokens": n[0],
            "output_tokens": n[1],
            "cache_read_input_tokens": m[0],
            "cache_creation_input_tokens": m[1],
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": m[1] or 0},
            "output_tokens_details": {"thinking_tokens": m[2] or 0},
        }
    ), n[0] + n[1] + (m[0] or 0) + (m[1] or 0)


def google(n, m):
    """Google: thoughts and tools are beside the rest, what is cached is inside."""
    from google.genai.types import GenerateContentResponseUsageMetadata

    counted = n[0] + n[1] + (m[0] or 0) + (m[1] or 0)
    return GenerateContentResponseUsageMetadata.model_validate(
        {
            "prompt_token_count": n[0],
            "candidates_token_count": n[1],
            "thoughts_token_count": m[0],
            "tool_use_prompt_token_count": m[1],
            "cached_content_token_count": m[2],
            "total_token_count": counted,
            "prompt_tokens_details": [{"modality": "AUDIO", "token_count": m[3]}],
            "cache_tokens_details": [{"modality": "AUDIO", "token_count": m[4]}],
        }
    ), counted


def google_rest(n, m):
    """The same from its REST interface."""
    given_usage, counted = google(n, m)
    return json.loads(given_usage.model_dump_json(by_alias=True)), counted


def bedrock(n, m):
    """Bedrock: cached parts are beside the input."""
    return {
        "inputTokens": n[0],
        "outputTokens": n[1],
        "cacheReadInputTokens": m[0],
        "cacheWriteInputTokens": m[1],
        "cacheDetails": [{"ttl": "1h", "inputTokens": m[2]}, {"ttl": "5m", "inputTokens": m[3]}],
    }, n[0] + n[1] + (m[0] or 0) + (m[1] or 0)


def mistral(n, m):
    """Mistral: the names of OpenAI, other absences."""
    from mistralai.client.models import UsageInfo

    return UsageInfo(prompt_tokens=n[0], completion_tokens=n[1], total_tokens=n[0] + n[1]), n[0] + n[1]


def cohere(n, m):
    """Cohere: two counts, of which the billed one counts."""
    from cohere.types import Usage as CohereUsage
    from cohere.types import UsageBilledUnits, UsageTokens

    return CohereUsage(
        billed_units=UsageBilledUnits(input_tokens=float(n[0]), output_tokens=float(n[1])),
        tokens=UsageTokens(input_tokens=float(n[0] + 7), output_tokens=float(n[1] + 3)),
        cached_tokens=m[0],
    ), n[0] + n[1]


def xai(n, m):
    """Grok: reasoning is beside the completion, and only the total says so."""
    counted = n[0] + n[1] + (m[3] or 0)
    return {
        "prompt_tokens": n[0],
        "completion_tokens": n[1],
        "total_tokens": counted,
        "prompt_tokens_details": {"cached_tokens": m[0]},
        "completion_tokens_details": {"reasoning_tokens": m[3]},
    }, counted


def langchain(n, m):
    """LangChain's own counts, on its message."""
    from langchain_core.messages import AIMessage

    return AIMessage(
        "x",
        usage_metadata={
            "input_tokens": n[0],
            "output_tokens": n[1],
            "total_tokens": n[0] + n[1],
            "input_token_details": {"cache_read": m[0] or 0, "cache_creation": m[1] or 0, "audio": m[2] or 0},
            "output_token_details": {"reasoning": m[3] or 0, "audio": m[4] or 0},
        },
    ), n[0] + n[1]


def opentelemetry(n, m):
    """The conventions' attributes, as other instrumentations write them."""
    return {
        "gen_ai.usage.input_tokens": n[0],
        "gen_ai.usage.output_tokens": n[1],
        "gen_ai.usage.cache_read.input_tokens": m[0],
        "gen_ai.usage.audio.input_tokens": m[1],
        "gen_ai.usage.reasoning.output_tokens": m[2],
        "gen_ai.usage.cache_creation.input_tokens": m[3],
    }, n[0] + n[1]


PROVIDERS = [
    chat, responses, realtime, anthropic, google, google_rest, bedrock, mistral, cohere, xai, langchain,
    opentelemetry,
]  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
@given(st.tuples(COUNTS, COUNTS), st.lists(SOME, min_size=5, max_size=5))
def test_buckets_add_up_to_what_the_provider_counted(provider, totals, details):
    """Tokens that are counted twice are the field's most common billing error.

    Details that are more than their total happen; the total is what is billed.
    """
    given_usage, counted = provider(totals, details)
    assert total(read_usage(given_usage)) == counted


AUDIO = [{"modality": "AUDIO", "tokenCount": 30}, {"modality": "VIDEO", "tokenCount": 5}]
CASES = {
    "chat": (
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10, "image_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5},
            }
        },
        Usage(input=50, cached_read=40, input_audio=10, output=25, reasoning=20, output_audio=5),
    ),
    "embeddings": ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
    "images": (
        {
            "input_tokens": 50,
            "output_tokens": 400,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
            "output_tokens_details": {"image_tokens": 390, "text_tokens": 10},
        },
        Usage(input=10, input_image=40, output=10, output_image=390),
    ),
    "cache writes of OpenAI": (
        {
            "input_tokens": 100,
            "output_tokens": 1,
            "input_tokens_details": {
                "cached_tokens": 20,
                "cache_write_tokens": 60,
                "cache_write_tokens_details": {"ttl_30m_tokens": 50, "ttl_12h_tokens": 10},
            },
        },
        Usage(input=20, cached_read=20, cached_write=50, cached_write_1h=10, output=1),
    ),
    "google's copy of OpenAI": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
        Usage(input=10, output=5, reasoning=25),
    ),
    "a total and one side": ({"prompt_tokens": 10, "total_tokens": 15}, Usage(input=10, output=5)),
    "deepseek": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "prompt_cache_hit_tokens": 6,
            "prompt_cache_miss_tokens": 4,
        },
        Usage(input=4, cached_read=6, output=2),
    ),
    "vLLM": (
        {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "prompt_tokens_details": None},
        Usage(input=10, output=2),
    ),
    "LiteLLM of Anthropic": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 2,
            "prompt_tokens_details": {
                "cached_tokens": 50,
                "cache_creation_tokens": 30,
                "cache_creation_token_details": {"ephemeral_1h_input_tokens": 10},
            },
            "cache_read_input_tokens": 50,
            "cache_creation_input_tokens": 30,
        },
        Usage(input=20, cached_read=50, cached_write=20, cached_write_1h=10, output=2),
    ),
    "anthropic, of which only the lifetimes are told": (
        {
            "input_tokens": 1,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
        },
        Usage(input=1, cached_write=2, cached_write_1h=3),
    ),
    "anthropic with a context that was shortened": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "iterations": [
                {"type": "message", "input_tokens": 10, "output_tokens": 5},
                {"type": "compaction", "input_tokens": 7, "output_tokens": 3, "cache_read_input_tokens": 2},
            ],
        },
        Usage(input=17, cached_read=2, output=8),
    ),
    "a copy of Anthropic whose total says that the input holds all": (
        {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cache_read_input_tokens": 4},
        Usage(input=6, cached_read=4, output=5),
    ),
    "google": (
        {
            "usageMetadata": {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 40,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 5,
                "toolUsePromptTokenCount": 3,
                "totalTokenCount": 128,
                "promptTokensDetails": AUDIO,
                "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 8}],
            }
        },
        Usage(
            input=38, cached_read=30, cached_audio=10, input_audio=20, input_image=5,
            output=12, output_image=8, reasoning=5,
        ),
    ),
    "google with thoughts inside the candidates": (
        {
            "prompt_token_count": 10,
            "candidates_token_count": 9,
            "thoughts_token_count": 4,
            "total_token_count": 19,
        },
        Usage(input=10, output=5, reasoning=4),
    ),
    "google with no answer but thoughts": (
        {"prompt_token_count": 10, "candidates_token_count": None, "thoughts_token_count": 4},
        Usage(input=10, reasoning=4),
    ),
    "google live": (
        {"prompt_token_count": 10, "response_token_count": 6, "total_token_count": 16},
        Usage(input=10, output=6),
    ),
    "google interactions": (
        {
            "total_input_tokens": 5,
            "total_output_tokens": 6,
            "total_thought_tokens": 2,
            "total_tokens": 13,
            "total_cached_tokens": 2,
            "input_tokens_by_modality": [{"modality": "audio", "tokens": 1}],
        },
        Usage(input=2, cached_read=2, input_audio=1, output=6, reasoning=2),
    ),
    "bedrock": (
        {
            "usage": {
                "inputTokens": 5,
                "outputTokens": 6,
                "cacheReadInputTokens": 2,
                "cacheWriteInputTokens": 3,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 1}],
            }
        },
        Usage(input=5, cached_read=2, cached_write=2, cached_write_1h=1, output=6),
    ),
    "the end of bedrock's stream": (
        {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}}},
        Usage(input=5, output=6),
    ),
    "the end of a stream invoked on bedrock": (
        {
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 5,
                "outputTokenCount": 6,
                "cacheReadInputTokenCount": 2,
                "cacheWriteInputTokenCount": 1,
            }
        },
        Usage(input=5, cached_read=2, cached_write=1, output=6),
    ),
    "nova, invoked": (
        {"usage": {"inputTokens": 5, "outputTokens": 6, "cacheReadInputTokenCount": 2}},
        Usage(input=5, cached_read=2, output=6),
    ),
    "llama, invoked on bedrock": (
        {"generation": "x", "prompt_token_count": 5, "generation_token_count": 6, "stop_reason": "stop"},
        Usage(input=5, output=6),
    ),
    "cohere": (
        {"meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}, "tokens": {"input_tokens": 99}}},
        Usage(input=3, output=4),
    ),
    "cohere with images": (
        {"meta": {"billed_units": {"image_tokens": 30, "text_tokens": 4}}},
        Usage(input=4, input_image=30),
    ),
    "cohere without what was billed": (
        {"usage": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 9, "output_tokens": 1}}},
        Usage(input=9, output=1),
    ),
    "ollama": ({"model": "m", "prompt_eval_count": 3, "eval_count": 4}, Usage(input=3, output=4)),
    "langchain of a service tier": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"flex_cache_read": 4, "flex": 6},
            "output_token_details": {"flex_reasoning": 2, "flex": 3},
        },
        Usage(input=6, cached_read=4, output=3, reasoning=2),
    ),
    "langchain of Anthropic": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "input_token_details": {
                "cache_read": 1,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 2,
                "ephemeral_1h_input_tokens": 3,
            },
        },
        Usage(input=4, cached_read=1, cached_write=2, cached_write_1h=3, output=5),
    ),
    "agents, stored": (
        {"input_tokens": 10, "input_tokens_details": [{"cached_tokens": 4}], "output_tokens": 5},
        Usage(input=6, cached_read=4, output=5),
    ),
    "older names of the conventions": (
        {
            "gen_ai.usage.prompt_tokens": 9,
            "gen_ai.usage.completion_tokens": 2,
            "gen_ai.usage.cache_read_input_tokens": 4,
        },
        Usage(input=5, cached_read=4, output=2),
    ),
    "the buckets' own names": ({"input": 3, "cached_read": 1, "output": None}, Usage(input=3, cached_read=1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_provider_returns_is_read(case):
    """As dicts and as objects; sums worked by hand."""
    given_usage, wanted = CASES[case]
    assert read_usage(given_usage) == wanted
    if not any("." in name for name in given_usage) and case != "the buckets' own names":
        objects = json.loads(json.dumps(given_usage), object_hook=lambda found: SimpleNamespace(**found))
        assert read_usage(objects) == wanted


def test_the_events_of_a_stream_of_anthropic_add_up():
    """It begins with the input and repeats what was written so far with every change."""
    from anthropic.types import RawMessageDeltaEvent, RawMessageStartEvent

    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "c", "content": [],
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1},
    }  # fmt: skip
    start = RawMessageStartEvent.model_validate({"type": "message_start", "message": message})
    counted = read_usage(start)
    for written in (5, 9):
        event = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": written}}
        counted = latest(counted, read_usage(RawMessageDeltaEvent.model_validate(event)))
    assert counted == Usage(input=10, cached_read=90, output=9)


@pytest.mark.slow
def test_usage_of_gateways_and_frameworks_is_read():
    """Their own types, which are slow to import."""
    from agents import Usage as AgentsUsage
    from agents.usage import InputTokensDetails, OutputTokensDetails
    from litellm.types.utils import ModelResponse, PromptTokensDetailsWrapper
    from litellm.types.utils import Usage as LiteUsage
    from pydantic_ai.usage import RequestUsage, RunUsage

    lite = LiteUsage(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=4, cache_creation_tokens=1),
    )
    assert read_usage(lite) == Usage(input=5, cached_read=4, cached_write=1, output=5)
    answer = ModelResponse(usage=lite)
    assert read_usage(answer) == read_usage(lite)
    run = RunUsage(
        input_tokens=10, cache_read_tokens=4, cache_write_tokens=2, cache_write_1h_tokens=1,
        output_tokens=5, output_reasoning_tokens=3, input_audio_tokens=2, cache_audio_read_tokens=1,
    )  # fmt: skip
    assert read_usage(run) == Usage(
        input=3, cached_read=3, cached_audio=1, cached_write=1, cached_write_1h=1, input_audio=1,
        output=2, reasoning=3,
    )  # fmt: skip
    assert read_usage(SimpleNamespace(usage=RequestUsage(input_tokens=1, output_tokens=2))) == Usage(
        input=1, output=2
    )
    agents = AgentsUsage(
        requests=1,
        input_tokens=10,
        output_tokens=5,
        total_tokens=15,
        input_tokens_details=InputTokensDetails(cached_tokens=4, cache_write_tokens=0),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=2),
    )
    result = SimpleNamespace(context_wrapper=SimpleNamespace(usage=agents))
    assert read_usage(result) == Usage(input=6, cached_read=4, output=3, reasoning=2)


@pytest.mark.parametrize(
    "given_usage",
    [
        {}, None, {"tokens": 3}, object(), 7, "usage", [], {"prompt_tokens": "7"}, {"usage": None},
        MagicMock(),
        {"usage": {"usage": {"usage": {"usage": {"usage": {"usage": {}}}}}}},
        {"meta": {"billed_units": {"search_units": 1}}},
    ],
)  # fmt: skip
def test_what_is_no_usage_is_refused_with_what_was_wanted(given_usage):
    """A zero would look like a free call."""
    with pytest.raises(SettingError, match="no token counts were found"):
        read_usage(given_usage)


@pytest.mark.parametrize("count", [-5, math.nan, math.inf, -math.inf, 10**400, None, "9", 1e300])
def test_counts_that_cannot_be_do_no_harm(count):
    """They come from servers; what is sent on must fit 64 bits."""
    usage = read_usage({"prompt_tokens": 5, "completion_tokens": count, "total_tokens": count})
    assert usage.input == 5
    assert 0 <= total(usage) <= 3 * COUNT_MAX < 2**63


@pytest.mark.parametrize("count", [-1, 1.5, "1", None])
def test_a_count_no_call_can_have_is_refused(count):
    """Where it is written, not where it is added up."""
    with pytest.raises(SettingError, match=re.escape(f"Usage(output={count!r}): a whole number")):
        Usage(output=count)


def test_usage_is_a_value():
    """It is shared between threads; nobody may change it, and sums are new ones."""
    one = Usage(**{name: number for number, name in enumerate(BUCKETS, 1)})
    assert one + one == Usage(**{name: 2 * number for number, name in enumerate(BUCKETS, 1)})
    assert total(one) == sum(range(1, len(BUCKETS) + 1))
    with pytest.raises(FrozenInstanceError):
        one.input = 3
    assert read_usage(one) is one
    assert read_usage({name: getattr(one, name) for name in BUCKETS}) == one


@given(st.lists(st.tuples(*[COUNTS] * len(BUCKETS)), min_size=1, max_size=5))
def test_cumulative_counts_keep_the_largest_of_each_side(counts):
    """Providers repeat the count so far with every chunk, and one side may be missing in some."""
    found, all_of_them = None, [Usage(**dict(zip(BUCKETS, one, strict=True))) for one in counts]
    for one in all_of_them:
        found = latest(found, one)
    assert found.input_total == max(one.input_total for one in all_of_them)
    assert found.output_total == max(one.output_total for one in all_of_them)


@pytest.mark.parametrize(
    ("given_usage", "tier"),
    [
        ({"service_tier": "flex", "usage": {"prompt_tokens": 1}}, "flex"),
        ({"usage": {"input_tokens": 1, "service_tier": "batch"}}, "batch"),
        ({"input_tokens": 1, "speed": "fast", "service_tier": "standard"}, "fast"),
        ({"input_tokens": 1}, None),
        (Usage(input=1), None),
        ({"usage": None, "service_tier": 3}, None),
    ],
)
def test_the_tier_that_sets_the_price_is_read_with_the_usage(given_usage, tier):
    """A batch costs half, and nobody wants to say so twice."""
    assert read_tier(given_usage) == tier
