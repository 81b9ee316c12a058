"""What answers over gRPC where a collector sends to, asked with an empty request."""

import socket
import ssl
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mlobs._listening import speaks_tls
from mlobs.cli.collector.answering import ANSWER_SECONDS, Answer
from mlobs.cli.collector.securing import SECONDS, Trust, fault

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# As HTTP has it; of other codes, what the collector tries again is away for now, and the rest is refused.
STATUS: Mapping[str, int] = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "UNIMPLEMENTED": 404}
TRIED_AGAIN = (
    "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "OUT_OF_RANGE", "DATA_LOSS",
    "RESOURCE_EXHAUSTED",
)  # fmt: skip
AWAY, BROKEN = 503, 500


def call(address: str, headers: Mapping[str, str], *, secure: bool, trusted: Trust | None = None) -> Answer:
    """Return the status that is answered, as HTTP has it, or what else is known of who answers.

    Args:
        address: `host:port`.
        headers: Sent as metadata.
        secure: Whether the collector speaks TLS.
        trusted: Whom it trusts then; None where only the collector knows, and then nothing is known but
            whether somebody listens.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        if secure and trusted is None:
            return "not known"
        if secure and trusted and (found := fault(host.strip("[]"), int(port), trusted)):
            return found
    except OSError:
        return "nobody"
    except (ValueError, OverflowError):  # A name that is no name, or a port that is none.
        return "not known"
    if secure and trusted and trusted.anybody:
        return "not known"  # gRPC does not look away for this program.
    try:
        grpc: Any = import_module("grpc")
    except ModuleNotFoundError:
        return "not tried"
    metadata = tuple((name.lower(), value) for name, value in headers.items())
    with _channel(grpc, address, trusted if secure else None) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWER_SECONDS)
        except grpc.FutureTimeoutError:
            return "tls" if not secure and speaks_tls(host.strip("[]"), int(port), SECONDS) else "no grpc"
        ask = channel.unary_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)
        try:
            ask(b"", timeout=ANSWER_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            code = error.code().name
            return STATUS.get(code, AWAY if code in TRIED_AGAIN else BROKEN)
        except ValueError:  # A header that gRPC does not carry.
            return "not known"
    return 200


def _channel(grpc: Any, address: str, trusted: Trust | None) -> Any:
    """Return a channel; without TLS where there is nobody to trust."""
    if trusted is None:
        return grpc.insecure_channel(address)
    # gRPC has roots of its own, and not the system's; the handshake before has read those.
    system = "".join(map(ssl.DER_cert_to_PEM_cert, trusted.context.get_ca_certs(binary_form=True)))
    roots = (trusted.roots or b"") + system.encode() or None
    certificate, key = trusted.shown
    credentials = grpc.ssl_channel_credentials(roots, key, certificate)
    options = [("grpc.ssl_target_name_override", trusted.name)] if trusted.name else []
    return grpc.secure_channel(address, credentials, options)
