"""INSERT statements with data behind them, as they come over HTTP.

The embedded engine reads text behind a statement, and only text: it stops at what looks like an end. So data
is given to it as a file.
"""

import re
from dataclasses import dataclass

from mlobs.server.engine import literal

NAME = rb"(?:[A-Za-z_]\w*|`[^`]+`|\"[^\"]+\")"
VALUE = rb"(?:'(?:[^'\\]|\\.|'')*'|[^\s,']+)"
INSERT = re.compile(
    rb"(?P<into>\s*INSERT\s+INTO\s+(?:TABLE\s+)?" + NAME + rb"(?:\." + NAME + rb")?\s*(?:\([^()]*\))?)"
    rb"\s*(?P<settings>SETTINGS\s+\w+\s*=\s*" + VALUE + rb"(?:\s*,\s*\w+\s*=\s*" + VALUE + rb")*)?"
    rb"\s*FORMAT\s+(?P<form>(?!VALUES\b)[A-Za-z]\w*)[ \t\f]*;?(?:\r?\n)?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Insertion:
    """One of these statements."""

    into: str
    settings: str
    form: str
    data: bytes

    def reading(self, path: str) -> str:
        """Return the statement that reads the data from a file."""
        words = (self.into.strip(), "FROM INFILE", literal(path), self.settings, "FORMAT", self.form)
        return " ".join(filter(None, words))


def insertion(statement: bytes) -> Insertion | None:
    r"""Return an INSERT with its data apart; None if the statement is something else.

    >>> insertion(b"INSERT INTO t FORMAT TSV\n1").data
    b'1'
    """
    found = INSERT.match(statement)
    if found is None:
        return None
    parts = {name: (text or b"").decode() for name, text in found.groupdict().items()}
    return Insertion(**parts, data=statement[found.end() :])
