"""What a finished call looks like on the wire: its name, attributes and status.

Pure: both recorders use it, the exporter on its own thread and the tracer recorder at the end
of the call.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from textwrap import indent
from traceback import FrameSummary, StackSummary
from typing import TYPE_CHECKING

from mlobs import _guard
from mlobs.instrument.billing import usage_attributes
from mlobs.instrument.calls import NO_STREAM
from mlobs.instrument.content.redaction import redact_attribute, redact_secrets
from mlobs.semconv import attributes as a
from mlobs.semconv.older import OLDER

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call, Failure
    from mlobs.instrument.content.capture import Capture
    from mlobs.instrument.sites import Value

_CONVERSING = {"agent", "workflow", "tool", "llm"}  # where the conventions define the conversation
_CAUSE = "The above exception was the direct cause of the following exception"
_CONTEXT = "During handling of the above exception, another exception occurred"
_OURS = str(Path(__file__).parent)  # frames of the decorators say nothing about the program


class Dialect:
    """Whether spans carry the older names of their attributes too."""

    older = False


def dynamic(call: "Call", day: date) -> "dict[str, Value]":
    """Return the attributes that differ from call to call, its content among them. Absent facts are left out.

    To be asked once of a call: whoever uploads its content is told each time.
    """
    found = known(call, day)
    if call.site.capture is not None:
        _content(call.site.capture, call, found)
    if Dialect.older:
        for name, old in OLDER.items():
            said = found.get(name, call.site.attributes.get(name))
            if said is not None:
                found.setdefault(old, said)
    return found


def known(call: "Call", day: date) -> "dict[str, Value]":
    """Return the attributes that differ from call to call, without its content."""
    found = {} if call.extra is None else without_secrets(call.extra)
    if call.agent is not None:
        _agent(call, found)
    if call.session is not None:
        _session(call, found)
    if call.chunks != NO_STREAM:
        _stream(call, found)
    usage = call.usage
    if usage is not None:
        if call.service_tier is not None:
            found.setdefault(a.SERVICE_TIER.name, call.service_tier)
        told = {**call.site.attributes, **found}
        found.update(usage_attributes(usage, call.site.row.noun, told, day))
    if call.state is not None:
        found[a.CALL_STATE.name] = call.state
    if call.failure is not None and a.ERROR_TYPE.name not in found:
        found[a.ERROR_TYPE.name] = call.failure.type
    return found


def is_error(call: "Call") -> bool:
    """Return whether the call failed; cancelled and abandoned calls did not."""
    return (call.failure is not None and call.state is None) or call.marked_failed is not None


def status_message(call: "Call") -> str:
    """Return the words of a failed call's status."""
    if call.marked_failed is not None:
        return redact_secrets(call.marked_failed)
    return redact_secrets(call.failure.message) if call.failure is not None else ""


def without_secrets(attributes: "Mapping[str, Value]") -> "dict[str, Value]":
    """Return attributes that a program has set, without secrets in their texts."""
    return {key: redact_attribute(key, value) for key, value in attributes.items()}


def exception(failure: "Failure") -> "dict[str, Value]":
    """Return the attributes of the event that describes an exception."""
    return {
        a.EXCEPTION_TYPE.name: failure.type,
        a.EXCEPTION_MESSAGE.name: redact_secrets(failure.message),
        a.EXCEPTION_STACKTRACE.name: redact_secrets(stacktrace(failure)),
    }


def stacktrace(failure: "Failure") -> str:
    """Return what Python would print for the exception, those it came from first."""
    theirs = [frame for frame in failure.frames if not frame[0].startswith(_OURS)]
    frames = StackSummary.from_list([FrameSummary(*frame, lookup_line=False) for frame in theirs])
    head = "Traceback (most recent call last):\n"
    text = f"{head}{''.join(frames.format())}{failure.type}: {failure.message}"
    for number, one in enumerate(failure.inside, 1):
        text += "\n" + indent(f"[{number}] {stacktrace(one)}", "  | ")
    if failure.earlier is None:
        return text
    return f"{stacktrace(failure.earlier)}\n\n{_CAUSE if failure.caused else _CONTEXT}:\n\n{text}"


def _content(capture: "Capture", call: "Call", found: "dict[str, Value]") -> None:
    """Add the content; where it cannot be rendered, the call is told without it."""
    try:
        content = capture.attributes(call)
    except Exception:  # noqa: BLE001 # content has any shape there is, and a span is worth more than it
        _guard.failed("recording content", "The span has all but its content.")
        content = {a.CONTENT_DROPPED.name: True}
    for key, value in content.items():
        found.setdefault(key, value)  # what the program has set itself stays


def _agent(call: "Call", found: "dict[str, Value]") -> None:
    """Name the agent a tool or plan belongs to, and of an agent the one that called it."""
    assert call.agent is not None
    if call.site.agent is not None:
        found[a.AGENT_CALLER.name] = call.agent
    elif call.site.row.noun in {"tool", "plan"}:
        found.setdefault(a.AGENT_NAME.name, call.agent)


def _session(call: "Call", found: "dict[str, Value]") -> None:
    session = call.session
    assert session is not None
    if session.id is not None:
        found[a.SESSION_ID.name] = session.id
        if call.site.row.noun in _CONVERSING:
            found[a.CONVERSATION_ID.name] = session.id
    if session.user is not None:
        found[a.USER_ID.name] = session.user
    for key, value in session.tags.items():
        found[f"{a.TAG.name}.{key}"] = value
    for name, arm in session.experiments.items():
        found[f"{a.EXPERIMENT.name}.{name}"] = arm
    told = a.PROMPT_NAME.name in call.site.attributes or a.PROMPT_NAME.name in found
    if session.prompt is not None and not told and call.site.row.noun in {"agent", "workflow", "llm"}:
        name, version = session.prompt
        found[a.PROMPT_NAME.name] = name
        if version:
            found[a.PROMPT_VERSION.name] = version


def _stream(call: "Call", found: "dict[str, Value]") -> None:
    if call.chunks >= 0:
        found[a.STREAM_CHUNKS.name] = call.chunks
    if call.site.row.noun == "llm":
        found[a.REQUEST_STREAM.name] = True
        if call.first_chunk_ns:
            found[a.TIME_TO_FIRST_CHUNK.name] = (call.first_chunk_ns - call.started_ns) / 1e9
        seconds = (call.ended_ns - call.first_chunk_ns) / 1e9
        if call.usage is not None and call.chunks > 1 and seconds > 0:
            found[a.OUTPUT_TOKENS_PER_SECOND.name] = call.usage.output_total / seconds
