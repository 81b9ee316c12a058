"""What is known about a decorated function before it is ever called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mlobs.errors import SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute, Span

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


@dataclass(frozen=True, slots=True)
class Site:
    """A decorated function, or a `with mlobs.span(...)`.

    Args:
        row: The noun's row in the vocabulary.
        name: The span's name.
        attributes: What is the same in every call.
        encoded: The attributes as OTLP protobuf; filled by the exporter when first needed.
    """

    row: Span
    name: str
    attributes: Mapping[str, Value]
    encoded: list[bytes] = field(default_factory=list, compare=False)


def site_of(
    function: Callable[..., object],
    row: Span,
    *,
    name: str | None,
    model: str | None,
    provider: str | None,
    version: str | None,
    attributes: Mapping[str, Value],
) -> Site:
    """Return the site of a function decorated with the noun of `row`.

    Raises:
        SettingError: An option does not go with the noun.
    """
    label = str(name or getattr(function, "__name__", type(function).__name__))
    known: dict[str, Value] = {
        a.KIND.name: row.noun,
        a.NAME.name: label,
        a.CODE_FUNCTION.name: _place(function),
    }
    if row.operation:
        known[a.OPERATION_NAME.name] = row.operation
    for attribute, value in _options(row, label, model=model, provider=provider, version=version).items():
        known[attribute.name] = value
    subject = known.get(row.name_from.name) if row.name_from else None
    words = [row.operation or row.noun, str(subject)] if subject else [row.operation or f"{row.noun} {label}"]
    return Site(row, " ".join(words), {**known, **attributes})


def _options(
    row: Span, label: str, *, model: str | None, provider: str | None, version: str | None
) -> dict[Attribute, Value]:
    """Return which attribute each option of the decorator becomes."""
    found: dict[Attribute, Value] = {}
    if row.noun in {"agent", "workflow"}:
        found[a.AGENT_NAME] = label
    if row.noun == "tool":
        found[a.TOOL_NAME] = label
        found[a.TOOL_TYPE] = "function"
    if row.noun == "retrieval":
        found[a.DATA_SOURCE_ID] = label
    if model is not None:
        _only(row, "model", {"llm", "embedding", "retrieval", "predict"})
        if row.noun == "predict":
            base, _, after = model.partition("@")
            found[a.MODEL_NAME] = base
            if after:
                found[a.MODEL_VERSION] = after
        else:
            found[a.REQUEST_MODEL] = model
    elif row.noun == "predict":
        found[a.MODEL_NAME] = label
    if provider is not None:
        _only(row, "provider", {"llm", "embedding", "retrieval"})
        found[a.PROVIDER_NAME] = provider
    if version is not None:
        _only(row, "version", {"agent", "workflow", "predict"})
        found[a.MODEL_VERSION if row.noun == "predict" else a.AGENT_VERSION] = version
    return found


def _only(row: Span, option: str, nouns: set[str]) -> None:
    if row.noun not in nouns:
        raise SettingError(
            f"@mlobs.{row.noun} has no option {option!r}; it belongs to {', '.join(sorted(nouns))}. "
            f"Leave it out, or set an attribute of your own with attributes={{...}}."
        )


def _place(function: Callable[..., object]) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"
