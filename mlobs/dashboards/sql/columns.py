r"""Columns that tables may lack, computed from the attributes: those of maps, or those of JSON.

Our tables store what the board asks for. Tables of the OpenTelemetry Collector's ClickHouse exporter do not,
and keep attributes as maps or, since 2025 and if told so (`json: true`), as JSON. Which it is the hidden
variables say: each is All where what it names is left out of a statement, by the data source's macro.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.weights import WEIGHT, weight

TRACES, LOGS = "otel_traces", "otel_logs"
# Old exporters wrote the longer word.
FAILED = "StatusCode IN ('Error', 'STATUS_CODE_ERROR')"
OTHER = "_OTHER"
READERS: Mapping[str, str] = {"int": "toUInt64OrNull({})", "double": "toFloat64OrNull({})"}
STORED, MAPS, JSON = "stored", "maps", "json"
_IS_JSON = "countIf(name = 'SpanAttributes' AND startsWith(type, 'JSON')) > 0"

Read = Callable[[str, str], str]  # From the column of attributes and the name of one: its text.


def text(value: str) -> str:
    r"""Return a text as SQL writes it.

    >>> print(text("it's"))
    'it\'s'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def hidden() -> dict[str, str]:
    """Return the statements of the hidden variables by name: what need not be computed from maps, or JSON."""
    names = ", ".join(map(text, computed()))
    are_stored = f"countIf(name IN ({names})) = {len(computed())}"
    left_out = {
        STORED: f"{are_stored} OR {_IS_JSON}",
        MAPS: _IS_JSON,
        JSON: f"NOT ({_IS_JSON})",
    }
    return {
        name: f"SELECT if({condition}, concat('$', '__all'), 'computed') AS {name} FROM system.columns "
        f"WHERE database = currentDatabase() AND table = {text(TRACES)}"
        for name, condition in left_out.items()
    }


def of_map(column: str, name: str) -> str:
    """Return an attribute's text, where attributes are a map."""
    return f"{column}[{text(name)}]"


def of_json(column: str, name: str) -> str:
    """Return an attribute's text, where attributes are JSON: only this part of the column is read.

    >>> of_json("SpanAttributes", "error.type")
    "ifNull(toString(SpanAttributes.error.type), '')"
    """
    return f"ifNull(toString({column}.{name}), '')"


@cache
def computed(read: Read = of_map) -> dict[str, str]:
    """Return how each canonical column is computed from the attributes of a span.

    >>> computed()["RequestModel"]
    "SpanAttributes['gen_ai.request.model']"
    """
    rows = [row for row in (*a.ATTRIBUTES, TENANT) if row.column and row not in {a.SERVICE_NAME, a.KIND}]
    found = {row.column: READERS.get(row.type, "{}").format(read("SpanAttributes", row.name)) for row in rows}
    error = found[a.ERROR_TYPE.column]
    found[a.ERROR_TYPE.column] = f"if({FAILED} AND {error} = '', {text(OTHER)}, {error})"
    found[WEIGHT] = re.sub("'[^']*'", _without_signs, weight())
    return found


def of_scores(read: Read) -> dict[str, str]:
    """Return the columns of scores, from the log records that they came as."""
    return {
        "Name": read("LogAttributes", a.EVALUATION_NAME.name),
        "Value": READERS["double"].format(read("LogAttributes", a.EVALUATION_SCORE.name)),
        "JudgedBy": read("LogAttributes", a.EVALUATION_BY.name),
    }


def computing(named: str, columns: Callable[[Read], Mapping[str, str]], unless: str) -> str:
    """Return the WITH that computes the columns that are named, where they have to be.

    Elsewhere the macro leaves `1=1` of it.

    Args:
        named: A statement.
        columns: How they are computed.
        unless: The variable that is All where they are not computed from maps.
    """
    parts = []
    for name, read, variable in (("from_maps", of_map, unless), ("from_json", of_json, JSON)):
        made = [f"{how} AS {one}" for one, how in columns(read).items() if re.search(rf"\b{one}\b", named)]
        if made:
            parts.append(f"$__conditionalAll(tuple({', '.join(made)}), ${variable}) AS {name}")
    return f"WITH {', '.join(parts)} " if parts else ""


def _without_signs(literal: re.Match[str]) -> str:
    """Return a text of SQL that reads the same, without signs at which the data source's macro would end."""
    return re.sub("[(),;]", lambda sign: rf"\x{ord(sign[0]):02x}", literal[0])
