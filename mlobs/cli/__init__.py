"""The command line: `mlobs NOUN VERB`.

One file or folder per noun. Each has `register`, which adds the noun's verbs and their handlers to the
parser; a handler takes the parsed arguments and returns the exit status. Results go to
stdout, talk to stderr. Every deliberate error is one sentence on stderr and exit status 2.

Files here may import every room, and do so inside their handlers, so that `mlobs traces list`
does not pay for the store engine.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper

from mlobs.errors import MlobsError

NOUNS = (
    "demo", "up", "run", "doctor", "traces", "cost", "sql", "data",
    "drift", "alerts", "dashboards", "collector",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="mlobs",
        description="Observability for ML models and agents on plain OpenTelemetry.",
        epilog="exit status: 0 done, 1 found what it looks for (drift, a failed check), 2 could not be done",
    )
    top.add_argument("--version", action="version", version=f"mlobs {version('mlobs')}")
    nouns = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for noun in NOUNS:
        import_module(f"mlobs.cli.{noun}").register(nouns)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal or pipe that knows fewer characters than we print
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    try:
        status: int = arguments.handler(arguments)
    except MlobsError as error:
        from mlobs.cli.printing import visible  # only who fails pays for the import

        print("mlobs:", "\n".join(map(visible, str(error).split("\n"))), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `mlobs traces list | head` is not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
