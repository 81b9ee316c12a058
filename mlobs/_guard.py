"""Keeps our mistakes out of the user's program, counts them, and says so once."""

import logging
import sys
from contextlib import suppress

from mlobs.errors import MlobsError

log = logging.getLogger("mlobs")
failures: dict[str, int] = {}


def failed(doing: str, outcome: str = "Your call went on; its span is incomplete.") -> None:
    """Note that mlobs failed while `doing` something; call it in an `except` block.

    Args:
        doing: The thing, as "exporting spans".
        outcome: What that means for the program.
    """
    failures[doing] = failures.get(doing, 0) + 1
    if failures[doing] > 1:
        return
    error = sys.exception()
    # A handler of the program may raise, and where the stack is full, logging does: this is the last guard.
    with suppress(Exception):
        if isinstance(error, MlobsError):  # raised on purpose: its sentence says it all
            log.warning("mlobs failed while %s: %s %s", doing, error, outcome)
        else:
            log.warning("mlobs failed while %s. %s", doing, outcome, exc_info=error)
