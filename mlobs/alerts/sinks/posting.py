"""Posts to a sink over HTTP: once, to a judged address, for a bounded time.

Edge: this is the network. Redirects are not followed, no cookies or passwords of the machine are
sent, and of an answer only the first bytes are read.
"""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from mlobs.alerts.sinks.answer import Answer, judge, redirected
from mlobs.alerts.sinks.deadline import within
from mlobs.alerts.sinks.dialing import Dialer, Resolve, reason, resolve
from mlobs.alerts.sinks.escaping import line
from mlobs.alerts.sinks.guard import Guard

SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 2048
SAID_CHARACTERS_MAX = 120
BODY_SECONDS_MAX = 2.0  # Of a success, whose status is known already.

# Says how an attempt ended that was answered with success, of the status, the body and the time.
Doubt = Callable[[int, str, float], Answer | None]


class Post:
    """One address that can be posted to.

    Args:
        url: It may hold a secret, so it is never shown whole.
        guard: Judges where it leads.
        trust: Which certificates are believed.
        resolve: Says where its host is.
        doubt: What says whether a success is one; every one is if None.
    """

    def __init__(
        self,
        url: str,
        guard: Guard,
        trust: ssl.SSLContext,
        resolve: Resolve = resolve,
        doubt: Doubt | None = None,
    ) -> None:
        self._url = url
        self._doubt = doubt
        parts = urlsplit(url)
        host = parts.hostname or ""
        tls = parts.scheme == "https"
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{parts.scheme}://{shown}{f':{parts.port}' if parts.port else ''}"
        self._authority = self.address.partition("://")[2]
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._dialer = Dialer(host, parts.port or (443 if tls else 80), guard, resolve)
        self._trust = trust if tls else None

    def send(self, body: bytes, headers: Mapping[str, str], *, now_s: float) -> Answer:
        """Post once and say how it went. Takes at most about `SECONDS_MAX` seconds."""
        open_: list[socket.socket] = []
        _, answers = within(
            SECONDS_MAX, lambda: self._exchange(body, headers, now_s, open_), name="mlobs-sink"
        )
        if answers:
            return answers[0]
        for one in open_:  # so that the thread does not wait for ever
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        return Answer("failed", f"no answer within {SECONDS_MAX:.3g} s")

    def _exchange(
        self, body: bytes, headers: Mapping[str, str], now_s: float, open_: list[socket.socket]
    ) -> Answer:
        try:
            connection = http.client.HTTPConnection(self._dialer.host, self._dialer.port)
            with contextlib.closing(connection):
                dialed = self._dialer.dial(SECONDS_MAX)
                open_.append(dialed)
                connection.sock = dialed
                if self._trust is not None:
                    secured = self._trust.wrap_socket(
                        dialed, server_hostname=self._dialer.host, do_handshake_on_connect=False
                    )
                    open_[:] = [secured]
                    secured.do_handshake()
                    connection.sock = secured
                sent = {"Host": self._authority, "User-Agent": "mlobs", "Connection": "close", **headers}
                connection.request("POST", self._target, body=body, headers=sent)
                answered = connection.getresponse()
                retry_after = answered.getheader("Retry-After")
                if answered.status < 300:
                    open_[0].settimeout(BODY_SECONDS_MAX)
                    return self._taken(answered, now_s) or judge(answered.status, retry_after, now_s)
                if answered.status < 400:
                    return redirected(answered.status, answered.getheader("Location"), self._url)
                shown = line(_text(answered.read(ANSWER_BYTES_MAX)), SAID_CHARACTERS_MAX)
                return judge(answered.status, retry_after, now_s, shown)
        except Exception as error:  # noqa: BLE001 # whatever a stranger makes of HTTP, it is no answer
            return Answer("failed", reason(error))

    def _taken(self, answered: http.client.HTTPResponse, now_s: float) -> Answer | None:
        if self._doubt is None:
            return None
        said = b""
        with contextlib.suppress(OSError, http.client.HTTPException):  # the status is known; it is a receipt
            said = answered.read(ANSWER_BYTES_MAX)
        return self._doubt(answered.status, line(_text(said), ANSWER_BYTES_MAX), now_s)


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace")
