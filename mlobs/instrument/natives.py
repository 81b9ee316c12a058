"""Libraries that make spans themselves, and how to ask them to. Edge."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from mlobs.instrument.libraries import IMPORTS

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


@dataclass(frozen=True, slots=True)
class Providers:
    """Where the instrumentations send what they make."""

    content: bool
    tracer: "TracerProvider | None"
    meter: "MeterProvider | None"
    logger: "LoggerProvider | None"

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for `instrument()`."""
        from mlobs.instrument.absorption import Absorbing  # only who has an instrumentation pays for it

        given: dict[str, Any] = {"tracer_provider": Absorbing(self.tracer or trace.get_tracer_provider())}
        if self.meter is not None:
            given["meter_provider"] = self.meter
        if self.logger is not None:
            given["logger_provider"] = self.logger
        return given


def installed(library: str) -> bool:
    """Return whether a library is there, without importing it."""
    name = IMPORTS.get(library, (library,))[0]
    try:
        return name in sys.modules or find_spec(name) is not None
    except (ImportError, ValueError):  # its parent package is missing, or a module without a spec
        return False


def _pydantic_ai(providers: Providers) -> bool:
    """Switch on the spans of all agents, unless the program has."""
    from pydantic_ai import Agent, InstrumentationSettings

    if getattr(Agent, "_instrument_default", False):
        return False
    given = providers.arguments()
    given.pop("logger_provider", None)
    Agent.instrument_all(
        InstrumentationSettings(
            include_content=providers.content,
            include_binary_content=False,
            include_model_request_parameters=False,
            **given,
        )
    )
    return True


def _mcp(providers: Providers) -> bool:
    """Complete the spans that the library makes by itself."""
    from mlobs.instrument.middleware.mcp import instrument

    instrument()
    return True


@dataclass(frozen=True, slots=True)
class Native:
    """A library that makes spans itself.

    Args:
        since: The file it has had since it does; None where it always did.
        ask: Asks it to, or to make better ones, and returns whether that was left to us.
        unasked: Whether it makes spans without being asked.
    """

    since: str | None = None
    ask: "Callable[[Providers], bool] | None" = None
    unasked: bool = False


NATIVES: Mapping[str, Native] = {
    "google_adk": Native(unasked=True),
    "mcp": Native(since="shared/_otel.py", ask=_mcp, unasked=True),
    "pydantic_ai": Native(ask=_pydantic_ai),
    "strands": Native(unasked=True),
}

# Where a library makes poorer spans than an instrumentation that is used: the variable that stops it.
POORER = {"anthropic": ("ANTHROPIC_OPEN_TELEMETRY", "false")}


def is_native(library: str, native: Native) -> bool:
    """Return whether a library is there that makes spans itself, without importing it."""
    if not installed(library):
        return False
    if native.since is None:
        return True
    spec = find_spec(library)
    folders = spec.submodule_search_locations if spec is not None else None
    return any((Path(folder) / native.since).exists() for folder in folders or ())


def unasked(imported: Mapping[str, object]) -> bool:
    """Return whether a library is imported that makes spans without being asked to."""
    return any(
        native.unasked and IMPORTS.get(library, (library,))[0] in imported and is_native(library, native)
        for library, native in NATIVES.items()
    )
