"""Prints rows as a table for people or as JSON for programs.

A terminal is narrow: what has no room beside the rest is cut, goes below its row or is left out, as
`mlobs.cli.layout` says. What reads a pipe gets everything, one line a row. Control characters are made
visible, for names come from strangers.

What draws comes with an extra: it brings a highlighter of source code along, 8 of the 40 MB that a
service may spend on the core, and a service draws nothing. `mlobs run` and `mlobs doctor` do without.
"""

import json
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlobs._extras import require
from mlobs.cli.layout import Columns, Layout, lay_out

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.tree import Tree

NUMBERS = (int, float)
UNDER_CELLS = 4
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
    ids: Collection[str] = (),
    under: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print `rows`; the keys of the first are the columns.

    Args:
        rows: The table.
        as_json: Print one JSON document, with every column.
        whole: Columns that are never shortened nor folded.
        ids: Columns of ids, of which a table that is too wide for the terminal has the first digits.
        under: Columns that then go below their row, the first first.
        spare: Columns that are left out where even that is not enough, the first first.
    """
    if as_json:
        print_json(rows)
        return
    if not rows:
        return
    out = console()
    shown = [{visible(name): _cell(value) for name, value in row.items()} for row in rows]
    columns = Columns(whole=whole, ids=ids, under=under, spare=spare)
    found = lay_out(shown, columns, out.width, rich("cells").cell_len)
    # Rather lines too long for the terminal than columns of no width, which is what rich makes.
    out.width = max(out.width, found.cells)
    right = {visible(name) for name in rows[0] if _is_number(row[name] for row in rows)}
    if not found.under:
        out.print(_table(found, found.rows, right))
        return
    for place, row in enumerate(found.rows):
        out.print(_table(found, [row], right, head=place == 0))
        for name in found.under:
            if row[name]:
                below = rich("text").Text(f"{name}: {row[name]}", style="dim")
                out.print(
                    rich("padding").Padding(below, (0, 0, 0, UNDER_CELLS), expand=False), soft_wrap=False
                )


def fits(rows: Sequence[Mapping[str, object]]) -> bool:
    """Return whether a table of `rows` can be printed with no cell folded."""
    if not rows:
        return True
    room, shown = console().width, [{name: _cell(value) for name, value in row.items()} for row in rows]
    found = lay_out(shown, Columns(), room, rich("cells").cell_len)
    return not found.tight


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


def _table(
    found: Layout, rows: Sequence[Mapping[str, str]], right: Collection[str], *, head: bool = True
) -> "Table":
    text = rich("text").Text
    table: Table = rich("table").Table(
        box=rich("box").SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0) if found.tight else (0, 1),
        show_edge=not found.tight,
        show_header=head,
    )
    for name, width in found.widths.items():
        table.add_column(
            text(name), justify="right" if name in right else "left", width=width, overflow="fold"
        )
    for row in rows:
        table.add_row(*(text(row[name]) for name in found.widths))
    return table


def _is_number(values: Iterable[object]) -> bool:
    return all(value is None or isinstance(value, NUMBERS) for value in values)


def _cell(value: object) -> str:
    return "" if value is None else visible(value)
