"""The demo's progress bars."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from mlobs.cli.printing import console, rich

Step = Callable[[], None]
Bar = Callable[[str, int], AbstractContextManager[Step]]


@contextmanager
def bars() -> Iterator[Bar]:
    """Return what makes a bar: `with bar("training", 3) as step:`, and `step()` three times."""
    drawn = rich("progress")
    columns = (
        drawn.TextColumn("{task.description}"),
        drawn.BarColumn(),
        drawn.TaskProgressColumn(),
        drawn.TimeElapsedColumn(),
    )
    with drawn.Progress(*columns, console=console(stderr=True)) as progress:

        @contextmanager
        def bar(words: str, total: int) -> Iterator[Step]:
            task = progress.add_task(words, total=total)
            yield lambda: progress.advance(task)

        yield bar
