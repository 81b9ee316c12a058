"""Failed calls as log records, where MLOBS_EVENTS asks for them. Edge: OpenTelemetry's logs API.

The conventions moved exceptions from span events to logs. Viewers of traces look on the span, so the
span event stays; the log record is for who collects failures with their logs.
"""

from collections.abc import Iterable

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context

from mlobs import _guard
from mlobs.instrument.calls import Call
from mlobs.instrument.describe import exception
from mlobs.semconv.events import CLIENT_EXCEPTION, TOOL_EXCEPTION

_EVENTS = {
    "llm": CLIENT_EXCEPTION,
    "embedding": CLIENT_EXCEPTION,
    "retrieval": CLIENT_EXCEPTION,
    "memory": CLIENT_EXCEPTION,
    "tool": TOOL_EXCEPTION,
}


def emit_failures(calls: Iterable[Call]) -> None:
    """Emit a log record for each call that failed, in the context of its span. Does not raise."""
    for call in calls:
        event = _EVENTS.get(call.site.row.noun)
        if event is None or call.failure is None or call.state is not None:
            continue
        try:
            record = LogRecord(
                event_name=event.name,
                severity_number=SeverityNumber(event.severity_number),
                context=set_span_in_context(call, Context()),
                attributes=exception(call.failure),
            )
            get_logger("mlobs").emit(record)
        except Exception:  # noqa: BLE001 # the export thread must live
            _guard.failed("emitting a failure")
