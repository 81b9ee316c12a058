"""A tracer provider for instrumentations that know no way to leave a span out. Edge.

They start a span and set attributes on it, whatever is around them. `Absorbing` gives them the
process's tracer, except inside a model call that has a span already: then they get a span that is
never exported and hands its attributes over when it ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer, TracerProvider, use_span
from opentelemetry.trace import get_current_span as span_of
from opentelemetry.util._decorator import _agnosticcontextmanager
from opentelemetry.util.types import Attributes, AttributeValue

from mlobs.instrument.libraries import Candidate
from mlobs.instrument.starting import switch_on
from mlobs.instrument.suppression import NOUNS, OUTER_KEY, Silent, Taker, entries, nest

ATTRIBUTES_MAX = 512
_OURS = "mlobs"
# Of libraries that make spans themselves.
_SCOPES = ("com.anthropic.", "gcp.vertex.agent", "pydantic-ai", "strands")
# How OpenLLMetry's langchain instrumentation tells those of the clients below it to be silent.
_SILENCED = "suppress_language_model_instrumentation"
_KINDS = {"LLM": "llm", "EMBEDDING": "embedding", "RETRIEVER": "retrieval"}
_SUFFIXES = {
    "chat": "llm",
    "completion": "llm",
    "converse": "llm",
    "generate_content": "llm",
    "response": "llm",
    "embeddings": "embedding",
}


class Absorbing(TracerProvider):
    """Hands out tracers that make no second span of a model call.

    Args:
        provider: Makes all other spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        """Return a tracer."""
        tracer = self._provider.get_tracer(
            instrumenting_module_name, instrumenting_library_version, schema_url, attributes
        )
        if isinstance(tracer, AbsorbingTracer):
            return tracer
        return AbsorbingTracer(tracer, instrumenting_module_name)


def absorb(provider: TracerProvider) -> None:
    """Let every tracer that a provider of ours hands out from now on be such a one.

    That covers libraries which make spans themselves, and instrumentations that a program switches
    on itself. For providers that are not ours, nothing is done: they are somebody else's.
    Decorated calls pay for it only once somebody has asked for a tracer for model calls.
    """
    own = provider.get_tracer

    def get_tracer(name: str, *given: Any, **named: Any) -> Tracer:
        tracer = own(name, *given, **named)
        if name.startswith(_SCOPES) or Candidate("", name, "", "").family is not None:
            nest()
        return tracer if name == _OURS else AbsorbingTracer(tracer, name)  # decorated calls always are spans

    provider.get_tracer = get_tracer  # type: ignore[method-assign,assignment] # on the instance; its class stays as it is


class AbsorbingTracer(Tracer):
    """Makes spans, or takes in what they would have said.

    Args:
        tracer: Makes the spans.
        scope: The name of the instrumentation that asked for it.
    """

    def __init__(self, tracer: Tracer, scope: str) -> None:
        self._tracer = tracer
        self._scope = scope

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracer, name)

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
    ) -> Span:
        """Return a span of the provider, or one that is never exported."""
        switch_on()
        around = get_current() if context is None else context
        noun = _noun(name, kind, attributes or {})
        taker = _taker(around, noun)
        if taker is not None and noun:
            return Absorbed(taker, span_of(around), name, attributes, self._scope)
        span = self._tracer.start_span(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        return span if taker is None else Undecided(taker, span, attributes, self._scope)

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
        end_on_exit: bool = True,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
    ) -> Iterator[Span]:
        """Make a span the current one. Of a model call, everything inside is told that it is there."""
        span = self.start_span(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        noun = _noun(name, kind, attributes or {})
        token = None
        if noun and not isinstance(span, Absorbed):
            token = attach(Context({**get_current(), **entries(Silent(noun))}))
        try:
            with use_span(
                span,
                end_on_exit=end_on_exit,
                record_exception=record_exception,
                set_status_on_exception=set_status_on_exception,
            ) as current:
                yield current
        finally:
            if token is not None:
                detach(token)


class Absorbed(Span):
    """A span that is not made: it keeps its attributes and hands them over when it ends.

    It has the identity of the span around it, so that what runs inside nests there.
    """

    def __init__(self, taker: Taker, around: Span, name: str, attributes: Attributes, scope: str) -> None:
        self.name = name
        self._scope = scope
        self.attributes: dict[str, AttributeValue] = dict(attributes or {})
        self._attributes = self.attributes  # OpenInference reads them under this name
        self._taker = taker
        self._context = around.get_span_context()
        self._ended = False

    def get_span_context(self) -> SpanContext:
        """Return the identity of the span around it."""
        return self._context

    def is_recording(self) -> bool:
        """Return whether attributes are still taken."""
        return not self._ended

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Keep one attribute."""
        if not self._ended and (len(self.attributes) < ATTRIBUTES_MAX or key in self.attributes):
            self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Keep several attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def end(self, end_time: int | None = None) -> None:
        """Hand over what was learnt."""
        if not self._ended:
            self._ended = True
            self._taker.take(self.attributes, self._scope)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Do nothing: events of a span that is not made belong nowhere."""

    def update_name(self, name: str) -> None:
        """Keep the name, for who reads it."""
        self.name = name

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Do nothing: whether the call around it fails, is seen there."""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
    ) -> None:
        """Do nothing: see `set_status`."""


class Undecided(Absorbed):
    """A span that says only when it ends what it is of; a model call is then not exported.

    OpenInference's langchain instrumentation names its spans after classes.
    """

    def __init__(self, taker: Taker, span: Span, attributes: Attributes, scope: str) -> None:
        super().__init__(taker, span, "", attributes, scope)
        self._span = span

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set one attribute, and remember it."""
        super().set_attribute(key, value)
        self._span.set_attribute(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event."""
        self._span.add_event(name, attributes, timestamp)

    def update_name(self, name: str) -> None:
        """Change the name."""
        self._span.update_name(name)

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Set the status."""
        self._span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 # OpenTelemetry's signature
    ) -> None:
        """Record an exception."""
        self._span.record_exception(exception, attributes, timestamp, escaped)

    def end(self, end_time: int | None = None) -> None:
        """End the span; one of a model call is never ended, and so never exported."""
        if self._ended:
            return
        if _noun("", SpanKind.INTERNAL, self.attributes) == self._taker.noun:
            super().end(end_time)
        else:
            self._ended = True
            self._span.end(end_time)


def _noun(name: str, kind: SpanKind, attributes: Mapping[str, Any]) -> str | None:
    """Return what a span is of: "llm", "embedding", "retrieval", "" for something else, None if unknown."""
    operation = attributes.get("gen_ai.operation.name")
    if operation is not None:
        return NOUNS.get(str(operation), "")
    inference = attributes.get("openinference.span.kind")
    if inference is not None:
        return _KINDS.get(str(inference), "")
    if kind is SpanKind.CLIENT:
        return _SUFFIXES.get(name.rpartition(".")[2])
    return None


def _taker(around: Context, noun: str | None) -> Taker | None:
    """Return what takes over the facts of a span of `noun`, if there is a span of that call already."""
    if noun == "":
        return None
    taker: Any = around.get(OUTER_KEY)
    if taker is not None and noun in {None, taker.noun}:
        return taker  # type: ignore[no-any-return] # contexts hold objects of any type
    if noun is None:
        return None
    if around.get(_SILENCED) or around.get(_PUBLISHING.get(noun, "")) is not None:
        return Silent(noun)
    above = None
    span = span_of(around)
    seen = getattr(span, "attributes", None)
    if isinstance(seen, Mapping) and span.is_recording():
        above = _noun("", SpanKind.INTERNAL, seen)
    return Silent(noun) if above == noun else None


# Where OpenTelemetry's instrumentations publish that a model call has a span. The names are theirs.
_PUBLISHING = {
    "llm": "opentelemetry.genai.client.inference.context",
    "embedding": "opentelemetry.genai.client.embedding.context",
    "retrieval": "opentelemetry.genai.client.retrieval.context",
}
