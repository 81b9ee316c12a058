"""What a collector's configuration comes to: where it listens, sends, keeps and shows. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlobs.cli.collector.components import FORMER
from mlobs.cli.collector.exposure import maps
from mlobs.cli.collector.reading import Document, Path, list_at, map_at

WAYS = {"grpc": "OTLP over gRPC", "http": "OTLP over HTTP"}
# Who asks for which hop with `mlobs doctor --loss`; a file of the user's own stands beside a service.
HOPS = {"gateway": "gateway", "all-in-one": "gateway", "sampler": "sampler"}


@dataclass(frozen=True, slots=True)
class Listening:
    """An address that a collector opens: what for, and which key names it."""

    what: str
    path: Path
    endpoint: str


def listening(document: Document) -> list[Listening]:
    """Return every address that the collector opens."""
    used = set(_used(document, "receivers")) | set(_used(document, "exporters"))
    found = []
    for name, settings in map_at(document.data, "receivers").items():
        for path, inner in maps(settings, ("receivers", name)):
            if name in used and isinstance(inner.get("endpoint"), str) and inner.get("transport") != "unix":
                what = WAYS.get(path[-1], name) if name.split("/")[0] == "otlp" else name
                found.append(Listening(what, (*path, "endpoint"), inner["endpoint"]))
    for section, kinds, what in (
        ("exporters", ("prometheus",), "the metrics it derives"),
        ("extensions", ("health_check",), "health"),
    ):
        for name, settings in map_at(document.data, section).items():
            told = settings.get("endpoint") if isinstance(settings, dict) else None
            on = (
                name in used
                if section == "exporters"
                else name in list_at(map_at(document.data, "service"), "extensions")
            )
            if name.split("/")[0] in kinds and isinstance(told, str) and on:
                found.append(Listening(what, (section, name, "endpoint"), told))
    telemetry = map_at(map_at(map_at(document.data, "service"), "telemetry"), "metrics")
    for path, inner in maps(telemetry, ("service", "telemetry", "metrics")):
        if isinstance(inner.get("host"), str) and inner.get("port"):
            found.append(Listening("its own metrics", (*path, "port"), f"{inner['host']}:{inner['port']}"))
    return found


def sending(document: Document) -> dict[str, str]:
    """Return where each exporter that a pipeline names sends to; those that share a place count once."""
    found: dict[str, str] = {}
    for name in _used(document, "exporters"):
        settings = map_at(map_at(document.data, "exporters"), name)
        where = _destination(name, settings)
        if where and where not in found.values():
            found[name] = where
    return found


def opening(name: str, document: Document, tokens: Mapping[str, str]) -> list[str]:
    """Return what to say when a collector starts: four lines, and how to see whether it works.

    Args:
        name: The configuration, or its file.
        document: What it says, variables replaced.
        tokens: Where the token of an exporter comes from, in words.
    """
    places = listening(document)
    taking = [f"{one.what} at {one.endpoint}" for one in places if one.path[0] == "receivers"]
    shown = [f"{one.what} at http://{one.endpoint}" for one in places if one.path[0] != "receivers"]
    kept = list(dict.fromkeys(_kept(document)))
    targets = [
        f"{where} with {tokens[exporter]}" if exporter in tokens else where
        for exporter, where in sending(document).items()
    ]
    lines = [
        f"{name} takes {', '.join(taking) or 'nothing over the network'}",
        f"sends to {', '.join(targets) or 'nobody'}",
        f"keeps what is not sent yet in {', '.join(kept) or 'memory'}",
    ]
    if shown:
        lines.append(f"shows {', '.join(shown)}")
    own = next((one.endpoint for one in places if one.what == "its own metrics"), "")
    if own:
        lines.append(f"does it work? mlobs doctor --loss --{HOPS.get(name, 'sidecar')} http://{own} --for 60")
    return lines


def _used(document: Document, end: str) -> Iterator[str]:
    for pipeline in map_at(map_at(document.data, "service"), "pipelines").values():
        yield from map(str, list_at(pipeline, end))


def _destination(name: str, settings: Mapping[str, Any]) -> str:
    kind = name.split("/")[0]
    kind = FORMER["exporters"].get(kind, kind)
    if kind == "load_balancing":
        resolver = map_at(settings, "resolver")
        static = map_at(resolver, "static").get("hostnames")
        others = [str(one.get("hostname", way)) for way, one in resolver.items() if isinstance(one, dict)]
        return " and ".join(map(str, static)) if isinstance(static, list) else ", ".join(others)
    if kind == "kafka":
        brokers = settings.get("brokers")
        return f"Kafka at {', '.join(map(str, brokers))}" if isinstance(brokers, list) else "Kafka"
    if kind == "prometheus":
        return ""
    return str(settings.get("endpoint") or settings.get("path") or ("its log" if kind == "debug" else ""))


def _kept(document: Document) -> Iterator[str]:
    for name, settings in map_at(document.data, "extensions").items():
        if name.split("/")[0] == "file_storage" and isinstance(settings, dict):
            yield str(settings.get("directory"))
    for name in _used(document, "exporters"):
        wal = map_at(map_at(map_at(document.data, "exporters"), name), "wal")
        if wal.get("directory"):
            yield str(wal["directory"])
