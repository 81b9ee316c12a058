"""Addresses of other dashboards, with the time range and the choices that go along.

They begin with `/d/`: Grafana puts its own path before that, wherever it is served.
"""

from collections.abc import Mapping

from mlobs.dashboards.panels import Json
from mlobs.dashboards.queries import VARIABLES
from mlobs.semconv.rows import Attribute

TAG = "mlobs"
PREFIX = "mlobs-"
TRACES = "traces-clickhouse"  # Whoever has a server has these; Tempo is one more thing to run.


def onward(board: str) -> str:
    """Return the address of a board, with all that is chosen here.

    >>> onward("models")
    '/d/mlobs-models?${__url_time_range}&${__all_variables}'
    """
    return f"/d/{PREFIX}{board}?${{__url_time_range}}&${{__all_variables}}"


def to(board: str, chosen: Mapping[str, str]) -> str:
    """Return the address of a board for one thing: `chosen` by variable, from where Grafana takes the value.

    Without the format Grafana leaves `&`, `+` and `#` as they are, and a model `a&b` would choose another.

    >>> to("models", {"model": "__data.fields.model"})
    '/d/mlobs-models?${__url_time_range}&${datasource:queryparam}&var-model=${__data.fields.model:percentencode}'
    """
    choices = "".join(f"&var-{name}=${{{value}:percentencode}}" for name, value in chosen.items())
    return f"/d/{PREFIX}{board}?${{__url_time_range}}&${{datasource:queryparam}}{choices}"


def of_series(board: str, *labels: Attribute) -> str:
    """Return the address of a board for the series somebody clicks on, by its labels."""
    return to(board, {_variable(label): f"__field.labels.{label.label}" for label in labels})


def of_row(board: str, *labels: Attribute) -> str:
    """Return the address of a board for the row of a table somebody clicks on, by its labels."""
    return to(board, {_variable(label): f"__data.fields.{label.label}" for label in labels})


def beside(title: str, board: str) -> Json:
    """Return a dashboard's link to another board, with the time range and what is chosen."""
    return {
        "type": "link",
        "title": title,
        "url": f"/d/{PREFIX}{board}",
        "icon": "external link",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }


def _variable(label: Attribute) -> str:
    return next(name for name, labels in VARIABLES.items() if label in labels)
