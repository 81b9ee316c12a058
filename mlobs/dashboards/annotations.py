"""What happened, as marks on every graph: alerts, deployments, drift, new versions of a model.

Prompts and agents have versions on their spans and not on any metric, for a metric with a label of
free versions grows without end; the dashboard of traces tells them apart.
"""

from mlobs.dashboards.panels import BLUE, DATA_SOURCE, GREEN, ORANGE, RED, Json
from mlobs.dashboards.queries import FEATURE, FIRING_RULES, latest, legend, select
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m

DEPLOYMENT = "mlobs-deployment"
VERSION = (a.SERVICE_NAME, a.MODEL_NAME, a.MODEL_VERSION)


def annotations() -> list[Json]:
    """Return the marks that all dashboards of metrics have."""
    changes = f"{latest(m.DRIFT_CHANGE_START, *FEATURE)} * 1000"
    return [
        # One mark for each severity: which alerts they are, the panels say.
        _of_query("Alerts", f"count by (severity) ({FIRING_RULES})", RED, "{{severity}}"),
        _deployments(),
        # The series' value is the moment of the change, which is before the alarm.
        {**_of_query("Drift began", changes, ORANGE, legend(*FEATURE)), "useValueForTime": True},
        _of_query("New model version", _new_versions(), GREEN, legend(*VERSION[1:])),
    ]


def _new_versions() -> str:
    """Return the versions that answer now and did not five minutes ago, where others did."""
    answered = select(m.PREDICT_DURATION, "_count")
    version, model = (", ".join(label.label for label in labels) for labels in (VERSION, VERSION[:2]))
    before = f"count by ({version}) ({answered} offset 5m)"
    others = f"count by ({model}) ({answered} offset 5m)"
    return f"(count by ({version}) ({answered}) unless {before}) and on ({model}) {others}"


def _of_query(name: str, expr: str, colour: str, title: str) -> Json:
    return {
        "name": name,
        "datasource": DATA_SOURCE,
        "enable": True,
        "expr": expr,
        "iconColor": colour,
        "step": "60s",
        "titleFormat": title,
    }


def _deployments() -> Json:
    """Return what somebody's pipeline told Grafana: annotations with our tag for deployments."""
    return {
        "name": "Deployments",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "iconColor": BLUE,
        "target": {"type": "tags", "tags": [DEPLOYMENT], "limit": 100, "matchAny": False},
    }
