"""A bar for what reads many rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlobs.cli.printing import console, rich


@contextmanager
def progress(doing: str) -> Iterator[tuple[Callable[[int | None], None], Callable[[int], None]]]:
    """Show a bar on stderr; yield how to say the total and how to move it on."""
    bars = rich("progress")
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TextColumn("{task.completed:,} rows"),
        bars.TimeElapsedColumn(),
    )
    talk = console(stderr=True)
    with bars.Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda total: bar.update(task, total=total), lambda rows: bar.advance(task, rows)
