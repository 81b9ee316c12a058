"""Completion hooks: what others want to do with the content of model calls, such as upload it.

The interface is that of OpenTelemetry's GenAI utilities; nothing of theirs is imported. A hook
gets objects and not JSON, on the export thread, whether or not content is recorded on spans; what a
decorator's `redact` names is in neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import make_dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Protocol

from mlobs import _guard
from mlobs.errors import SettingError

GROUP = "opentelemetry_genai_completion_hook"


class Hook(Protocol):
    """Is told of the content of each model call."""

    def on_completion(
        self,
        *,
        inputs: list[Any],
        outputs: list[Any],
        system_instruction: list[Any],
        tool_definitions: list[Any] | None = None,
        span: Any = None,
        log_record: Any = None,
    ) -> None:
        """Take in one call."""


def load_hook(name: str) -> Hook:
    """Return the installed hook of that name.

    Raises:
        SettingError: There is none, or it cannot be used.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise SettingError(
            f"OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK={name!r} cannot be used: there is no such hook "
            f"(installed: {known})."
        )
    try:
        hook: Hook = found[name].load()()
    except Exception as error:
        raise SettingError(
            f"OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK={name!r} cannot be used: {error}."
        ) from error
    return hook


def tell(hook: Hook, content: Mapping[str, Any], span: Any) -> None:
    """Tell a hook of one call's content: lists of messages and parts, as the conventions have them."""
    try:
        hook.on_completion(
            inputs=[_message(one) for one in content.get("inputs", ())],
            outputs=[_message(one) for one in content.get("outputs", ())],
            system_instruction=[_record("Part", one) for one in content.get("system", ())],
            tool_definitions=[_record("Tool", one) for one in content.get("tools", ())] or None,
            span=span,
        )
    except Exception:  # noqa: BLE001 # a hook of somebody else
        _guard.failed("running a completion hook")


def _message(message: Mapping[str, Any]) -> Any:
    parts = [_record("Part", part) for part in message.get("parts", ())]
    return _record("Message", {**message, "parts": parts})


def _record(kind: str, fields: Mapping[str, Any]) -> Any:
    """Return an object with these fields; hooks read attributes, or dataclasses.asdict."""
    names = tuple(name for name in fields if name.isidentifier())
    return _class(kind, names)(*(fields[name] for name in names))


@lru_cache(maxsize=256)
def _class(kind: str, names: Sequence[str]) -> type:
    return make_dataclass(kind, names)
