"""Claims a file for this process: two that write one state would each undo the other's.

The lock is on a file beside it, which stays, because the file itself is replaced each time. The system
lets go of it when the process ends, however that happens. A forked child has no part in it.
"""

import itertools
import os
from functools import cache
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".state"
_held: dict[Path, IO[bytes]] = {}


def claim_one_of(folder: Path) -> Path:
    """Return a state file of a folder that is this process's own from now on; new, if all are taken.

    Of those that are free it is the one that was written last: after a restart each process goes on from
    one of those before, whatever its number.
    """
    files = sorted(folder.glob(f"*{SUFFIX}"), key=_written_s, reverse=True)
    new = (folder / f"{number}{SUFFIX}" for number in itertools.count(1))
    free = (path for path in itertools.chain(files, new) if path.resolve() not in _held)
    return next(path for path in free if claim(path))


def let_go(path: Path) -> None:
    """Let another process, or this one, claim a file that this process has, if it has it."""
    file = _held.pop(path.resolve(), None)
    if file is not None:
        file.close()


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process replaces or removes it right now
        return 0.0


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
