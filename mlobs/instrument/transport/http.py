"""OTLP over HTTP. Edge.

Why `requests`: it is a dependency of the OpenTelemetry exporter anyway, and knows proxies and
certificates as users expect; a request costs half a millisecond and carries up to 2,048 spans.
"""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import requests
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from mlobs import _guard
from mlobs.instrument.transport.answers import WORDS_MAX, Answer
from mlobs.instrument.transport.compression import compressor
from mlobs.instrument.transport.sessions import OtlpSession
from mlobs.instrument.transport.silence import LOOK, WRITE_HTTPS, over_http

ANSWER_BYTES_MAX = 4 << 20
CONNECT_S_MAX = 3.0
RETRY_STATUSES = {429, 502, 503, 504}
CREDENTIALS = "OTEL_EXPORTER_OTLP_HEADERS sends a token: authorization=Bearer%20TOKEN."
# What Go's servers and nginx answer on a port for TLS.
PLAIN = ("HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port")


class HttpTransport:
    """Posts to an OTLP/HTTP endpoint.

    Args:
        url: The full address, with /v1/traces.
        headers: Sent with each request.
        compression: "none", "gzip", "deflate" or "zstd".
        certificate: File of certificates to trust.
        client: Files of the client's certificate and key.

    Raises:
        MissingExtraError: The compression needs a package that is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        compression: str = "none",
        certificate: str | None = None,
        client: tuple[str, str] | None = None,
    ) -> None:
        self.address = url
        self._compress = compressor(compression)
        self._certificate, self._client = certificate, client
        self._headers = {"Content-Type": "application/x-protobuf", **headers}
        if self._compress is not None:
            self._headers["Content-Encoding"] = compression
        self.renew()

    def renew(self) -> None:
        """Forget every connection."""
        self._session = OtlpSession(self._certificate)
        if self._client is not None:
            self._session.cert = self._client

    def post(self, body: bytes, timeout_s: float) -> Answer:
        """Post once; a kept connection that has died meanwhile is opened again at once."""
        data = body if self._compress is None else self._compress(body)
        began_s = time.monotonic()
        try:
            return self._post(data, timeout_s)
        except requests.ConnectionError as error:
            left_s = timeout_s - (time.monotonic() - began_s)
            if not _was_kept(error) or left_s <= 0:
                return over_http(self.address, error, left_s)
        except (requests.RequestException, OSError, ValueError) as error:
            return over_http(self.address, error, timeout_s)
        try:
            return self._post(data, left_s)
        except (requests.RequestException, OSError, ValueError) as error:
            return over_http(self.address, error, timeout_s - (time.monotonic() - began_s))

    def _post(self, data: bytes, timeout_s: float) -> Answer:
        with self._session.post(
            self.address,
            data=data,
            headers=self._headers,
            timeout=(min(CONNECT_S_MAX, timeout_s), timeout_s),
            stream=True,
            allow_redirects=False,
        ) as response:
            try:
                answer: bytes = next(response.iter_content(ANSWER_BYTES_MAX), b"")
            except requests.RequestException:
                answer = b""  # the status came whole, and it is what counts
            return answered(response.status_code, response.headers.get("Retry-After", ""), answer)


def answered(status: int, retry_after: str, body: bytes) -> Answer:
    """Return what a status, the header Retry-After and the beginning of a body mean."""
    if status == 200:
        return accepted(body)
    said = _said(body)[:WORDS_MAX].strip()
    words = f"{status}: {said}" if said else str(status)
    if status == 413:
        return Answer("split", words=words)
    if status in RETRY_STATUSES:
        return Answer("retry", retry_after_s=_seconds(retry_after), words=words, remedy="" if said else LOOK)
    return Answer("rejected", words=words, remedy=_remedy(status, words))


def _remedy(status: int, words: str) -> str:
    """Return what to do about a refusal, where it says enough."""
    if status in {401, 403}:
        return CREDENTIALS
    if status == 400 and any(word in words for word in PLAIN):
        return WRITE_HTTPS
    return "OTLP over HTTP is taken at /v1/traces." if status in {404, 405} else ""


def _said(body: bytes) -> str:
    """Return the sentence of a google.rpc.Status, or the body as text if it is none."""
    try:
        said = str(Status.FromString(body).message).strip()
    except DecodeError:
        said = ""
    return said or body.decode("utf-8", "replace")


def accepted(body: bytes) -> Answer:
    """Return what a success says: a partial one names spans; an answer that is not OTLP names none."""
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except Exception:  # noqa: BLE001 # a 200 with an answer that is not OTLP is still a 200
        _guard.failed("reading the endpoint's answer")
        return Answer("accepted")
    return Answer("accepted", refused=int(partial.rejected_spans), words=partial.error_message[:WORDS_MAX])


def _seconds(retry_after: str) -> float | None:
    """Read Retry-After: seconds, or an HTTP date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _was_kept(error: requests.ConnectionError) -> bool:
    """Return whether the other side has closed a connection that had been open, rather than refused one."""
    return "RemoteDisconnected" in repr(error) or "ConnectionResetError" in repr(error)
