"""Where we are: the current call, published in the OpenTelemetry context.

One context carries everything, so that spans of other instrumentations nest under ours and
ours under theirs, and so that whatever carries that context (tasks, `carry`, propagators)
carries ours too.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.context import _RUNTIME_CONTEXT, Context, attach, create_key, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call
    from mlobs.instrument.sites import Value

# The key OpenTelemetry keeps the current span under has no public name, but a public setter.
SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
CALL_KEY = create_key("mlobs-call")
SESSION_KEY = create_key("mlobs-session")


@dataclass(frozen=True, slots=True)
class Session:
    """Who a call is made for."""

    id: str
    user: str | None
    tags: "dict[str, Value]"


def _fastest() -> tuple[Callable[[], Context], Callable[[Context], object]]:
    """Return how to get and set the current context.

    OpenTelemetry's default keeps it in a ContextVar, whose own methods are five times as fast as
    the three Python calls of the public way. Where another runtime is configured, or the name is
    gone, the public way is taken; both are tested.
    """
    variable = getattr(_RUNTIME_CONTEXT, "_current_context", None)
    if isinstance(variable, ContextVar) and isinstance(variable.get(), Context):
        return variable.get, variable.set
    return get_current, attach


current, switch = _fastest()
restore = switch  # the same act; the name says that the context was current before


def current_call() -> "Call | None":
    """Return the innermost decorated call the running code is in."""
    call: Any = current().get(CALL_KEY)
    return call  # type: ignore[no-any-return] # contexts hold objects of any type


def entered(call: "Call", span: Span, outer: Context) -> Context:
    """Return `outer` with `call` as the current one, and `span` as its OpenTelemetry span."""
    return Context({**outer, SPAN_KEY: span, CALL_KEY: call})


def with_session(session: Session, outer: Context) -> Context:
    """Return `outer` with `session` as the current one."""
    return Context({**outer, SESSION_KEY: session})
