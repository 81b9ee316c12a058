"""Prints rows as a table for people or as JSON for programs.

A terminal is narrow: columns named `spare` are left out, one after the other, until the rest fits;
those named `whole` (ids, to be pasted) are never shortened; long text is folded. What reads a pipe
gets everything, one line a row. Control characters are made visible, for names come from strangers.

What draws comes with an extra: it brings a highlighter of source code along, 8 of the 40 MB that a
service may spend on the core, and a service draws nothing. `mlobs run` and `mlobs doctor` do without.
"""

import json
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlobs._extras import require

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.tree import Tree

NUMBERS = (int, float)
FOLDED_CELLS_MIN = 16  # text may be folded down to this many cells before a column is left out
BETWEEN_CELLS, EDGE_CELLS = 3, 2
GUIDE_CELLS, BRANCH_CELLS_MIN = 4, 40
PIPE_CELLS = 100_000
# C0, C1, line and paragraph separators, what turns the direction of text, halves of surrogate pairs.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: object) -> str:
    r"""Return text whose control characters are escapes to read, not orders to the terminal.

    >>> print(visible("evil" + chr(27) + "[2J"))
    evil\x1b[2J
    """
    return CONTROLS.sub(lambda found: ascii(found.group())[1:-1], str(text))


def print_rows(
    rows: Sequence[Mapping[str, object]],
    *,
    as_json: bool,
    whole: Collection[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print `rows`; the keys of the first are the columns.

    Args:
        rows: The table.
        as_json: Print one JSON document, with every column.
        whole: Columns that are never shortened nor folded.
        spare: Columns that are left out of a table that is too wide for the terminal, the first first.
    """
    if as_json:
        print_json(rows)
        return
    out = console()
    shown = [dict(row) for row in rows]
    for name in spare:
        if not shown or _cells(shown, whole, FOLDED_CELLS_MIN) <= out.width:
            break
        shown = [{key: value for key, value in row.items() if key != name} for row in shown]
    if shown:  # rather lines too long for the terminal than columns of no width, which is what rich makes
        out.width = max(out.width, _cells(shown, whole, FOLDED_CELLS_MIN))
    out.print(_table(shown, whole))


def fits(rows: Sequence[Mapping[str, object]]) -> bool:
    """Return whether a table of `rows` can be printed with no cell folded."""
    return not rows or _cells(rows, rows[0], 0) <= console().width


def print_tree(top: "Tree", depth: int) -> None:
    """Print a tree whose branches are at most `depth` deep; long lines are wrapped below themselves."""
    out = console()
    out.width = max(out.width, GUIDE_CELLS * depth + BRANCH_CELLS_MIN)
    out.print(top, soft_wrap=False, no_wrap=False, overflow="fold", crop=False)


def print_json(value: object) -> None:
    """Print one JSON document."""
    written = json.dumps(value, indent=2, default=str, ensure_ascii=False)
    lines = (CONTROLS.sub(lambda found: f"\\u{ord(found.group()):04x}", line) for line in written.split("\n"))
    print("\n".join(lines))


def console(*, stderr: bool = False) -> "Console":
    """Return a console that does not cut lines when its output is read by a program.

    Raises:
        MissingExtraError: What draws is not installed.
    """
    stream = sys.stderr if stderr else sys.stdout
    made: Console = rich("console").Console(
        stderr=stderr, highlight=False, soft_wrap=True, width=None if stream.isatty() else PIPE_CELLS
    )
    return made


def rich(part: str) -> Any:
    """Return a module of what draws on terminals.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require(f"rich.{part}", extra="cli", feature="Drawing on a terminal")


def _table(rows: Sequence[Mapping[str, object]], whole: Collection[str]) -> "Table":
    text = rich("text").Text
    table: Table = rich("table").Table(box=rich("box").SIMPLE_HEAD, pad_edge=False)
    for name in rows[0] if rows else ():
        right = all(isinstance(row[name], NUMBERS) or row[name] is None for row in rows)
        cells = _column_cells(rows, name)
        table.add_column(
            text(visible(name)),
            justify="right" if right else "left",
            no_wrap=name in whole or cells <= FOLDED_CELLS_MIN,
            overflow="ignore" if name in whole else "fold",
            min_width=cells if name in whole or cells <= FOLDED_CELLS_MIN else None,
        )
    for row in rows:
        table.add_row(*(text(_cell(value)) for value in row.values()))
    return table


def _cells(rows: Sequence[Mapping[str, object]], whole: Collection[str], folded: int) -> int:
    """Return how wide a table is whose columns are folded to `folded` cells, if they may be."""
    cells = {name: _column_cells(rows, name) for name in rows[0]}
    columns = [cells[name] if name in whole else min(cells[name], folded) for name in cells]
    return sum(columns) + BETWEEN_CELLS * (len(columns) - 1) + EDGE_CELLS


def _column_cells(rows: Sequence[Mapping[str, object]], name: str) -> int:
    cells: Callable[[str], int] = rich("cells").cell_len
    return max(cells(visible(name)), *(cells(_cell(row[name])) for row in rows))


def _cell(value: object) -> str:
    return "" if value is None else visible(value)
