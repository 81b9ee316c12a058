"""One span per model call, also where a decorated function calls an instrumented client. Edge.

    @mlobs.llm
    def answer(question):
        return client.chat.completions.create(...)   # an instrumentation makes a span of this too

Two spans of one request would count its tokens twice. So the decorated call tells what runs inside
it that the span is there already, in the context, and takes over what the inner span would have
said: model, usage, finish reasons, the answer's id.

* OpenTelemetry's own instrumentations have a protocol for this: an object of theirs in the context
  makes them publish what they know to it and make no span (`Listening`, below).
* OpenInference and OpenLLMetry can only be silenced, which loses what they know. They are given a
  tracer that makes no span inside a decorated call and hands over its attributes (`absorption`).

What is published after the decorated call has ended, because the function returned a stream that
is read elsewhere, becomes a span below it: nothing is lost.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.context import Context, create_key

from mlobs import _guard
from mlobs.instrument.arrivals import when_imported
from mlobs.instrument.calls import NO_STREAM
from mlobs.instrument.context import SPAN_KEY, current, restore
from mlobs.instrument.facts import CONTENT, Facts, facts_of
from mlobs.instrument.recorders import active
from mlobs.instrument.sites import Site, settle
from mlobs.instrument.usage import Usage, latest, read_usage
from mlobs.semconv import attributes as a

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call

OUTER_KEY = create_key("mlobs-outer")
NOUNS = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "embeddings": "embedding",
    "retrieval": "retrieval",
}
UTIL = "opentelemetry.util.genai"
COUNTED_MAX = 64  # model calls inside one decorated call that are told apart


class Taker(Protocol):
    """Takes over what an inner span would have said."""

    noun: str

    def take(self, seen: Mapping[str, Any], source: str) -> None:
        """Take the attributes of a span that is not made; `source` tells instrumentations apart."""


class Outer:
    """A decorated model call.

    Args:
        call: The call; it may have ended when something is published.
    """

    __slots__ = ("_call", "_counted", "_usage", "noun")

    def __init__(self, call: "Call") -> None:
        self._call = call
        self._counted: list[tuple[str, object, Usage]] = []  # source, the answer's id, tokens
        self._usage: Usage | None = None
        self.noun = call.site.row.noun

    def take(self, seen: Mapping[str, Any], source: str) -> None:
        """Take the attributes of an inner span; what the decorator or the function said stays."""
        try:
            facts = facts_of(seen, content=_nesting.content)
            usage = None if facts.usage is None else read_usage(facts.usage)
            new = usage is not None and self._is_new(source, facts.attributes.get(a.RESPONSE_ID.name), usage)
            if self._call.ended_ns:
                if new or usage is None:
                    _late(self._call, facts, usage)
                return
            _add(self._call, facts)
            if new and usage is not None:
                self._usage = usage if self._usage is None else self._usage + usage
                self._call.usage = latest(self._call.usage, self._usage)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("taking over an inner span")

    def _is_new(self, source: str, answer: object, usage: Usage) -> bool:
        """Return whether these tokens are not counted yet, and count them.

        A framework tells of the call that the client below it has told of already. It has the same
        answer's id, or lacks the id (in streams) and has the same counts.
        """
        for other, known, counted in self._counted:
            same_ids = answer == known and answer is not None
            no_ids = answer is None and known is None and source != other
            one_id = (answer is None) != (known is None)
            if same_ids or ((no_ids or one_id) and usage == counted):
                return False
        if len(self._counted) < COUNTED_MAX:
            self._counted.append((source, answer, usage))
        return True


class Silent:
    """A model span of another instrumentation: it knows everything itself and takes nothing."""

    __slots__ = ("noun",)

    def __init__(self, noun: str) -> None:
        self.noun = noun

    def take(self, seen: Mapping[str, Any], source: str) -> None:
        """Do nothing."""


class Nesting:
    """What is known about the instrumentations in this process."""

    def __init__(self) -> None:
        self.content = False  # whether messages are taken over
        # By noun: the key under which OpenTelemetry's instrumentations look, and what they must find there.
        self.keys: dict[str, tuple[str, type[Any]]] = {}
        self.nothing: dict[str, object] = {OUTER_KEY: None}


_nesting = Nesting()


def watch(*, content: bool = False) -> None:
    """Be ready for OpenTelemetry's GenAI instrumentations, whoever switches them on.

    Costs nothing until one is imported.

    Args:
        content: Whether messages are taken over into decorated calls.
    """
    _nesting.content = _nesting.content or content
    when_imported((UTIL,), _learn)


def nest() -> None:
    """From now on, decorated calls tell what runs inside them that they are there."""
    settle(inner=outer_keys)


def outer_keys(call: "Call") -> dict[str, object]:
    """Return the context's entries that make a decorated call the only span of its model call.

    For tools, agents and the like they end what a model call around them has begun: a tool called by
    a model is no part of the model's call, and neither are the requests the tool makes. Steps inside
    a model call are parts of it.
    """
    noun = call.site.row.noun
    if noun in _TAKING:
        return entries(Outer(call))
    return _NO_ENTRIES if noun in _PARTS else _nesting.nothing


def entries(taker: Taker) -> dict[str, object]:
    """Return the context's entries with which everything inside talks to `taker`."""
    found = {**_nesting.nothing, OUTER_KEY: taker}
    known = _nesting.keys.get(taker.noun)
    if known is not None:
        key, kind = known
        listening = object.__new__(kind)  # its own __init__ fills fifty fields nobody reads
        listening.capture_content = _nesting.content
        listening.taker = taker
        found[key] = listening
    return found


_TAKING = frozenset(NOUNS.values())
_PARTS = frozenset({"step", "predict"})
_NO_ENTRIES: dict[str, object] = {}


def _learn() -> None:
    """Read which keys and classes OpenTelemetry's instrumentations look for."""
    found: dict[str, tuple[str, type[Any]]] = {}
    for noun, module, name, key in (
        ("llm", "_inference_invocation", "InferenceData", "CLIENT_INFERENCE_CONTEXT_KEY"),
        ("embedding", "_embedding_invocation", "EmbeddingData", "CLIENT_EMBEDDING_CONTEXT_KEY"),
        ("retrieval", "_retrieval_invocation", "RetrievalData", "CLIENT_RETRIEVAL_CONTEXT_KEY"),
    ):
        home = import_module(f"{UTIL}.{module}")
        found[noun] = (getattr(home, key), type("Listening", (_Listening, getattr(home, name)), {}))
    _nesting.keys = found
    _nesting.nothing = {OUTER_KEY: None, **{key: None for key, _ in found.values()}}
    nest()


class _Listening:
    """What an inner invocation finds in the context: it publishes here instead of making a span."""

    taker: Taker
    upload_completion = True  # a completion hook of the user's still gets what it asked for

    def merge(self, other: Any, *, overwrite: bool = True) -> None:
        """Take what an inner invocation publishes. The name is OpenTelemetry's."""
        try:
            self.taker.take(_published(other), UTIL)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("taking over an inner span")


# OpenTelemetry's field -> attribute, where the rule of _attribute does not hold.
_FIELDS = {
    "provider_name": a.PROVIDER_NAME.name,
    "output_type": "gen_ai.output.type",
    "request_choice_count": "gen_ai.request.choice.count",
    "request_reasoning_level": "gen_ai.request.reasoning.level",
    "request_previous_response_id": "gen_ai.request.previous_response.id",
    "server_address": "server.address",
    "server_port": "server.port",
    "input_messages": "gen_ai.input.messages",
    "output_messages": "gen_ai.output.messages",
    "system_instructions": "gen_ai.system_instructions",
    "tool_definitions": "gen_ai.tool.definitions",
    "retrieval_query_text": "gen_ai.retrieval.query.text",
    "retrieval_documents": "gen_ai.retrieval.documents",
    "retrieval_top_k": "gen_ai.retrieval.top_k",
    "embeddings_dimension_count": "gen_ai.embeddings.dimension.count",
    "usage_input_tokens": a.INPUT_TOKENS.name,
    "usage_output_tokens": a.OUTPUT_TOKENS.name,
}


def _attribute(field: str) -> str | None:
    """Return the attribute of a field of OpenTelemetry's data.

    >>> _attribute("usage_cache_read_input_tokens"), _attribute("response_finish_reasons")
    ('gen_ai.usage.cache_read.input_tokens', 'gen_ai.response.finish_reasons')
    """
    if field in _FIELDS:
        return _FIELDS[field]
    group, _, rest = field.partition("_")
    if group == "usage":
        what, _, side = rest.rpartition("_tokens")[0].rpartition("_")
        return f"gen_ai.usage.{what}.{side}_tokens"
    return f"gen_ai.{group}.{rest}" if group in {"request", "response"} else None


def _published(data: Any) -> dict[str, Any]:
    """Return what OpenTelemetry's data says, as attributes."""
    seen: dict[str, Any] = dict(data.attributes)
    for field in fields(data):
        value = getattr(data, field.name)
        attribute = _attribute(field.name)
        if attribute is None or value is None or value == []:
            continue
        seen[attribute] = _json(value) if attribute in CONTENT and not isinstance(value, str) else value
    return seen


def _json(parts: Any) -> str:
    dumps = import_module(f"{UTIL}.utils").gen_ai_json_dumps
    return str(dumps([_bare(asdict(part) if is_dataclass(part) else part) for part in parts]))  # type: ignore[arg-type] # a dataclass's instance


def _bare(value: Any) -> Any:
    """Return `value` without the keys that hold nothing: the conventions leave them out."""
    if isinstance(value, Mapping):
        return {key: _bare(one) for key, one in value.items() if one is not None}
    return [_bare(one) for one in value] if isinstance(value, list | tuple) else value


def _add(call: "Call", facts: Facts) -> None:
    """Set what neither the decorator nor the function has said."""
    stream = call.chunks != NO_STREAM  # then what the caller sees of it is measured by ourselves
    for key, value in facts.attributes.items():
        if key in call.site.attributes or (call.extra is not None and key in call.extra):
            continue
        if stream and key in {a.TIME_TO_FIRST_CHUNK.name, a.REQUEST_STREAM.name}:
            continue
        call.set_attribute(key, value)
    named_from = call.site.row.name_from
    if named_from is not None and named_from.name not in call.site.attributes and call.name is None:
        subject = facts.attributes.get(named_from.name)
        if subject is not None:
            call.update_name(f"{call.site.name} {subject}")
            if call.span is not None:
                call.span.update_name(f"{call.site.name} {subject}")


def _late(call: "Call", facts: Facts, usage: Usage | None) -> None:
    """Make a span below a call that has ended, for the stream it returned."""
    recorder = active.recorder
    if recorder is None:
        return
    row = call.site.row
    known = {a.KIND.name: row.noun, a.OPERATION_NAME.name: row.operation}
    site = Site(row, row.operation, known)
    outside = current()
    late = recorder.start(site, Context({SPAN_KEY: call.span or call}))
    restore(outside)
    if late is None:
        return
    late.started_ns = call.ended_ns
    _add(late, facts)
    late.usage = usage
    recorder.finish(late)
