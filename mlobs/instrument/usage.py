"""Token usage in buckets that do not overlap, read from what providers return.

Every token is in exactly one bucket, so that a price can be put on each, and the buckets add up to
the provider's own total.
"""

from collections.abc import Mapping

from mlobs.errors import SettingError
from mlobs.instrument.counts import Counts, facts_of, find_counts
from mlobs.prices.buckets import BUCKETS, Usage

__all__ = ["BUCKETS", "Usage", "latest", "read_tier", "read_usage"]

_NAMES = frozenset(BUCKETS)
_new, _PUTS = object.__new__, tuple(getattr(Usage, name).__set__ for name in BUCKETS)
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

    Understood are OpenAI (chat, responses, embeddings, images, sound, realtime) and all who copy it, such as
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
    held = given
    for _ in range(5):  # an answer holds its usage; the event of a stream holds an answer
        if isinstance(held, Usage):
            return held
        facts = facts_of(held)
        counts = find_counts(facts)
        if counts is not None:
            return _disjoint(counts)
        if isinstance(facts, Mapping) and facts and facts.keys() <= _NAMES:
            return Usage(**{name: count for name, count in facts.items() if count is not None})
        held = next((inner for name in _HELD if (inner := facts.get(name)) is not None), None)
        if held is None:
            break
    raise SettingError(
        f"mlobs.usage({type(given).__name__}): no token counts were found. Pass the usage object of a "
        f"provider, its whole answer, a dict with prompt_tokens or input_tokens, or "
        f"mlobs.Usage(input=..., output=...)."
    )


def read_tier(given: object) -> str | None:
    """Return the service tier that an answer or its usage names, or None; it sets the price."""
    if isinstance(given, Usage):
        return None
    facts = facts_of(given)
    for one in (facts, facts_of(facts.get("usage"))):
        if one.get("speed") == "fast":  # Anthropic's word for it
            return "fast"
        tier = one.get("service_tier")
        if isinstance(tier, str):
            return tier[:64]
    return None


_HELD = (
    "usage", "usage_metadata", "usageMetadata", "meta", "message", "response", "data", "delta", "metadata",
    "context_wrapper", "amazon-bedrock-invocationMetrics",
)  # fmt: skip


def _disjoint(counts: Counts) -> Usage:
    """Return the buckets of totals that hold their details.

    What is more than is left of its total is cut: a provider's total is what it bills.
    """
    inputs, outputs, read, write, write_1h, audio, image, read_audio, reasoning, spoken, drawn = counts
    if read or write or audio or image:
        read = min(read, inputs)
        write = min(write, inputs - read)
        write_1h = min(write_1h, write)
        read_audio = min(read_audio, read)
        inputs -= read + write
        audio = min(max(audio - read_audio, 0), inputs)
        image = min(image, inputs - audio)
        inputs -= audio + image
    else:
        write_1h = read_audio = 0
    if reasoning or spoken or drawn:
        reasoning = min(reasoning, outputs)
        spoken = min(spoken, outputs - reasoning)
        drawn = min(drawn, outputs - reasoning - spoken)
        outputs -= reasoning + spoken + drawn
    buckets = (
        inputs, read - read_audio, write - write_1h, outputs, reasoning,
        write_1h, audio, image, read_audio, spoken, drawn,
    )  # fmt: skip
    usage = _new(Usage)  # without checking what was made to be right
    for put, count in zip(_PUTS, buckets, strict=True):
        put(usage, count)
    return usage
