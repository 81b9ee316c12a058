"""OTLP over gRPC. Edge.

Why no generated stubs: a request is encoded already, so bytes go in and bytes come out.

Why RESOURCE_EXHAUSTED is tried again although the specification says so only where the answer has
RetryInfo: servers that push back, mlobs' own and the collector's memory limiter among them, do so
without it, and a dropped batch cannot be had back.
"""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlobs._extras import require
from mlobs.errors import SettingError
from mlobs.instrument.transport.answers import WORDS_MAX, Answer
from mlobs.instrument.transport.http import CREDENTIALS, accepted
from mlobs.instrument.transport.silence import FILES, over_grpc

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RETRY = {
    "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "OUT_OF_RANGE", "DATA_LOSS",
    "RESOURCE_EXHAUSTED",
}  # fmt: skip
UNKNOWN_CALLER = {"UNAUTHENTICATED", "PERMISSION_DENIED"}
TOO_LARGE = "message larger than max"


class GrpcTransport:
    """Posts to an OTLP/gRPC endpoint.

    Args:
        endpoint: `http://host:port` without, `https://host:port` with TLS.
        headers: Sent as metadata with each request.
        compression: "none", "gzip" or "deflate".
        certificate: File of certificates to trust.
        client: Files of the client's certificate and key.

    Raises:
        MissingExtraError: grpcio is not installed.
        SettingError: gRPC does not know the compression.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        compression: str = "none",
        certificate: str | None = None,
        client: tuple[str, str] | None = None,
    ) -> None:
        self._grpc: Any = require("grpc", extra="grpc", feature="OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
        kinds = {"none": "NoCompression", "gzip": "Gzip", "deflate": "Deflate"}
        if compression not in kinds:
            raise SettingError(
                f"OTEL_EXPORTER_OTLP_COMPRESSION={compression!r} cannot be used with gRPC: "
                f"one of {', '.join(kinds)} was expected."
            )
        self.address = endpoint
        parts = urlsplit(endpoint)
        self._target, self._secure = parts.netloc, parts.scheme == "https"
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._compression = getattr(self._grpc.Compression, kinds[compression])
        self._certificate, self._client = certificate, client
        self._lock = threading.Lock()
        self._export: Any = None

    def renew(self) -> None:
        """Forget the channel: one does not survive a fork."""
        self._lock = threading.Lock()
        self._export = None

    def post(self, body: bytes, timeout_s: float) -> Answer:
        """Post once."""
        began_s = time.monotonic()
        try:
            answer = self._stub()(
                body, timeout=timeout_s, metadata=self._metadata, compression=self._compression
            )
        except self._grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            if code == "UNAVAILABLE":
                return over_grpc(self.address, details, timeout_s - (time.monotonic() - began_s))
            return _failed(code, details)
        except OSError as error:  # a certificate that cannot be read
            return Answer("unreachable", words=str(error), remedy=FILES)
        return accepted(answer)

    def _stub(self) -> Any:
        with self._lock:
            if self._export is None:
                self._export = self._channel().unary_unary(
                    METHOD, request_serializer=bytes, response_deserializer=bytes
                )
            return self._export

    def _channel(self) -> Any:
        options = (("grpc.max_receive_message_length", 4 << 20),)
        if not self._secure:
            return self._grpc.insecure_channel(self._target, options)
        certificate, key = self._client or (None, None)
        credentials = self._grpc.ssl_channel_credentials(
            root_certificates=_read(self._certificate),
            private_key=_read(key),
            certificate_chain=_read(certificate),
        )
        return self._grpc.secure_channel(self._target, credentials, options)


def _failed(code: str, details: str) -> Answer:
    words = f"{code}: {details[:WORDS_MAX]}"
    if code == "RESOURCE_EXHAUSTED" and TOO_LARGE in details:
        return Answer("split", words=words)
    if code in RETRY:
        return Answer("retry", words=words)
    return Answer("rejected", words=words, remedy=CREDENTIALS if code in UNKNOWN_CALLER else "")


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    return Path(path).read_bytes()
