"""Parts of the statements that the collector's transform processors run."""


def literal(text: str) -> str:
    r"""Return a text as a statement holds it.

    >>> print(literal('a "b" \\c'))
    "a \"b\" \\c"
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
