"""The demo's progress bars."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mlobs.cli.printing import console

Step = Callable[[], None]
Bar = Callable[[str, int], AbstractContextManager[Step]]


@contextmanager
def bars() -> Iterator[Bar]:
    """Return what makes a bar: `with bar("training", 3) as step:`, and `step()` three times."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True)) as progress:

        @contextmanager
        def bar(words: str, total: int) -> Iterator[Step]:
            task = progress.add_task(words, total=total)
            yield lambda: progress.advance(task)

        yield bar
