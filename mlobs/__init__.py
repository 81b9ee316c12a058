"""Observability for ML models and agents on plain OpenTelemetry.

    import mlobs

    mlobs.init("support-bot")

    @mlobs.tool
    def refund(order_id: str): ...

Opening this door loads nothing: each name is imported from its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlobs.drift.monitor import Monitor
    from mlobs.drift.profile import Profile
    from mlobs.evaluate.scores import feedback, score
    from mlobs.instrument.annotate import handoff, set, span, usage  # noqa: A004
    from mlobs.instrument.carrying import carry
    from mlobs.instrument.init import flush, init, shutdown
    from mlobs.instrument.middleware.asgi import asgi
    from mlobs.instrument.middleware.messages import receive, send
    from mlobs.instrument.middleware.wsgi import wsgi
    from mlobs.instrument.notes import note
    from mlobs.instrument.nouns import (
        agent,
        embedding,
        evaluator,
        guardrail,
        llm,
        memory,
        plan,
        predict,
        retrieval,
        step,
        tool,
        workflow,
    )
    from mlobs.instrument.propagation import extract, inject
    from mlobs.instrument.sessions import experiment, session
    from mlobs.instrument.usage import Usage
    from mlobs.testing.recording import capture

_HOME = {
    "Monitor": "mlobs.drift.monitor",
    "Profile": "mlobs.drift.profile",
    "Usage": "mlobs.instrument.usage",
    "agent": "mlobs.instrument.nouns",
    "asgi": "mlobs.instrument.middleware.asgi",
    "capture": "mlobs.testing.recording",
    "carry": "mlobs.instrument.carrying",
    "embedding": "mlobs.instrument.nouns",
    "evaluator": "mlobs.instrument.nouns",
    "experiment": "mlobs.instrument.sessions",
    "extract": "mlobs.instrument.propagation",
    "feedback": "mlobs.evaluate.scores",
    "flush": "mlobs.instrument.init",
    "guardrail": "mlobs.instrument.nouns",
    "handoff": "mlobs.instrument.annotate",
    "init": "mlobs.instrument.init",
    "inject": "mlobs.instrument.propagation",
    "llm": "mlobs.instrument.nouns",
    "memory": "mlobs.instrument.nouns",
    "note": "mlobs.instrument.notes",
    "plan": "mlobs.instrument.nouns",
    "predict": "mlobs.instrument.nouns",
    "receive": "mlobs.instrument.middleware.messages",
    "retrieval": "mlobs.instrument.nouns",
    "score": "mlobs.evaluate.scores",
    "send": "mlobs.instrument.middleware.messages",
    "session": "mlobs.instrument.sessions",
    "set": "mlobs.instrument.annotate",
    "shutdown": "mlobs.instrument.init",
    "span": "mlobs.instrument.annotate",
    "step": "mlobs.instrument.nouns",
    "tool": "mlobs.instrument.nouns",
    "usage": "mlobs.instrument.annotate",
    "workflow": "mlobs.instrument.nouns",
    "wsgi": "mlobs.instrument.middleware.wsgi",
}

__all__ = [
    "Monitor",
    "Profile",
    "Usage",
    "agent",
    "asgi",
    "capture",
    "carry",
    "embedding",
    "evaluator",
    "experiment",
    "extract",
    "feedback",
    "flush",
    "guardrail",
    "handoff",
    "init",
    "inject",
    "llm",
    "memory",
    "note",
    "plan",
    "predict",
    "receive",
    "retrieval",
    "score",
    "send",
    "session",
    "set",
    "shutdown",
    "span",
    "step",
    "tool",
    "usage",
    "workflow",
    "wsgi",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'mlobs' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
