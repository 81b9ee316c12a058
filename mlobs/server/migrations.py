"""Brings the tables to this release's schema: `schema/NNN_*.sql`, in order, each once.

A migration that a crash interrupted begins again, so each of its statements may run twice.

Views and the canonical columns of spans follow the vocabulary: they are made anew when it has changed.
Rows that are stored keep what was computed for them.

A line `-- only while TABLE lacks COLUMN` leaves a statement out where the table was moved before the
interruption. In the files `{stored TABLE}` stands for the columns that TABLE holds; `wire` has the
other words.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

from mlobs.errors import StoreError
from mlobs.server import turns
from mlobs.server.canonical import FACTS, INDEXES, TYPES, columns
from mlobs.server.costs import summed
from mlobs.server.derived import (
    events_view,
    exporter_view,
    latest_views,
    predictions_view,
    scores_so_far,
    scores_view,
    totals_view,
)
from mlobs.server.engine import Connection, literal
from mlobs.server.exemplars import VIEW as EXEMPLARS_VIEW
from mlobs.server.exemplars import exemplars_view
from mlobs.server.judgements import VIEW as JUDGEMENTS_VIEW
from mlobs.server.judgements import judgements_view
from mlobs.server.minutes import (
    COLUMNS,
    FILLING,
    SPANS_BY_HOUR,
    TABLE,
    TEN,
    TEN_VIEW,
    VIEW,
    batches,
    in_tens,
    minutes_view,
    selected,
    ten_minutes_view,
)
from mlobs.server.wire import expand

# Rows that are moved are of many days, and few large parts are better than many small ones. The older
# analyzer checks the canonical columns and views in a tenth of the time.
MOVING = {
    "enable_analyzer": 0,
    "max_partitions_per_insert_block": 0,
    "min_insert_block_size_rows": 1 << 20,
    "min_insert_block_size_bytes": 256 << 20,
}
# Split into these two by the statements themselves.
SPLIT = ("SpanAttributes", "Content")
ONLY = re.compile(r"^-- only while (\w+) lacks (\w+)\n", re.MULTILINE)


def migrate(connection: Connection, place: str, schema: int) -> None:
    """Bring the tables to a version.

    Args:
        connection: May write.
        place: Of the store, for the sentence.
        schema: The version; below this release's only to restore a backup that has it, and then without
            views and canonical columns, which the next start makes.

    Raises:
        StoreError: A newer release made them.
        EngineError: A statement was refused.
    """
    for setting, value in MOVING.items():
        connection.run(f"SET {setting} = {value}")
    _define(
        connection,
        "CREATE TABLE IF NOT EXISTS schema_version (Version UInt32, Applied DateTime DEFAULT now()) "
        "ENGINE = MergeTree ORDER BY Version",
    )
    found = connection.run("SELECT max(Version) AS version FROM schema_version")[0]["version"]
    if found > newest_version():
        raise StoreError(
            f"The store in {place} has version {found}; this release knows {newest_version()}. "
            f"Start the newer release that made it, or choose another folder with --data."
        )
    views = {
        "metric_totals_view": totals_view(),
        EXEMPLARS_VIEW: exemplars_view(),
        "scores_view": scores_view(),
        JUDGEMENTS_VIEW: judgements_view(),
        "otel_traces_exporter_view": exporter_view(),
        VIEW: minutes_view(),
        TEN_VIEW: ten_minutes_view(),
        turns.VIEW: turns.turns_view(),
        summed.VIEW: summed.call_sums_view(),
        **latest_views(),
        "predictions": predictions_view(),
        "events": events_view(),
    }
    steps = [step for step in _steps() if found < _version(step.name) <= schema]
    kept = set() if steps or schema < newest_version() else _kept(connection, views)
    for name in views:
        if name not in kept:
            _define(connection, f"DROP VIEW IF EXISTS {name}")
    for step in steps:
        for statement in _left(connection, statements(step.read_text())):
            _define(connection, _with_columns(connection, expand(statement)))
        connection.run(
            "INSERT INTO schema_version (Version) VALUES ({version:UInt32})",
            {"version": _version(step.name)},
        )
    if schema < newest_version():
        return
    _compute(connection)
    if VIEW not in kept:
        _add_up(connection)
    if turns.VIEW not in kept:
        _add_up_turns(connection)
    if summed.VIEW not in kept:
        _add_up_calls(connection)
    for name, create in views.items():
        if name not in kept:
            _define(connection, create)
            _define(connection, f"ALTER TABLE {name} MODIFY COMMENT {literal(_digest(create))}")


def newest_version() -> int:
    """Return the version of this release's tables."""
    return _version(_steps()[-1].name)


def statements(text: str) -> list[str]:
    """Return the statements of a schema file, which end in a semicolon at the end of a line."""
    return [part.strip() for part in re.split(r";\s*$", text, flags=re.MULTILINE) if part.strip()]


def _compute(connection: Connection) -> None:
    """Make the canonical columns of spans, or change their expressions."""
    wanted = columns()
    digest = _digest(repr((wanted, TYPES, INDEXES)))
    _define(
        connection,
        "CREATE TABLE IF NOT EXISTS canonical_columns "
        "(Digest String, Applied DateTime64(9) DEFAULT now64(9)) ENGINE = MergeTree ORDER BY Applied",
    )
    newest = connection.run("SELECT argMax(Digest, Applied) AS digest FROM canonical_columns")
    if newest[0]["digest"] == digest:
        return
    rows = connection.run(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'otel_traces'"
    )
    present = {row["name"] for row in rows}
    changes = []
    for name, expression in wanted.items():
        verb = "MODIFY" if name in present else "ADD"
        if name == FACTS:
            # The load statement fills it. Its own expression as a default would be planned once for
            # each column that reads it, which takes seconds.
            kind, expression = "EPHEMERAL", "SpanAttributes"
        else:
            kind = "MATERIALIZED"
        column, _, codec = TYPES[name].partition(" CODEC")
        codec = f" CODEC{codec}" if codec else ""
        changes.append(f"{verb} COLUMN {name} {column} {kind} {expression}{codec}")
    # In one statement: each checks all the columns there are.
    _define(connection, f"ALTER TABLE otel_traces {', '.join(changes)}")
    indexes = (f"ADD INDEX IF NOT EXISTS {name} {index}" for name, index in INDEXES.items())
    _define(connection, f"ALTER TABLE otel_traces {', '.join(indexes)}")
    connection.run("INSERT INTO canonical_columns (Digest) VALUES ({digest:String})", {"digest": digest})


def _add_up(connection: Connection) -> None:
    """Add up by minute the spans that are there, if that was never done.

    In a table beside, which takes the place of the empty one: a crash leaves it empty, and this begins again.
    """
    if _filled(connection, TABLE, FILLING, COLUMNS, selected):
        _define(connection, f"TRUNCATE TABLE {TEN}")
        connection.run(f"INSERT INTO {TEN} ({', '.join(COLUMNS)}) {in_tens(FILLING)}")
        _take_place(connection, TABLE, FILLING)


def _add_up_turns(connection: Connection) -> None:
    """Add up by trace the spans that are there, in the same way."""
    if _filled(connection, turns.TABLE, turns.FILLING, turns.COLUMNS, turns.selected):
        _take_place(connection, turns.TABLE, turns.FILLING)


def _add_up_calls(connection: Connection) -> None:
    """Add up the model calls that are there, in the same way."""
    if _filled(connection, summed.TABLE, summed.FILLING, summed.COLUMNS, summed.selected):
        _take_place(connection, summed.TABLE, summed.FILLING)


def _filled(
    connection: Connection, table: str, beside: str, columns: Sequence[str], selected: Callable[[str], str]
) -> bool:
    """Fill a table beside an empty one; return whether there was something to fill it with."""
    if connection.run(f"SELECT count() AS held FROM {table}")[0]["held"]:
        return False
    hours = connection.run(SPANS_BY_HOUR)
    if not hours:
        return False
    _define(connection, f"DROP TABLE IF EXISTS {beside}")
    _define(connection, f"CREATE TABLE {beside} AS {table}")
    for where in batches(hours):
        connection.run(f"INSERT INTO {beside} ({', '.join(columns)}) {selected(where)}")
    return True


def _take_place(connection: Connection, table: str, beside: str) -> None:
    _define(connection, f"EXCHANGE TABLES {table} AND {beside}")
    _define(connection, f"DROP TABLE IF EXISTS {beside}")


def _define(connection: Connection, statement: str) -> None:
    connection.run(connection.adapted(statement))


def _kept(connection: Connection, views: Mapping[str, str]) -> set[str]:
    """Return the views that are there as they are wanted. Others may be inserting: what is well stays."""
    rows = connection.run("SELECT name, comment FROM system.tables WHERE database = currentDatabase()")
    present = {row["name"]: row["comment"] for row in rows}
    return {name for name, create in views.items() if present.get(name) == _digest(create)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _steps() -> list[Traversable]:
    folder = files("mlobs.server") / "schema"
    return sorted((one for one in folder.iterdir() if one.name.endswith(".sql")), key=lambda one: one.name)


def _version(name: str) -> int:
    return int(name.partition("_")[0])


def _left(connection: Connection, written: list[str]) -> list[str]:
    """Return the statements of a step without those for tables that an interrupted try has moved."""
    rows = connection.run(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase() "
        "AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase())"
    )
    there = {(row["table"], row["name"]) for row in rows}
    left = []
    for statement in written:
        found = ONLY.search(statement)
        if found is None or (found[1], found[2]) not in there:
            left.append(ONLY.sub("", statement).replace("{so far}", scores_so_far()))
    return left


def _with_columns(connection: Connection, statement: str) -> str:
    return re.sub(r"\{stored (\w+)\}", lambda found: ", ".join(_stored(connection, found[1])), statement)


def _stored(connection: Connection, table: str) -> list[str]:
    rows = connection.run(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
        "AND default_kind != 'MATERIALIZED' ORDER BY position",
        {"table": table},
    )
    return [row["name"] for row in rows if row["name"] not in {*SPLIT, "ClockKnown"}]
