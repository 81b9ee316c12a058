"""Makes words of strangers safe where they will stand: in Slack, Markdown, HTML, on one line.

Escaping comes last, after cutting: a cut escape would be half of one.
"""

import html
import re
from urllib.parse import quote, urlsplit

URL_CHARACTERS_MAX = 2000
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&])")


def line(text: str, characters_max: int = 200) -> str:
    r"""Return one line without control characters, cut.

    >>> line("a\x1b[31mb" + chr(10) + "c"), line("abcdef", 4)
    ('a [31mb c', 'abc…')
    """
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * characters_max])
    return cut(" ".join(shown.split()), characters_max)


def lines(text: str, characters_max: int) -> str:
    """Return text whose only control characters are line ends, cut."""
    shown = "".join(c if c.isprintable() or c == "\n" else " " for c in text[: characters_max + 1])
    return cut(shown.strip(), characters_max)


def cut(text: str, characters_max: int) -> str:
    """Return at most so many characters, the last of them … if some are missing.

    >>> cut("abc", 3), cut("abcd", 3)
    ('abc', 'ab…')
    """
    return text if len(text) <= characters_max else text[: max(characters_max - 1, 0)] + "…"


def slack(text: str) -> str:
    """Return text for Slack's mrkdwn: no links, no mentions. Stars and underscores stay.

    Those can only change how a value looks; to break them up would break every name with an
    underscore for whoever copies it.

    >>> slack("<!channel> & <https://x|bank>")
    '&lt;!channel&gt; &amp; &lt;https://x|bank&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(text: str) -> str:
    r"""Return text in which nothing is Markdown.

    >>> print(markdown("[bank](https://x)"))
    \[bank\]\(https://x\)
    """
    return _MARKDOWN.sub(r"\\\1", text)


def hypertext(text: str) -> str:
    """Return text for an HTML document, inside or outside of an attribute."""
    return html.escape(text, quote=True)


def address(url: object) -> str | None:
    """Return an address that may become a link anywhere, or None if it is none.

    Only http and https; whatever could end a link in any of the sinks' languages is encoded.

    >>> address("javascript:alert(1)"), address("https://x/a|b>c?d=1&e=ü")
    (None, 'https://x/a%7Cb%3Ec?d=1&e=%C3%BC')
    """
    if not isinstance(url, str) or len(url) > URL_CHARACTERS_MAX:
        return None
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return None
        encoded = quote(url, safe="/:?#@!$&'*+,;=%-._~[]")
    except ValueError:  # such as half of a surrogate pair, or half of an IPv6 address
        return None
    return encoded if len(encoded) <= URL_CHARACTERS_MAX else None
