"""Where we are: the current call, published in the OpenTelemetry context.

One context carries everything, so that spans of other instrumentations nest under ours and
ours under theirs, and so that whatever carries that context (tasks, `carry`, propagators)
carries ours too.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import ref

from opentelemetry.context import _RUNTIME_CONTEXT, Context, attach, create_key, get_current
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call
    from mlobs.instrument.sites import Value

# The key OpenTelemetry keeps the current span under has no public name, but a public setter.
SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
CALL_KEY = create_key("mlobs-call")


@dataclass(frozen=True, slots=True)
class Session:
    """For whom and under which conditions calls are made.

    Args:
        id: The conversation or session.
        user: For whom the calls are made.
        tags: What the application says about it.
        experiments: The arm of each experiment, by the experiment's name.
        prompt: Name and version of the prompt template in use.
    """

    id: str | None = None
    user: str | None = None
    tags: "Mapping[str, Value]" = field(default_factory=dict)
    experiments: Mapping[str, str] = field(default_factory=dict)
    prompt: tuple[str, str | None] | None = None

    def within(self, outer: "Session | None") -> "Session":
        """Return this session with what it leaves open taken from the one around it."""
        if outer is None:
            return self
        return Session(
            self.id if self.id is not None else outer.id,
            self.user if self.user is not None else outer.user,
            {**outer.tags, **self.tags},
            {**outer.experiments, **self.experiments},
            self.prompt or outer.prompt,
        )


def _variable() -> ContextVar[Context] | None:
    """Return the variable in which OpenTelemetry's default runtime keeps the current context."""
    variable = getattr(_RUNTIME_CONTEXT, "_current_context", None)
    if isinstance(variable, ContextVar) and isinstance(variable.get(), Context):
        return variable
    return None


# The variable's own methods are five times as fast as the three Python calls of the public way. Where
# another runtime is configured, or the name is gone, the public way is taken; both are tested.
VARIABLE = _variable()
current: Callable[[], Context] = get_current if VARIABLE is None else VARIABLE.get
switch: Callable[[Context], object] = attach if VARIABLE is None else VARIABLE.set
restore = switch  # the same act; the name says that the context was current before


def current_call() -> "Call | None":
    """Return the innermost decorated call the running code is in."""
    call: Any = current().get(CALL_KEY)
    return call  # type: ignore[no-any-return] # contexts hold objects of any type


@dataclass(slots=True)  # frozen would cost more than all the rest of opening a block
class _Opened:
    """A `with` block that is open in this thread or task.

    Args:
        scope: What opened it; gone where it was closed in another thread or task.
        outer: The context around it.
        held: What its end needs.
        around: The block around it.
    """

    scope: ref[object]
    outer: Context
    held: Any
    around: "_Opened | None"


# Here and not on the scope: one that is made once and used by many threads has an end in each of them.
_opened: ContextVar[_Opened | None] = ContextVar("mlobs-opened", default=None)


def open_scope(scope: object, outer: Context, held: Any = None) -> None:
    """Note that `scope` is open in this thread or task.

    Args:
        scope: What is to be closed; it may be open already, here or elsewhere.
        outer: The context around it.
        held: What its end needs.
    """
    around = _opened.get()
    while around is not None and around.scope() is None:
        around = around.around
    _opened.set(_Opened(ref(scope), outer, held, around))


def close_scope(scope: object) -> Any:
    """Set back the context that was current before `scope` was opened here, and return what it held.

    A block that the garbage collector or another task closes was not opened here: nothing is set back.
    """
    opened = _opened.get()
    while opened is not None and opened.scope() is not scope:
        opened = opened.around
    if opened is None:
        return None
    _opened.set(opened.around)
    restore(opened.outer)
    return opened.held
