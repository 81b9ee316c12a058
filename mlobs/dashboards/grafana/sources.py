"""The data sources: what each should be, and what becomes of it.

Their uids are fixed, because an alert rule has to name its data source; dashboards choose
theirs by a variable.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlobs.dashboards.grafana import marks
from mlobs.dashboards.grafana.address import Address
from mlobs.dashboards.grafana.changes import ABSENT, Change, Field, Step, change, differences
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.panels import Json
from mlobs.dashboards.queries import FAILED
from mlobs.dashboards.sql.panels import PLUGIN as CLICKHOUSE_PLUGIN
from mlobs.errors import ServerError, SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric

PROMETHEUS = "mlobs-prometheus"
TEMPO = "mlobs-tempo"
CLICKHOUSE = "mlobs-clickhouse"
DATABASE = "mlobs"
USER = "default"  # The server asks for the token alone.
PORTS = {"http": 8123, "https": 8443}
EXEMPLAR_LABEL = "trace_id"
SPAN_SHIFT = "5m"
_INTERVAL = re.compile(r"[1-9]\d{0,4}(ms|s|m)")
COMPARED = ("type", "access", "url")
# What a plugin is told by us; what else it is told is other people's.
OURS = {
    "prometheus": ("httpMethod", "prometheusType", "timeInterval", "exemplarTraceIdDestinations"),
    "tempo": ("tracesToMetrics", "serviceMap", "nodeGraph"),
    CLICKHOUSE_PLUGIN: ("protocol", "host", "port", "secure", "username", "defaultDatabase", "path"),
}
LINKED = (a.SERVICE_NAME, a.REQUEST_MODEL, a.AGENT_NAME, a.TOOL_NAME)  # From a span to metrics.


@dataclass(frozen=True, slots=True)
class Source:
    """A data source as it should be.

    Args:
        uid: Fixed.
        name: As people see it; whoever renames it keeps the new name.
        type: Of Grafana's plugin.
        url: Where Grafana reaches it.
        json_data: What the plugin is told.
        password: What Grafana never gives back; "" for none.
    """

    uid: str
    name: str
    type: str
    url: str
    json_data: Json
    password: str = field(default="", repr=False)


def check_interval(text: str) -> str:
    """Return how often Prometheus scrapes.

    Raises:
        SettingError: It is no length of time as Prometheus writes it.
    """
    if not _INTERVAL.fullmatch(text):
        raise SettingError(
            f"--scrape-interval is {text!r}; a time such as 15s or 1m was expected. "
            f"Give what scrape_interval is in Prometheus's file."
        )
    return text


def prometheus(url: Address, *, interval: str, tempo: bool, traces: Address | None) -> Source:
    """Return the data source for Prometheus.

    Args:
        url: Where Grafana reaches it.
        interval: How often it scrapes, such as 15s; what rates are taken over follows from it.
        tempo: Let exemplars lead to the data source for Tempo.
        traces: Where people open the mlobs server, for exemplars to lead to its pages.
    """
    links: list[Json] = []
    if tempo:
        links.append({"name": EXEMPLAR_LABEL, "datasourceUid": TEMPO, "urlDisplayLabel": "Open in Tempo"})
    if traces is not None:
        page = f"{traces.text}/traces/${{__value.raw}}"
        links.append({"name": EXEMPLAR_LABEL, "url": page, "urlDisplayLabel": "Open the trace"})
    told: Json = {"httpMethod": "POST", "prometheusType": "Prometheus", "timeInterval": interval}
    if links:
        told["exemplarTraceIdDestinations"] = links
    return Source(PROMETHEUS, "Prometheus (mlobs)", "prometheus", url.text, told)


def tempo(url: Address) -> Source:
    """Return the data source for Tempo; a span leads to the metrics of its service, model and tool."""
    queries = [
        {"name": "Model calls a second", "query": _per_second(m.INFERENCE_DURATION)},
        {
            "name": "Failed model calls a second",
            "query": _per_second(m.INFERENCE_DURATION, FAILED),
        },
        {"name": "Agent runs a second", "query": _per_second(m.AGENT_DURATION)},
        {"name": "Tool calls a second", "query": _per_second(m.TOOL_DURATION)},
    ]
    told: Json = {
        "tracesToMetrics": {
            "datasourceUid": PROMETHEUS,
            "spanStartTimeShift": f"-{SPAN_SHIFT}",
            "spanEndTimeShift": SPAN_SHIFT,
            "tags": [{"key": one.name, "value": one.label} for one in LINKED],
            "queries": queries,
        },
        "serviceMap": {"datasourceUid": PROMETHEUS},
        "nodeGraph": {"enabled": True},
    }
    return Source(TEMPO, "Tempo (mlobs)", "tempo", url.text, told)


def _per_second(metric: Metric, matcher: str = "") -> str:
    inside = ",".join(filter(None, ("$__tags", matcher)))
    return f"sum (rate({metric.prometheus}_count{{{inside}}}[5m]))"


def clickhouse(url: Address, token: str) -> Source:
    """Return the data source for the server's ClickHouse interface, or for a cluster."""
    told: Json = {
        "protocol": "http",
        "host": url.host.strip("[]"),
        "port": url.port or PORTS[url.scheme],
        "secure": url.scheme == "https",
        "username": USER,
        "defaultDatabase": DATABASE,
    }
    if url.path:
        told["path"] = url.path
    return Source(CLICKHOUSE, "ClickHouse (mlobs)", CLICKHOUSE_PLUGIN, url.text, told, token)


def plan_sources(grafana: Grafana, sources: Sequence[Source]) -> list[Step]:
    """Return how each data source comes to be what it is here.

    Raises:
        ServerError: A name or uid is somebody else's, or only Grafana's own files may change it.
    """
    if not sources:
        return []
    there: list[Json] = grafana.ask(
        lambda api: api.datasource.list_datasources(), "list the data sources", role="Admin", kind=list
    )
    return [_plan(grafana, source, there) for source in sources]


def exists(grafana: Grafana, uid: str) -> bool:
    """Tell whether Grafana has a data source."""
    # Not by the data source itself: reading that takes an Admin, and rules can be brought by an Editor.
    doing = "say which data sources it has"
    shown = grafana.ask(lambda api: api.client.GET("/frontend/settings"), doing, kind=dict)
    return any(one.get("uid") == uid for one in (shown.get("datasources") or {}).values())


def _plan(grafana: Grafana, source: Source, listed: Sequence[Json]) -> Step:
    if all(one.get("uid") != source.uid for one in listed):
        if any(one.get("name") == source.name for one in listed):
            raise ServerError(
                f"The Grafana at {grafana.url} has a data source named {source.name!r} with another uid than "
                f"{source.uid!r}. Rename it, or give it that uid and leave ours out."
            )
        return Step(
            (Change("data source", source.uid, source.name, "create"),), lambda: _create(grafana, source)
        )
    theirs: Json = grafana.ask(
        lambda api: api.datasource.get_datasource_by_uid(source.uid),
        f"read the data source {source.uid!r}",
        role="Admin",
    )
    told = theirs.get("jsonData") or {}
    if theirs.get("readOnly"):
        if next(_fields(theirs, source), None) is None:
            return Step((Change("data source", source.uid, str(theirs["name"]), "keep"),))
        raise ServerError(
            f"The data source {source.uid!r} in the Grafana at {grafana.url} comes from its provisioning "
            f"folder, and only the file there may change it. Change the file, or leave its address out here."
        )
    if not told.get(marks.MANAGED_KEY):
        raise ServerError(
            f"The Grafana at {grafana.url} has a data source {theirs.get('name')!r} with the uid "
            f"{source.uid!r} that was not made by us. Leave its address out here to use it as it is, "
            f"or give it another uid."
        )
    marked = _marks(source, told.get(marks.SEEN_KEY))
    found = [*_fields(theirs, source), *differences(told, marked, "jsonData")]
    planned = change("data source", source.uid, str(theirs["name"]), iter(found))
    if planned.action == "keep":
        return Step((planned,))
    return Step((planned,), lambda: _update(grafana, source, theirs, marked))


def _marks(source: Source, there: object = None) -> Json:
    return {
        marks.MANAGED_KEY: True,
        marks.SEEN_KEY: marks.of_secret(source.password, there),
    }


def _fields(theirs: Json, source: Source) -> Iterator[Field]:
    wanted = {"type": source.type, "access": "proxy", "url": source.url}
    yield from differences({key: theirs.get(key) for key in COMPARED}, wanted)
    told = theirs.get("jsonData") or {}
    yield from differences(told, source.json_data, "jsonData")
    for key in OURS[source.type]:
        if key not in source.json_data and told.get(key) is not None:
            yield Field(f"jsonData.{key}", told[key], ABSENT)


def _create(grafana: Grafana, source: Source) -> Any:
    body: Json = {
        "uid": source.uid,
        "name": source.name,
        "type": source.type,
        "access": "proxy",
        "url": source.url,
        "isDefault": False,  # Which one is the default is not ours to say.
        "jsonData": {**source.json_data, **_marks(source)},
    }
    if source.password:
        body["secureJsonData"] = {"password": source.password}
    return grafana.ask(
        lambda api: api.datasource.create_datasource(body),
        f"make the data source {source.uid!r}",
        role="Admin",
    )


def _update(grafana: Grafana, source: Source, theirs: Json, marked: Json) -> Any:
    told = theirs.get("jsonData") or {}
    others = {key: value for key, value in told.items() if key not in OURS[source.type]}
    body = {
        **theirs,
        "type": source.type,
        "access": "proxy",
        "url": source.url,
        "jsonData": {**others, **source.json_data, **marked},
    }
    if told.get(marks.SEEN_KEY) != marked[marks.SEEN_KEY]:
        body["secureJsonData"] = {"password": source.password}
    return grafana.ask(
        lambda api: api.datasource.update_datasource_by_uid(source.uid, body),
        f"change the data source {source.uid!r}",
        role="Admin",
    )
