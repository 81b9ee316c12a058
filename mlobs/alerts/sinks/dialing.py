"""Opens connections to sinks: to an address that was judged, never to a name.

Edge: this is DNS and the network. Between judging an address and connecting a name could come to
mean another one, so the connection is made to exactly the address that was judged; the name
stays what the certificate is checked against. Proxies of the environment are not used: a proxy
would resolve the name once more, behind our back.
"""

import socket
import ssl
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from mlobs.alerts.sinks.guard import HOW, Guard
from mlobs.errors import SettingError

CONNECT_SECONDS_MAX = 3.0
ADDRESSES_TRIED_MAX = 3

Resolve = Callable[[str, int], list[str]]


class RefusedError(Exception):
    """The sink is at an address that must not be reached; the text says which and what to do."""


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a host, in the order to try them.

    Raises:
        OSError: It has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def in_turn(found: list[str]) -> list[str]:
    """Return addresses with IPv6 and IPv4 in turn: where one of them leads nowhere, the other is tried soon.

    >>> in_turn(["2001::1", "2001::2", "2001::3", "192.0.2.1"])
    ['2001::1', '192.0.2.1', '2001::2', '2001::3']
    """
    first = [ip for ip in found if (":" in ip) == (":" in found[0])]
    others = [ip for ip in found if ip not in first]
    pairs = zip_longest(first, others)
    return [ip for pair in pairs for ip in pair if ip is not None]


class Dialer:
    """Opens connections to one host.

    Args:
        host: Its name or address.
        port: Its port.
        guard: Judges where it is.
        resolve: Says where it is.
    """

    def __init__(self, host: str, port: int, guard: Guard, resolve: Resolve = resolve) -> None:
        self.host = host
        self.port = port
        self._guard = guard
        self._resolve = resolve

    def dial(self, seconds_max: float) -> socket.socket:
        """Return a connection; its reads time out after `seconds_max`.

        Raises:
            RefusedError: An address of the host must not be reached. Then none is: whoever answers for
                the name would otherwise choose.
            OSError: There is no address, or nobody listens.
        """
        found = self._resolve(self.host, self.port)
        for ip in found:
            refused = self._guard.refusal(self.host, ip)
            if refused is not None:
                raise RefusedError(f"not sent: {refused}. {HOW}")
        failure: OSError = OSError(f"{self.host} has no address")
        for ip in in_turn(found)[:ADDRESSES_TRIED_MAX]:
            try:
                connected = socket.create_connection((ip, self.port), timeout=CONNECT_SECONDS_MAX)
            except OSError as error:
                failure = error
                continue
            connected.settimeout(seconds_max)
            return connected
        raise failure


def trust(ca: Path | None, where: str) -> ssl.SSLContext:
    """Return what decides which certificates are believed.

    Args:
        ca: A file of certificates; the system's if None.
        where: Begins the sentence if the file cannot be used.

    Raises:
        SettingError: It cannot.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{where}: ca={str(ca)!r} cannot be used: {getattr(error, 'strerror', None) or error}. A file of "
            f"certificates in PEM was wanted."
        ) from None


def reason(error: Exception) -> str:
    """Return why there was no answer. The text of most errors would show the address, so it is left out."""
    match error:
        case RefusedError():
            return str(error)
        case ssl.SSLCertVerificationError():
            return f"no answer: the certificate is not believed: {error.verify_message}"
        case ssl.SSLError():
            return "no answer: the connection could not be encrypted"
        case ConnectionRefusedError():
            return "no answer: nobody listens there"
        case socket.gaierror():
            return "no answer: the host's name cannot be resolved"
        case TimeoutError():
            return "no answer in time"
    return f"no answer: {type(error).__name__}"
