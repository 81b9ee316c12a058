"""Says once that something was told of a call where there is none. Edge: logging."""

import logging

from mlobs.instrument.recorders import active

log = logging.getLogger("mlobs")

_told: set[str] = set()


def tell_astray(name: str) -> None:
    """Say that `mlobs.NAME` was called outside any call, the first time, and only where mlobs is on."""
    if name in _told or active.recorder is None:
        return
    _told.add(name)
    log.warning(
        "mlobs.%s() was called outside any call, so nothing is recorded of it. Call it inside a decorated "
        "function or `with mlobs.span(...)`; in a thread of your own, start that with mlobs.carry(function).",
        name,
    )
