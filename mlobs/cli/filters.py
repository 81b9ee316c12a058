"""Reads filters from the command line: several words, minus signs in front, words to look for."""

import argparse
import re
from collections.abc import Sequence
from typing import Any

# A term that is negated, or a time such as -2h; commands here have no short options.
_MINUS = re.compile(r"-[^-]")
_TERM = re.compile(r"[-({]*([A-Za-z_@][A-Za-z0-9_.@/$-]*)(?::|=|!=|>|<)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SMALL = re.compile(r"(?<=\s)(or|and|not)(?=\s)")


class FilterParser(argparse.ArgumentParser):
    """Takes `-status:error` for a filter, and joins its words."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; what has a space at its front is never an option to it."""
        words = [f" {word}" if _MINUS.match(word) and word != "-h" else word for word in args or ()]
        found, rest = super().parse_known_args(words, namespace)
        for name, value in vars(found).items():
            if isinstance(value, list):
                setattr(found, name, [one.strip() for one in value])
            elif isinstance(value, str):
                setattr(found, name, value.strip())
        if isinstance(getattr(found, "filter", None), list):
            found.filter = " ".join(found.filter)
        return found, [word.strip() for word in rest]


def split(words: Sequence[str]) -> tuple[str, str]:
    """Return the text to look for and the filter, of words of which the first is text.

    >>> split(["where", "is", "my", "money", "service:desk"])
    ('where is my money', 'service:desk')
    >>> split(["error: timeout", "-status:ok"])
    ('error: timeout', '-status:ok')
    """
    from mlobs.server.ask.keys import find

    text, terms = list(words[:1]), list(words[:0])
    for word in words[1:]:
        found = _TERM.match(word)
        (terms if found and find(found[1]) else text).append(word)
    return " ".join(text), " ".join(terms)


def small_word(text: str) -> str:
    """Return the or, and, not in small letters that stands between the terms of a filter, if one does.

    >>> small_word("tool:a or tool:b"), small_word('"this or that" OR tool:a')
    ('or', '')
    """
    found = _SMALL.search(_QUOTED.sub('""', f" {text}"))
    return found[1] if found else ""
