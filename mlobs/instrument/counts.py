"""What providers say about the tokens of a call, read by what the fields are called.

Providers disagree on whether `input` holds the cached tokens (OpenAI's does, Anthropic's does not),
on whether `output` holds the reasoning (OpenAI's does, Google's does not), and on every name. Here
each way of counting becomes totals of both sides that hold all their details.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Counts(NamedTuple):
    """Tokens of one call: totals of both sides, and how many of them are what.

    Nothing says yet that the details fit their totals. `write` holds `write_1h`, what is kept for an hour
    or longer; `read` and `audio` both hold `read_audio`.
    """

    inputs: int
    outputs: int
    read: int = 0
    write: int = 0
    write_1h: int = 0
    audio: int = 0
    image: int = 0
    read_audio: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0


class _Attributes:
    """An object read as if it were a dict."""

    def __init__(self, given: object) -> None:
        self._given = given

    def get(self, name: str) -> Any:
        """Return one attribute, or None."""
        return getattr(self._given, name, None)


Facts = Mapping[str, Any] | _Attributes
_NOTHING: dict[str, Any] = {}


def facts_of(given: object) -> Facts:
    """Return what can be asked by name.

    The fields of pydantic's models are read from where they are kept: to be told that there is no such
    attribute takes 2 us, and what is looked for is mostly not there.
    """
    if given is None:
        return _NOTHING
    kind = type(given)
    if kind is dict:
        return given  # type: ignore[return-value] # it is a dict
    if hasattr(kind, "__pydantic_root_model__"):
        extra = getattr(given, "__pydantic_extra__", None)
        return {**given.__dict__, **extra} if extra else given.__dict__
    if isinstance(given, Mapping):
        return given
    if isinstance(given, list | tuple):  # the OpenAI agents write their details as lists of one
        return facts_of(given[0]) if len(given) == 1 else _NOTHING
    return _Attributes(given)


def find_counts(facts: Facts) -> Counts | None:
    """Return the counts of a usage object, or None if it is none."""
    if _has(facts, "prompt_tokens", "completion_tokens"):
        return _chat(facts)
    if _has(facts, "cache_read_input_tokens", "cache_creation_input_tokens"):
        return _anthropic(facts)
    if _has(facts, "input_tokens", "output_tokens"):
        return _anthropic(facts) if isinstance(facts.get("iterations"), list) else _responses(facts)
    if _has(facts, "generation_token_count"):  # Llama's own answer on Bedrock
        return Counts(_count(facts, "prompt_token_count"), _count(facts, "generation_token_count"))
    for names in (_SNAKE, _CAMEL, _INTERACTIONS):
        if _has(facts, names.prompt, names.candidates) or _has(facts, names.response, names.total):
            return _google(facts, names)
    if _has(facts, "inputTokens", "outputTokens", "inputTokenCount", "outputTokenCount"):
        return _bedrock(facts)
    if _has(facts, "prompt_eval_count", "eval_count"):
        return Counts(_count(facts, "prompt_eval_count"), _count(facts, "eval_count"))
    return _opentelemetry(facts) if _has(facts, *_WRITTEN) else _cohere(facts)


def _chat(given: Facts) -> Counts:
    """Read OpenAI's chat usage, and that of those who copy it."""
    inputs, outputs, more = _totals(given, "prompt_tokens", "completion_tokens")
    read = write = write_1h = audio = image = read_audio = spoken = drawn = 0
    details = given.get("prompt_tokens_details")
    if details is not None:
        inside = facts_of(details)
        read, audio = _count(inside, "cached_tokens"), _count(inside, "audio_tokens")
        write = _first(inside, "cache_write_tokens", "cache_creation_tokens")
        image = _count(inside, "image_tokens") + _count(inside, "video_tokens")
        if write:
            of_hours = facts_of(inside.get("cache_creation_token_details"))
            write_1h = _count(of_hours, "ephemeral_1h_input_tokens")
        if read and audio:
            read_audio = _count(facts_of(inside.get("cached_tokens_details")), "audio_tokens")
    read = read or _first(given, "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens")
    write = write or _count(given, "cache_creation_input_tokens")
    details = given.get("completion_tokens_details")
    if details is not None:
        outside = facts_of(details)
        reasoning = _count(outside, "reasoning_tokens")
        spoken, drawn = _count(outside, "audio_tokens"), _count(outside, "image_tokens")
    else:
        reasoning = _count(given, "reasoning_tokens")
    reasoning = max(more, reasoning)
    return Counts(inputs, outputs, read, write, write_1h, audio, image, read_audio, reasoning, spoken, drawn)


def _responses(given: Facts) -> Counts:
    """Read counts named input and output whose totals include their details.

    OpenAI's responses, images, sound and realtime, LangChain, pydantic-ai and the OpenAI agents.
    """
    inputs, outputs, more = _totals(given, "input_tokens", "output_tokens")
    inside = facts_of(given.get("input_tokens_details") or given.get("input_token_details"))
    outside = facts_of(given.get("output_tokens_details") or given.get("output_token_details"))
    short, long = _count(inside, "ephemeral_5m_input_tokens"), _count(inside, "ephemeral_1h_input_tokens")
    long = long or _count(facts_of(inside.get("cache_write_tokens_details")), "ttl_12h_tokens")
    return Counts(
        inputs,
        outputs,
        read=_first(inside, "cached_tokens", "cache_read", "priority_cache_read", "flex_cache_read")
        or _count(given, "cache_read_tokens"),
        write=_first(
            inside, "cache_write_tokens", "cache_creation", "priority_cache_creation", "flex_cache_creation"
        )
        or _count(given, "cache_write_tokens")
        or short + long,
        write_1h=long or _count(given, "cache_write_1h_tokens"),
        audio=_first(inside, "audio_tokens", "audio") or _count(given, "input_audio_tokens"),
        image=_first(inside, "image_tokens", "image"),
        read_audio=_count(facts_of(inside.get("cached_tokens_details")), "audio_tokens")
        or _count(given, "cache_audio_read_tokens"),
        reasoning=max(
            more,
            _first(outside, "reasoning_tokens", "reasoning", "priority_reasoning", "flex_reasoning")
            or _count(outside, "thinking_tokens")
            or _count(given, "output_reasoning_tokens"),
        ),
        output_audio=_first(outside, "audio_tokens", "audio") or _count(given, "output_audio_tokens"),
        output_image=_first(outside, "image_tokens", "image"),
    )


def _totals(given: Facts, first: str, second: str) -> tuple[int, int, int]:
    """Return all input, all output, and the output that is counted beside the rest.

    xAI and Google's copy of OpenAI's interface count reasoning only in the total of both sides.
    """
    inputs, outputs, total = _count(given, first), _count(given, second), _count(given, "total_tokens")
    more = total - inputs - outputs
    if more <= 0:
        return inputs, outputs, 0
    if given.get(first) is None:
        return inputs + more, outputs, 0
    return inputs, outputs + more, 0 if given.get(second) is None else more


def _anthropic(given: Facts) -> Counts:
    """Read Anthropic's usage, whose input holds neither what was read from a cache nor written to one.

    What it took to shorten a long context is listed beside the totals and billed.
    """
    created = facts_of(given.get("cache_creation"))
    short, long = _count(created, "ephemeral_5m_input_tokens"), _count(created, "ephemeral_1h_input_tokens")
    read, write = _count(given, "cache_read_input_tokens"), _count(given, "cache_creation_input_tokens")
    inputs, outputs, write = (
        _count(given, "input_tokens"),
        _count(given, "output_tokens"),
        write or short + long,
    )
    if read + write > inputs or _count(given, "total_tokens") != inputs + outputs:
        inputs += read + write  # copies with a total tell that their input holds all
    found = Counts(
        inputs,
        outputs,
        read=read,
        write=write,
        write_1h=long,
        reasoning=_count(facts_of(given.get("output_tokens_details")), "thinking_tokens"),
    )
    steps = given.get("iterations")
    if isinstance(steps, list):
        for step in map(facts_of, steps[:1000]):
            if step.get("type") == "compaction":
                more = _anthropic({name: step.get(name) for name in _STEP})
                found = Counts(*map(int.__add__, found, more))
    return found


_STEP = (
    "input_tokens", "output_tokens",
    "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation",
)  # fmt: skip


def _bedrock(given: Facts) -> Counts:
    """Read the usage of Bedrock's converse, which counts as Anthropic does.

    Nova's own answers and the metrics at the end of an invoked stream spell it with `Count`.
    """
    read = _first(given, "cacheReadInputTokens", "cacheReadInputTokenCount")
    write = _first(given, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    details = given.get("cacheDetails")
    hours = (
        [one for one in map(facts_of, details) if one.get("ttl") == "1h"] if isinstance(details, list) else []
    )
    return Counts(
        _first(given, "inputTokens", "inputTokenCount") + read + write,
        _first(given, "outputTokens", "outputTokenCount"),
        read=read,
        write=write,
        write_1h=sum(_count(one, "inputTokens") for one in hours),
    )


def _cohere(given: Facts) -> Counts | None:
    """Read the one of Cohere's two counts that is paid for; where none was billed, the other."""
    for counts in (facts_of(given.get("billed_units")), facts_of(given.get("tokens"))):
        if _has(counts, "input_tokens", "output_tokens") or _has(counts, "image_tokens", "text_tokens"):
            image = _count(counts, "image_tokens")
            inputs = max(_count(counts, "input_tokens"), image + _count(counts, "text_tokens"))
            cached = _count(given, "cached_tokens")
            return Counts(inputs, _count(counts, "output_tokens"), read=cached, image=image)
    return None


class _Names(NamedTuple):
    """How one of Google's interfaces spells its counts."""

    prompt: str
    cached: str
    candidates: str
    response: str
    thoughts: str
    tools: str
    total: str
    prompt_details: str
    cached_details: str
    candidates_details: str
    response_details: str
    tools_details: str
    one: str


_SNAKE = _Names(
    "prompt_token_count", "cached_content_token_count", "candidates_token_count", "response_token_count",
    "thoughts_token_count", "tool_use_prompt_token_count", "total_token_count", "prompt_tokens_details",
    "cache_tokens_details", "candidates_tokens_details", "response_tokens_details",
    "tool_use_prompt_tokens_details", "token_count",
)  # fmt: skip
_CAMEL = _Names(*(name[0] + name.title().replace("_", "")[1:] for name in _SNAKE))
_INTERACTIONS = _Names(
    "total_input_tokens", "total_cached_tokens", "total_output_tokens", "", "total_thought_tokens",
    "total_tool_use_tokens", "", "input_tokens_by_modality", "cached_tokens_by_modality",
    "output_tokens_by_modality", "", "tool_use_tokens_by_modality", "tokens",
)  # fmt: skip


def _google(given: Facts, names: _Names) -> Counts:
    """Read Google's usage; thoughts and the results of tools are counted beside the rest.

    Where the total says that they are not, they are inside.
    """
    prompt, thoughts, tools = (_count(given, name) for name in (names.prompt, names.thoughts, names.tools))
    answer = _first(given, names.candidates, names.response)
    total = _count(given, names.total) or _count(given, "total_tokens")
    inputs, outputs = prompt + tools, answer + thoughts
    if total:
        over = inputs + outputs - total
        if over < 0:
            outputs -= over
        elif over in {thoughts, thoughts + tools} and thoughts <= answer:
            outputs = answer
        if over in {tools, thoughts + tools} and tools <= prompt and over != thoughts:
            inputs = prompt

    def of(modalities: frozenset[str], *lists: str) -> int:
        """Add up the counts of some modalities."""
        ones = [
            one
            for name in lists
            if isinstance(listed := given.get(name), list)
            for one in map(facts_of, listed)
        ]
        return sum(_count(one, names.one) for one in ones if _modality(one) in modalities)

    return Counts(
        inputs,
        outputs,
        read=_count(given, names.cached),
        audio=of(_SOUND, names.prompt_details, names.tools_details),
        image=of(_SIGHT, names.prompt_details, names.tools_details),
        read_audio=of(_SOUND, names.cached_details),
        reasoning=thoughts,
        output_audio=of(_SOUND, names.candidates_details, names.response_details),
        output_image=of(_SIGHT, names.candidates_details, names.response_details),
    )


_SOUND, _SIGHT = frozenset({"AUDIO"}), frozenset({"IMAGE", "VIDEO"})  # a video's frames; its sound is sound


def _modality(detail: Facts) -> str:
    modality = detail.get("modality")
    return str(getattr(modality, "value", modality)).upper()


_PREFIX = "gen_ai.usage."
_WRITTEN = tuple(
    f"{_PREFIX}{name}" for name in ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")
)


def _opentelemetry(given: Facts) -> Counts:
    """Read the attributes of the conventions, also under their former names."""

    def named(*names: str) -> int:
        return _first(given, *(f"{_PREFIX}{name}" for name in names))

    return Counts(
        named("input_tokens", "prompt_tokens"),
        named("output_tokens", "completion_tokens"),
        read=named("cache_read.input_tokens", "cache_read_input_tokens", "cached_tokens"),
        write=named("cache_write.input_tokens", "cache_creation.input_tokens", "cache_creation_input_tokens"),
        audio=named("audio.input_tokens"),
        image=named("image.input_tokens"),
        read_audio=named("audio.cache_read.input_tokens"),
        reasoning=named("reasoning.output_tokens", "reasoning_tokens"),
        output_audio=named("audio.output_tokens"),
        output_image=named("image.output_tokens"),
    )


COUNT_MAX = 10**15  # what a provider can claim: sums of it still fit what OTLP calls an integer


def _has(given: Facts, *names: str) -> bool:
    for name in names:
        count = given.get(name)
        if count.__class__ is int or (count is not None and isinstance(count, int | float)):
            return True
    return False


def _count(given: Facts, name: str) -> int:
    count = given.get(name)
    if count is None:
        return 0
    if count.__class__ is not int:
        if not isinstance(count, int | float) or not count > 0:  # what is not a number is not more than 0
            return 0
        count = int(min(count, COUNT_MAX))
    return count if 0 <= count <= COUNT_MAX else max(0, min(count, COUNT_MAX))


def _first(given: Facts, *names: str) -> int:
    """Return the first count that is not 0."""
    for name in names:
        count = given.get(name)
        if count:
            return _count(given, name)
    return 0
