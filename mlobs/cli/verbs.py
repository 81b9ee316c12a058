"""Adds to the command line what many commands have: a verb of a noun, and the server that is asked."""

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
        about: One sentence; the list of the noun's verbs has it as a phrase.
        epilog: Examples and the exit status.
    """
    verb: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=f"{about[0].lower()}{about[1:].rstrip('.')}",
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(handler=handler)
    return verb


def add_server(command: Any) -> None:
    """Add the flag that says whom a command asks to its parser, or to a group of it."""
    command.add_argument(
        "--server",
        metavar="URL",
        help="the server to ask (default: $MLOBS_SERVER, or else http://127.0.0.1:4318)",
    )
