"""Adds a verb to `mlobs alerts`."""

import argparse
from collections.abc import Callable
from typing import Any


def add_verb(
    verbs: Any, name: str, handler: Callable[[argparse.Namespace], int], about: str, epilog: str = ""
) -> argparse.ArgumentParser:
    """Return the parser of a new verb, whose arguments are still to be added.

    Args:
        verbs: Those of the noun.
        name: What users type.
        handler: Takes the parsed arguments and returns the exit status.
        about: One sentence.
        epilog: Examples and the exit status.
    """
    verb: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=about,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(handler=handler)
    return verb
