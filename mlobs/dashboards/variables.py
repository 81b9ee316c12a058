"""The choices at the top of every dashboard, the same on all so that links carry them.

The data source is a choice as well: a dashboard that names one is empty elsewhere.
"""

from mlobs.dashboards.panels import DATA_SOURCE, Json
from mlobs.dashboards.queries import CALLS, VARIABLES
from mlobs.semconv import metrics as m

LABELS = {"service": "Service", "model": "Model", "predictor": "Prediction model"}
# Which series a variable's values are read from.
SOURCES = {
    "service": f'{{__name__=~"{"|".join(f"{metric.prometheus}_count" for metric in CALLS.values())}"}}',
    "model": f'{m.INFERENCE_DURATION.prometheus}_count{{{VARIABLES["service"].label}=~"$service"}}',
    "predictor": f'{m.PREDICT_DURATION.prometheus}_count{{{VARIABLES["service"].label}=~"$service"}}',
}


def variables() -> list[Json]:
    """Return the data source first, then what depends on it, each on those before it."""
    return [_data_source(), *(_choice(name) for name in VARIABLES)]


def _data_source() -> Json:
    return {
        "name": "datasource",
        "type": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def _choice(name: str) -> Json:
    query = f"label_values({SOURCES[name]}, {VARIABLES[name].label})"
    return {
        "name": name,
        "type": "query",
        "label": LABELS[name],
        "datasource": DATA_SOURCE,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}"},
        "hide": 0,
        "includeAll": True,
        # Not ".+": a call whose model is unknown has no such label, and is still a call.
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "multi": True,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }
