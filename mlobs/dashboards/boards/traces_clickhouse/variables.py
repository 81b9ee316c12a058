"""What is chosen at the top of the board that asks spans in SQL."""

from mlobs.dashboards.panels import Json
from mlobs.dashboards.sql import columns
from mlobs.dashboards.sql import statements as sql
from mlobs.dashboards.sql.panels import DATA_SOURCE, PLUGIN
from mlobs.dashboards.variables import SOURCES, asked, data_source, typed

HIDDEN = 2


def _choice(name: str, statement: str) -> Json:
    """Return a variable whose values are the first column of a statement's answer."""
    return asked(name, DATA_SOURCE, statement, {"editorType": "sql", "rawSql": statement})


def _narrowed(name: str) -> Json:
    """Return the choice of what one column has, among what is chosen before it."""
    column = sql.CHOICES[name]
    _, narrowed_by = SOURCES.get(name, (None, ()))
    where = f"{sql.chosen(*narrowed_by)} AND {column} != ''"
    return _choice(name, sql.asked(f"DISTINCT {column}", where))


def _hidden(name: str, statement: str) -> Json:
    """Return a hidden variable, that says what columns the tables have."""
    shown: Json = {"hide": HIDDEN, "includeAll": False, "multi": False, "skipUrlSync": True, "sort": 0}
    made = {**_choice(name, statement), **shown}
    return {part: value for part, value in made.items() if part != "current"}


VARIABLES: tuple[Json, ...] = (
    data_source("clickhouse", "ClickHouse", PLUGIN),
    *(_hidden(name, statement) for name, statement in columns.hidden().items()),
    *map(_narrowed, sql.CHOICES),
    typed("trace", "Trace", "A trace's id, for the last row."),
)
