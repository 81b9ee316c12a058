"""The events that mlobs emits: log records with an event name."""

from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Event

FEEDBACK = "feedback"  # What is judged where a user says what they think.
PASS, FAIL = "pass", "fail"  # What a score is called that is a truth value.
EVALUATION_RESULT = Event(
    "gen_ai.evaluation.result",
    9,
    "A score of a call, given by a judge, a rule or a person.",
    (
        a.EVALUATION_NAME,
        a.EVALUATION_SCORE,
        a.EVALUATION_LABEL,
        a.EVALUATION_EXPLANATION,
        a.EVALUATION_BY,
        a.REQUEST_MODEL,
    ),
)
EXCEPTION = Event(
    "exception",
    17,
    "An exception that left a call; on the span, where every viewer looks for it.",
    (a.EXCEPTION_TYPE, a.EXCEPTION_MESSAGE, a.EXCEPTION_STACKTRACE),
)
CLIENT_EXCEPTION = Event(
    "gen_ai.client.operation.exception",
    13,
    "An exception that left a request to a model, a search or a memory.",
    (a.EXCEPTION_TYPE, a.EXCEPTION_MESSAGE, a.EXCEPTION_STACKTRACE),
)
TOOL_EXCEPTION = Event(
    "gen_ai.execute_tool.exception",
    13,
    "An exception that left a tool.",
    (a.EXCEPTION_TYPE, a.EXCEPTION_MESSAGE, a.EXCEPTION_STACKTRACE),
)
NOTE = Event("mlobs.note", 9, "Something worth seeing that is no error; on the span.", (a.NOTE_TEXT,))
HANDOFF = Event(
    "mlobs.handoff",
    9,
    "One agent hands over to another; on the span of the one that hands over.",
    (a.HANDOFF_FROM, a.HANDOFF_TO, a.HANDOFF_REASON),
)

EVENTS: tuple[Event, ...] = (
    EVALUATION_RESULT,
    EXCEPTION,
    CLIENT_EXCEPTION,
    TOOL_EXCEPTION,
    HANDOFF,
    NOTE,
)
