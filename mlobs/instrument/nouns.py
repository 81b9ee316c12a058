"""The decorators: one signature, eight nouns.

    @mlobs.tool
    @mlobs.tool(name="refund")

Each works on functions, coroutine functions, generators, async generators, methods and
callable objects, and leaves their signature, result and exceptions as they are.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, overload

from mlobs.errors import SettingError
from mlobs.instrument.calls import Call
from mlobs.instrument.shells import After, Function, wrap
from mlobs.instrument.sites import Observer, Value, site_of
from mlobs.instrument.values import freeze
from mlobs.semconv import spans
from mlobs.semconv.rows import Span

F = TypeVar("F", bound=Callable[..., Any])


class Noun(Protocol):
    """A decorator, with or without options."""

    @overload
    def __call__(self, function: F, /) -> F: ...

    @overload
    def __call__(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        version: str | None = None,
        monitor: Observer | None = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> Callable[[F], F]: ...


def _noun(row: Span) -> Noun:
    def decorate(
        function: Function | None = None,
        /,
        *,
        name: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        version: str | None = None,
        monitor: Observer | None = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> Any:
        """Record each call of the decorated function as a span.

        Args:
            function: What is decorated; filled by the bare `@mlobs.noun` form.
            name: Instead of the function's name.
            model: Of llm, embedding and retrieval: the model asked for. Of predict: `churn@7`.
            provider: Of llm, embedding and retrieval: such as "openai".
            version: Of agent, workflow and predict.
            monitor: Of predict: told of each row and prediction.
            attributes: Set on each span.

        Raises:
            SettingError: What is decorated cannot be called, or an option does not go with the noun.
        """
        if function is None:
            return lambda given: decorate(
                given,
                name=name,
                model=model,
                provider=provider,
                version=version,
                monitor=monitor,
                attributes=attributes,
            )
        _check(row, function)
        site = site_of(
            function,
            row,
            name=name,
            model=model,
            provider=provider,
            version=version,
            attributes={str(key): freeze(value) for key, value in (attributes or {}).items()},
        )
        return wrap(function, site, _observing(row, function, monitor))

    decorate.__name__ = decorate.__qualname__ = row.noun
    return decorate


def _observing(row: Span, function: Function, monitor: Observer | None) -> After | None:
    """Return what tells `monitor` of each prediction."""
    if monitor is None:
        return None
    if row.noun != "predict":
        raise SettingError(f"@mlobs.{row.noun} has no option 'monitor'; it belongs to predict.")
    if not callable(getattr(monitor, "observe", None)):
        raise SettingError(
            f"monitor={monitor!r} cannot observe. Make a monitor of a profile: "
            f"monitor=mlobs.Monitor('churn.json')."
        )
    bare = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    if inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare):
        raise SettingError(
            "@mlobs.predict(monitor=...) watches what a function returns, and this one yields."
        )
    try:
        signature = inspect.signature(bare)
    except ValueError as error:
        raise SettingError(f"@mlobs.predict(monitor=...) cannot read the arguments: {error}.") from None

    def after(call: Call | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        monitor.observe(_row(bound.arguments), result, trace=call)

    return after


def _row(arguments: Mapping[str, object]) -> object:
    """Return the features among a call's arguments: all but `self`, or the one that is a row."""
    named = {name: value for name, value in arguments.items() if name not in {"self", "cls"}}
    if len(named) == 1:
        [value] = named.values()
        if not (value is None or isinstance(value, str | bool | int | float)):
            return value
    return named


def _check(row: Span, function: Function) -> None:
    """Refuse what cannot be decorated."""
    if inspect.isclass(function):
        raise SettingError(
            f"@mlobs.{row.noun} was given the class {function.__name__}, which would stop being one. "
            f"Decorate its methods."
        )
    if not (callable(function) or isinstance(function, staticmethod | classmethod)):
        raise SettingError(
            f"@mlobs.{row.noun} was given {function!r}, which cannot be called. Options are named: "
            f"@mlobs.{row.noun}(name={function!r})."
        )


agent = _noun(spans.AGENT)
workflow = _noun(spans.WORKFLOW)
step = _noun(spans.STEP)
tool = _noun(spans.TOOL)
llm = _noun(spans.LLM)
embedding = _noun(spans.EMBEDDING)
retrieval = _noun(spans.RETRIEVAL)
predict = _noun(spans.PREDICT)
