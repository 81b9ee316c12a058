"""Gives a score to a call. Edge: it emits a log record through the OpenTelemetry API."""

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.context import Context, get_current
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from mlobs import _guard
from mlobs.semconv import attributes as a
from mlobs.semconv.events import EVALUATION_RESULT
from mlobs.semconv.rows import Attribute


def score(
    name: str,
    value: float,
    *,
    by: str | None = None,
    label: str | None = None,
    explanation: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
) -> None:
    """Record a score of the current call, or of any other by its ids.

    Args:
        name: What was judged, such as "helpful".
        value: The score.
        by: Who judged: "judge:v3", "human:ana".
        label: The score in a word, such as "pass".
        explanation: Why.
        trace_id: 32 hex digits, for a call other than the current one.
        span_id: 16 hex digits, with `trace_id`.
    """
    try:
        given: dict[Attribute, str | float | None] = {
            a.EVALUATION_NAME: name,
            a.EVALUATION_SCORE: float(value),
            a.EVALUATION_BY: by,
            a.EVALUATION_LABEL: label,
            a.EVALUATION_EXPLANATION: explanation,
        }
        record = LogRecord(
            event_name=EVALUATION_RESULT.name,
            severity_number=SeverityNumber(EVALUATION_RESULT.severity_number),
            context=get_current() if trace_id is None else _at(trace_id, span_id),
            attributes={row.name: value for row, value in given.items() if value is not None},
        )
        get_logger("mlobs").emit(record)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("recording a score")


def _at(trace_id: str, span_id: str | None) -> Context:
    where = SpanContext(int(trace_id, 16), int(span_id or "1", 16), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(where), Context())
