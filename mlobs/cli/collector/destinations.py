"""Where a collector sends to, as far as one can ask there: over HTTP, over gRPC, each sampler."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlobs.cli.collector.answering import Answer, answer
from mlobs.cli.collector.calling import call
from mlobs.cli.collector.credentials import Credentials, client, credentials, kind_of, variable
from mlobs.cli.collector.exposure import public
from mlobs.cli.collector.opening import sending
from mlobs.cli.collector.reading import Document, map_at
from mlobs.cli.collector.securing import Trust, trust

GRPC_PORT = "4317"  # Which the collector takes where a sampler's address has none.


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration as it stands, as it is read, and the variables it is read with."""

    raw: Mapping[str, Any]
    document: Document
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an exporter sends to.

    Args:
        exporter: Its name.
        place: Where that is, as it is told.
        address: A URL, or for gRPC `host:port`.
        known: What the exporter sends along; it has headers.
        settings: The exporter's, with its queue.
        grpc: Whether it is asked over gRPC.
        secure: Whether that has TLS.
        trusted: Whom it trusts then, from its start on; None where only the collector knows.
        variables: The variables that its keys of `tls` come from, by key.
    """

    exporter: str
    place: str
    address: str
    known: Credentials = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)
    grpc: bool = False
    secure: bool = False
    trusted: Trust | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def ask(self) -> Answer:
        """Ask with nothing in the request."""
        headers = self.known.headers or {}
        if self.grpc:
            return call(self.address, headers, secure=self.secure, trusted=self.trusted)
        return answer(self.address, headers, self.trusted)


def destinations(configured: Configured) -> list[Destination]:
    """Return the places that can be asked, each once for each token.

    Raises:
        SettingError: A file that the collector takes its headers or certificates from cannot be used.
    """
    found: dict[tuple[Any, ...], Destination] = {}
    for name in sending(configured.document):
        known = credentials(name, configured.raw, configured.document, configured.environment)
        if known.headers is None:
            continue  # Only the collector knows them, so a refusal would say nothing of it.
        tls = map_at(client(name, map_at(configured.document.data, "exporters")), "tls")
        raw = map_at(client(name, map_at(configured.raw, "exporters")), "tls")
        named = {key: variable(value) for key, value in raw.items()}
        for one in _of(name, configured.document, known):
            told = tuple(sorted(known.headers.items()))
            trusted = trust(name, tls) if one.secure else None
            found.setdefault(
                (one.address, one.grpc, one.secure, str(tls), told),
                replace(one, trusted=trusted, variables=named),
            )
    return list(found.values())


def renewed(one: Destination, configured: Configured) -> Destination | None:
    """Return a destination with the token that the collector has by now; None where it has none any more.

    Headers, and a token that stands in the configuration, are read at the collector's start only.
    """
    if not one.known.again:
        return one
    known = credentials(one.exporter, configured.raw, configured.document, configured.environment)
    if known.headers is None:
        return None
    return replace(one, known=known)


def _of(name: str, document: Document, known: Credentials) -> Iterator[Destination]:
    exporters = map_at(document.data, "exporters")
    settings, kind = map_at(exporters, name), kind_of(name)
    if kind == "otlp_http":
        if url := _url(settings):
            place = public(str(settings.get("endpoint") or url))
            yield Destination(name, place, url, known, settings, secure=url.startswith("https://"))
        return
    inner = client(name, exporters)
    tls = map_at(inner, "tls")
    # With certificates to trust it speaks TLS, whatever `insecure` says.
    secure = tls.get("insecure") is not True or bool(tls.get("ca_file") or tls.get("ca_pem"))
    if kind == "load_balancing":  # Those that a resolver finds are known to the collector only.
        told = map_at(map_at(settings, "resolver"), "static").get("hostnames")
        hosts = [str(one) for one in told] if isinstance(told, list) else []
    else:
        hosts = [str(settings.get("endpoint") or "")] if kind == "otlp_grpc" else []
    for host in hosts:
        address = host.removeprefix("http://").removeprefix("https://")
        if not address or "/" in address:
            continue
        whole = address if address.rpartition(":")[2].isdecimal() else f"{address}:{GRPC_PORT}"
        clear = host.startswith("http://") or not secure
        yield Destination(name, public(host), whole, known, settings, grpc=True, secure=not clear)


def _url(settings: Mapping[str, Any]) -> str:
    """Return the URL of an exporter over HTTP, "" for none that can be asked."""
    whole = settings.get("endpoint")
    found = settings.get("traces_endpoint") or (f"{str(whole).rstrip('/')}/v1/traces" if whole else "")
    found = str(found or settings.get("metrics_endpoint") or settings.get("logs_endpoint") or "")
    return found if found.startswith(("http://", "https://")) else ""
