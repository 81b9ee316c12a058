"""Claims a file for this process: two that write one state would each undo the other's.

The lock is on a file beside it, which stays, because the file itself is replaced each time. The system
lets go of it when the process ends, however that happens. A forked child has no part in it.
"""

import os
from functools import cache
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

_held: dict[Path, IO[bytes]] = {}


def claim(path: Path) -> bool:
    """Return whether the file is this process's own, from now on; False if another one has claimed it.

    Where there are no locks, as on some network folders, it is True.
    """
    whole = path.resolve()
    if fcntl is None or whole in _held:
        return True
    _let_go_in_children()
    try:
        file = whole.with_name(f"{whole.name}.lock").open("ab")
    except OSError:  # whoever reads or writes the file itself will say so
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return whole in _held  # another thread may have been here meanwhile
    except OSError:
        file.close()
        return True
    _held[whole] = file
    return True


@cache
def _let_go_in_children() -> None:
    """Have forked children close what their parent has locked, which stays locked; once in a process."""
    os.register_at_fork(after_in_child=_close)


def _close() -> None:
    for file in _held.values():
        file.close()
    _held.clear()
