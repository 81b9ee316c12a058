"""Sees whether a port speaks gRPC."""

import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlobs._listening import host_and_port, no_tls


def unready(
    endpoint: str,
    certificate: Path | None,
    client: tuple[Path | None, Path | None],
    seconds: float,
    *,
    nobody: str,
) -> str:
    """Return why no gRPC connection comes about, empty if one does.

    Args:
        endpoint: `http://host:port` without, `https://host:port` with TLS.
        certificate: File of certificates to trust.
        client: Files of the certificate to show and its key.
        seconds: How long to wait.
        nobody: What to say where nothing listens.

    Raises:
        MissingExtraError: grpcio is not installed.
    """
    from mlobs._extras import require

    grpc: Any = require("grpc", extra="grpc", feature="OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
    secure, (host, port) = urlsplit(endpoint).scheme == "https", host_and_port(endpoint)
    try:
        plain = socket.create_connection((host, port), seconds)
    except OSError:
        return nobody
    with plain:
        if secure and (reason := _handshake(plain, endpoint, host, certificate, client)):
            return reason
    target = f"{host if ':' not in host else f'[{host}]'}:{port}"
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(certificate), private_key=_read(client[1]), certificate_chain=_read(client[0])
    )
    made = grpc.secure_channel(target, credentials) if secure else grpc.insecure_channel(target)
    with made as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            other = "" if secure else " If it speaks TLS, write https:// instead of http://."
            return (
                f"What listens at {endpoint} speaks no gRPC; "
                f"gRPC is on port 4317 unless another was chosen.{other}"
            )
    return ""


def _handshake(
    plain: socket.socket,
    endpoint: str,
    host: str,
    certificate: Path | None,
    client: tuple[Path | None, Path | None],
) -> str:
    """Return why TLS fails, which gRPC does not say."""
    trust = ssl.create_default_context(cafile=None if certificate is None else str(certificate))
    trust.set_alpn_protocols(["h2"])
    if client[0] is not None:
        trust.load_cert_chain(client[0], client[1])
    try:
        trust.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return (
            f"The certificate of {endpoint} is not trusted: {error.verify_message}. "
            "OTEL_EXPORTER_OTLP_CERTIFICATE names a file of certificates to trust."
        )
    except ssl.SSLError as error:
        if no_tls(error.reason or ""):
            return f"What listens at {endpoint} speaks no TLS: write http:// instead of https://."
        return f"TLS with {endpoint} fails: {error.reason}."
    except OSError as error:
        return f"TLS with {endpoint} fails: {error}."
    return ""


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
