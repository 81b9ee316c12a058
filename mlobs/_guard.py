"""Keeps our mistakes out of the user's program, counts them, and says so once."""

import logging
import sys

log = logging.getLogger("mlobs")
failures: dict[str, int] = {}


def failed(doing: str, outcome: str = "Your call went on; its span is incomplete.") -> None:
    """Note that mlobs failed while `doing` something; call it in an `except` block.

    Args:
        doing: The thing, as "exporting spans".
        outcome: What that means for the program.
    """
    failures[doing] = failures.get(doing, 0) + 1
    if failures[doing] == 1:
        log.warning(
            "mlobs failed while %s. %s",
            doing,
            outcome,
            exc_info=sys.exception(),
        )
