"""Chooses the transport that the settings ask for."""

import re
from urllib.parse import unquote

from mlobs.errors import SettingError
from mlobs.instrument.transport.answers import Transport
from mlobs.instrument.transport.http import HttpTransport
from mlobs.settings import SdkSettings

GRPC_ENDPOINT = "http://127.0.0.1:4317"
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def transport_of(settings: SdkSettings) -> Transport:
    """Return what posts requests, as told by OTEL_EXPORTER_OTLP_*.

    Raises:
        SettingError: Settings do not go together.
        MissingExtraError: A package they need is not installed.
    """
    headers = headers_of(settings.traces_headers or settings.headers)
    certificate = None if settings.certificate is None else str(settings.certificate)
    if (settings.client_certificate is None) != (settings.client_key is None):
        raise SettingError(
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY go together: "
            "set both or neither."
        )
    client = None
    if settings.client_certificate is not None:
        client = (str(settings.client_certificate), str(settings.client_key))
    if settings.protocol == "grpc":
        from mlobs.instrument.transport.grpc import GrpcTransport  # needs grpcio

        told = "endpoint" in settings.model_fields_set
        return GrpcTransport(
            settings.traces_endpoint or (settings.endpoint if told else GRPC_ENDPOINT),
            headers=headers,
            compression=settings.compression,
            certificate=certificate,
            client=client,
        )
    return HttpTransport(
        settings.traces_endpoint or f"{settings.endpoint}/v1/traces",
        headers=headers,
        compression=settings.compression,
        certificate=certificate,
        client=client,
    )


def headers_of(text: str) -> dict[str, str]:
    """Read OTEL_EXPORTER_OTLP_HEADERS: key=value pairs, values percent-encoded.

    Raises:
        SettingError: A name or a value is none that a header can have.
    """
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    found = {key.strip(): unquote(value.strip()) for key, _, value in pairs}
    for name, value in found.items():
        wrong = "is no name of a header" if _NAME.fullmatch(name) is None else ""
        if not (value.isascii() and value.isprintable()):
            wrong = wrong or "has a value that no header can have"  # which may be a secret, and is not shown
        if wrong:
            raise SettingError(
                f"OTEL_EXPORTER_OTLP_HEADERS cannot be used: {name!r} {wrong}. Write key=value pairs that "
                f"are ASCII once they are decoded, such as authorization=Bearer%20TOKEN."
            )
    return found
