"""What a generator's own context shares with its reader's."""

from contextvars import Context, ContextVar, Token
from typing import Any

from mlobs import _guard
from mlobs.instrument.context import VARIABLE

Given = dict[ContextVar[Any], Token[Any]]
_ABSENT = object()


def differ(before: Context, after: Context) -> bool:
    """Return whether a variable was set; where nothing was, this compares two pointers."""
    try:
        return before != after
    except Exception:  # noqa: BLE001 # values that refuse to be compared, such as arrays
        return True


def hand_over(before: Context, after: Context, given: Given | None) -> Given:
    """Set in the running context what changed from `before` to `after`.

    OpenTelemetry's variable stays: the reader is not inside the stream's call. `given` holds the
    tokens of what was set the last time: a variable that is unset again is unset here too.

    Returns:
        The tokens of everything set so far.
    """
    given = {} if given is None else given
    try:
        for variable, value in after.items():
            if variable is not VARIABLE and before.get(variable, _ABSENT) is not value:
                token = variable.set(value)
                given.setdefault(variable, token)
        for variable in before:
            if variable not in after and variable in given:
                variable.reset(given.pop(variable))
    except ValueError:
        return given  # the stream was read in two contexts: in this one the variable was never set
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("sharing a stream's context variables")
    return given
