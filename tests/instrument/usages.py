"""What providers answer, and the buckets it holds: sums worked by hand."""

from mlobs.instrument.usage import Usage

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
