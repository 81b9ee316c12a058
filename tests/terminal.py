"""A terminal of a given width, for what is printed differently to people and to programs."""

import io
import re
import sys
from collections.abc import Callable

import pytest


class Screen(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        """Say that somebody looks at it."""
        return True

    def lines(self) -> list[str]:
        """Return the lines with colours taken off, and without blanks at their ends."""
        return [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", self.getvalue()).splitlines()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Screen]:
    """Return what makes standard output a terminal of so many columns."""

    def make(columns: int) -> Screen:
        screen = Screen()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", "25")
        monkeypatch.setattr(sys, "stdout", screen)
        return screen

    return make
