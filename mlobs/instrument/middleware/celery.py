"""Celery: a task's run belongs to the call that sent it, and workers deliver before they end. Edge.

    mlobs.init("shop")
    celery.instrument()        # in the program that sends tasks and in the one that runs them

Stands on opentelemetry-instrumentation-celery, which makes the spans `apply_async/NAME` and
`run/NAME` and carries the trace in the message's headers. What it lacks (0.66b1) is here:

* both spans know the session, the user and which try it is, and a failed one its `error.type`;
  what a task declares to raise is no failure;
* a task that could not be sent ends its span. Theirs stays open and current, and everything the
  thread does afterwards becomes its child;
* the children of a prefork pool deliver their spans before they end.

A child that is killed, by a hard time limit or `revoke(terminate=True)`, cannot end the span of
the task it was in; what ended before arrives.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode

from mlobs import _guard
from mlobs._extras import require
from mlobs.instrument.baggage import session_in
from mlobs.instrument.context import current, restore
from mlobs.instrument.init import flush
from mlobs.instrument.middleware.crossing import about_session, class_of
from mlobs.instrument.propagation import inject
from mlobs.semconv import attributes as a

FLUSH_S = 5.0  # what the end of a worker's child may wait


class _Watching:
    on: bool = False  # `instrument` acts once a process


def instrument() -> None:
    """Watch the tasks this process sends and runs. Called again, it does nothing.

    Raises:
        MissingExtraError: celery or opentelemetry-instrumentation-celery is not installed.
    """
    if _Watching.on:
        return
    for module in ("celery", "opentelemetry.instrumentation.celery"):
        require(module, extra="celery", feature="The Celery middleware")
    from celery import Celery, signals
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    theirs = CeleryInstrumentor()  # type: ignore[no-untyped-call] # they left it bare
    if not theirs.is_instrumented_by_opentelemetry:
        theirs.instrument()
    for signal, act in (  # theirs are connected before, so that their span is there
        (signals.before_task_publish, _sending),
        (signals.task_prerun, _running),
        (signals.task_failure, _failed),
        (signals.worker_process_shutdown, _child_ends),
    ):
        signal.connect(act, weak=False)
    Celery.send_task = _closing(Celery.send_task)
    _Watching.on = True


def _sending(*, headers: Any = None, **_: object) -> None:
    """Describe the span of a task that is being sent, and send the session along."""
    try:
        span = trace.get_current_span()
        if isinstance(headers, dict):
            inject(headers)
            span.set_attribute(a.MESSAGING_ATTEMPT.name, int(headers.get("retries") or 0) + 1)
        _add_session(span)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("describing a task that is sent")


def _running(*, task: Any = None, **_: object) -> None:
    """Describe the span of a task that begins."""
    try:
        span = trace.get_current_span()
        span.set_attribute(a.MESSAGING_SYSTEM.name, "celery")
        span.set_attribute(a.MESSAGING_ATTEMPT.name, int(task.request.retries or 0) + 1)
        _add_session(span)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("describing a task that runs")


def _failed(*, sender: Any = None, exception: Any = None, **_: object) -> None:
    """Note what a task raised; what it declares to raise (`throws`) is no failure."""
    try:
        span = trace.get_current_span()
        if isinstance(exception, tuple(sender.throws or ())):
            span.set_status(StatusCode.OK)  # theirs has set an error; only OK is stronger
        elif isinstance(exception, BaseException):
            span.set_attribute(a.ERROR_TYPE.name, class_of(exception))
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("describing a task that failed")


def _add_session(span: trace.Span) -> None:
    session = session_in(current())
    if session is not None and span.is_recording():
        span.set_attributes(about_session(session))


def _closing(send_task: Callable[..., Any]) -> Callable[..., Any]:
    """Return `send_task` such that a task that could not be sent ends its span."""

    @functools.wraps(send_task)
    def sending(self: Any, *args: Any, **kwargs: Any) -> Any:
        outer = current()
        try:
            return send_task(self, *args, **kwargs)
        except BaseException as error:
            _close(args[0] if args else kwargs.get("name"), outer, error)
            raise

    return sending


def _close(name: object, outer: Context, error: BaseException) -> None:
    try:
        if current() is outer:
            return  # it failed before there was a span
        from celery import registry
        from opentelemetry.instrumentation.celery.utils import CTX_KEY

        left = trace.get_current_span()
        open_spans = getattr(registry.tasks.get(name), CTX_KEY, None) or {}
        for key, (span, activation, _) in list(open_spans.items()):
            if span is left:
                del open_spans[key]
                span.set_attribute(a.ERROR_TYPE.name, class_of(error))
                activation.__exit__(type(error), error, error.__traceback__)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("ending the span of a task that could not be sent")
    finally:
        restore(outer)


def _child_ends(**_: object) -> None:
    """Deliver what a child of the pool recorded: it ends without `atexit`."""

    def deliver() -> None:
        try:
            flush(FLUSH_S)
            whole = getattr(trace.get_tracer_provider(), "force_flush", None)  # the program's own provider
            if whole is not None:
                whole()
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("delivering a worker's last spans")

    thread = threading.Thread(target=deliver, name="mlobs-celery-flush", daemon=True)  # may hang; we may not
    thread.start()
    thread.join(FLUSH_S)
