"""A span where a request or message enters or leaves the process. Edge: it speaks OpenTelemetry.

Made with the tracer of the process's provider, ours or the program's own; while there is none,
nothing is recorded and the context still travels on. Nothing here raises into the program.

Why no context manager around the whole: what is crossed by streams begins in one task or thread
and ends in another. `inside` makes the span current for one step and sets back what was before.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode, set_span_in_context

from mlobs import _guard
from mlobs.instrument.baggage import opened, session_in
from mlobs.instrument.context import Session, current, restore, switch
from mlobs.instrument.propagation import arrived
from mlobs.semconv import attributes as a

TEXT_CHARACTERS_MAX = 256  # of a name or status that the other side chose

CLIENT, SERVER = SpanKind.CLIENT, SpanKind.SERVER
PRODUCER, CONSUMER = SpanKind.PRODUCER, SpanKind.CONSUMER

tracer = trace.get_tracer("mlobs")  # finds the provider when there is one


class Crossing:
    """One request or message on its way in or out, from `begin` to `finish`.

    Args:
        span: Its span.
        context: The OpenTelemetry context inside it.
        owned: Whether the span is ours to end, with the exception that left it.
    """

    __slots__ = ("_open", "_owned", "context", "span")

    def __init__(self, span: Span, context: Context, *, owned: bool = True) -> None:
        self.span = span
        self.context = context
        self._owned = owned
        self._open = True

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Make it current for the block; a session opened in the block and left open stays for the next."""
        outside = current()
        switch(self.context)
        try:
            yield
        finally:
            self.context = current()
            restore(outside)

    def note(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes."""
        try:
            if self._open and self.span.is_recording():
                self.span.set_attributes(attributes)
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("describing a request")

    def finish(
        self,
        error: BaseException | None = None,
        *,
        failed: str | None = None,
        message: str = "",
        state: str | None = None,
    ) -> None:
        """End the span. Only the first end counts.

        Args:
            error: What left the code inside, if anything did. Being cancelled or left is no failure.
            failed: Becomes `error.type`; else the exception's class.
            message: The status's words; else the exception's.
            state: "cancelled" or "abandoned", where the caller knows it.
        """
        if not self._open:
            return
        self._open = False
        try:
            state = state or _left(error)
            if state is not None:
                self.span.set_attribute(a.CALL_STATE.name, state)
            elif failed is not None or error is not None:
                if error is not None:
                    failed = failed or class_of(error)
                    message = message or _text_of(error)
                    if self._owned:
                        self.span.record_exception(error)
                self.span.set_attribute(a.ERROR_TYPE.name, failed or "_OTHER")
                self.span.set_status(Status(StatusCode.ERROR, message[:TEXT_CHARACTERS_MAX] or None))
            if self._owned:
                self.span.end()
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("ending a request's span")


def begin(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any],
    outer: Context | None = None,
    *,
    links: Sequence[Link] = (),
) -> Crossing:
    """Begin a span of `kind` in `outer`, or in the current context. It is not made current."""
    context = current() if outer is None else outer
    try:
        session = session_in(context)
        about = {**attributes, **about_session(session)} if session is not None else dict(attributes)
        span = tracer.start_span(
            name[:TEXT_CHARACTERS_MAX], context=context, kind=kind, attributes=about, links=list(links)
        )
        return Crossing(span, set_span_in_context(span, context))
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("starting a request's span")
        return Crossing(INVALID_SPAN, context)


def origin(headers: Any, outer: Context) -> Context:
    """Return the context of who sent `headers`, or `outer` where they name nobody."""
    context = arrived(headers, outer)
    if trace.get_current_span(context).get_span_context().is_valid:
        return context
    session = session_in(context)
    return outer if session is None else opened(session, outer)


def share(span: Span, context: Context, attributes: Mapping[str, Any]) -> Crossing:
    """Return a crossing that adds to a span somebody else began, and will end."""
    crossing = Crossing(span, context, owned=False)
    session = session_in(context)
    crossing.note({**attributes, **about_session(session)} if session is not None else attributes)
    return crossing


def about_session(session: Session) -> dict[str, Any]:
    """Return a session's attributes."""
    found: dict[str, Any] = {}
    if session.id is not None:
        found[a.SESSION_ID.name] = session.id
    if session.user is not None:
        found[a.USER_ID.name] = session.user
    found |= {f"{a.TAG.name}.{key}": value for key, value in session.tags.items()}
    found |= {f"{a.EXPERIMENT.name}.{key}": arm for key, arm in session.experiments.items()}
    return found


def _left(error: BaseException | None) -> str | None:
    """Return how a request came to no end of its own, or None."""
    for library, name in (("asyncio", "CancelledError"), ("trio", "Cancelled")):
        module = sys.modules.get(library)  # not imported for this: a program without it has no tasks
        if module is not None and isinstance(error, getattr(module, name)):
            return "cancelled"
    return "abandoned" if isinstance(error, GeneratorExit) else None


def class_of(error: BaseException) -> str:
    """Return an exception's class as `error.type` has it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 # a broken __str__ is the user's
        return ""
