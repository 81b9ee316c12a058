"""Addresses that are asked, and how they are shown."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """Where a data source is.

    Args:
        url: With the name and password in it, without what follows a question mark.
        shown: Without name and password.
        options: What followed the question mark.
    """

    url: str
    shown: str
    options: dict[str, str]


def address(given: str) -> Address:
    """Return an address in its parts.

    >>> address("https://me:secret@host/prom/?database=mlobs")
    Address(url='https://me:secret@host/prom', shown='https://host/prom', options={'database': 'mlobs'})
    """
    parts = urlsplit(given)
    path = parts.path.rstrip("/")
    host = parts.netloc.rpartition("@")[2]
    return Address(
        url=f"{parts.scheme}://{parts.netloc}{path}",
        shown=f"{parts.scheme}://{host}{path}",
        options=dict(parse_qsl(parts.query)),
    )
