"""Switches on the instrumentations of GenAI libraries that are installed. Edge.

    report = activate(content="off")
    print(report)

One instrumentation for each library, by the rules of `libraries`; those of web frameworks, HTTP
clients and databases are left to the program (and ours to the middleware it adds), because they
change what a service reports beyond its model calls. A library is instrumented when the program
imports it, so that one that is only installed costs nothing. Nothing here raises; what could not be
done is in the report, with the reason.

Content: OpenInference and OpenLLMetry record prompts and answers unless told otherwise, so they are
told. They cannot redact, so `redacted` means off for them: only decorated calls record then.
"""

import os
import threading
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import distribution, entry_points
from typing import TYPE_CHECKING, Any, Literal

from mlobs import _guard
from mlobs.errors import SettingError
from mlobs.instrument.arrivals import when_imported
from mlobs.instrument.gaps import switched_on, watch_gaps
from mlobs.instrument.libraries import (
    GROUP,
    IMPORTS,
    OPENINFERENCE,
    Candidate,
    Choice,
    choose,
)
from mlobs.instrument.natives import NATIVES, POORER, Providers, installed, is_native
from mlobs.instrument.suppression import nest, watch

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

Content = Literal["off", "redacted", "full"]
State = Literal["activated", "waiting", "skipped", "failed"]

# Read by the instrumentations at every call, so these hold for those that a program switches on itself too.
_QUIET = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
    "TRACELOOP_TRACE_CONTENT": "false",
    "ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS": "false",
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
    "OPENINFERENCE_HIDE_INPUT_MESSAGES": "true",
    "OPENINFERENCE_HIDE_OUTPUT_MESSAGES": "true",
    "OPENINFERENCE_HIDE_INPUT_TEXT": "true",
    "OPENINFERENCE_HIDE_OUTPUT_TEXT": "true",
    "OPENINFERENCE_HIDE_INPUT_IMAGES": "true",
    "OPENINFERENCE_HIDE_PROMPTS": "true",
    "OPENINFERENCE_HIDE_CHOICES": "true",
    "OPENINFERENCE_HIDE_LLM_TOOLS": "true",
    "OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS": "true",
    "OPENINFERENCE_HIDE_RETRIEVAL_DOCUMENTS": "true",
    "OPENINFERENCE_HIDE_EMBEDDINGS_TEXT": "true",
    "OPENINFERENCE_HIDE_EMBEDDINGS_VECTORS": "true",
}
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"  # names of entry points; we also take distributions
_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(slots=True)
class Outcome:
    """What became of one instrumentation.

    Args:
        library: The library it is for.
        package: The distribution that brings it; the library's own where it makes spans itself.
        state: activated; waiting until the program imports the library; skipped; failed.
        reason: Why it was skipped or failed.
    """

    library: str
    package: str
    state: State
    reason: str = ""


@dataclass(slots=True)
class Report:
    """What `activate` found and did. It goes on: what was waiting becomes activated.

    Args:
        outcomes: One for each GenAI instrumentation that is installed.
    """

    outcomes: list[Outcome] = field(default_factory=list)

    def of(self, state: State) -> list[Outcome]:
        """Return the outcomes of one state."""
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def __str__(self) -> str:
        parts = [
            f"{state}: {', '.join(f'{one.library} ({one.package})' for one in found)}"
            for state in ("activated", "waiting", "failed")
            if (found := self.of(state))
        ]
        skipped = len(self.of("skipped"))
        return "; ".join([*parts, f"skipped: {skipped}"] if skipped else parts) or "nothing to switch on"


_report: Report | None = None
_lock = threading.Lock()


def activate(
    *,
    content: Content | None = None,
    tracer_provider: "TracerProvider | None" = None,
    meter_provider: "MeterProvider | None" = None,
    logger_provider: "LoggerProvider | None" = None,
) -> Report:
    """Switch on what is installed, once a process; later calls return the first one's report.

    Args:
        content: "full" lets the instrumentations record messages; "redacted" and "off" do not. Else what
            MLOBS_CONTENT says of model calls.
        tracer_provider: Gets their spans; else the process's.
        meter_provider: Gets their metrics; else the process's.
        logger_provider: Gets their events; else the process's.

    Raises:
        SettingError: `content` is none of the three, or a variable has a value that cannot be used.
    """
    global _report  # a process is switched on once
    policy = content or _policy()
    if policy not in {"off", "redacted", "full"}:
        raise SettingError(
            f"content={policy!r} cannot be used: one of 'off', 'redacted', 'full' was expected."
        )
    full = policy == "full"
    with _lock:
        if _report is not None:
            return _report
        _report = Report()
    try:
        _apply_policy(os.environ, full=full)
        watch(content=full)
        providers = Providers(full, tracer_provider, meter_provider, logger_provider)
        natives = [one for one, native in NATIVES.items() if is_native(one, native) and not _disabled(one)]
        choices = choose(_found(), _problem, natives)
        for choice in choices:
            _settle(_report, choice, providers)
        for library in natives:
            _settle_native(_report, library, providers)
        watch_gaps(choices, natives, _disabled)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("switching on the installed instrumentations")
    return _report


def current_report() -> Report | None:
    """Return what `activate` did in this process, or None if it was not called."""
    return _report


def _policy() -> str:
    """Return what the environment says of the content of model calls.

    Raises:
        SettingError: A variable has a value that cannot be used.
    """
    from mlobs.settings import SdkSettings, load, read_content  # they import pydantic

    modes = read_content(load(SdkSettings).content)
    return modes.get("llm", modes[""])


def _apply_policy(environment: Any, *, full: bool) -> None:
    """Force the content policy on instrumentations that record content by default."""
    if not full:
        environment.update(_QUIET)
    elif environment.get(_CAPTURE, "").strip().upper() in {"", "NO_CONTENT", "FALSE", "TRUE"}:
        environment[_CAPTURE] = "SPAN_ONLY"


def _found() -> list[Candidate]:
    """Return every instrumentation that is installed."""
    return [
        Candidate(
            point.name,
            point.module,
            point.attr,
            point.dist.name if point.dist is not None else point.module,
            point.dist.version if point.dist is not None else "",
        )
        for point in entry_points(group=GROUP)
    ]


def _problem(candidate: Candidate) -> str | None:
    """Return why an instrumentation cannot be used here: its library is missing or of another version."""
    if _disabled(candidate.name, candidate.library, candidate.package):
        return f"{DISABLED} names it"
    try:
        from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

        conflict = get_dist_dependency_conflicts(distribution(candidate.package))
        if conflict is not None:
            required = [conflict.required] if conflict.required else list(conflict.required_any or ())
            wanted = " or ".join(str(one).partition(";")[0].strip() for one in required)
            has = conflict.found or ", ".join(map(str, conflict.found_any or ()))
            return f"it needs {wanted}, and {has} is installed" if has else f"{wanted} is not installed"
    except Exception as error:  # noqa: BLE001 # a broken package must not stop the others
        return f"its requirements cannot be read: {type(error).__name__}: {error}"
    return None


def _disabled(*names: str) -> bool:
    """Return whether the user named something in OpenTelemetry's variable for what must stay off."""
    listed = {name.strip() for name in os.environ.get(DISABLED, "").split(",")}
    return bool(listed & {"*", *names})


def _settle(report: Report, choice: Choice, providers: Providers) -> None:
    """Report what is not used of one library, and switch the rest on when the library is imported."""
    for candidate, reason in choice.refused:
        report.outcomes.append(Outcome(choice.library, candidate.package, "skipped", reason))
    if not choice.usable:
        return
    outcomes = [Outcome(choice.library, candidate.package, "waiting") for candidate in choice.usable]
    report.outcomes += outcomes
    for outcome in outcomes[1:]:
        outcome.state, outcome.reason = "skipped", f"{outcomes[0].package} is used for {choice.library}"

    def arrived() -> None:
        theirs = switched_on(choice)
        if theirs is not None:
            outcomes[0].state = "skipped"
            outcomes[0].reason = f"the program has switched on {theirs.package} itself"
            return
        for candidate, outcome in zip(choice.usable, outcomes, strict=True):
            if _switch_on(candidate, outcome, providers):
                return

    if installed(choice.library):
        when_imported(choice.imports, arrived)
    else:  # its requirements are there, so only the name it is imported by is not known here
        arrived()


def _switch_on(candidate: Candidate, outcome: Outcome, providers: Providers) -> bool:
    """Instrument one library; return whether no other need be tried."""
    try:
        kind = getattr(import_module(candidate.module), candidate.attribute)
    except Exception as error:  # noqa: BLE001 # a broken package must not stop the others
        outcome.state, outcome.reason = "failed", f"cannot be imported: {type(error).__name__}: {error}"
        return False
    variable, value = POORER.get(candidate.library, ("", ""))
    try:
        nest()
        arguments = providers.arguments()
        if candidate.family is OPENINFERENCE:
            arguments["config"] = _config(full=providers.content)
        kind().instrument(raise_exception_on_conflict=True, **arguments)
    except Exception as error:  # noqa: BLE001 # never into the user's program
        # Half of it may be on, so the next one would double that half.
        outcome.state, outcome.reason = "failed", f"{type(error).__name__}: {error}"
        return True
    if variable:
        os.environ.setdefault(variable, value)
    outcome.state, outcome.reason = "activated", ""
    return True


def _config(*, full: bool) -> Any:
    """Return OpenInference's own switches; they win over the variables."""
    from openinference.instrumentation import TraceConfig

    if full:
        return TraceConfig()
    names = [name.removeprefix("OPENINFERENCE_").lower() for name in _QUIET if "OPENINFERENCE_" in name]
    hidden: dict[str, Any] = {name: True for name in names if name in TraceConfig.__dataclass_fields__}
    return TraceConfig(**hidden)


def _settle_native(report: Report, library: str, providers: Providers) -> None:
    """Switch on a library that makes spans itself."""
    outcome = Outcome(library, library.replace("_", "-"), "activated", "makes spans itself")
    report.outcomes.append(outcome)
    ask = NATIVES[library].ask
    if ask is None:
        return
    outcome.state, outcome.reason = "waiting", ""

    def arrived() -> None:
        try:
            nest()
            done = ask(providers)
        except Exception as error:  # noqa: BLE001 # never into the user's program
            outcome.state, outcome.reason = "failed", f"{type(error).__name__}: {error}"
            return
        outcome.state = "activated" if done else "skipped"
        if not done:
            outcome.reason = "the program has switched it on itself"

    when_imported(IMPORTS.get(library, (library,)), arrived)
