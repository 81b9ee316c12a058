"""What a collector's configuration comes to: where it listens, sends, keeps and shows. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlobs.cli.collector.components import FORMER
from mlobs.cli.collector.exposure import maps, public, served
from mlobs.cli.collector.reading import Document, Path, list_at, map_at

WAYS = {"grpc": "OTLP over gRPC", "http": "OTLP over HTTP"}
# What is so where nothing is said.
HEALTH, METRICS, QUEUES = "localhost:13133", "localhost:8888", "/var/lib/otelcol/file_storage"
READER = ("service", "telemetry", "metrics", "readers", "0", "pull", "exporter", "prometheus", "port")
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
        if name in used:
            kind = name.split("/")[0]
            for path, endpoint in served(name, settings):
                what = WAYS.get(path[-2], name) if kind == "otlp" else name
                found.append(Listening(what, path, endpoint))
    for name, settings in map_at(document.data, "exporters").items():
        told = settings.get("endpoint") if isinstance(settings, dict) else None
        if name in used and name.split("/")[0] == "prometheus" and isinstance(told, str):
            found.append(Listening("the metrics it derives", ("exporters", name, "endpoint"), told))
    extensions = map_at(document.data, "extensions")
    for name in map(str, list_at(map_at(document.data, "service"), "extensions")):
        if name.split("/")[0] == "health_check" and name in extensions:
            told = map_at(extensions, name).get("endpoint") or HEALTH
            if isinstance(told, str) and map_at(extensions, name).get("use_v2") is not True:
                found.append(Listening("health", ("extensions", name, "endpoint"), told))
    telemetry = map_at(map_at(map_at(document.data, "service"), "telemetry"), "metrics")
    for path, inner in maps(telemetry, ("service", "telemetry", "metrics")):
        if isinstance(inner.get("host"), str) and inner.get("port"):
            found.append(Listening("its own metrics", (*path, "port"), f"{inner['host']}:{inner['port']}"))
    if "readers" not in telemetry and telemetry.get("level") != "none":
        found.append(Listening("its own metrics", READER, METRICS))
    return found


def sending(document: Document) -> dict[str, str]:
    """Return where each exporter that a pipeline names sends to, without users, passwords and queries."""
    found: dict[str, str] = {}
    for name in _used(document, "exporters"):
        where = _destination(name, map_at(map_at(document.data, "exporters"), name))
        if where:
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
    targets = dict.fromkeys(
        f"{where} with {tokens[exporter]}" if exporter in tokens else where
        for exporter, where in sending(document).items()
    )
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
    endpoint = settings.get("endpoint")
    if not endpoint:  # Each signal may have a place of its own.
        endpoint = ", ".join(
            public(str(one)) for key, one in settings.items() if key.endswith("_endpoint") and one
        )
        return endpoint or str(settings.get("path") or ("its log" if kind == "debug" else ""))
    return public(str(endpoint))


def _kept(document: Document) -> Iterator[str]:
    """Yield the folders of the queues and logs of the exporters in use."""
    extensions = map_at(document.data, "extensions")
    for name in _used(document, "exporters"):
        settings = map_at(map_at(document.data, "exporters"), name)
        for _, inner in maps(settings, ()):
            queue = map_at(inner, "sending_queue")
            storage = queue.get("storage")
            if storage and queue.get("enabled") is not False:
                kind, folder = str(storage).split("/")[0], map_at(extensions, str(storage)).get("directory")
                yield str(folder or (QUEUES if kind == "file_storage" else storage))
        if map_at(settings, "wal").get("directory"):
            yield str(settings["wal"]["directory"])
