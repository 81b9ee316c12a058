"""What a model answered: results and streams of the providers, as messages and finish reasons."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlobs.instrument.content.messages import FINISHES, Message, Reader, mappings, word


def outputs_of(result: Any, reader: Reader) -> tuple[list[Message], list[str]]:
    """Return the messages of an answer, one per choice, and why each ended, where that is told."""
    if result is None:
        return [], []
    if isinstance(result, str):
        return [_said(reader.parts(result))], []
    if isinstance(result, Mapping):
        found = _provider(result, reader)
        if found is not None:
            return found
    said = reader.messages(result)
    if said is not None:
        return [said[-1] | {"role": "assistant"}] if said[-1]["role"] != "tool" else [said[-1]], []
    return [_said(reader.parts(json.dumps(result, ensure_ascii=False)))], []


def _provider(result: Mapping[str, Any], reader: Reader) -> tuple[list[Message], list[str]] | None:
    """Return the answer in a provider's own form, or None if it is none."""
    choices = mappings(result.get("choices"))
    if choices:  # OpenAI chat, and all who copy it
        return [_choice(one, reader) for one in choices], _finishes(
            one.get("finish_reason") for one in choices
        )
    output = mappings(result.get("output"))
    if output:  # OpenAI responses
        parts = [part for one in output for part in (reader.message(one) or {"parts": []})["parts"]]
        return [_said(parts)], _finishes([result.get("status")])
    candidates = mappings(result.get("candidates"))
    if candidates:  # Google
        said = [_said((reader.message(one.get("content")) or {"parts": []})["parts"]) for one in candidates]
        return said, _finishes(one.get("finish_reason") or one.get("finishReason") for one in candidates)
    if isinstance(result.get("message"), Mapping):  # Ollama, Cohere
        one = reader.message({"role": "assistant", **result["message"]})
        return [one] if one else [], _finishes([result.get("finish_reason") or result.get("done_reason")])
    if isinstance(result.get("content"), list) and "stop_reason" in result:  # Anthropic
        return [_said(reader.parts(result["content"]))], _finishes([result["stop_reason"]])
    return None


def _choice(choice: Mapping[str, Any], reader: Reader) -> Message:
    said = choice.get("message")
    one = (
        reader.message({"role": "assistant", "content": None, **said}) if isinstance(said, Mapping) else None
    )
    return one or _said(reader.parts(choice.get("text")))


def _said(parts: list[dict[str, Any]]) -> Message:
    return {"role": "assistant", "parts": parts}


def _finishes(reasons: Any) -> list[str]:
    known = [str(reason) for reason in reasons if reason]
    return [FINISHES.get(reason, reason.lower() if reason.isupper() else reason) for reason in known]


def joined(items: Sequence[Any]) -> Any:
    """Return what the items of a stream make together: text, or an answer, or the items as they are."""
    if all(isinstance(item, str) for item in items):
        return "".join(items)
    text: list[str] = []
    calls: dict[str, dict[str, Any]] = {}
    finish: str | None = None
    for item in items:
        if not isinstance(item, Mapping):
            if isinstance(item, str):
                text.append(item)
                continue
            return list(items)
        whole = item.get("response")
        if item.get("type") == "response.completed" and isinstance(whole, Mapping):
            return whole
        text.append(_text(item))
        finish = _finish(item) or finish
        for delta in _call_deltas(item):
            _add_call(calls, delta)
    if not any(text) and not calls:
        return list(items)
    message = {"role": "assistant", "content": "".join(text), "tool_calls": list(calls.values())}
    return {"choices": [{"message": message, "finish_reason": finish}]}


def _text(item: Mapping[str, Any]) -> str:
    """Return the text that one item of a stream brings."""
    choices = item.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        delta = choices[0].get("delta")
        said = delta.get("content") if isinstance(delta, Mapping) else choices[0].get("text")
        return said if isinstance(said, str) else ""
    delta = item.get("delta")
    if isinstance(delta, str):
        return delta if "text" in str(item.get("type", "text")) else ""
    if isinstance(delta, Mapping):
        return delta["text"] if isinstance(delta.get("text"), str) else ""
    candidates = mappings(item.get("candidates"))
    if candidates:
        contents = mappings([one.get("content") for one in candidates])
        texts = [part.get("text") for content in contents for part in mappings(content.get("parts"))]
        return "".join(text for text in texts if isinstance(text, str))
    for key in ("content", "text"):
        if isinstance(item.get(key), str):
            return str(item[key])
    return ""


def _finish(item: Mapping[str, Any]) -> str | None:
    choices = item.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    delta = item.get("delta")
    found = first.get("finish_reason") if isinstance(first, Mapping) else None
    return found or (delta.get("stop_reason") if isinstance(delta, Mapping) else None)


def _call_deltas(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the pieces of tool calls that one item brings."""
    choices = item.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        delta = choices[0].get("delta")
        return mappings(delta.get("tool_calls")) if isinstance(delta, Mapping) else []
    block, delta = item.get("content_block"), item.get("delta")
    if isinstance(block, Mapping) and block.get("type") == "tool_use":
        return [{"index": item.get("index"), "id": block.get("id"), "function": {"name": block.get("name")}}]
    if isinstance(delta, Mapping) and isinstance(delta.get("partial_json"), str):
        return [{"index": item.get("index"), "function": {"arguments": delta["partial_json"]}}]
    return []


def _add_call(calls: dict[str, dict[str, Any]], delta: Mapping[str, Any]) -> None:
    index = str(delta.get("index", len(calls)))
    call = calls.setdefault(index, {"id": None, "function": {"name": "", "arguments": ""}})
    call["id"] = delta.get("id") or call["id"]
    function = delta.get("function")
    if isinstance(function, Mapping):
        call["function"]["name"] += word(function.get("name")) or ""
        call["function"]["arguments"] += word(function.get("arguments")) or ""
