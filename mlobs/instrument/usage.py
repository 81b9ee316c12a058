"""Token usage in buckets that do not overlap, read from what providers return.

Providers disagree on whether `input` holds the cached tokens: OpenAI's does, Anthropic's does
not. Here every token is in exactly one bucket, so that a price can be put on each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from mlobs.errors import SettingError


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens one model call used. No token is in two buckets.

    Args:
        input: Input tokens that were neither read from nor written to a cache.
        cached_read: Input tokens read from a cache.
        cached_write: Input tokens written to a cache.
        output: Output tokens other than reasoning.
        reasoning: Output tokens spent on reasoning.
    """

    input: int = 0
    cached_read: int = 0
    cached_write: int = 0
    output: int = 0
    reasoning: int = 0

    def __post_init__(self) -> None:
        """Refuse counts that no call can have.

        Raises:
            SettingError: A count is negative or not a whole number.
        """
        for field in fields(self):
            count = getattr(self, field.name)
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise SettingError(
                    f"Usage({field.name}={count!r}): a whole number of tokens, 0 or more, was expected."
                )

    @property
    def input_total(self) -> int:
        """Return all input tokens, as `gen_ai.usage.input_tokens` counts them."""
        return self.input + self.cached_read + self.cached_write

    @property
    def output_total(self) -> int:
        """Return all output tokens, as `gen_ai.usage.output_tokens` counts them."""
        return self.output + self.reasoning

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum, bucket by bucket."""
        return Usage(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


def read_usage(given: object) -> Usage:
    """Return the buckets of a provider's usage object, a dict of the same shape, or a Usage.

    Understood are OpenAI chat (`prompt_tokens`), OpenAI responses (`input_tokens` with
    `input_tokens_details`), Anthropic (`cache_read_input_tokens`) and dicts with the bucket
    names of `Usage`.

    Raises:
        SettingError: No known count is in it.

    >>> chat = {"prompt_tokens": 10, "completion_tokens": 5}
    >>> read_usage({**chat, "prompt_tokens_details": {"cached_tokens": 4}})
    Usage(input=6, cached_read=4, cached_write=0, output=5, reasoning=0)
    >>> read_usage({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 4})
    Usage(input=10, cached_read=4, cached_write=0, output=5, reasoning=0)
    """
    if isinstance(given, Usage):
        return given
    if isinstance(given, Mapping) and given and set(given) <= {field.name for field in fields(Usage)}:
        return Usage(**given)
    if _has(given, "prompt_tokens"):
        return _inclusive(
            given, "prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"
        )
    if _has(given, "cache_read_input_tokens") or _has(given, "cache_creation_input_tokens"):
        return Usage(
            input=_count(given, "input_tokens"),
            cached_read=_count(given, "cache_read_input_tokens"),
            cached_write=_count(given, "cache_creation_input_tokens"),
            output=_count(given, "output_tokens"),
        )
    if _has(given, "input_tokens") or _has(given, "output_tokens"):
        # Anthropic's streams end with the output alone; OpenAI's responses have both.
        return _inclusive(
            given, "input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"
        )
    raise SettingError(
        f"mlobs.usage({type(given).__name__}): no token counts were found. Pass the usage object of "
        f"OpenAI or Anthropic, a dict with prompt_tokens or input_tokens, or mlobs.Usage(input=..., "
        f"output=...)."
    )


def _inclusive(given: object, inputs: str, outputs: str, input_details: str, output_details: str) -> Usage:
    """Read counts whose totals include their details, clamped so that no bucket is negative."""
    input_total, output_total = _count(given, inputs), _count(given, outputs)
    cached_read = min(_count(_get(given, input_details), "cached_tokens"), input_total)
    cached_write = min(_count(_get(given, input_details), "cache_write_tokens"), input_total - cached_read)
    reasoning = min(_count(_get(given, output_details), "reasoning_tokens"), output_total)
    return Usage(
        input=input_total - cached_read - cached_write,
        cached_read=cached_read,
        cached_write=cached_write,
        output=output_total - reasoning,
        reasoning=reasoning,
    )


def _get(given: object, name: str) -> object:
    return given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)


def _has(given: object, name: str) -> bool:
    return isinstance(_get(given, name), int)


def _count(given: object, name: str) -> int:
    count = _get(given, name)
    return count if isinstance(count, int) and count > 0 else 0


def latest(old: Usage | None, new: Usage) -> Usage:
    """Return the larger total of each side of two cumulative counts of one call."""
    if old is None:
        return new
    inputs = new if new.input_total >= old.input_total else old
    outputs = new if new.output_total >= old.output_total else old
    return Usage(
        input=inputs.input,
        cached_read=inputs.cached_read,
        cached_write=inputs.cached_write,
        output=outputs.output,
        reasoning=outputs.reasoning,
    )
