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
    from mlobs.evaluate.scores import score
    from mlobs.instrument.annotate import carry, session, set, span, usage  # noqa: A004
    from mlobs.instrument.init import flush, init, shutdown
    from mlobs.instrument.nouns import agent, embedding, llm, predict, retrieval, step, tool, workflow
    from mlobs.instrument.usage import Usage

_HOME = {
    "Monitor": "mlobs.drift.monitor",
    "Profile": "mlobs.drift.profile",
    "Usage": "mlobs.instrument.usage",
    "agent": "mlobs.instrument.nouns",
    "carry": "mlobs.instrument.annotate",
    "embedding": "mlobs.instrument.nouns",
    "flush": "mlobs.instrument.init",
    "init": "mlobs.instrument.init",
    "llm": "mlobs.instrument.nouns",
    "predict": "mlobs.instrument.nouns",
    "retrieval": "mlobs.instrument.nouns",
    "score": "mlobs.evaluate.scores",
    "session": "mlobs.instrument.annotate",
    "set": "mlobs.instrument.annotate",
    "shutdown": "mlobs.instrument.init",
    "span": "mlobs.instrument.annotate",
    "step": "mlobs.instrument.nouns",
    "tool": "mlobs.instrument.nouns",
    "usage": "mlobs.instrument.annotate",
    "workflow": "mlobs.instrument.nouns",
}

__all__ = [
    "Monitor",
    "Profile",
    "Usage",
    "agent",
    "carry",
    "embedding",
    "flush",
    "init",
    "llm",
    "predict",
    "retrieval",
    "score",
    "session",
    "set",
    "shutdown",
    "span",
    "step",
    "tool",
    "usage",
    "workflow",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'mlobs' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
