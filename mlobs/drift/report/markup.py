"""Text from strangers, made harmless for HTML and SVG."""

from html import escape


def text(value: str) -> str:
    r"""Return text whose markup is text, and whose control characters are escapes to read.

    >>> print(text("a < b" + chr(27) + "[2J"))
    a &lt; b\x1b[2J
    """
    return escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in value))
