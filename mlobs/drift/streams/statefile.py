"""The file in which a monitor outlives a restart."""

import logging
from collections.abc import Callable
from pathlib import Path

from mlobs.drift.streams.claims import claim, claim_one_of, let_go
from mlobs.drift.writing import replace
from mlobs.errors import DataError, SettingError

log = logging.getLogger("mlobs")

SAVE_S = 30.0
SHARE = 0.01  # of the time, at most, goes into saving


class StateFile:
    """A file that is replaced as a whole, so that there is always a whole one.

    Args:
        path: Where it is; or a folder, of which each process takes a file of its own.
        began_s: The time by the clock that `due` and `write` are given.

    Raises:
        SettingError: It cannot be written; that is found out now, not at the first time it is.
    """

    def __init__(self, path: Path, began_s: float) -> None:
        self.path = _usable(path)
        self._due_s = began_s + SAVE_S

    def read(self) -> str | None:
        """Return what was written, or None if there is no such file, or another process has it.

        Raises:
            DataError: It cannot be read.
        """
        if not claim(self.path):
            log.warning(
                "mlobs: %s is in use by another process. The monitor starts anew, and saves nothing until "
                "that one has ended. Give a folder, of which each process takes a file of its own.",
                self.path,
            )
            return None
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise DataError(
                f"The monitor's state {str(self.path)!r} cannot be read: {why}. "
                f"Give a file that this process can read and write, or remove it to begin anew."
            ) from None

    def due(self, now_s: float) -> bool:
        """Return whether it is time to save."""
        return now_s >= self._due_s

    def write(self, text: Callable[[], str], clock: Callable[[], float]) -> None:
        """Write what `text` returns, and put off the next time for long if this one took long.

        Nothing is written as long as another process has the file, which `read` has said.

        Raises:
            OSError: The file cannot be written.
        """
        began_s = clock()
        self._due_s = began_s + SAVE_S
        if not claim(self.path):
            return
        replace(self.path, text())
        ended_s = clock()
        self._due_s = ended_s + max(SAVE_S, (ended_s - began_s) / SHARE)

    def close(self) -> None:
        """Leave the file to whoever wants it next."""
        let_go(self.path)


def _usable(path: Path) -> Path:
    """Return the file, of a folder one that nobody else has.

    Raises:
        SettingError: It cannot be written.
    """
    folder = path.is_dir()
    trial = path / ".trial" if folder else path.with_name(f"{path.name}.trial")
    try:
        trial.write_bytes(b"")
        trial.unlink(missing_ok=True)
        return claim_one_of(path) if folder else path
    except OSError as error:
        raise SettingError(
            f"state={str(path)!r} cannot be used: the file cannot be written: {error.strerror}. "
            f"Give a file in a folder that exists and that this process may write to."
        ) from None
