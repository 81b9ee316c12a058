"""Where a server is reached, which need not be where it listens.

Edge: this asks for the machine's name.
"""

import socket
from urllib.parse import urlsplit

from mlobs.settings import ServerSettings

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 # they are looked for, not bound


def reached(url: str) -> str:
    """Return where a server is reached: who listens on every address has this machine's name.

    >>> reached("http://127.0.0.1:4318")
    'http://127.0.0.1:4318'
    """
    parts = urlsplit(url)
    if parts.hostname not in EVERY_ADDRESS:
        return url
    return parts._replace(netloc=f"{socket.gethostname()}:{parts.port}").geturl()


def public(settings: ServerSettings, url: str) -> str:
    """Return where people reach a server that listens at `url`.

    >>> from mlobs.settings import load
    >>> public(load(ServerSettings, public_url="https://mlobs.example.org/"), "http://0.0.0.0:4318")
    'https://mlobs.example.org'
    """
    return settings.public_url or reached(url)
