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
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

from mlobs.errors import StoreError
from mlobs.server import turns
from mlobs.server.canonical import FACTS, INDEXES, TYPES, columns
from mlobs.server.costs import agents, summed
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
from mlobs.server.filling import Sums, days, define, filled, is_there, take_place
from mlobs.server.judgements import VIEW as JUDGEMENTS_VIEW
from mlobs.server.judgements import judgements_view
from mlobs.server.minutes import (
    COLUMNS,
    FILLING,
    TABLE,
    TEN,
    TEN_VIEW,
    VIEW,
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
    "insert_deduplicate": 0,
    "max_bytes_before_external_group_by": 256 << 20,
}
# Split into these two by the statements themselves.
SPLIT = ("SpanAttributes", "Content")
ADDED_UP = (
    Sums(VIEW, TABLE, FILLING, "Minute", COLUMNS, selected),
    Sums(turns.VIEW, turns.TABLE, turns.FILLING, "Minute", turns.COLUMNS, turns.selected),
    Sums(agents.VIEW, agents.TABLE, agents.FILLING, "Ten", agents.COLUMNS, agents.selected),
    Sums(summed.VIEW, summed.TABLE, summed.FILLING, "Ten", summed.COLUMNS, summed.selected),
)
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
    define(
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
        agents.VIEW: agents.agents_view(),
        summed.VIEW: summed.call_sums_view(),
        **latest_views(),
        "predictions": predictions_view(),
        "events": events_view(),
    }
    steps = [step for step in _steps() if found < _version(step.name) <= schema]
    kept = set() if steps or schema < newest_version() else _kept(connection, views)
    if steps:  # They may change the table that one of these was to take the place of.
        _clear(connection, ADDED_UP)
    for name in views:
        if name not in kept:
            define(connection, f"DROP VIEW IF EXISTS {name}")
    for step in steps:
        for statement in _left(connection, statements(step.read_text())):
            define(connection, _with_columns(connection, expand(statement)))
        connection.run(
            "INSERT INTO schema_version (Version) VALUES ({version:UInt32})",
            {"version": _version(step.name)},
        )
    if schema < newest_version():
        return
    _compute(connection)
    for sums in ADDED_UP:
        if sums.view not in kept:
            _add_up(connection, sums)
    _clear(connection, [sums for sums in ADDED_UP if sums.view in kept])
    for name, create in views.items():
        if name not in kept:
            define(connection, create)
            define(connection, f"ALTER TABLE {name} MODIFY COMMENT {literal(_digest(create))}")


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
    define(
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
    define(connection, f"ALTER TABLE otel_traces {', '.join(changes)}")
    indexes = (f"ADD INDEX IF NOT EXISTS {name} {index}" for name, index in INDEXES.items())
    define(connection, f"ALTER TABLE otel_traces {', '.join(indexes)}")
    connection.run("INSERT INTO canonical_columns (Digest) VALUES ({digest:String})", {"digest": digest})


def _add_up(connection: Connection, sums: Sums) -> None:
    """Add up the spans that are there, if that was never done, and clear up what was left of doing so."""
    if filled(connection, sums):
        if sums.table == TABLE:
            _add_up_tens(connection)
        take_place(connection, sums)
    else:
        _clear(connection, [sums])


def _add_up_tens(connection: Connection) -> None:
    define(connection, f"TRUNCATE TABLE {TEN}")
    for day in days(connection, FILLING, "Minute"):
        some = in_tens(FILLING, f"toDate(Minute) = {literal(day['day'])}")
        connection.run(f"INSERT INTO {TEN} ({', '.join(COLUMNS)}) {some}")


def _clear(connection: Connection, of: Sequence[Sums]) -> None:
    """Drop tables beside that an earlier start left."""
    for sums in of:
        if is_there(connection, sums.beside):
            define(connection, f"DROP TABLE IF EXISTS {sums.beside}")


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
