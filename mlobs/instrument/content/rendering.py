"""Makes attributes of the snapshots of a call, on the export thread."""

import inspect
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlobs import _guard
from mlobs.instrument.content.capture import RESULT, Terms
from mlobs.instrument.content.fitting import fitted, shortened
from mlobs.instrument.content.hooks import Hook, tell
from mlobs.instrument.content.media import part
from mlobs.instrument.content.messages import Message, Reader, tools_of
from mlobs.instrument.content.outputs import joined, outputs_of
from mlobs.instrument.content.plain import plain
from mlobs.instrument.content.redaction import NOTE, is_secret, redact
from mlobs.instrument.content.snapshots import Fields, Medium, Snapshots
from mlobs.semconv import attributes as a

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call
    from mlobs.instrument.sites import Value

_INPUTS = ("messages", "input", "contents", "conversation", "history", "prompt", "question", "query", "text")
# What a function is given beside a conversation that ends with an answer: what was said to that.
_SAID = ("question", "query", "prompt", "text", "input", "message", "user_message", "user_input", "user")
_SYSTEM = ("system", "system_prompt", "instructions", "system_instruction")
_TOOLS = ("tools", "functions", "tool_definitions")


class Rendering:
    """Renders the content of one decorated function's calls."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    def attributes(self, call: "Call") -> "dict[str, Value]":
        """Return the attributes that hold a finished call's content."""
        bound = self._bound(call.arguments)
        hook = self._terms.hook if self._terms.row.noun == "llm" else None
        wanted = {name for name in (*bound, RESULT) if hook is not None or self._terms.of(name) != "off"}
        arguments = {name: self._plain(name, one) for name, one in bound.items() if name in wanted}
        result = self._answer(call) if RESULT in wanted else None
        if hook is not None:
            self._tell(hook, arguments, result, call)
        shown = {
            name: self._allowed(name, one) for name, one in arguments.items() if self._terms.of(name) != "off"
        }
        answer = None if self._terms.of(RESULT) == "off" else self._allowed(RESULT, result)
        found: dict[str, Value] = {}
        cut = answer is not None and call.items is not None and call.chunks > len(call.items)
        for attribute, value in self._named(shown, answer).items():
            if isinstance(value, tuple):  # finish reasons
                found[attribute] = value
                continue
            # Once more: arguments of tools, which are text in messages, have become structures.
            clean = redact(value, self._terms.redact, rules=False)
            whole = shortened if isinstance(clean, str) else fitted
            found[attribute], was_cut = whole(clean, self._terms.characters_max)
            cut = cut or was_cut
        if cut:
            found[a.CONTENT_TRUNCATED.name] = True
        return found

    def _answer(self, call: "Call") -> Any:
        if call.items is None or RESULT in self._terms.redact:
            return self._plain(RESULT, call.result)
        items = [self._plain(RESULT, item) for item in call.items]
        if self._terms.reduce is not None:
            try:
                reduced = self._terms.reduce(items)
            except Exception:  # noqa: BLE001 # the user's function, on our thread
                _guard.failed("reducing a stream")
            else:
                return self._plain(RESULT, Snapshots(lambda _: None).take(reduced))
        return joined(items)

    def _named(self, arguments: Mapping[str, Any], result: Any) -> dict[str, Any]:
        """Return which attribute holds what: text as it is, anything else as JSON."""
        noun = self._terms.row.noun
        match noun:
            case "tool":
                return _present({a.TOOL_ARGUMENTS.name: arguments, a.TOOL_RESULT.name: _object(result)})
            case "llm" | "agent":
                found = self._conversation(arguments, result)
                if found is not None:
                    return found
            case "retrieval":
                return _present(
                    {
                        a.RETRIEVAL_QUERY.name: _query(arguments),
                        a.RETRIEVAL_DOCUMENTS.name: _documents(result),
                    }
                )
            case "memory":
                return _present(
                    {a.MEMORY_QUERY.name: _query(arguments), a.MEMORY_RECORDS.name: _documents(result)}
                )
        return _present({a.INPUT.name: arguments, a.OUTPUT.name: result})

    def _conversation(self, arguments: Mapping[str, Any], result: Any) -> dict[str, Any] | None:
        """Return the messages of a model's or an agent's call, or None if its arguments are none."""
        said = self._read(arguments, result)
        if said is None or (self._terms.row.noun == "agent" and not said["inputs"]):
            return None
        return _present(
            {
                a.SYSTEM_INSTRUCTIONS.name: said["system"],
                a.INPUT_MESSAGES.name: said["inputs"],
                a.OUTPUT_MESSAGES.name: said["outputs"],
                a.TOOL_DEFINITIONS.name: said["tools"],
                a.FINISH_REASONS.name: said["finishes"],
            }
        )

    def _read(self, arguments: Mapping[str, Any], result: Any) -> dict[str, Any] | None:
        reader = Reader()
        inputs: list[Message] | None = None
        names = [*(name for name in _INPUTS if name in arguments), *arguments]
        for name in names:
            if name not in _SYSTEM and name not in _TOOLS:
                inputs = reader.messages(arguments[name])
            if inputs is not None:
                inputs = inputs + _said_since(inputs, reader, arguments, name)
                break
        system = next((arguments[name] for name in _SYSTEM if arguments.get(name)), None)
        tools = next((arguments[name] for name in _TOOLS if arguments.get(name)), None)
        outputs, finishes = outputs_of(result, reader)
        if inputs is None and arguments and self._terms.row.noun == "agent":
            return None
        return {
            "inputs": inputs or [],
            "outputs": outputs,
            "system": reader.parts(system),
            "tools": tools_of(tools),
            "finishes": tuple(finishes),
        }

    def _tell(self, hook: Hook, arguments: Mapping[str, Any], result: Any, call: "Call") -> None:
        said = self._read(arguments, result)
        if said is not None:
            tell(hook, redact(said, self._terms.redact, rules=False), call)

    def _allowed(self, name: str, value: Any) -> Any:
        """Return an argument, or the result, without what its mode removes."""
        return redact(value, self._terms.redact, rules=self._terms.of(name) == "redacted")

    def _bound(self, snapshot: Any) -> dict[str, Any]:
        """Return the arguments by name; `self` and `cls` are left out."""
        if snapshot is None:
            return {}
        args, kwargs = snapshot
        names, rest = self._parameters
        found = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            found[rest] = args[len(names) :]
        found.update(kwargs)
        return {name: value for name, value in found.items() if name not in {"self", "cls"}}

    @cached_property
    def _parameters(self) -> tuple[list[str], str]:
        """Return the names of the positional parameters, and that of the rest."""
        function = self._terms.function
        bare = function.__func__ if isinstance(function, staticmethod | classmethod) else function
        try:
            parameters = inspect.signature(bare).parameters.values()
        except (TypeError, ValueError):
            return [], "args"
        kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        rest = [one.name for one in parameters if one.kind is inspect.Parameter.VAR_POSITIONAL]
        return [one.name for one in parameters if one.kind in kinds], rest[0] if rest else "args"

    def _plain(self, name: str, snapshot: Any) -> Any:
        """Return an argument, or the result, as JSON can hold it; nothing that must not be kept is stored."""
        if name in self._terms.redact:
            return NOTE.format("by name")
        mode, store = self._terms.of(name), self._terms.media
        kept = _without(snapshot, self._terms.redact, secrets=mode == "redacted")

        def to_part(medium: Medium) -> dict[str, object]:
            return part(medium, None if mode == "off" else store)

        return plain(kept, to_part, 2 * self._terms.characters_max)


def _without(snapshot: Any, names: frozenset[str], *, secrets: bool) -> Any:
    """Return a snapshot without what is called by one of `names`, before a medium in it can be stored.

    Args:
        snapshot: What `Snapshots.take` gave.
        names: Keys whose values are removed whatever they are.
        secrets: Whether bytes are removed, too, that are called as secrets are.
    """
    kind = type(snapshot)
    if not (names or secrets):
        return snapshot
    if kind is list:
        return [_without(one, names, secrets=secrets) for one in snapshot]
    if kind is Fields:
        return Fields(snapshot.kind, _without(snapshot.fields, names, secrets=secrets))
    if kind is dict:
        return {
            key: NOTE.format("by name")
            if key in names
            else NOTE.format("secret")
            if secrets and isinstance(one, bytes) and is_secret(key)
            else _without(one, names, secrets=secrets)
            for key, one in snapshot.items()
        }
    return snapshot


def _present(found: Mapping[str, Any]) -> dict[str, Any]:
    return {attribute: value for attribute, value in found.items() if value or value in (0, False)}


def _said_since(
    inputs: list[Message], reader: Reader, arguments: Mapping[str, Any], taken: str
) -> list[Message]:
    """Return what was said to the answer that a conversation ends with, as `turn(history, user)` has it."""
    if inputs[-1]["role"] != "assistant":
        return []
    found = (reader.messages(arguments[name]) for name in _SAID if name in arguments and name != taken)
    return next((said for said in found if said), [])


def _object(result: Any) -> Any:
    """The conventions want an object as a tool's result."""
    return result if result is None or isinstance(result, dict) else {"result": result}


def _query(arguments: Mapping[str, Any]) -> Any:
    """Return the text that was searched for: the argument named so, the first text, or everything."""
    texts = {name: value for name, value in arguments.items() if isinstance(value, str)}
    for name in ("query", "q", "question", "text", *texts):
        if name in texts:
            return texts[name]
    return dict(arguments)


def _documents(result: Any) -> Any:
    if result is None:
        return None
    return result if isinstance(result, list) else [result]
