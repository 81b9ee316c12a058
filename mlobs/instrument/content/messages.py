"""Chat messages of the providers, as the conventions write them: a role and parts.

Everything here works on plain structures (see `plain`) and recognises shapes, not types: the same
message comes as a dict, as a client's object, or as what a framework made of it.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from mlobs.instrument.content.media import guessed, modality_of

Message = dict[str, Any]

ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "AIMessageChunk": "assistant"}
KNOWN_ROLES = {"system", "developer", "user", "assistant", "tool", "function", *ROLES}
FINISHES = {
    "tool_calls": "tool_call", "function_call": "tool_call", "tool_use": "tool_call",
    "end_turn": "stop", "stop_sequence": "stop", "completed": "stop", "STOP": "stop",
    "max_tokens": "length", "MAX_TOKENS": "length",
}  # fmt: skip
_HOLDERS = (
    "source", "inline_data", "inlineData", "input_audio", "image_url", "file_data", "fileData", "file",
    "file_id", "file_url",
)  # fmt: skip
_LINKS = ("url", "file_uri", "fileUri", "file_id", "file_url")
_TEXTS = {"text", "input_text", "output_text", "refusal", "summary_text"}


class Reader:
    """Reads messages."""

    def messages(self, value: Any) -> list[Message] | None:
        """Return the messages that `value` is, or None if it is none."""
        if isinstance(value, str):
            return [{"role": "user", "parts": self.parts(value)}] if value else None
        if isinstance(value, Mapping):
            if isinstance(value.get("messages"), list):
                return self.messages(value["messages"])
            one = self.message(value)
            return None if one is None else [one]
        if not isinstance(value, list) or not value:
            return None
        found = [
            {"role": "user", "parts": self.parts(one)} if isinstance(one, str) else self.message(one)
            for one in value
        ]
        return None if None in found else found  # type: ignore[return-value] # there is no None in it

    def message(self, value: Any) -> Message | None:
        """Return the message that `value` is, or None if it is none."""
        if not isinstance(value, Mapping):
            return None
        kind = word(value.get("type"))
        if kind == "function_call":
            return {"role": "assistant", "parts": [_tool_call(value)]}
        if kind == "function_call_output":
            return {"role": "tool", "parts": [_response(value.get("call_id"), value.get("output"))]}
        if kind == "reasoning" and "role" not in value:
            return {"role": "assistant", "parts": self._reasoning(value)}
        role = value.get("role", kind if kind in KNOWN_ROLES else None)
        if not isinstance(role, str) or not {"content", "parts", "tool_calls"} & value.keys():
            return None
        role = ROLES.get(role, role)
        content = value.get("parts") if "parts" in value else value.get("content")
        if role in {"tool", "function"}:
            parts = [_response(value.get("tool_call_id") or value.get("name"), content)]
        else:
            parts = self.parts(content)
        parts += [_tool_call(call) for call in mappings(value.get("tool_calls"))]
        found: Message = {"role": role, "parts": parts}
        if isinstance(value.get("name"), str) and role != "tool":
            found["name"] = value["name"]
        return found

    def parts(self, content: Any) -> list[dict[str, Any]]:
        """Return the parts of a message's content."""
        if content is None or content == "":
            return []
        if isinstance(content, str):
            return [{"type": "text", "content": content}]
        if isinstance(content, Mapping):
            return [self._part(content)]
        if isinstance(content, Iterable):
            return [self._part(one) for one in content]
        return [{"type": "text", "content": str(content)}]

    def _part(self, one: Any) -> dict[str, Any]:
        if not isinstance(one, Mapping):
            return {"type": "text", "content": str(one)}
        kind = word(one.get("type"))
        if kind in _TEXTS or (kind is None and isinstance(one.get("text"), str)):
            text = one.get("text", one.get("content", one.get("refusal", "")))
            reasoning = bool(one.get("thought"))
            return {
                "type": "reasoning" if reasoning else "text",
                "content": text if isinstance(text, str) else str(text),
            }
        if (
            kind in {"tool_use", "server_tool_use", "tool_call"}
            or {"function_call", "functionCall"} & one.keys()
        ):
            held = one.get("function_call") or one.get("functionCall")
            return _tool_call(held if isinstance(held, Mapping) else one)
        if kind in {"tool_result", "tool_call_response"}:
            return _response(one.get("tool_use_id") or one.get("id"), one.get("content", one.get("response")))
        answered = one.get("function_response") or one.get("functionResponse")
        if isinstance(answered, Mapping):
            return _response(answered.get("id") or answered.get("name"), answered.get("response"))
        if kind in {"thinking", "reasoning"}:
            return self._reasoning(one)[0]
        return self._medium(one) or {**one, "type": "generic", "generic_type": str(kind or "unknown")}

    def _reasoning(self, value: Mapping[str, Any]) -> list[dict[str, Any]]:
        said = value.get("thinking") or value.get("content") or value.get("summary") or ""
        if not isinstance(said, str):
            said = "\n".join(
                part["content"] for part in self.parts(said) if isinstance(part.get("content"), str)
            )
        return [{"type": "reasoning", "content": said}]

    def _medium(self, one: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the part of an image, sound, video or document, or None if it is none.

        What came inline has become a part already, with a modality (see `plain`).
        """
        for held in (one, *(one.get(key) for key in _HOLDERS)):
            if not isinstance(held, Mapping):
                continue
            for inner in (held, *(held.get(key) for key in ("url", "data", "file_data"))):
                if isinstance(inner, Mapping) and {"modality", "mime_type"} <= inner.keys():
                    return dict(inner)
        link = next((one[key] for key in _HOLDERS if one.get(key)), None)
        if isinstance(link, Mapping):
            link = next((link[key] for key in _LINKS if isinstance(link.get(key), str)), None)
        if not isinstance(link, str):
            return None
        kind = str(one.get("type", ""))
        modality = "image" if "image" in kind else "audio" if "audio" in kind else modality_of(guessed(link))
        if "://" not in link:
            return {"type": "file", "modality": modality, "file_id": link}
        return {"type": "uri", "modality": modality, "uri": link}


def word(value: Any) -> str | None:
    """Return what names a kind, if it is a word: programs have fields called `type` of their own."""
    return value if isinstance(value, str) else None


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings among the items of a list; what is no list has none."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _tool_call(value: Mapping[str, Any]) -> dict[str, Any]:
    function = value.get("function")
    inner: Mapping[str, Any] = function if isinstance(function, Mapping) else value
    arguments = next((inner[key] for key in ("arguments", "args", "input") if key in inner), None)
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):  # half of a stream's JSON stays text, and so does a bomb
            arguments = json.loads(arguments)
    found: dict[str, Any] = {"type": "tool_call", "name": str(inner.get("name", ""))}
    identity = value.get("call_id") or value.get("id")
    if identity:
        found["id"] = identity
    if arguments is not None:
        found["arguments"] = arguments
    return found


def _response(identity: Any, response: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "tool_call_response", "response": response}
    if identity:
        found["id"] = identity
    return found


def tools_of(value: Any) -> list[dict[str, Any]]:
    """Return tool definitions with type and name only: schemas are large and the same in every call."""
    found = []
    for one in value if isinstance(value, list) else []:
        if isinstance(one, Mapping):
            inner = one.get("function") if isinstance(one.get("function"), Mapping) else one
            name = inner.get("name") if isinstance(inner, Mapping) else None
            found.append({"type": str(one.get("type", "function")), "name": str(name or "")})
        elif isinstance(one, str):
            found.append({"type": "function", "name": one.strip("<>").rpartition(" ")[2]})
    return found
