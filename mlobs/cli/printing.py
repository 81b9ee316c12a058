"""Prints rows as a table for people or as JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

NUMBERS = (int, float)


def print_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print `rows`; the keys of the first are the columns."""
    if as_json:
        print_json(rows)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in rows[0] if rows else ():
        right = all(isinstance(row[name], NUMBERS) or row[name] is None for row in rows)
        table.add_column(name, justify="right" if right else "left")
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    console().print(table)


def print_json(value: object) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def console(*, stderr: bool = False) -> Console:
    """Return a console that does not cut lines when its output is read by a program."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=None if stream.isatty() else 200)
