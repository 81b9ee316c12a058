"""Token usage in buckets that do not overlap, read from what providers return.

Every token is in exactly one bucket, so that a price can be put on each, and the buckets add up to
the provider's own total.
"""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from mlobs.errors import SettingError
from mlobs.instrument.counts import facts_of, find_counts
from mlobs.prices.buckets import BUCKETS, Usage, of_totals

__all__ = ["BUCKETS", "Usage", "latest", "read_tier", "read_usage"]

_NAMES = frozenset(BUCKETS)
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
            return of_totals(counts)
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


def is_whole(given: object) -> bool:
    """Return whether an object is a whole answer, which may be large, and not only the usage in it.

    >>> is_whole({"prompt_tokens": 7}), is_whole({"usage": {"prompt_tokens": 7}, "choices": []})
    (False, True)
    """
    kind = type(given)
    if kind is dict:
        return not _HOLDERS.isdisjoint(given)  # type: ignore[arg-type] # it is a dict
    try:
        whole = _whole.get(kind)
        if whole is None:
            whole = _whole[kind] = any(getattr(given, name, None) is not None for name in _HELD)
    except Exception:  # noqa: BLE001 # whatever it is, it is no provider's usage
        return True
    return whole


_whole: WeakKeyDictionary[type, bool] = WeakKeyDictionary()  # what its objects are, by class
_HELD = (
    "usage", "usage_metadata", "usageMetadata", "meta", "message", "response", "data", "delta", "metadata",
    "context_wrapper", "amazon-bedrock-invocationMetrics",
)  # fmt: skip
_HOLDERS = frozenset(_HELD)
