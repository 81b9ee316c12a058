"""Token usage in buckets that do not overlap, read from what providers return.

Providers disagree on whether `input` holds the cached tokens (OpenAI's does, Anthropic's does not),
on whether `output` holds the reasoning (OpenAI's does, Google's does not), and on every name. Here
every token is in exactly one bucket, so that a price can be put on each, and the buckets add up
to the provider's own total.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mlobs.errors import SettingError


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens one model call used. No token is in two buckets.

    Args:
        input: Input tokens in no other bucket: text that was not cached.
        cached_read: Input tokens read from a cache.
        cached_write: Input tokens written to a cache for minutes.
        output: Output tokens in no other bucket.
        reasoning: Output tokens spent on reasoning.
        cached_write_1h: Input tokens written to a cache for an hour.
        input_audio: Input tokens of sound that was not cached.
        input_image: Input tokens of images that were not cached.
        cached_audio: Input tokens of sound read from a cache.
        output_audio: Output tokens of sound.
        output_image: Output tokens of images.
    """

    input: int = 0
    cached_read: int = 0
    cached_write: int = 0
    output: int = 0
    reasoning: int = 0
    cached_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    cached_audio: int = 0
    output_audio: int = 0
    output_image: int = 0

    def __post_init__(self) -> None:
        """Refuse counts that no call can have.

        Raises:
            SettingError: A count is negative or not a whole number.
        """
        for name in BUCKETS:
            count = getattr(self, name)
            if count.__class__ is not int or count < 0:
                raise SettingError(
                    f"Usage({name}={count!r}): a whole number of tokens, 0 or more, was expected."
                )

    @property
    def input_total(self) -> int:
        """Return all input tokens, as `gen_ai.usage.input_tokens` counts them."""
        return (
            self.input + self.cached_read + self.cached_write + self.cached_write_1h
            + self.input_audio + self.input_image + self.cached_audio
        )  # fmt: skip

    @property
    def output_total(self) -> int:
        """Return all output tokens, as `gen_ai.usage.output_tokens` counts them."""
        return self.output + self.reasoning + self.output_audio + self.output_image

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum, bucket by bucket."""
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in BUCKETS})


BUCKETS = tuple(field.name for field in fields(Usage))
_OUTPUTS = frozenset({"output", "reasoning", "output_audio", "output_image"})


def latest(old: Usage | None, new: Usage) -> Usage:
    """Return the larger total of each side (input, output) of two cumulative counts of one call."""
    if old is None:
        return new
    inputs = new if new.input_total >= old.input_total else old
    outputs = new if new.output_total >= old.output_total else old
    if inputs is outputs:
        return inputs
    return Usage(**{name: getattr(outputs if name in _OUTPUTS else inputs, name) for name in BUCKETS})


def read_usage(given: object) -> Usage:
    """Return the buckets of a provider's usage object, of a whole answer, or of a dict like them.

    Understood are OpenAI (chat, responses, embeddings, images, realtime) and all who copy it, such as
    vLLM, Mistral, DeepSeek, xAI and LiteLLM; Anthropic; Google; Bedrock; Cohere; Ollama; LangChain,
    pydantic-ai and the OpenAI agents; OpenTelemetry's attribute names; the bucket names of `Usage`.

    Raises:
        SettingError: No known count is in it.

    >>> chat = {"prompt_tokens": 10, "completion_tokens": 5}
    >>> read_usage({**chat, "prompt_tokens_details": {"cached_tokens": 4}}).cached_read
    4
    >>> read_usage({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 4}).input_total
    14
    """
    for _ in range(3):  # an answer holds its usage, and that of Cohere holds what was billed
        found = _read(given)
        if found is not None:
            return found
        inner = next((held for name in _HELD if (held := _get(given, name)) is not None), None)
        if inner is None or callable(inner):
            break
        given = inner
    raise SettingError(
        f"mlobs.usage({type(given).__name__}): no token counts were found. Pass the usage object of a "
        f"provider, its whole answer, a dict with prompt_tokens or input_tokens, or "
        f"mlobs.Usage(input=..., output=...)."
    )


_HELD = ("usage", "usage_metadata", "usageMetadata", "billed_units", "meta", "tokens", "message", "response")


def _read(given: object) -> Usage | None:
    if isinstance(given, Usage):
        return given
    if isinstance(given, Mapping) and given and given.keys() <= _NAMES:
        return Usage(**given)
    if _get(given, "billed_units") is not None:
        return None  # of Cohere's two counts the one that is paid for
    if _has(given, "prompt_tokens") or _has(given, "completion_tokens"):
        return _chat(given)
    if _has(given, "prompt_token_count") or _has(given, "candidates_token_count"):
        return _google(given, "{}_token_count", "{}_tokens_details", "token_count")
    if _has(given, "promptTokenCount") or _has(given, "candidatesTokenCount"):
        return _google(given, "{}TokenCount", "{}TokensDetails", "tokenCount")
    if _has(given, "inputTokens") or _has(given, "outputTokens"):
        return _bedrock(given)
    if _has(given, "prompt_eval_count") or _has(given, "eval_count"):
        return _buckets(_count(given, "prompt_eval_count"), _count(given, "eval_count"))
    if _has(given, "gen_ai.usage.input_tokens") or _has(given, "gen_ai.usage.output_tokens"):
        return _opentelemetry(given)
    if _has(given, "cache_read_input_tokens") or _has(given, "cache_creation_input_tokens"):
        return _anthropic(given)
    if _has(given, "input_tokens") or _has(given, "output_tokens"):
        return _responses(given)
    return None


_NAMES = frozenset(BUCKETS)


def _chat(given: object) -> Usage:
    """Read OpenAI's chat usage, and that of those who copy it."""
    prompt, completion = _count(given, "prompt_tokens"), _count(given, "completion_tokens")
    inside, outside = _get(given, "prompt_tokens_details"), _get(given, "completion_tokens_details")
    reasoning = _count(outside, "reasoning_tokens")
    if reasoning and _count(given, "total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # xAI counts reasoning beside the completion
    return _buckets(
        prompt,
        completion,
        read=_count(inside, "cached_tokens")
        or _count(given, "prompt_cache_hit_tokens")
        or _count(given, "cache_read_input_tokens"),
        write=_count(inside, "cache_creation_tokens")
        or _count(inside, "cache_write_tokens")
        or _count(given, "cache_creation_input_tokens"),
        audio=_count(inside, "audio_tokens"),
        image=_count(inside, "image_tokens"),
        reasoning=reasoning,
        output_audio=_count(outside, "audio_tokens"),
        output_image=_count(outside, "image_tokens"),
    )


def _responses(given: object) -> Usage:
    """Read counts named input and output whose totals include their details.

    OpenAI's responses, images and realtime, LangChain, pydantic-ai and the OpenAI agents.
    """
    inside = _get(given, "input_tokens_details") or _get(given, "input_token_details")
    outside = _get(given, "output_tokens_details") or _get(given, "output_token_details")
    return _buckets(
        _count(given, "input_tokens"),
        _count(given, "output_tokens"),
        read=_count(inside, "cached_tokens")
        or _count(inside, "cache_read")
        or _count(given, "cache_read_tokens"),
        write=_count(inside, "cache_write_tokens")
        or _count(inside, "cache_creation")
        or _count(given, "cache_write_tokens"),
        write_1h=_count(inside, "ephemeral_1h_input_tokens"),
        audio=_count(inside, "audio_tokens")
        or _count(inside, "audio")
        or _count(given, "input_audio_tokens"),
        image=_count(inside, "image_tokens") or _count(inside, "image"),
        read_audio=_count(_get(inside, "cached_tokens_details"), "audio_tokens")
        or _count(given, "cache_audio_read_tokens"),
        reasoning=_count(outside, "reasoning_tokens") or _count(outside, "reasoning"),
        output_audio=_count(outside, "audio_tokens")
        or _count(outside, "audio")
        or _count(given, "output_audio_tokens"),
        output_image=_count(outside, "image_tokens"),
    )


def _anthropic(given: object) -> Usage:
    """Read Anthropic's usage, whose input holds neither what was read from a cache nor written to one."""
    read, write = _count(given, "cache_read_input_tokens"), _count(given, "cache_creation_input_tokens")
    return _buckets(
        _count(given, "input_tokens") + read + write,
        _count(given, "output_tokens"),
        read=read,
        write=write,
        write_1h=_count(_get(given, "cache_creation"), "ephemeral_1h_input_tokens"),
    )


def _bedrock(given: object) -> Usage:
    """Read the usage of Bedrock's converse, which counts as Anthropic does."""
    read, write = _count(given, "cacheReadInputTokens"), _count(given, "cacheWriteInputTokens")
    total = _count(given, "inputTokens") + read + write
    return _buckets(total, _count(given, "outputTokens"), read=read, write=write)


def _google(given: object, counts: str, details: str, count: str) -> Usage:
    """Read Google's usage; thoughts and the results of tools are counted beside the rest."""
    thoughts = _count(given, counts.format("thoughts"))
    tools = _count(given, counts.format("toolUsePrompt" if count == "tokenCount" else "tool_use_prompt"))
    cached = counts.format("cachedContent" if count == "tokenCount" else "cached_content")

    def of(what: str, modality: str) -> int:
        """Add up one modality's counts."""
        listed = _get(given, details.format(what))
        found = [one for one in listed if _modality(one) == modality] if isinstance(listed, list) else []
        return sum(_count(one, count) for one in found)

    return _buckets(
        _count(given, counts.format("prompt")) + tools,
        _count(given, counts.format("candidates")) + thoughts,
        read=_count(given, cached),
        audio=of("prompt", "AUDIO"),
        image=of("prompt", "IMAGE"),
        read_audio=of("cache", "AUDIO"),
        reasoning=thoughts,
        output_audio=of("candidates", "AUDIO"),
        output_image=of("candidates", "IMAGE"),
    )


def _opentelemetry(given: object) -> Usage:
    """Read the attributes of the conventions."""
    prefix = "gen_ai.usage."
    return _buckets(
        _count(given, f"{prefix}input_tokens"),
        _count(given, f"{prefix}output_tokens"),
        read=_count(given, f"{prefix}cache_read.input_tokens"),
        write=_count(given, f"{prefix}cache_write.input_tokens")
        or _count(given, f"{prefix}cache_creation.input_tokens"),
        audio=_count(given, f"{prefix}audio.input_tokens"),
        image=_count(given, f"{prefix}image.input_tokens"),
        read_audio=_count(given, f"{prefix}audio.cache_read.input_tokens"),
        reasoning=_count(given, f"{prefix}reasoning.output_tokens"),
        output_audio=_count(given, f"{prefix}audio.output_tokens"),
        output_image=_count(given, f"{prefix}image.output_tokens"),
    )


def _buckets(
    inputs: int,
    outputs: int,
    *,
    read: int = 0,
    write: int = 0,
    write_1h: int = 0,
    audio: int = 0,
    image: int = 0,
    read_audio: int = 0,
    reasoning: int = 0,
    output_audio: int = 0,
    output_image: int = 0,
) -> Usage:
    """Return disjoint buckets of totals that include their details.

    What is more than is left of its total is cut: a provider's total is what it bills.
    """
    read = min(read, inputs)
    write = min(write, inputs - read)
    write_1h = min(write_1h, write)
    read_audio = min(read_audio, read, audio)
    left = inputs - read - write
    audio = min(audio - read_audio, left)
    image = min(image, left - audio)
    reasoning = min(reasoning, outputs)
    output_audio = min(output_audio, outputs - reasoning)
    output_image = min(output_image, outputs - reasoning - output_audio)
    return Usage(
        input=left - audio - image,
        cached_read=read - read_audio,
        cached_write=write - write_1h,
        output=outputs - reasoning - output_audio - output_image,
        reasoning=reasoning,
        cached_write_1h=write_1h,
        input_audio=audio,
        input_image=image,
        cached_audio=read_audio,
        output_audio=output_audio,
        output_image=output_image,
    )


def _get(given: object, name: str) -> Any:
    return given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)


def _has(given: object, name: str) -> bool:
    return isinstance(_get(given, name), int | float)


def _count(given: object, name: str) -> int:
    count = _get(given, name)
    return int(count) if isinstance(count, int | float) and count > 0 else 0


def _modality(detail: object) -> str:
    modality = _get(detail, "modality")
    return str(getattr(modality, "value", modality)).upper()
