"""What is chosen at the top of the board that asks spans in SQL."""

from mlobs.dashboards.panels import Json
from mlobs.dashboards.sql import statements as sql
from mlobs.dashboards.sql.panels import DATA_SOURCE, PLUGIN
from mlobs.dashboards.variables import LABELS, SOURCES, data_source, typed

HIDDEN = 2


def _choice(name: str, label: str, statement: str) -> Json:
    """Return a variable whose values are the first column of a statement's answer."""
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": DATA_SOURCE,
        "definition": statement,
        "query": {"editorType": "sql", "rawSql": statement, "refId": f"variable-{name}"},
        "hide": 0,
        "includeAll": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "multi": True,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }


def _narrowed(name: str) -> Json:
    """Return the choice of what one column has, among what is chosen before it."""
    column = sql.CHOICES[name]
    _, narrowed_by = SOURCES.get(name, (None, ()))
    where = f"{sql.chosen(*narrowed_by)} AND {column} != ''"
    return _choice(name, LABELS[name], sql.asked(f"DISTINCT {column}", where))


def _stored() -> Json:
    """Return the hidden variable that says which columns the tables have."""
    shown: Json = {"hide": HIDDEN, "includeAll": False, "multi": False, "skipUrlSync": True, "sort": 0}
    made = {**_choice(sql.STORED, "Columns", sql.stored()), **shown}
    return {name: value for name, value in made.items() if name != "current"}


VARIABLES: tuple[Json, ...] = (
    data_source("clickhouse", "ClickHouse", PLUGIN),
    _stored(),
    *map(_narrowed, sql.CHOICES),
    typed("trace", "Trace", "A trace's id, for the last row."),
)
