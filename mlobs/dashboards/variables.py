"""The choices at the top of every dashboard, the same on all so that links carry them.

The data source is a choice as well: a dashboard that names one is empty elsewhere.
"""

from mlobs.dashboards.panels import DATA_SOURCE, Json
from mlobs.dashboards.queries import CALLS, VARIABLES
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric

LABELS = {
    "service": "Service",
    "provider": "Provider",
    "model": "Model",
    "agent": "Agent",
    "predictor": "Prediction model",
    # Hidden; of the board that asks spans in SQL.
    "stored": "Columns",
    "maps": "Attributes as maps",
    "json": "Attributes as JSON",
}
# Which metric a variable's values are read from, and the choices before it that narrow them.
SOURCES: dict[str, tuple[Metric, tuple[str, ...]]] = {
    "provider": (m.INFERENCE_DURATION, ("service",)),
    "model": (m.INFERENCE_DURATION, ("service", "provider")),
    "agent": (m.AGENT_DURATION, ("service",)),
    "predictor": (m.PREDICT_DURATION, ("service",)),
}


def variables() -> list[Json]:
    """Return the data source first, then what depends on it, each on those before it."""
    return [data_source("datasource", "Data source", "prometheus"), *map(_choice, VARIABLES), _filters()]


def data_source(name: str, label: str, plugin: str) -> Json:
    """Return the choice of a data source of one kind."""
    return {
        "name": name,
        "type": "datasource",
        "label": label,
        "query": plugin,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def typed(name: str, label: str, about: str) -> Json:
    """Return a choice that somebody types, or that a link brings."""
    nothing = {"selected": True, "text": "", "value": ""}
    return {
        "name": name,
        "type": "textbox",
        "label": label,
        "description": about,
        "query": "",
        "current": nothing,
        "options": [nothing],
        "hide": 0,
        "skipUrlSync": False,
    }


def asked(name: str, source: Json, definition: str, query: Json, *, everything: str = "") -> Json:
    """Return a choice of some values, or of all, that a data source is asked for.

    Args:
        name: As in `$name`.
        source: Who is asked.
        definition: The query as people see it.
        query: As the data source's plugin stores it.
        everything: What All is in a query, when it is not every value.
    """
    return {
        "name": name,
        "type": "query",
        "label": LABELS[name],
        "datasource": source,
        "definition": definition,
        "query": {**query, "refId": f"variable-{name}"},
        "hide": 0,
        "includeAll": True,
        **({"allValue": everything} if everything else {}),
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "multi": True,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }


def _choice(name: str) -> Json:
    query = f"label_values({_series(name)}, {VARIABLES[name][0].label})"
    # Not ".+": a call whose model is unknown has no such label, and is still a call.
    return asked(name, DATA_SOURCE, query, {"query": query}, everything=".*")


def _series(name: str) -> str:
    if name not in SOURCES:
        return f'{{__name__=~"{"|".join(f"{metric.prometheus}_count" for metric in CALLS.values())}"}}'
    metric, narrowed_by = SOURCES[name]
    chosen = ",".join(f'{VARIABLES[other][0].label}=~"${other}"' for other in narrowed_by)
    return f"{metric.prometheus}_count{{{chosen}}}"


def _filters() -> Json:
    """Return the filter for any other label; Grafana puts it into every query."""
    return {
        "name": "filters",
        "type": "adhoc",
        "label": "Filters",
        "datasource": DATA_SOURCE,
        "hide": 0,
        "filters": [],
        "skipUrlSync": False,
    }
