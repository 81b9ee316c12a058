"""A bar for what reads many rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mlobs.cli.printing import console


@contextmanager
def progress(doing: str) -> Iterator[tuple[Callable[[int | None], None], Callable[[int], None]]]:
    """Show a bar on stderr; yield how to say the total and how to move it on."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    talk = console(stderr=True)
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda total: bar.update(task, total=total), lambda rows: bar.advance(task, rows)
