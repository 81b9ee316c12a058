"""The configurations that ship with mlobs: which files each is made of, and which sinks there are.

The collector merges the files it is given in their order: maps become one, of anything else the
last counts.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file
from pathlib import Path
from typing import Any

from mlobs import assets
from mlobs.cli.collector.reading import Source
from mlobs.errors import DataError, SettingError

CONFIGURATIONS: Mapping[str, tuple[str, ...]] = {
    "sidecar": ("sidecar",),
    "gateway": ("parts/secrets", "parts/dialects", "parts/measures", "gateway"),
    "sampler": ("parts/sampling", "sampler"),
    "all-in-one": ("parts/secrets", "parts/dialects", "parts/measures", "parts/sampling", "all-in-one"),
}
DEFAULT_SINK = "mlobs"
# Counts come out right after sampling only if the sampler writes what a trace stands for, and of late
# spans which policy kept their trace.
SAMPLER = "tail_sampling"
_GATE = "processor.tailsamplingprocessor"
WEIGHTS = f"--feature-gates={_GATE}.usetracestate,{_GATE}.recordpolicy"
_TO = {
    "traces": "MLOBS_TRACES_TO",
    "metrics": "MLOBS_METRICS_TO",
    "logs": "MLOBS_LOGS_TO",
    "derived": "MLOBS_DERIVED_TO",
}
PULLED = "prometheus/derived"
VARIABLES = re.compile(r"\$\{env:(MLOBS_\w+)")


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a gateway or sampler sends to: its exporter for each signal, "" for none."""

    name: str
    traces: str = ""
    metrics: str = ""
    logs: str = ""
    derived: str = ""


SINKS: Mapping[str, Sink] = {
    sink.name: sink
    for sink in (
        Sink("mlobs", "otlp_http/mlobs", "otlp_http/mlobs", "otlp_http/mlobs"),
        Sink("clickhouse", "clickhouse", "clickhouse", "clickhouse"),
        Sink("kafka", "kafka", "kafka", "kafka"),
        Sink("otlp", "otlp_grpc/other", "otlp_grpc/other", "otlp_grpc/other"),
        Sink("remote-write", metrics="prometheus_remote_write", derived="prometheus_remote_write"),
        Sink("file", "file/traces", "file/metrics", "file/logs"),
        Sink("debug", "debug", "debug", "debug"),
    )
}


def sources(configuration: str, sinks: Iterable[str] = (), more: Iterable[str] = ()) -> list[Source]:
    """Return the files of a shipped configuration with its sinks, or the one file that was named.

    Args:
        configuration: A name of `CONFIGURATIONS`, or a file.
        sinks: Names of `SINKS`; none is the server.
        more: Files that come after these.

    Raises:
        DataError: There is no such file.
        SettingError: A sink is unknown, or the configuration has none.
    """
    named = list(dict.fromkeys(sinks))
    if configuration not in CONFIGURATIONS:
        if named:
            raise SettingError(
                f"--sink goes with a configuration that ships with mlobs, and {configuration!r} is a file. "
                f"Name the sink's exporters in its pipelines, or give one of: {', '.join(CONFIGURATIONS)}."
            )
        return [Source(file, _read(Path(file))) for file in (configuration, *more)]
    files = CONFIGURATIONS[configuration]
    if configuration != "sidecar":
        for sink in named or [DEFAULT_SINK]:
            if sink not in SINKS:
                raise SettingError(f"There is no sink {sink!r}. There are: {', '.join(SINKS)}.")
            files += (f"sinks/{sink}",)
    elif named:
        raise SettingError(
            "The sidecar sends to one place, $MLOBS_ENDPOINT, and takes no --sink. "
            "Give --sink to the gateway behind it."
        )
    shipped = [Source(str(path(file)), _read(path(file))) for file in files]
    return [*shipped, *(Source(file, _read(Path(file))) for file in more)]


def routes(configuration: str, sinks: Iterable[str]) -> dict[str, str]:
    """Return the variables that send each signal to `sinks`; none where the defaults are right.

    Raises:
        SettingError: A signal of the configuration would go nowhere.
    """
    named = list(dict.fromkeys(sinks))
    if not named or configuration not in CONFIGURATIONS:
        return {}
    texts = "".join(source.text for source in sources(configuration, named))
    found = {}
    for signal, variable in _TO.items():
        if f"${{env:{variable}" not in texts:
            continue
        chosen = [exporter for name in named if (exporter := getattr(SINKS[name], signal))]
        if signal == "derived":
            chosen = [PULLED, *chosen]
        if not chosen:
            takers = ", ".join(sink.name for sink in SINKS.values() if getattr(sink, signal))
            raise SettingError(
                f"The {signal} of {configuration!r} would go nowhere: {', '.join(named)} takes none. "
                f"Add --sink with one of: {takers}."
            )
        found[variable] = f"[{', '.join(chosen)}]"
    return found


def variables_of_all() -> set[str]:
    """Return the variables that any configuration that ships with mlobs, or a sink, asks for."""
    files = {
        *(file for made_of in CONFIGURATIONS.values() for file in made_of),
        *(f"sinks/{one}" for one in SINKS),
    }
    return {name for file in files for name in VARIABLES.findall(_read(path(file)))}


def routed(document: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return a merged configuration in which each signal's exporters are named."""
    pipelines = document["service"]["pipelines"]
    for pipeline in pipelines.values():
        told = pipeline["exporters"]
        if isinstance(told, str) and (found := re.fullmatch(r"\$\{env:(\w+):-\[(.*)\]\}", told)):
            names = variables.get(found[1], found[2]).strip("[]")
            pipeline["exporters"] = [name.strip() for name in names.split(",")]
    return document


def path(file: str) -> Path:
    """Return where a file of collectors/ is; a wheel is unpacked on installation, so it stays there."""
    with as_file(assets.root() / "collectors" / f"{file}.yaml") as found:
        return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DataError(f"The configuration {str(file)!r} is not text in UTF-8. Give a YAML file.") from None
    except OSError as error:
        raise DataError(
            f"The configuration {str(file)!r} cannot be read: {error.strerror}. "
            f"Give a file, or one that ships with mlobs: {', '.join(CONFIGURATIONS)}."
        ) from None
