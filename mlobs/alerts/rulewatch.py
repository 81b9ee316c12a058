"""The rules of the house, read again when their file changes.

Edge: this logs, and looks at a file. A file that cannot be used is said in the log once, counted at
every look, and changes nothing: the former rules stay until it can be used.
"""

import logging
from pathlib import Path

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.rulefile import all_rules
from mlobs.alerts.rules import Rule
from mlobs.errors import MlobsError
from mlobs.settings import AlertSettings

log = logging.getLogger("mlobs.alerts")

Mark = tuple[int, int, int]


class RuleWatch:
    """Which rules are evaluated.

    Args:
        settings: The file, and thresholds of the packaged rules.

    Raises:
        RuleError: Something in the file is wrong; the sentence says where.
        SettingError: The file cannot be read, or is not YAML.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self.path = settings.rules
        self._mark = file_mark(self.path)  # Before reading, so that no change is missed.
        self.packaged = catalogue(settings)
        self.rules: tuple[Rule, ...] = all_rules(settings)
        self.refused = 0
        self.error: str | None = None
        self._asked = False

    def ask(self) -> None:
        """Read the file at the next look even if it seems unchanged; safe in a signal handler."""
        self._asked = True

    def look(self) -> bool:
        """Read the file if it changed; return whether the rules are others now."""
        path, mark = self.path, file_mark(self.path)
        asked, self._asked = self._asked, False
        # A file that was bad is tried again: what it lacked may not be in the file, such as a permission.
        if path is None or (mark == self._mark and not asked and self.error is None):
            return False
        self._mark = mark
        try:
            found = all_rules(self._settings)
        except Exception as error:  # whatever is in the file, alerting goes on
            self.refused += 1
            said = str(error) or type(error).__name__
            if said != self.error:
                # A traceback only of what is our own fault.
                log.error("The former alert rules stay: %s", said, exc_info=not isinstance(error, MlobsError))
            self.error = said
            return False
        if self.error is not None or found != self.rules:
            log.warning("The file of rules %s was read again; there are %d rules now.", path, len(found))
        changed = found != self.rules
        self.rules, self.error = found, None
        return changed


def file_mark(path: Path | None) -> Mark | None:
    """Return what changes when a file does; None if there is none."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
