"""Gives scores to calls. Edge: it emits log records through the OpenTelemetry API."""

import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from mlobs import _guard
from mlobs.errors import SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv.context import SESSION_KEY
from mlobs.semconv.events import EVALUATION_RESULT, FAIL, FEEDBACK, PASS
from mlobs.semconv.rows import Attribute

log = logging.getLogger("mlobs")

WORD_CHARACTERS_MAX, EXPLANATION_CHARACTERS_MAX = 256, 16_384
_astray: set[str] = set()  # names of scores that belong to nothing; the first is told of


@dataclass(frozen=True, slots=True)
class Score:
    """A score that was given.

    Args:
        name: What was judged.
        value: The score, or None where there is a label only.
        label: The score in a word.
        by: Who judged.
        explanation: Why.
        span_id: Of the call, or 0.
    """

    name: str
    value: float | None
    label: str | None
    by: str | None
    explanation: str | None
    span_id: int


listeners: list[Callable[[Score], None]] = []  # told of each score; for tests


def score(
    name: str,
    value: float | None = None,
    *,
    by: str | None = None,
    label: str | None = None,
    explanation: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    response_id: str | None = None,
) -> None:
    """Record a score of the current call, or of any other by its ids.

    Inside `mlobs.session` and outside any call, it is a score of that session.

    Args:
        name: What was judged, such as "helpful".
        value: The score: a finite number, or a truth value, which is 1 or 0 and pass or fail.
        by: Who judged: "judge:v3", "human:ana".
        label: The score in a word, such as "pass". One of value and label is needed.
        explanation: Why.
        trace_id: 32 hex digits, for a call other than the current one.
        span_id: 16 hex digits, with `trace_id`.
        response_id: The provider's id of the answer that was judged, where no span is at hand.
    """
    try:
        number, label = _judgement(name, value, label)
        context = get_current() if trace_id is span_id is None else _at(name, trace_id, span_id)
        span = get_current_span(context)
        session = context.get(SESSION_KEY) or getattr(span, "session", None)
        given: dict[Attribute, str | float | None] = {
            a.EVALUATION_NAME: _text(name, WORD_CHARACTERS_MAX),
            a.EVALUATION_SCORE: number,
            a.EVALUATION_BY: _text(by, WORD_CHARACTERS_MAX),
            a.EVALUATION_LABEL: _text(label, WORD_CHARACTERS_MAX),
            a.EVALUATION_EXPLANATION: _text(explanation, EXPLANATION_CHARACTERS_MAX),
            a.RESPONSE_ID: _text(response_id, WORD_CHARACTERS_MAX),
            a.REQUEST_MODEL: _model(span),
            a.SESSION_ID: getattr(session, "id", None),
            a.USER_ID: getattr(session, "user", None),
        }
        record = LogRecord(
            event_name=EVALUATION_RESULT.name,
            severity_number=SeverityNumber(EVALUATION_RESULT.severity_number),
            context=context,
            attributes={
                **_conditions(session),
                **{row.name: value for row, value in given.items() if value is not None},
            },
        )
        logger = get_logger("mlobs")
        logger.emit(record)
        named = span.get_span_context().is_valid or given[a.SESSION_ID] or response_id
        if not named and logger.enabled():  # a library may score where nobody has switched anything on
            _tell_astray(name)
        span_of = span.get_span_context().span_id
        for listener in listeners:
            listener(Score(str(name), number, label, by, explanation, span_of))
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("recording a score", "The score was left out.")


def _conditions(session: Any) -> dict[str, str]:
    """Return under which arms and with which prompt a call of a session is made."""
    arms: Mapping[str, str] = getattr(session, "experiments", {})
    prompt, version = getattr(session, "prompt", None) or (None, None)
    named = {a.PROMPT_NAME.name: prompt, a.PROMPT_VERSION.name: version}
    return {
        **{f"{a.EXPERIMENT.name}.{name}": arm for name, arm in arms.items()},
        **{name: value for name, value in named.items() if value},
    }


def feedback(
    value: float,
    comment: str | None = None,
    *,
    user: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
) -> None:
    """Record what a user thought of an answer: a score named "feedback".

    Args:
        value: A thumb (True or False), or a number of stars.
        comment: In the user's words.
        user: Who, as your application knows them.
        trace_id: 32 hex digits; without it the current call is meant.
        span_id: 16 hex digits, with `trace_id`.
    """
    try:
        by = f"user:{user}" if user else "user"
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("recording a score", "The score was left out.")
        return
    score(
        FEEDBACK,
        value,
        by=by,
        explanation=comment,
        trace_id=trace_id,
        span_id=span_id,
    )


def _judgement(name: str, value: float | None, label: str | None) -> tuple[float | None, str | None]:
    """Return number and label of a score.

    Raises:
        SettingError: There is neither, or the number is none.
    """
    if isinstance(value, bool):
        label = label or (PASS if value else FAIL)
    if value is None and label is None:
        raise SettingError(f"score({name!r}) has neither a value nor a label; give it one of them.")
    try:
        number = None if value is None else float(value)
    except (TypeError, ValueError):
        raise SettingError(
            f"score({name!r}, {value!r}): a number was expected; a word goes into label=."
        ) from None
    if number is not None and not math.isfinite(number):
        raise SettingError(f"score({name!r}, {value!r}): a finite number was expected.")
    return number, label


def _text(value: object, characters_max: int) -> str | None:
    """Return a text that is not too long for a log record, None for None."""
    text = None if value is None else str(value)
    return text if text is None or len(text) <= characters_max else f"{text[: characters_max - 1]}…"


def _tell_astray(name: str) -> None:
    """Say once that there is nothing a score could belong to."""
    if not _astray:
        log.warning(
            "mlobs.score(%r) was called outside of any call and session, so it belongs to none. "
            "Call it inside one, or name the call: trace_id=.",
            name,
        )
    _astray.add(name)


def _model(span: Any) -> str | None:
    """Return the model that was asked, where the span is of a model call that says it."""
    site = getattr(span, "site", None)  # of a decorated call; other spans hold their attributes themselves
    told = site.attributes | (span.extra or {}) if site is not None else getattr(span, "attributes", None)
    found = (told or {}).get(a.REQUEST_MODEL.name)
    return found if isinstance(found, str) else None


def _at(name: str, trace_id: str | None, span_id: str | None) -> Context:
    """Return the context of a call by its ids.

    Raises:
        SettingError: They are none.
    """
    if trace_id is None:
        raise SettingError(f"score({name!r}, span_id={span_id!r}) has no trace_id; give both.")
    trace = _number(name, "trace_id", trace_id, 32)
    span = 1 if span_id is None else _number(name, "span_id", span_id, 16)
    where = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(where), Context())


def _number(name: str, argument: str, given: str, digits: int) -> int:
    """Return an id of so many hex digits as a number.

    Raises:
        SettingError: It is something else, or all noughts, which stands for no id.
    """
    if re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", str(given)) is None or not int(given, 16):
        raise SettingError(
            f"score({name!r}, {argument}={given!r}): {digits} hex digits were expected, not all of them 0; "
            f"of a number: format({argument}, '0{digits}x')."
        )
    return int(given, 16)
