"""Ends that somebody told by hand, which wait until whoever delivers looks at what is due.

Pure: what is remembered is an argument.

    by_hand, ALERT    the message about the end
"""

from mlobs.alerts.routing.plans import Told, alert_mark
from mlobs.alerts.routing.state import State

BY_HAND = "by_hand"


def tell_later(message: Told, state: State, now_s: float) -> None:
    """Keep the message about an end until the next look at what is due."""
    state.put(BY_HAND, alert_mark(message), "", message, due_s=now_s, since_s=now_s)


def overtaken(message: Told, state: State) -> Told | None:
    """Return the end that waits and is older than a message about the same alert, and keep it no longer."""
    mark = alert_mark(message)
    found = state.get(BY_HAND, mark)
    if found is not None:
        state.drop(BY_HAND, mark, "")
    return found
