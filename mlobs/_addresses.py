"""Addresses of HTTP, as settings take them."""

from contextlib import suppress
from urllib.parse import urlsplit


def http_address(text: str) -> str:
    """Return an address of a server, without a slash at its end.

    Raises:
        ValueError: It is none; the words say what was expected.
    """
    given = text.strip()
    with suppress(ValueError):  # of a host or a port that is none
        parts = urlsplit(given)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if known and not any(map(str.isspace, given)):
            return given.rstrip("/")
    raise ValueError("an address such as http://127.0.0.1:4318 was expected")


def public_address(text: str) -> str:
    """Return an address that more can be written behind, and that everybody may read.

    Raises:
        ValueError: It is none; the words say what was expected.
    """
    given = http_address(text)
    parts = urlsplit(given)
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError(
            "an address such as https://mlobs.example.org was expected, without a name, password, ? or #"
        )
    return given
