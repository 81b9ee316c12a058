"""Says why nobody answered a request: no server, no trust, or another protocol on that port. Edge.

What `requests` raises is the same for several reasons, so the port is tried once more.
"""

import socket
import ssl
from urllib.parse import urlsplit

import requests

LOOK_SECONDS = 3.0
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_NO_HTTP = ("illegal request line", "BadStatusLine")


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
    if urlsplit(url).scheme == "http" and _speaks_tls(url):
        return f"What listens at {url} speaks TLS: write https:// instead of http://."
    if any(word in said for word in _NO_HTTP):
        return (
            f"What listens at {url} speaks no HTTP, as the port of gRPC does not. Name the port of HTTP, "
            "which is 4318 unless another was chosen (gRPC's is 4317)."
        )
    return f"What listens at {url} closed the connection without an answer. Look at its log, and ask again."


def _tls(url: str, said: str, trust: str) -> str:
    if any(word in said for word in _NO_TLS):
        return f"What listens at {url} speaks no TLS: write http:// instead of https://."
    _, failed, reason = said.partition("certificate verify failed: ")
    if failed:
        return (
            f"The certificate of {url} is not trusted: {reason.partition(' (_ssl')[0]}. "
            f"{trust} names a file of certificates to trust."
        )
    return f"TLS with {url} fails: {said.rpartition('[SSL: ')[2].partition(' (_ssl')[0][:100]}."


def _opens(url: str) -> bool:
    """Return whether something listens there."""
    try:
        _connected(url).close()
    except OSError:
        return False
    return True


def _speaks_tls(url: str) -> bool:
    anything = ssl.create_default_context()
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    try:
        with _connected(url) as plain, anything.wrap_socket(plain, server_hostname=urlsplit(url).hostname):
            return True
    except OSError:
        return False


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return socket.create_connection((str(parts.hostname), port), LOOK_SECONDS)
