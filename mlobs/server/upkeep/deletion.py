"""Removes what one trace, session or user left, and reports what went.

Traces are removed whole: those with a span of the session or user. With them go the log records and
scores that name one of these traces, and those that carry the session or user themselves.
What alerts remember of it is for whoever keeps that; `routes` asks them. The exemplars of derived metrics
go as well; metrics that were sent hold no such ids but in theirs, where a trace id may stay until the points
grow old.

Rows are rewritten away (ALTER TABLE … DELETE), so that they are gone from the disk when this returns,
but for the parts that the engine removes some minutes later. The engine keeps the text of what it was
told to delete, so the ids are in a table of the request's own, which is dropped.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from uuid import uuid4

from mlobs.errors import QueryError, StoreError
from mlobs.semconv import attributes as a
from mlobs.server.costs.agents import TABLE as AGENTS
from mlobs.server.costs.summed import TABLE as SUMS
from mlobs.server.engine import Connection
from mlobs.server.exemplars import TABLE as EXEMPLARS
from mlobs.server.minutes import put_back, taken_off
from mlobs.server.turns import TABLE as TURNS
from mlobs.server.upkeep.removing import remove

CHARACTERS_MAX = 1_000
TRACE = re.compile(r"[0-9a-f]{32}")
HALF = re.compile("[\ud800-\udfff]")
PREFIX = "deleting_"
ASKED_MAX = 1_000  # Traces in one question.
TRIES = 5  # While more arrives.
REPORTED = ("scores", "otel_logs", "otel_traces")
# Which traces go whole, by what is asked for.
SPANS: Mapping[str, str] = {
    "trace": "TraceId = {value:String}",
    "session": "SessionId = {value:String} OR ConversationId = {value:String}",
    "user": "UserId = {value:String}",
}
# The same in what is added up of spans, which are told where the spans are gone.
TURNS_OF: Mapping[str, str] = {
    "trace": "TraceId = {value:String}",
    "session": "Session = {value:String}",
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
SCORES_TOO: Mapping[str, tuple[str, ...]] = {
    what: tuple(column.removeprefix("Log") for column in columns) for what, columns in LOGS_TOO.items()
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
        StoreError: The engine refused, or rows came all the while; what was removed until then is gone, and
            the same call goes on.
    """
    value = _checked(what, value)
    _tidy(connection)
    of = f"{PREFIX}{uuid4().hex}"
    connection.run(f"CREATE TABLE {of} (TraceId String, Value String) ENGINE = MergeTree ORDER BY TraceId")
    try:
        given = "{value:String}, ''" if what == "trace" else "'', {value:String}"
        connection.run(f"INSERT INTO {of} SELECT {given}", {"value": value})
        report = dict.fromkeys(("traces", *REPORTED), 0)
        for _ in range(TRIES):
            went = _removed(connection, what, value, of)
            if not any(went.values()):
                return report
            report = {name: rows + went[name] for name, rows in report.items()}
        raise StoreError("More rows kept coming while others were deleted; ask again.")
    finally:
        connection.run(f"DROP TABLE IF EXISTS {of} SYNC")


def among(connection: Connection, what: str, value: str, trace_ids: Sequence[str]) -> list[str]:
    """Return which of some traces will go with a trace, session or user.

    Raises:
        QueryError: It is no id.
    """
    value = _checked(what, value)
    if what == "trace":
        return [value] if value in trace_ids else []
    found: set[str] = set()
    given = "TraceId IN splitByChar(',', {given:String})"
    for first in range(0, len(trace_ids), ASKED_MAX):
        some = ",".join(trace_ids[first : first + ASKED_MAX])
        for table, condition in (("otel_traces", SPANS[what]), (TURNS, TURNS_OF[what])):
            statement = f"SELECT DISTINCT TraceId AS id FROM {table} WHERE {given} AND ({condition})"
            rows = connection.run(statement, {"value": value, "given": some})
            found.update(row["id"] for row in rows)
    return sorted(found)


def _removed(connection: Connection, what: str, value: str, of: str) -> dict[str, int]:
    """Remove what there is now; return how many traces, and how many rows by table.

    Spans of such a trace that come meanwhile may go without what was added up of them, which is therefore
    looked for again, and by the session or user as well: `turns` knows traces that have no spans.
    """
    for table, condition in (("otel_traces", SPANS[what]), (TURNS, TURNS_OF[what])):
        found = f"SELECT DISTINCT TraceId, '' FROM {table} WHERE ({condition}) AND TraceId != ''"
        connection.run(f"INSERT INTO {of} {found}", {"value": value})
    own = " OR ".join(_holds(column, of) for column in SPANS_TOO[what]) or "0"
    # Not those of traces that came since: such a trace goes whole, the next time.
    spans = f"{_condition(of, ())} OR (TraceId = '' AND ({own}))"
    hashed = f"Trace IN (SELECT sipHash64(TraceId) FROM {of} WHERE TraceId != '')"
    conditions = {
        EXEMPLARS: _condition(of, ()),
        TURNS: _condition(of, ()),
        AGENTS: hashed,
        SUMS: f"{hashed} OR {own}",
        "scores": _condition(of, SCORES_TOO[what]),
        "otel_logs": _condition(of, LOGS_TOO[what]),
        "otel_traces": spans,
    }
    went = {table: _count(connection, table, "count()", where) for table, where in conditions.items()}
    traces = _count(connection, "otel_traces", "uniqExact(TraceId)", _condition(of, ()))
    # The spans go last: they say which traces are meant, if this is asked again after a failure.
    others = {table: where for table, where in conditions.items() if went[table] and table != "otel_traces"}
    remove(connection, others, of)
    if went["otel_traces"]:
        _take_off(connection, spans, f"{what} {value}")
        try:
            remove(connection, {"otel_traces": spans}, of)
        except StoreError:
            _put_back(connection, spans, went["otel_traces"])
            raise
    return {"traces": traces, **went}


def _condition(of: str, columns: tuple[str, ...]) -> str:
    found = [f"(TraceId != '' AND TraceId IN (SELECT TraceId FROM {of}))"]
    return " OR ".join((*found, *(_holds(column, of) for column in columns)))


def _holds(column: str, of: str) -> str:
    return f"({column} != '' AND {column} IN (SELECT Value FROM {of}))"


def _take_off(connection: Connection, condition: str, about: str) -> None:
    """Take the spans off the sums by minute; once, if the same call goes on after a failure."""
    spans = "toString(sum(cityHash64(TraceId, SpanId, Timestamp))) AS sum, count() AS spans"
    same = connection.run(f"SELECT {spans} FROM otel_traces WHERE {condition}")
    token = sha256(f"{about} {same[0]['spans']} {same[0]['sum']}".encode()).hexdigest()
    connection.run(f"{taken_off(condition)} SETTINGS {_changing(token)}")


def _put_back(connection: Connection, condition: str, before: int) -> None:
    """Add the spans that stayed to the sums again, if some went: the next call takes off what it finds.

    Where all of them stayed, the next call finds the same, and takes nothing off again.
    """
    if _count(connection, "otel_traces", "count()", condition) < before:
        connection.run(f"{put_back(condition)} SETTINGS {_changing(uuid4().hex)}")


def _changing(token: str) -> str:
    """Return the settings of a statement that changes the sums, which is recognised by a token."""
    # They may lie on any number of days, and each is a partition.
    return f"insert_deduplication_token = '{token}', max_partitions_per_insert_block = 0"


def _count(connection: Connection, table: str, what: str, condition: str) -> int:
    found: int = connection.run(f"SELECT {what} AS found FROM {table} WHERE {condition}")[0]["found"]
    return found


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
    if not value or len(value) > CHARACTERS_MAX or HALF.search(value):
        wanted = f"an id of 1 to {CHARACTERS_MAX} characters, and no halves of any, was expected"
        raise QueryError(f"{what}={value[:40]!r} came; {wanted}.")
    if what == "trace":
        value = value.lower()
        if not TRACE.fullmatch(value):
            raise QueryError(f"trace={value[:40]!r} came; an id of 32 hexadecimal digits was expected.")
    return value
