"""Why a request got no answer, and what to do about it. Edge.

What `requests` and gRPC raise tells most of it. Plain text that was sent to a port that speaks TLS is
only seen as a closed connection, so there the port is asked once whether it does.
"""

import re
from urllib.parse import urlsplit

import requests

from mlobs._listening import distrust, host_and_port, no_http, no_tls, speaks_tls
from mlobs.instrument.transport.answers import WORDS_MAX, Answer
from mlobs.settings import TRUSTED, ClientSettings, variable

LOOK_S_MAX = 1.0

START = "Start a server with: mlobs up, or name another endpoint."
WRITE_HTTPS = "Write https:// instead of http:// in the endpoint."
WRITE_HTTP = "Write http:// instead of https:// in the endpoint."
TRUST = f"{TRUSTED} or {variable(ClientSettings, 'certificate')} names a file of certificates to trust."
FILES = "Variables that end in _CERTIFICATE or _KEY name the files that TLS needs."
LOOK = "Look at the log of what listens there."
_AWAY = ("Connection refused", "imeout", "timed out", "unreachable", "No route")
_NO_GRPC = ("HTTP/2", "ALPN")
_OTHER_NAME = ("mismatch", "Hostname Verification Check failed")
_REASON = re.compile(r"\[\w+: (\w+)\]|OPENSSL_internal:(\w+)")
_NO_CERTIFICATES = ("NO_CERTIFICATE_OR_CRL_FOUND", "Failed to create security handshaker")


def over_http(url: str, error: Exception, seconds: float) -> Answer:
    """Return what came of a request that `requests` got no answer to.

    Args:
        url: Where it went.
        error: What was raised.
        seconds: How long the port may be looked at.
    """
    said = str(error)
    if isinstance(error, requests.exceptions.ProxyError):
        return _none(
            "the proxy does not reach it", "NO_PROXY names the hosts that are reached without the proxy."
        )
    if isinstance(error, requests.exceptions.ReadTimeout):
        return _none("no answer in time", LOOK)
    if isinstance(error, requests.exceptions.SSLError):
        return _tls(said)
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.InvalidHeader):
        return _none(f"the address cannot be used: {said[:WORDS_MAX]}", "Write it as http://host:port.")
    if not isinstance(error, requests.RequestException):  # a file of certificates, most likely
        return _none(said[:WORDS_MAX], FILES)
    if not isinstance(error, requests.ConnectionError):
        return _none(type(error).__name__, "")
    if "resolve" in said or "establish a new connection" in said or "timed out" in said:
        return _none("no connection", START)
    if no_http(said):
        return _none("no HTTP is spoken there", "OTLP over HTTP has port 4318 by default, gRPC has 4317.")
    return _closed(url, seconds)


def over_grpc(endpoint: str, details: str, seconds: float) -> Answer:
    """Return what came of a call that is UNAVAILABLE, as the server or gRPC itself said.

    Args:
        endpoint: Where it went.
        details: What was said.
        seconds: How long the port may be looked at.
    """
    if details.startswith(("errors resolving", "DNS resolution failed")):
        return _none("no connection", START)
    if not details.startswith("failed to connect"):
        return _none(f"UNAVAILABLE: {details[:WORDS_MAX]}", LOOK)
    if any(word in details for word in _NO_GRPC):
        return _none("no gRPC is spoken there", "OTLP over gRPC has port 4317 by default, HTTP has 4318.")
    if any(word in details for word in _AWAY):
        return _none("no connection", START)
    if urlsplit(endpoint).scheme == "https" and "recvmsg" not in details and "closed" not in details:
        return _tls(details)
    return _closed(endpoint, seconds)


def _tls(said: str) -> Answer:
    if no_tls(said):
        return _none("no TLS is spoken there", WRITE_HTTP)
    if any(word in said for word in _OTHER_NAME):
        return _none(
            "its certificate is for another name", "Write a name in the endpoint that the certificate has."
        )
    if any(word in said for word in _NO_CERTIFICATES):
        return _none("the file of certificates to trust has none", TRUST)
    if why := distrust(said):
        return _none(f"its certificate is not trusted: {why[:WORDS_MAX]}", TRUST)
    if "CERTIFICATE_REQUIRED" in said:
        names = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"
        return _none("it wants a certificate", f"{names} name the files of one.")
    reason = _REASON.search(said)
    return _none(f"TLS fails: {reason[1] or reason[2] if reason else said[-WORDS_MAX:]}", LOOK)


def _closed(address: str, seconds: float) -> Answer:
    plain = urlsplit(address).scheme == "http"
    if plain and seconds > 0 and speaks_tls(*host_and_port(address), min(LOOK_S_MAX, seconds)):
        return _none("TLS is spoken there", WRITE_HTTPS)
    return _none("it closed the connection", LOOK)


def _none(words: str, remedy: str) -> Answer:
    return Answer("unreachable", words=words, remedy=remedy)
