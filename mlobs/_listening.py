"""What listens at a port, as far as it shows: in the words of a failure, or when it is looked at.

Whoever got no answer tells people the same few causes, so what they are known by stands here once.
"""

import re
import socket
import ssl
from urllib.parse import urlsplit

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_NO_HTTP = ("illegal request line", "BadStatusLine")
_DISTRUST = re.compile(r"certificate[ _]verify[ _]failed: (.+?)(?: \(_ssl|: OK|$)", re.IGNORECASE)


def no_tls(said: str) -> bool:
    """Return whether an error of TLS says that the other side speaks none.

    >>> no_tls("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    True
    """
    words = said.upper().replace(" ", "_")
    return any(word in words for word in _NO_TLS)


def no_http(said: str) -> bool:
    """Return whether an error of HTTP says that the other side speaks none."""
    return any(words in said for words in _NO_HTTP)


def distrust(said: str) -> str:
    """Return why a certificate is not trusted; "" if an error says nothing of it.

    >>> distrust("[SSL] certificate verify failed: certificate has expired (_ssl.c:1006)")
    'certificate has expired'
    """
    found = _DISTRUST.search(said)
    return found[1] if found else ""


def host_and_port(url: str) -> tuple[str, int]:
    """Return the host and the port of a URL.

    >>> host_and_port("https://[::1]/v1/traces")
    ('::1', 443)
    """
    parts = urlsplit(url)
    return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)


def speaks_tls(host: str, port: int, seconds: float) -> bool:
    """Return whether who listens there speaks TLS, whoever that is.

    Args:
        host: A name or an address.
        port: Its port.
        seconds: How long to wait for each answer.
    """
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    anybody.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            socket.create_connection((host, port), seconds) as plain,
            anybody.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it refuses us, but in the words of TLS
    except (OSError, ValueError):  # nobody is there; or the host is a name that is none
        return False
