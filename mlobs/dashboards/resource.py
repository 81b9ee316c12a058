"""The newer form of a dashboard: a Kubernetes resource with elements and a layout of rows.

Pure: made from the classic form, so that both always show the same. Grafana 13 takes it by its API and
by Git; its provisioning of classic files refuses it.
"""

from collections.abc import Iterable, Iterator

from mlobs.dashboards.layout import panels
from mlobs.dashboards.panels import Json

API_VERSION = "dashboard.grafana.app/v2"
QUERY_VERSION = "v0"
# How the classic form counts -> the word of the newer one.
CURSORS = {0: "Off", 1: "Crosshair", 2: "Tooltip"}
HIDDEN = {0: "dontHide", 1: "hideLabel", 2: "hideVariable"}
REFRESHES = {0: "never", 1: "onDashboardLoad", 2: "onTimeRangeChanged"}
SORTS = {0: "disabled", 1: "alphabeticalAsc", 2: "alphabeticalDesc", 3: "numericalAsc", 4: "numericalDesc"}
# What a classic query says of itself, and not to its data source.
AROUND = frozenset({"refId", "datasource", "hide"})
QUERY_OPTIONS = ("timeFrom", "hideTimeOverride", "interval")
INTERVALS = ["30s", "1m", "5m", "15m", "30m", "1h", "2h", "1d"]


def resource(dashboard: Json) -> Json:
    """Return the resource of a classic dashboard."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Dashboard",
        "metadata": {"name": dashboard["uid"]},
        "spec": {
            "title": dashboard["title"],
            "description": dashboard["description"],
            "tags": dashboard["tags"],
            "cursorSync": CURSORS[dashboard["graphTooltip"]],
            "editable": dashboard["editable"],
            "liveNow": dashboard["liveNow"],
            "preload": dashboard["preload"],
            "links": dashboard["links"],
            "timeSettings": _times(dashboard),
            "variables": [_variable(one) for one in dashboard["templating"]["list"]],
            "annotations": [_annotation(one) for one in dashboard["annotations"]["list"]],
            "elements": {_name(panel): _element(panel) for panel in panels(dashboard)},
            "layout": {
                "kind": "RowsLayout",
                "spec": {"rows": [_row(*found) for found in _rows(dashboard["panels"])]},
            },
        },
    }


def _times(dashboard: Json) -> Json:
    return {
        "timezone": dashboard["timezone"],
        "from": dashboard["time"]["from"],
        "to": dashboard["time"]["to"],
        "autoRefresh": dashboard["refresh"],
        "autoRefreshIntervals": INTERVALS,
        "hideTimepicker": False,
        "fiscalYearStartMonth": dashboard["fiscalYearStartMonth"],
    }


def _name(panel: Json) -> str:
    return f"panel-{panel['id']}"


def _element(panel: Json) -> Json:
    data = {
        "kind": "QueryGroup",
        "spec": {
            "queries": [_query(target, panel) for target in panel.get("targets", ())],
            "transformations": [
                {
                    "kind": "Transformation",
                    "group": one["id"],
                    "spec": {"options": one["options"]},
                }
                for one in panel.get("transformations", ())
            ],
            "queryOptions": {name: panel[name] for name in QUERY_OPTIONS if name in panel},
        },
    }
    config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
    return {
        "kind": "Panel",
        "spec": {
            "id": panel["id"],
            "title": panel["title"],
            "description": panel["description"],
            "links": panel.get("links", []),
            "data": data,
            "vizConfig": {
                "kind": "VizConfig",
                "group": panel["type"],
                "version": panel["pluginVersion"],
                "spec": {"options": panel.get("options", {}), "fieldConfig": config},
            },
        },
    }


def _query(target: Json, panel: Json) -> Json:
    source: Json = target.get("datasource") or panel["datasource"]
    spec = {name: value for name, value in target.items() if name not in AROUND}
    return {
        "kind": "PanelQuery",
        "spec": {
            "refId": target["refId"],
            "hidden": bool(target.get("hide", False)),
            "query": _data_query(source, spec),
        },
    }


def _data_query(source: Json, spec: Json) -> Json:
    return {
        "kind": "DataQuery",
        "group": source["type"],
        "version": QUERY_VERSION,
        "datasource": {"name": source["uid"]},
        "spec": spec,
    }


def _rows(placed: Iterable[Json]) -> Iterator[tuple[Json, list[Json]]]:
    """Yield each row with its panels; what stands before the first one is a row without a header."""
    heading: Json = {"title": "", "collapsed": False, "gridPos": {"y": -1}}
    under: list[Json] = []
    for panel in placed:
        if panel["type"] != "row":
            under.append(panel)
            continue
        if under:
            yield heading, under
        heading, under = panel, list(panel["panels"])
    if under:
        yield heading, under


def _row(heading: Json, under: list[Json]) -> Json:
    top = min(panel["gridPos"]["y"] for panel in under)
    return {
        "kind": "RowsLayoutRow",
        "spec": {
            "title": heading["title"],
            "collapse": heading["collapsed"],
            "hideHeader": not heading["title"],
            "layout": {"kind": "GridLayout", "spec": {"items": [_item(panel, top) for panel in under]}},
        },
    }


def _item(panel: Json, top: int) -> Json:
    position = panel["gridPos"]
    return {
        "kind": "GridLayoutItem",
        "spec": {
            "x": position["x"],
            "y": position["y"] - top,
            "width": position["w"],
            "height": position["h"],
            "element": {"kind": "ElementReference", "name": _name(panel)},
        },
    }


def _variable(one: Json) -> Json:
    common = {
        "name": one["name"],
        "label": one["label"],
        "hide": HIDDEN[one["hide"]],
        "skipUrlSync": one["skipUrlSync"],
        "allowCustomValue": True,
    }
    nothing = {"text": "", "value": ""}
    match one["type"]:
        case "datasource":
            several = {"multi": one["multi"], "includeAll": one["includeAll"], "options": []}
            chosen = {"pluginId": one["query"], "regex": one["regex"], "refresh": REFRESHES[one["refresh"]]}
            return {
                "kind": "DatasourceVariable",
                "spec": {**common, **chosen, **several, "current": one.get("current", nothing)},
            }
        case "adhoc":
            return {
                "kind": "AdhocVariable",
                "group": one["datasource"]["type"],
                "datasource": {"name": one["datasource"]["uid"]},
                "spec": {**common, "baseFilters": [], "filters": one["filters"], "defaultKeys": []},
            }
        case "query":
            return {"kind": "QueryVariable", "spec": {**common, **_asked(one)}}
        case "textbox":
            chosen = one.get("current", nothing)
            box = {name: value for name, value in common.items() if name != "allowCustomValue"}
            return {"kind": "TextVariable", "spec": {**box, "query": one.get("query", ""), "current": chosen}}
        case kind:
            raise ValueError(
                f"A variable of the type {kind!r} has no newer form here; add one to resource.py."
            )


def _asked(one: Json) -> Json:
    query = one["query"] if isinstance(one["query"], dict) else {"query": one["query"]}
    current = one.get("current", {"text": "", "value": ""})
    return {
        "definition": one.get("definition", ""),
        "query": _data_query(one["datasource"], query),
        "regex": one.get("regex", ""),
        "refresh": REFRESHES[one["refresh"]],
        "sort": SORTS[one.get("sort", 0)],
        "multi": one["multi"],
        "includeAll": one["includeAll"],
        **({"allValue": one["allValue"]} if one.get("allValue") else {}),
        "current": {name: current[name] for name in ("text", "value")},
        "options": [],
    }


def _annotation(one: Json) -> Json:
    ours = one["datasource"]["type"] != "grafana"
    query = {"expr": one["expr"], "interval": one["step"]} if ours else one["target"]
    # What a data source reads from the annotation and not from its query.
    beside = {name: one[name] for name in ("titleFormat", "useValueForTime") if name in one}
    return {
        "kind": "AnnotationQuery",
        "spec": {
            "name": one["name"],
            "enable": one["enable"],
            "hide": False,
            "iconColor": one["iconColor"],
            "builtIn": False,
            "query": _data_query(one["datasource"], query),
            **({"legacyOptions": beside} if beside else {}),
        },
    }
