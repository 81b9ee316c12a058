"""Token usage in buckets that do not overlap, so that a price can be put on each."""

from dataclasses import dataclass, fields
from operator import attrgetter

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
        cached_write_1h: Input tokens written to a cache for an hour or longer.
        input_audio: Input tokens of sound that was not cached.
        input_image: Input tokens of images, and of the frames of videos, that were not cached.
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
        for count in _counts(self):
            if count.__class__ is not int or count < 0:
                name = next(name for name in BUCKETS if getattr(self, name) is count)
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
_counts = attrgetter(*BUCKETS)
_new, _PUTS = object.__new__, tuple(getattr(Usage, name).__set__ for name in BUCKETS)


def of_totals(counts: tuple[int, int, int, int, int, int, int, int, int, int, int]) -> Usage:
    """Return the buckets of totals that hold their details.

    What is more than is left of its total is cut: a provider's total is what it bills.

    Args:
        counts: Of input and output; of input that was read from a cache, written to one, written for an hour;
            of sound and images in; of sound read from a cache; of reasoning, sound and images out.
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
