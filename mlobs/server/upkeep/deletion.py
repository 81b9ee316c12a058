"""Removes what one trace, session or user left, and reports what went.

Traces are removed whole: those with a span of the session or user. With them go the log records and
scores that name one of these traces, and log records that carry the session or user themselves.
The exemplars of derived metrics go as well; metrics that were sent hold no such ids but in theirs, where a
trace id may stay until the points grow old.

Rows are rewritten away (ALTER TABLE … DELETE), so that they are gone from the disk when this returns,
but for the parts that the engine removes some minutes later. The engine keeps the text of what it was
told to delete, so the ids are in a table of the request's own, which is dropped.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from uuid import uuid4

from mlobs.errors import QueryError, StoreError
from mlobs.semconv import attributes as a
from mlobs.server.costs import summed
from mlobs.server.engine import Connection, EngineError
from mlobs.server.exemplars import TABLE as EXEMPLARS
from mlobs.server.minutes import taken_off
from mlobs.server.turns import TABLE as TURNS

CHARACTERS_MAX = 1_000
TRACE = re.compile(r"[0-9a-f]{32}")
PREFIX = "deleting_"
# Which traces go whole, by what is asked for.
SPANS: Mapping[str, str] = {
    "trace": "TraceId = {value:String}",
    "session": "SessionId = {value:String} OR ConversationId = {value:String}",
    "user": "UserId = {value:String}",
}
# What else goes, where {of} is the table of the request.
SPANS_TOO: Mapping[str, tuple[str, ...]] = {
    "trace": (),
    "session": ("SessionId", "ConversationId"),
    "user": ("UserId",),
}
LOGS_TOO: Mapping[str, tuple[str, ...]] = {
    "trace": (),
    "session": (
        f"LogAttributes['{a.SESSION_ID.name}']",
        f"LogAttributes['{a.CONVERSATION_ID.name}']",
    ),
    "user": (f"LogAttributes['{a.USER_ID.name}']",),
}


def delete(connection: Connection, what: str, value: str) -> dict[str, int]:
    """Remove everything of one trace, session or user.

    Args:
        connection: May write.
        what: trace, session or user.
        value: Its id.

    Returns:
        How many traces, and how many rows by table.

    Raises:
        QueryError: It is no id.
        StoreError: The engine refused, or rows came meanwhile; what was removed until then is gone, and
            the same call goes on.
    """
    value = _checked(what, value)
    _tidy(connection)
    of = f"{PREFIX}{uuid4().hex}"
    connection.run(f"CREATE TABLE {of} (TraceId String, Value String) ENGINE = MergeTree ORDER BY TraceId")
    try:
        connection.run(
            f"INSERT INTO {of} SELECT DISTINCT TraceId, '' FROM otel_traces "
            f"WHERE ({SPANS[what]}) AND TraceId != ''",
            {"value": value},
        )
        given = "{value:String}, ''" if what == "trace" else "'', {value:String}"
        connection.run(f"INSERT INTO {of} SELECT {given}", {"value": value})
        conditions = {
            "scores": _condition(of, ()),
            "otel_logs": _condition(of, LOGS_TOO[what]),
            "otel_traces": _condition(of, SPANS_TOO[what]),
        }
        for table in (EXEMPLARS, TURNS):
            if _count(connection, table, "count()", _condition(of, ())):
                _remove(connection, table, _condition(of, ()), of)
        _remove_sums(connection, f"Trace IN (SELECT sipHash64(TraceId) FROM {of} WHERE TraceId != '')", of)
        report = {"traces": _count(connection, "otel_traces", "uniqExact(TraceId)", _condition(of, ()))}
        for table, condition in conditions.items():
            report[table] = _count(connection, table, "count()", condition)
            if report[table]:
                if table == "otel_traces":
                    _take_off(connection, condition, f"{what} {value}")
                _remove(connection, table, condition, of)
            if left := _count(connection, table, "count()", condition):
                raise StoreError(f"{left} rows of {table} came while others were deleted; ask again.")
        if _remove_sums(connection, f"Trace = {summed.NO_TRACE}", of):
            connection.run(summed.without_trace())
    finally:
        connection.run(f"DROP TABLE IF EXISTS {of} SYNC")
    return report


def _condition(of: str, columns: tuple[str, ...]) -> str:
    found = [f"(TraceId != '' AND TraceId IN (SELECT TraceId FROM {of}))"]
    found += [f"({column} != '' AND {column} IN (SELECT Value FROM {of}))" for column in columns]
    return " OR ".join(found)


def _take_off(connection: Connection, condition: str, about: str) -> None:
    """Take the spans off the sums by minute; once, if the same call goes on after a failure."""
    spans = "toString(sum(cityHash64(TraceId, SpanId, Timestamp))) AS sum, count() AS spans"
    same = connection.run(f"SELECT {spans} FROM otel_traces WHERE {condition}")
    token = sha256(f"{about} {same[0]['spans']} {same[0]['sum']}".encode()).hexdigest()
    connection.run(f"{taken_off(condition)} SETTINGS insert_deduplication_token = '{token}'")


def _count(connection: Connection, table: str, what: str, condition: str) -> int:
    found: int = connection.run(f"SELECT {what} AS found FROM {table} WHERE {condition}")[0]["found"]
    return found


def _remove_sums(connection: Connection, condition: str, of: str) -> bool:
    """Remove sums of calls; return whether there were any."""
    if not _count(connection, summed.TABLE, "count()", condition):
        return False
    _remove(connection, summed.TABLE, condition, of)
    return True


def _remove(connection: Connection, table: str, condition: str, of: str) -> None:
    try:
        connection.run(f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2")
    except EngineError:
        # Else it would go on without the table that says what is meant.
        with suppress(EngineError):
            connection.run("KILL MUTATION WHERE command LIKE {named:String}", {"named": f"%{of}%"})
        raise


def _tidy(connection: Connection) -> None:
    """Drop what a crash left behind a day ago or before."""
    rows = connection.run(
        "SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND startsWith(name, {prefix:String}) AND metadata_modification_time < now() - INTERVAL 1 DAY",
        {"prefix": PREFIX},
    )
    for row in rows:
        connection.run(f"DROP TABLE IF EXISTS {row['name']} SYNC")


def _checked(what: str, value: str) -> str:
    if what not in SPANS:
        raise QueryError(f"{what[:40]!r} came; trace, session or user is what can be deleted.")
    if not value or len(value) > CHARACTERS_MAX:
        wanted = f"an id of 1 to {CHARACTERS_MAX} characters was expected"
        raise QueryError(f"{what}={value[:40]!r} came; {wanted}.")
    if what == "trace":
        value = value.lower()
        if not TRACE.fullmatch(value):
            raise QueryError(f"trace={value[:40]!r} came; an id of 32 hexadecimal digits was expected.")
    return value
