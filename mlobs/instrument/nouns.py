"""The decorators: one signature, twelve nouns.

    @mlobs.tool
    @mlobs.tool(name="refund", redact=["card_no"])

Each works on functions, coroutine functions, generators, async generators, methods and
callable objects, and leaves their signature, result and exceptions as they are.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar, overload

from mlobs.errors import SettingError
from mlobs.instrument.calls import Call
from mlobs.instrument.content.policy import policy_of
from mlobs.instrument.describe import without_secrets
from mlobs.instrument.shells import After, Function, called, wrap
from mlobs.instrument.sites import Observer, Value, site_of
from mlobs.instrument.values import frozen, scalar
from mlobs.semconv import attributes as a
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
        operation: str | None = None,
        prompt: str | None = None,
        monitor: Observer | None = None,
        attributes: Mapping[str, Value] | None = None,
        capture: str | Mapping[str, str] | None = None,
        redact: Sequence[str] = (),
        reduce: Callable[[list[Any]], object] | None = None,
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
        operation: str | None = None,
        prompt: str | None = None,
        monitor: Observer | None = None,
        attributes: Mapping[str, Value] | None = None,
        capture: str | Mapping[str, str] | None = None,
        redact: Sequence[str] = (),
        reduce: Callable[[list[Any]], object] | None = None,
    ) -> Any:
        """Record each call of the decorated function as a span.

        The True or False that a guardrail returns is its verdict; the number, truth value or word that an
        evaluator returns is its score or label.

        Args:
            function: What is decorated; filled by the bare `@mlobs.noun` form.
            name: Instead of the function's name.
            model: Of llm, embedding and retrieval: the model asked for. Of predict: `churn@7`.
            provider: Of llm, embedding, retrieval and memory: such as "openai".
            version: Of agent, workflow and predict.
            operation: Of llm: chat, generate_content or text_completion. Of memory: search_memory,
                create_memory and so on.
            prompt: Of llm, agent and workflow: the prompt template, as `support@12`.
            monitor: Of predict: told of each row and prediction.
            attributes: Set on each span.
            capture: What is recorded of arguments and result: "off", "redacted" or "full", for all
                or by name: `{"query": "full", "return": "off"}`. Without it MLOBS_CONTENT decides.
            redact: Names of arguments, and of keys inside them, that are never recorded.
            reduce: Of streams: makes one value of the recorded items; runs on the export thread.

        Raises:
            SettingError: What is decorated cannot be called, or an option does not go with the noun.
        """
        options = {"model": model, "provider": provider, "version": version}
        options |= {"operation": operation, "prompt": prompt}

        def apply(given: Function) -> Function:
            _check(row, given)
            policy = policy_of(row, given, capture=capture, redact=redact, reduce=reduce)
            known = without_secrets(frozen(_attributes(row, attributes), "decorating"))
            site = site_of(given, row, policy=policy, name=name, options=options, attributes=known)
            return wrap(given, site, _observing(row, given, monitor) or _judging(row))

        return apply if function is None else apply(function)

    decorate.__name__ = decorate.__qualname__ = row.noun
    meaning = f"as a span of kind {row.noun}: {row.about[0].lower()}{row.about[1:]}"
    decorate.__doc__ = (decorate.__doc__ or "").replace("as a span.", meaning)  # "" where -OO left none
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
    of_tables = getattr(monitor, "observe_table", None)
    bare = called(function)
    if inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare):
        raise SettingError(
            "@mlobs.predict(monitor=...) watches what a function returns, and this one yields."
        )
    try:
        signature = inspect.signature(
            function.__func__ if isinstance(function, staticmethod | classmethod) else function
        )
    except ValueError as error:
        raise SettingError(f"@mlobs.predict(monitor=...) cannot read the arguments: {error}.") from None

    def after(call: Call | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if of_tables is not None and (table := _table(bound.arguments, result)) is not None:
            of_tables(table, result, trace=call)
        else:
            monitor.observe(_row(bound.arguments), result, trace=call)

    return after


def _table(arguments: Mapping[str, object], result: object) -> object | None:
    """Return the one of a call's arguments that has many rows: a frame, a matrix, a list of rows."""
    found = [value for value in arguments.values() if _is_table(value, result)]
    return found[0] if len(found) == 1 else None


def _is_table(value: Any, result: Any) -> bool:
    if isinstance(value, list | tuple):
        rows = bool(value) and all(isinstance(row, Mapping | list | tuple) for row in value)
        if not rows or all(isinstance(row, Mapping) for row in value):
            return rows
        # It may be one row of vectors as well, but not if there is a prediction for each.
        return hasattr(result, "__len__") and not isinstance(result, str) and len(result) == len(value)
    kind = type(value)
    if getattr(value, "ndim", None) == 2 and hasattr(kind, "__len__"):  # of numpy, of pandas, a tensor
        return True
    return hasattr(kind, "__arrow_c_stream__") and (hasattr(kind, "columns") or hasattr(kind, "column_names"))


def _row(arguments: Mapping[str, object]) -> object:
    """Return the features among a call's arguments: all but `self`, or the one that is a row."""
    named = {name: value for name, value in arguments.items() if name not in {"self", "cls"}}
    if len(named) == 1:
        [value] = named.values()
        if not (value is None or isinstance(value, str | bool | int | float)):
            return value
    return named


def _judging(row: Span) -> After | None:
    """Return what writes the verdict of a guardrail, or the score of an evaluator, on its span."""
    if row.noun == "guardrail":
        return _verdict
    if row.noun == "evaluator":
        return _score
    return None


def _verdict(call: Call | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A guardrail that returns a truth value lets pass what is true; others set the verdict themselves."""
    if call is not None and isinstance(result := scalar(result), bool):
        call.set_attribute(a.GUARDRAIL_VERDICT.name, "pass" if result else "block")


def _score(call: Call | None, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """An evaluator that returns a number, a truth value or a word has given a score or a label."""
    if call is None:
        return
    result = scalar(result)
    if isinstance(result, bool):
        call.set_attribute(a.EVALUATION_LABEL.name, "pass" if result else "fail")
    if isinstance(result, int | float):
        call.set_attribute(a.EVALUATION_SCORE.name, float(result))
    elif isinstance(result, str):
        call.set_attribute(a.EVALUATION_LABEL.name, result)


def _attributes(row: Span, attributes: object) -> Mapping[str, Value]:
    """Return the attributes of each span.

    Raises:
        SettingError: They are no mapping.
    """
    if attributes is None or isinstance(attributes, Mapping):
        return attributes or {}
    raise SettingError(
        f"@mlobs.{row.noun}(attributes={attributes!r}): a dict was expected, such as {{'team': 'search'}}."
    )


def _check(row: Span, function: Function) -> None:
    """Refuse what cannot be decorated."""
    if inspect.isclass(function):
        raise SettingError(
            f"@mlobs.{row.noun} was given the class {function.__name__}, which would stop being one. "
            f"Decorate its methods."
        )
    if isinstance(function, property | cached_property):
        raise SettingError(
            f"@mlobs.{row.noun} was given a property, which is not called. "
            f"Write @{type(function).__name__} above @mlobs.{row.noun}, not below."
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
plan = _noun(spans.PLAN)
memory = _noun(spans.MEMORY)
guardrail = _noun(spans.GUARDRAIL)
evaluator = _noun(spans.EVALUATOR)
predict = _noun(spans.PREDICT)
