"""What every verb of `mlobs dashboards` is made with."""

import argparse
from typing import Any


def verb(verbs: Any, name: str, handler: Any, about: str) -> argparse.ArgumentParser:
    """Add a verb with its handler, and return its parser."""
    made: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    made.set_defaults(handler=handler)
    return made
