"""Says why nobody answered a request: no server, no trust, or another protocol on that port. Edge.

What `requests` raises is the same for several reasons, so the port is tried once more.
"""

import socket
from urllib.parse import urlsplit

import requests

from mlobs._listening import distrust, host_and_port, no_http, no_tls, speaks_tls

LOOK_SECONDS = 3.0


def unanswered(url: str, error: requests.RequestException, *, nobody: str, trust: str) -> str:
    """Return the sentence for a request that was not answered.

    Args:
        url: Where it went.
        error: What was raised.
        nobody: What to say where nothing listens.
        trust: The variable that names the certificates to trust.
    """
    said = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return (
            f"The proxy that the environment names does not reach {url}. "
            "NO_PROXY names hosts that are reached without it."
        )
    if isinstance(error, requests.exceptions.SSLError):
        return _tls(url, said, trust)
    if not _opens(url):
        return nobody
    if urlsplit(url).scheme == "http" and speaks_tls(*host_and_port(url), LOOK_SECONDS):
        return f"What listens at {url} speaks TLS: write https:// instead of http://."
    if no_http(said):
        return (
            f"What listens at {url} speaks no HTTP, as the port of gRPC does not. Name the port of HTTP, "
            "which is 4318 unless another was chosen (gRPC's is 4317)."
        )
    return f"What listens at {url} closed the connection without an answer. Look at its log, and ask again."


def _tls(url: str, said: str, trust: str) -> str:
    if no_tls(said):
        return f"What listens at {url} speaks no TLS: write http:// instead of https://."
    if why := distrust(said):
        return (
            f"The certificate of {url} is not trusted: {why}. {trust} names a file of certificates to trust."
        )
    return f"TLS with {url} fails: {said.rpartition('[SSL: ')[2].partition(' (_ssl')[0][:100]}."


def _opens(url: str) -> bool:
    """Return whether something listens there."""
    try:
        socket.create_connection(host_and_port(url), LOOK_SECONDS).close()
    except OSError:
        return False
    return True
