"""Removes what one trace, session or user left, and reports what went.

Traces are removed whole: those with a span of the session or user. With them go the log records and
scores that name one of these traces, and log records that carry the session or user themselves.
Metrics hold no such ids but in exemplars, where a trace id may stay until the points grow old.

Rows are rewritten away (ALTER TABLE … DELETE), so that they are gone from the disk when this returns,
but for the parts that the engine removes some minutes later.
"""

import re
from collections.abc import Mapping

from mlobs.errors import QueryError
from mlobs.semconv import attributes as a
from mlobs.server.engine import Connection

CHARACTERS_MAX = 1_000
TRACE = re.compile(r"[0-9a-f]{32}")
# What is searched for, by what is asked for.
SPANS: Mapping[str, str] = {
    "trace": "TraceId = {value:String}",
    "session": "SessionId = {value:String} OR ConversationId = {value:String}",
    "user": "UserId = {value:String}",
}
LOGS: Mapping[str, str] = {
    "trace": "0",
    "session": (
        f"LogAttributes['{a.SESSION_ID.name}'] = {{value:String}} "
        f"OR LogAttributes['{a.CONVERSATION_ID.name}'] = {{value:String}}"
    ),
    "user": f"LogAttributes['{a.USER_ID.name}'] = {{value:String}}",
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
        EngineError: The engine refused; what was removed until then is gone, and the same call goes on.
    """
    value = _checked(what, value)
    # A table of its own: the deletion from one table must not change what the others' looks for.
    for statement in (
        "DROP TABLE IF EXISTS deleting",
        "CREATE TABLE deleting (TraceId String) ENGINE = MergeTree ORDER BY TraceId",
    ):
        connection.run(statement)
    try:
        sought = SPANS[what] if what != "trace" else "0"
        connection.run(
            "INSERT INTO deleting SELECT DISTINCT TraceId FROM otel_traces "
            f"WHERE ({sought}) AND TraceId != ''",
            {"value": value},
        )
        if what == "trace":
            connection.run("INSERT INTO deleting SELECT {value:String}", {"value": value})
        report = {"traces": _count(connection, "otel_traces", "uniqExact(TraceId)", "0", value)}
        conditions = {"scores": "0", "otel_logs": LOGS[what], "otel_traces": SPANS[what]}
        for table, also in conditions.items():
            report[table] = _count(connection, table, "count()", also, value)
            if report[table]:
                _remove(connection, table, also, value)
    finally:
        connection.run("DROP TABLE IF EXISTS deleting SYNC")
    return report


def _count(connection: Connection, table: str, what: str, also: str, value: str) -> int:
    rows = connection.run(
        f"SELECT {what} AS found FROM {table} WHERE TraceId IN (SELECT TraceId FROM deleting) OR ({also})",
        {"value": value},
    )
    found: int = rows[0]["found"]
    return found


def _remove(connection: Connection, table: str, also: str, value: str) -> None:
    connection.run(
        f"ALTER TABLE {table} DELETE WHERE TraceId IN (SELECT TraceId FROM deleting) OR ({also}) "
        "SETTINGS mutations_sync = 2",
        {"value": value},
    )


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
