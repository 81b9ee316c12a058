"""Calls a Python function with a message.

Edge: this calls code of the user's. It gets the message as a dict, with the delivery's id under
"delivery", and must expect the same one twice. Returning is a receipt, raising a failure that
may pass. Python cannot end a thread: a call that hangs is left behind, and until it has ended no
other is started, so that at most one hangs.
"""

import json
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from mlobs.alerts.sinks.answer import Answer
from mlobs.alerts.sinks.deadline import within
from mlobs.alerts.sinks.escaping import line
from mlobs.errors import SettingError

Called = Callable[[Mapping[str, Any]], object]


class Function:
    """One function.

    Args:
        path: package.module:function.
        called: The function itself.
        timeout_s: After so long it is not waited for any longer.
    """

    kind = "callable"
    gap_s = 0.0

    def __init__(self, path: str, called: Called, *, timeout_s: float) -> None:
        self.address = path
        self._called = called
        self._timeout_s = timeout_s
        self._running: threading.Thread | None = None

    def send(self, delivery_id: str, body: bytes, *, now_s: float) -> Answer:  # of Sink
        """Call the function once and say how it went."""
        if self._running is not None and self._running.is_alive():
            return Answer("failed", "not called: the call before has not ended")
        message = {**json.loads(body), "delivery": delivery_id}
        self._running, answers = within(self._timeout_s, lambda: self._call(message), name="mlobs-callable")
        return answers[0] if answers else Answer("failed", f"no answer within {self._timeout_s:.4g} s")

    def _call(self, message: Mapping[str, Any]) -> Answer:
        try:
            self._called(message)
        except BaseException as error:  # noqa: BLE001 # also SystemExit: it is the user's code, not our thread's
            said = line(f"{type(error).__name__}: {error}")
            return Answer("failed", f"it raised {said}")
        return Answer("delivered", "returned")


def imported(path: str, where: str) -> Called:
    """Return the function at package.module:function.

    Args:
        path: Where it is.
        where: Begins the sentence if it is not there.

    Raises:
        SettingError: It cannot be imported, or is no function.
    """
    module, _, name = path.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # importing runs the user's code
        raise SettingError(
            f"{where}: function={path!r} cannot be imported: {type(error).__name__}: {error}. Give "
            f"package.module:function of something that is installed where mlobs runs."
        ) from error
    if not callable(found):
        raise SettingError(f"{where}: function={path!r} is a {type(found).__name__}; a function was wanted.")
    called: Called = found
    return called
