"""What is known about a decorated function before it is ever called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from mlobs.errors import SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute, Span

if TYPE_CHECKING:
    from mlobs.instrument.content.capture import Capture
    from mlobs.instrument.content.policy import Policy

Value = str | bool | int | float | bytes | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]


class Trace(Protocol):
    """Where a prediction was made."""

    @property
    def trace_id(self) -> int:
        """Return the trace's id."""

    @property
    def span_id(self) -> int:
        """Return the span's id."""


class Observer(Protocol):
    """What `@mlobs.predict` tells of each prediction; `mlobs.Monitor` is one."""

    def observe(self, row: object, prediction: object = None, *, trace: Trace | None = None) -> None:
        """Take in one row and its prediction. Must not raise and must not block."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Site:
    """A decorated function, or a `with mlobs.span(...)`.

    Args:
        row: The noun's row in the vocabulary.
        name: The span's name.
        attributes: What is the same in every call.
        policy: What of a call's content the decorator allows; None for blocks, which have none.
        agent: The name of the agent or workflow, where the function is one.
        capture: Records content; None where none is to be recorded. Set by `settle`.
        inner: Returns further entries of the context inside a call. Set by `settle`.
        encoded: Name and kind, and the attributes, as OTLP protobuf; filled by the exporter when
            first needed.
    """

    row: Span
    name: str
    attributes: Mapping[str, Value]
    policy: "Policy | None" = None
    agent: str | None = None
    capture: "Capture | None" = None
    inner: Callable[[Any], dict[str, object]] | None = None
    encoded: tuple[bytes, bytes] | None = None


@dataclass(slots=True)
class Settlement:
    """What mlobs was switched on with, as far as decorated functions are concerned."""

    content: "Callable[[Policy], Capture | None] | None" = None
    inner: Callable[[Any], dict[str, object]] | None = None
    sites: "WeakSet[Site]" = field(default_factory=WeakSet)


_settlement = Settlement()


def settle(
    *,
    content: "Callable[[Policy], Capture | None] | None" = None,
    inner: Callable[[Any], dict[str, object]] | None = None,
) -> None:
    """Tell every decorated function, also those to come, what is to be recorded.

    Args:
        content: Returns what records the content that a policy allows, or None.
        inner: Returns further entries of the context inside a call.
    """
    _settlement.content = content or _settlement.content
    _settlement.inner = inner or _settlement.inner
    for site in list(_settlement.sites):
        _settle(site)


def _settle(site: Site) -> None:
    if site.policy is not None and _settlement.content is not None:
        site.capture = _settlement.content(site.policy)
    site.inner = _settlement.inner


def site_of(
    function: Callable[..., object],
    row: Span,
    *,
    policy: "Policy | None",
    name: str | None,
    options: Mapping[str, str | None],
    attributes: Mapping[str, Value],
) -> Site:
    """Return the site of a function decorated with the noun of `row`.

    Args:
        function: What is decorated.
        row: The noun's row in the vocabulary.
        policy: What of a call's content is recorded.
        name: Instead of the function's name.
        options: model, provider, version, operation, prompt; None where not given.
        attributes: Set on each span.

    Raises:
        SettingError: An option does not go with the noun.
    """
    label = str(name or getattr(function, "__name__", type(function).__name__))
    known: dict[str, Value] = {
        a.KIND.name: row.noun,
        a.NAME.name: label,
        a.CODE_FUNCTION.name: _place(function),
    }
    operation = _option(row, options, "operation") or row.operation
    if operation:
        known[a.OPERATION_NAME.name] = operation
    for attribute, value in {**_label(row, label), **_options(row, options)}.items():
        known[attribute.name] = value
    subject = known.get(row.name_from.name) if row.name_from else None
    words = f"{operation or row.noun} {subject}" if subject else operation or f"{row.noun} {label}"
    is_agent = row.noun in {"agent", "workflow"}
    site = Site(row, words, {**known, **attributes}, policy, label if is_agent else None)
    _settlement.sites.add(site)
    _settle(site)
    return site


_BELONG = {
    "model": {"llm", "embedding", "retrieval", "predict"},
    "provider": {"llm", "embedding", "retrieval", "memory"},
    "version": {"agent", "workflow", "predict"},
    "operation": {"llm", "memory"},
    "prompt": {"llm", "agent", "workflow"},
}
OPERATIONS = {
    "llm": ("chat", "generate_content", "text_completion"),
    "memory": (
        "search_memory", "create_memory", "update_memory", "upsert_memory", "delete_memory",
        "create_memory_store", "delete_memory_store",
    ),
}  # fmt: skip


def _label(row: Span, label: str) -> dict[Attribute, Value]:
    """Return which attribute the function's name becomes."""
    match row.noun:
        case "agent" | "workflow":
            return {a.AGENT_NAME: label}
        case "tool":
            return {a.TOOL_NAME: label, a.TOOL_TYPE: "function"}
        case "retrieval":
            return {a.DATA_SOURCE_ID: label}
        case "evaluator":
            return {a.EVALUATION_NAME: label}
        case "predict":
            return {a.MODEL_NAME: label}
    return {}


def _options(row: Span, options: Mapping[str, str | None]) -> dict[Attribute, Value]:
    """Return which attribute each option of the decorator becomes."""
    found: dict[Attribute, Value] = {}
    if (model := _option(row, options, "model")) is not None:
        if row.noun == "predict":
            base, _, after = model.partition("@")
            found[a.MODEL_NAME] = base
            if after:
                found[a.MODEL_VERSION] = after
        else:
            found[a.REQUEST_MODEL] = model
    if (provider := _option(row, options, "provider")) is not None:
        found[a.PROVIDER_NAME] = provider
    if (version := _option(row, options, "version")) is not None:
        found[a.MODEL_VERSION if row.noun == "predict" else a.VERSION] = version
    if (prompt := _option(row, options, "prompt")) is not None:
        base, _, after = prompt.partition("@")
        found[a.PROMPT_NAME] = base
        if after:
            found[a.PROMPT_VERSION] = after
    return found


def _option(row: Span, options: Mapping[str, str | None], option: str) -> str | None:
    """Return an option's value, or None where it was not given.

    Raises:
        SettingError: The option does not go with the noun.
    """
    value = options.get(option)
    if value is None:
        return None
    if row.noun not in _BELONG[option]:
        belong = ", ".join(sorted(_BELONG[option]))
        raise SettingError(
            f"@mlobs.{row.noun} has no option {option!r}; it belongs to {belong}. "
            f"Leave it out, or set an attribute of your own with attributes={{...}}."
        )
    if option == "operation" and value not in OPERATIONS[row.noun]:
        raise SettingError(
            f"@mlobs.{row.noun}(operation={value!r}): one of {', '.join(OPERATIONS[row.noun])} was expected."
        )
    return str(value)


def _place(function: Callable[..., object]) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"
