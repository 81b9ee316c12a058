"""How answers end that are none: where tools and providers say so, and in which words.

The conventions have one attribute for it and leave the words to providers. Here is one table of both, used
when spans are read. Words are compared in small letters and without what joins them, so that
`CONTENT_FILTER`, `content-filter` and `contentFilter` are one.
"""

from collections.abc import Mapping

from mlobs.semconv import attributes as a

# Attributes that hold a reason, or a JSON list of them.
KEYS = (
    a.FINISH_REASONS.name,
    # Older conventions, and what packages add to them.
    "gen_ai.response.finish_reason",
    "gen_ai.response.stop_reason",
    # OpenInference.
    "llm.finish_reason",
    # OpenLLMetry: for each choice, and for the whole answer.
    *(f"gen_ai.completion.{choice}.finish_reason" for choice in range(4)),
    "llm.response.finish_reason",
    "llm.response.stop_reason",
    # The Vercel AI SDK.
    "ai.response.finishReason",
    "ai.finishReason",
    # Langfuse, where a program told it.
    "langfuse.observation.metadata.finish_reason",
    "langfuse.observation.metadata.stop_reason",
)
# Attributes that hold messages, in which an older version of the conventions had the reason.
MESSAGES = (a.OUTPUT_MESSAGES.name, "langfuse.observation.output")
# What says no more than that a reason follows, as in FINISH_REASON_MAX_TOKENS.
PREFIX = "finish_reason"

# Providers' words: OpenAI, Anthropic, Google, Amazon Bedrock, Cohere, Mistral and servers of open models.
WORDS: Mapping[str, tuple[str, ...]] = {
    "content_filter": (
        "content_filter",
        "content_filtered",
        "safety",
        "recitation",
        "prohibited_content",
        "blocklist",
        "spii",
        "image_safety",
        "image_prohibited_content",
        "image_recitation",
        "model_armor",
        "guardrail_intervened",
        "error_toxic",
    ),
    "refusal": ("refusal", "refused"),
    "length": (
        "length",
        "max_tokens",
        "max_output_tokens",
        "max_length",
        "model_length",
        "error_limit",
        "model_context_window_exceeded",
    ),
}
# An answer without a word; no reason says it, but the count of its tokens.
EMPTY = "empty"
ENDINGS = (*WORDS, EMPTY)


def plain(word: str) -> str:
    """Return a word as words are compared.

    >>> plain("CONTENT-FILTER"), plain("max_tokens")
    ('contentfilter', 'maxtokens')
    """
    return "".join(letter for letter in word.lower() if letter.isalpha())
