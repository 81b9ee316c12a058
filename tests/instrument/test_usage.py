"""Tokens are counted once, whoever counts them."""

import json
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CompletionUsage
from openai.types.responses import ResponseUsage

from mlobs.errors import SettingError
from mlobs.instrument.usage import Usage, latest, read_usage

COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_buckets_add_up_to_what_openai_counted(inputs, outputs, cached, reasoning):
    """Cached tokens counted twice are the field's most common billing error."""
    chat = CompletionUsage.model_validate(
        {
            "prompt_tokens": inputs,
            "completion_tokens": outputs,
            "total_tokens": inputs + outputs,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
    )
    responses = ResponseUsage.model_validate(
        {
            "input_tokens": inputs,
            "output_tokens": outputs,
            "total_tokens": inputs + outputs,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": reasoning},
        }
    )
    for given_usage in (chat, responses, json.loads(chat.model_dump_json())):
        usage = read_usage(given_usage)
        assert usage.input_total + usage.output_total == inputs + outputs
        assert usage.cached_read == min(cached, inputs)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_buckets_add_up_to_what_anthropic_counted(inputs, outputs, read, written):
    """Anthropic's input excludes the cached parts."""
    usage = read_usage(
        SimpleNamespace(
            input_tokens=inputs,
            output_tokens=outputs,
            cache_read_input_tokens=read,
            cache_creation_input_tokens=written,
        )
    )
    assert usage.input_total == inputs + read + written
    assert usage.output_total == outputs


def test_the_parts_of_a_stream_of_anthropic_add_up():
    """It begins with the input and ends with the output alone."""
    assert read_usage({"output_tokens": 15}) == Usage(output=15)


@pytest.mark.parametrize("given_usage", [{}, {"tokens": 3}, object(), 7, {"prompt_tokens": "7"}])
def test_what_is_no_usage_is_refused_with_what_was_wanted(given_usage):
    """A zero would look like a free call."""
    with pytest.raises(SettingError, match="no token counts were found"):
        read_usage(given_usage)


def test_a_count_no_call_can_have_is_refused():
    """Where it is written, not where it is added up."""
    with pytest.raises(SettingError, match=re.escape("Usage(output=-1): a whole number")):
        Usage(output=-1)


def test_usage_of_every_provider_is_read():
    """With the providers' own types where they ship them; sums worked by hand."""
    from anthropic.types import Usage as AnthropicUsage
    from google.genai.types import GenerateContentResponseUsageMetadata
    from langchain_core.messages import AIMessage

    anthropic = AnthropicUsage.model_validate(
        {
            "input_tokens": 10,
            "output_tokens": 7,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        }
    )
    assert read_usage(anthropic) == Usage(
        input=10, cached_read=100, cached_write=10, cached_write_1h=20, output=7
    )
    google = GenerateContentResponseUsageMetadata.model_validate(
        {
            "prompt_token_count": 100,
            "cached_content_token_count": 40,
            "candidates_token_count": 20,
            "thoughts_token_count": 5,
            "tool_use_prompt_token_count": 3,
            "total_token_count": 128,
            "prompt_tokens_details": [
                {"modality": "AUDIO", "token_count": 30},
                {"modality": "TEXT", "token_count": 70},
            ],
            "cache_tokens_details": [{"modality": "AUDIO", "token_count": 10}],
        }
    )
    found = read_usage(SimpleNamespace(usage_metadata=google))
    assert found == Usage(input=43, cached_read=30, cached_audio=10, input_audio=20, output=20, reasoning=5)
    assert found.input_total + found.output_total == 128
    camel = {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 1, "totalTokenCount": 12}
    assert read_usage({"usageMetadata": camel}) == Usage(input=9, output=2, reasoning=1)
    said = AIMessage(
        "x",
        usage_metadata={
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4, "audio": 1},
            "output_token_details": {"reasoning": 2},
        },
    )
    assert read_usage(said) == Usage(input=5, cached_read=4, input_audio=1, output=3, reasoning=2)
    bedrock = {"inputTokens": 5, "outputTokens": 6, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 1}
    assert read_usage({"usage": bedrock}) == Usage(input=5, cached_read=2, cached_write=1, output=6)
    cohere = {
        "usage": {"billed_units": {"input_tokens": 3, "output_tokens": 4}, "tokens": {"input_tokens": 99}}
    }
    assert read_usage(cohere) == Usage(input=3, output=4)
    assert read_usage({"prompt_eval_count": 3, "eval_count": 4}) == Usage(input=3, output=4)
    xai = {
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "total_tokens": 19,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    assert read_usage(xai) == Usage(input=10, output=2, reasoning=7)
    deepseek = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 6}
    assert read_usage(deepseek) == Usage(input=4, cached_read=6, output=2)
    names = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 4}
    assert read_usage(names) == Usage(input=6, cached_read=4)
    realtime = {
        "input_tokens": 10,
        "output_tokens": 8,
        "input_token_details": {
            "cached_tokens": 4,
            "audio_tokens": 6,
            "cached_tokens_details": {"audio_tokens": 3},
        },
        "output_token_details": {"audio_tokens": 5},
    }
    assert read_usage(realtime) == Usage(
        input=3, cached_read=1, cached_audio=3, input_audio=3, output=3, output_audio=5
    )


@pytest.mark.slow
def test_usage_of_gateways_and_frameworks_is_read():
    """Their own types, which are slow to import."""
    from agents import Usage as AgentsUsage
    from litellm.types.utils import PromptTokensDetailsWrapper
    from litellm.types.utils import Usage as LiteUsage
    from pydantic_ai.usage import RunUsage

    lite = LiteUsage(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=4),
    )
    assert read_usage(lite) == Usage(input=6, cached_read=4, output=5)
    run = RunUsage(input_tokens=10, cache_read_tokens=4, cache_write_tokens=1, output_tokens=5)
    assert read_usage(run) == Usage(input=5, cached_read=4, cached_write=1, output=5)
    agents = AgentsUsage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
    assert read_usage(agents) == Usage(input=10, output=5)


SHAPES = {
    "chat": (
        "prompt_tokens",
        "completion_tokens",
        lambda n: {
            "prompt_tokens_details": {
                "cached_tokens": n[0],
                "audio_tokens": n[1],
                "cache_creation_tokens": n[2],
            },
            "completion_tokens_details": {"reasoning_tokens": n[3], "audio_tokens": n[4]},
        },
    ),
    "responses": (
        "input_tokens",
        "output_tokens",
        lambda n: {
            "input_tokens_details": {"cached_tokens": n[0], "image_tokens": n[1], "cache_write_tokens": n[2]},
            "output_tokens_details": {"reasoning_tokens": n[3], "image_tokens": n[4]},
        },
    ),
    "opentelemetry": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        lambda n: {
            "gen_ai.usage.cache_read.input_tokens": n[0],
            "gen_ai.usage.audio.input_tokens": n[1],
            "gen_ai.usage.reasoning.output_tokens": n[3],
        },
    ),
    "google": (
        "prompt_token_count",
        "candidates_token_count",
        lambda n: {
            "cached_content_token_count": n[0],
            "prompt_tokens_details": [{"modality": "AUDIO", "token_count": n[1]}],
            "cache_tokens_details": [{"modality": "AUDIO", "token_count": n[2]}],
        },
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@given(COUNTS, COUNTS, st.lists(COUNTS, min_size=5, max_size=5))
def test_whatever_the_details_say_the_buckets_add_up_to_the_totals(shape, inputs, outputs, details):
    """Details that are more than their total happen; the total is what is billed."""
    first, second, more = SHAPES[shape]
    found = read_usage({first: inputs, second: outputs, **more(details)})
    assert (found.input_total, found.output_total) == (inputs, outputs)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=5))
def test_cumulative_counts_keep_the_largest_of_each_side(counts):
    """Providers repeat the count so far with every chunk, and one side may be missing in some."""
    total = None
    for inputs, outputs in counts:
        total = latest(total, Usage(input=inputs, output=outputs))
    assert (total.input, total.output) == (max(n for n, _ in counts), max(n for _, n in counts))
