"""Whether strings end and brackets close: what can be said of a language that has no parser here."""

import re

STRING = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`')
PAIRS = {")": "(", "]": "[", "}": "{"}


def without_strings(text: str, strings: re.Pattern[str] = STRING) -> str:
    """Return a query with every string in it empty."""
    return strings.sub('""', text)


def closed(plain: str) -> bool:
    """Tell whether a query without strings has none that does not end, and no bracket that does not close."""
    if any(sign in plain.replace('""', "") for sign in "\"`'"):
        return False
    open_ones: list[str] = []
    for sign in plain:
        if sign in PAIRS.values():
            open_ones.append(sign)
        elif sign in PAIRS and (not open_ones or open_ones.pop() != PAIRS[sign]):
            return False
    return not open_ones
