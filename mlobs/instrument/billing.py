"""What a call's usage becomes on its span: counts in the conventions' names, and what they cost."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from mlobs.prices.book import cost_usd
from mlobs.prices.buckets import Usage
from mlobs.semconv import attributes as a

if TYPE_CHECKING:
    from mlobs.instrument.sites import Value

_TIERS = (a.SERVICE_TIER.name, a.OPENAI_RESPONSE_TIER.name, a.OPENAI_REQUEST_TIER.name)


def usage_attributes(usage: Usage, noun: str, known: "Mapping[str, Value]", day: date) -> "dict[str, Value]":
    """Return the attributes of a call's usage.

    Args:
        usage: What the call used.
        noun: Of the call.
        known: Its other attributes: provider, models and service tier decide about the price.
        day: The day whose prices hold.
    """
    found: dict[str, Value] = {a.INPUT_TOKENS.name: usage.input_total}
    if noun != "embedding":  # nothing is written by an embedding
        found[a.OUTPUT_TOKENS.name] = usage.output_total
    audio, images = usage.input_audio + usage.cached_audio, usage.input_image
    for attribute, count in (
        (a.CACHE_READ_TOKENS, usage.cached_read + usage.cached_audio),
        (a.CACHE_WRITE_TOKENS, usage.cached_write + usage.cached_write_1h),
        (a.CACHE_WRITE_1H_TOKENS, usage.cached_write_1h),
        (a.REASONING_TOKENS, usage.reasoning),
        (a.AUDIO_INPUT_TOKENS, audio),
        (a.IMAGE_INPUT_TOKENS, images),
        (a.AUDIO_CACHE_READ_TOKENS, usage.cached_audio),
        (a.AUDIO_OUTPUT_TOKENS, usage.output_audio),
        (a.IMAGE_OUTPUT_TOKENS, usage.output_image),
    ):
        if count:
            found[attribute.name] = count
    if audio or images:  # the rest is known to be text only where the provider gave a split
        found[a.TEXT_INPUT_TOKENS.name] = usage.input_total - audio - images
    if usage.output_audio or usage.output_image:
        found[a.TEXT_OUTPUT_TOKENS.name] = usage.output_total - usage.output_audio - usage.output_image
    counted = usage.input_total or usage.output_total  # what no tokens cost is for the program to say
    cost = _cost(usage, known, day) if counted and a.COST_USD.name not in known else None
    if cost is not None:
        found[a.COST_USD.name] = cost
    return found


def _cost(usage: Usage, known: "Mapping[str, Value]", day: date) -> float | None:
    """Return what the model that answered costs, or else the one asked for: it may be a deployment's name."""
    provider = known.get(a.PROVIDER_NAME.name)
    tier = next((str(known[name]) for name in _TIERS if name in known), "standard")
    for name in (a.RESPONSE_MODEL.name, a.REQUEST_MODEL.name):
        if name in known:
            seller = None if provider is None else str(provider)
            cost = cost_usd(usage, seller, str(known[name]), day, tier=tier)
            if cost is not None:
                return cost
    return None
