"""Where we are: the current call, published in the OpenTelemetry context.

One context carries everything, so that spans of other instrumentations nest under ours and
ours under theirs, and so that whatever carries that context (tasks, `carry`, propagators)
carries ours too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach, create_key, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call

# The key OpenTelemetry keeps the current span under has no public name, but a public setter.
SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
CALL_KEY = create_key("mlobs-call")
SESSION_KEY = create_key("mlobs-session")


@dataclass(frozen=True, slots=True)
class Session:
    """Who a call is made for."""

    id: str
    user: str | None
    tags: dict[str, str | bool | int | float]


def current() -> Context:
    """Return the context the running code is in."""
    return get_current()


def current_call() -> "Call | None":
    """Return the innermost decorated call the running code is in."""
    call: Any = get_current().get(CALL_KEY)
    return call  # type: ignore[no-any-return] # contexts hold objects of any type


def entered(call: "Call", span: Span, outer: Context) -> Context:
    """Return `outer` with `call` as the current one, and `span` as its OpenTelemetry span."""
    return Context({**outer, SPAN_KEY: span, CALL_KEY: call})


def with_session(session: Session, outer: Context) -> Context:
    """Return `outer` with `session` as the current one."""
    return Context({**outer, SESSION_KEY: session})


def switch(to: Context) -> None:
    """Make `to` the current context, of this task or thread only."""
    attach(to)


# The same act; the name says that the context was current before.
restore = switch
