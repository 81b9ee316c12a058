"""Usage as each provider's own library returns it, with the tokens it counted."""

import json


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
