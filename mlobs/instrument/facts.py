"""What an instrumentation of a model client learnt, told in our names.

Three families write three dialects; only what a call of ours takes over is translated here. Token
counts are brought into the shape of OpenAI's usage, whose totals include their details, which
is how all three count.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.instrument.sites import Value
from mlobs.semconv import attributes as a

# Attributes that mean the same wherever they are written.
_KEPT_PREFIXES = ("gen_ai.request.", "gen_ai.response.", "openai.", "server.", "gen_ai.embeddings.")
_KEPT = frozenset({a.PROVIDER_NAME.name, "gen_ai.output.type", "gen_ai.retrieval.top_k"})
CONTENT = frozenset(
    {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.definitions",
        "gen_ai.retrieval.query.text",
        "gen_ai.retrieval.documents",
    }
)
_RENAMED = {
    "gen_ai.system": a.PROVIDER_NAME.name,
    "llm.request.model_name": a.REQUEST_MODEL.name,
    "llm.model_name": a.REQUEST_MODEL.name,
    "embedding.model_name": a.REQUEST_MODEL.name,
    "llm.response.model_name": a.RESPONSE_MODEL.name,
    "llm.provider": a.PROVIDER_NAME.name,
    "llm.system": a.PROVIDER_NAME.name,
    "gen_ai.request.reasoning_effort": "gen_ai.request.reasoning.level",
    "gen_ai.request.n": "gen_ai.request.choice.count",
    "gen_ai.request.max_completion_tokens": "gen_ai.request.max_tokens",
}
_FINISH = {"gen_ai.response.finish_reason", "gen_ai.response.stop_reason", "llm.finish_reason"}
_ENDINGS = {
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "tool_use": "tool_call",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
}
_DROPPED = {"gen_ai.request.is_stream", "gen_ai.request.structured_output_schema"}

# The dialects' names of each count, ours first.
INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
_INPUT_DETAILS = {
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "audio_tokens": ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio"),
    "image_tokens": ("gen_ai.usage.image.input_tokens",),
}
_OUTPUT_DETAILS = {
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "audio_tokens": ("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio"),
    "image_tokens": ("gen_ai.usage.image.output_tokens",),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about one model call.

    Args:
        attributes: In the names of the conventions.
        usage: Token counts as OpenAI's chat completions return them; None where none were seen.
    """

    attributes: Mapping[str, Value]
    usage: Mapping[str, Any] | None = None


def facts_of(seen: Mapping[str, Any], *, content: bool = False) -> Facts:
    """Return the facts in a span's attributes.

    Args:
        seen: The attributes, in the dialect of any family.
        content: Whether messages, instructions and documents are taken too.

    >>> facts_of({"llm.model_name": "m", "llm.token_count.prompt": 3, "llm.token_count.completion": 1})
    Facts(attributes={'gen_ai.request.model': 'm'}, usage={'prompt_tokens': 3, 'completion_tokens': 1})
    """
    found: dict[str, Value] = {}
    for key, value in seen.items():
        if value is None or key in _DROPPED:
            continue
        if key in _RENAMED:
            found.setdefault(_RENAMED[key], value)
        elif key in _FINISH:
            found.setdefault(a.FINISH_REASONS.name, (value,))
        elif key in CONTENT:
            if content:
                found[key] = value
        elif key in _KEPT or key.startswith(_KEPT_PREFIXES):
            found[key] = value
    reasons = found.get(a.FINISH_REASONS.name)
    if isinstance(reasons, list | tuple):
        lowered = [str(reason).lower() for reason in reasons]
        found[a.FINISH_REASONS.name] = tuple(_ENDINGS.get(reason, reason) for reason in lowered)
    if "openinference.span.kind" in seen:
        found |= {key: value for key, value in _of_openinference(seen).items() if key not in found}
    return Facts(found, _usage(seen))


def _of_openinference(seen: Mapping[str, Any]) -> dict[str, Value]:
    """Return what OpenInference keeps inside JSON: the request's parameters and the response's id."""
    found: dict[str, Value] = {}
    parameters = _object(seen.get("llm.invocation_parameters"))
    for name in ("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed"):
        if isinstance(parameters.get(name), int | float):
            found[f"gen_ai.request.{name}"] = parameters[name]
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if isinstance(parameters.get(name), int):
            found.setdefault("gen_ai.request.max_tokens", parameters[name])
    answer = _object(seen.get("output.value"))
    for name, attribute in (("id", a.RESPONSE_ID.name), ("model", a.RESPONSE_MODEL.name)):
        if isinstance(answer.get(name), str):
            found[attribute] = answer[name]
    return found


def _object(text: object) -> Mapping[str, Any]:
    if not isinstance(text, str) or not text.startswith("{"):
        return {}
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _usage(seen: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the token counts as OpenAI's chat completions have them."""
    inputs, outputs = _first(seen, INPUT), _first(seen, OUTPUT)
    if inputs is None and outputs is None:
        return None
    usage: dict[str, Any] = {"prompt_tokens": inputs or 0, "completion_tokens": outputs or 0}
    for field, table in (
        ("prompt_tokens_details", _INPUT_DETAILS),
        ("completion_tokens_details", _OUTPUT_DETAILS),
    ):
        details = {name: count for name, keys in table.items() if (count := _first(seen, keys))}
        if details:
            usage[field] = details
    return usage


def _first(seen: Mapping[str, Any], keys: Sequence[str]) -> int | None:
    for key in keys:
        count = seen.get(key)
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
            return count
    return None
