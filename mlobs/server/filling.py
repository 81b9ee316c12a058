"""Fills tables of sums from the spans that are there, when a table is new.

Each is filled in a table beside it, which then takes its place: whoever stops in between leaves the table
empty, and the next start goes on. Days are filled in order and no INSERT has rows of two, so that of the
table beside only the newest day may be half there: it is dropped and filled again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mlobs.server.engine import Connection, literal

BATCH_SPANS = 1_000_000  # At most, but of ten minutes that have more: 150 to 600 bytes each.
TEN_S, HOUR_S, DAY_S = 600, 3600, 86_400
SPANS_BY_TEN = (
    "SELECT toUInt32(toStartOfTenMinutes(Timestamp)) AS ten_s, count() AS spans FROM otel_traces "
    "WHERE ClockKnown GROUP BY ten_s ORDER BY ten_s"
)
DAYS_SHOWN = "toString(toDate({at})) AS day, toUInt32(toStartOfDay({at})) AS day_s"


@dataclass(frozen=True, slots=True)
class Sums:
    """What spans come to, in a table with a partition for each day.

    Attributes:
        view: From the spans to the table.
        table: Its name.
        beside: The name of the table that is filled and takes its place.
        at: The column with the time of a row.
        columns: That are filled.
        selected: Returns the question that adds up some spans.
    """

    view: str
    table: str
    beside: str
    at: str
    columns: Sequence[str]
    selected: Callable[[str], str]


def filled(connection: Connection, sums: Sums) -> bool:
    """Fill the table beside an empty one, or go on with it; return whether there was anything to add up.

    Args:
        connection: May write, and remembers no inserts: what was dropped is inserted again.
        sums: The table.
    """
    if connection.run(f"SELECT count() AS held FROM {sums.table}")[0]["held"]:
        return False
    tens = connection.run(SPANS_BY_TEN)
    if not tens:
        return False
    since_s = 0
    if is_there(connection, sums.beside):
        since_s = _gone_on(connection, sums)
    else:
        define(connection, f"CREATE TABLE {sums.beside} AS {sums.table}")
    into = f"INSERT INTO {sums.beside} ({', '.join(sums.columns)})"
    for where in batches([ten for ten in tens if ten["ten_s"] >= since_s]):
        connection.run(f"{into} {sums.selected(where)}")
    return True


def is_there(connection: Connection, table: str) -> bool:
    """Return whether there is a table of that name."""
    return bool(connection.run(f"EXISTS TABLE {table}")[0]["result"])


def days(connection: Connection, table: str, at: str) -> list[dict[str, Any]]:
    """Return the days that a table has rows of, in order: `day` as text, and `day_s`, when it begins."""
    return connection.run(f"SELECT DISTINCT {DAYS_SHOWN.format(at=at)} FROM {table} ORDER BY day_s")


def take_place(connection: Connection, sums: Sums) -> None:
    """Put the table beside in the place of the empty one."""
    define(connection, f"EXCHANGE TABLES {sums.table} AND {sums.beside}")
    define(connection, f"DROP TABLE IF EXISTS {sums.beside}")


def define(connection: Connection, statement: str) -> None:
    """Run a statement that defines something, on a cluster on all of it."""
    connection.run(connection.adapted(statement))


def batches(tens: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield conditions for the spans there are, of so many at a time as memory has room for, each of one day.

    They begin and end with an hour, but in one that has too many spans: that a call repeats another is seen
    where both are added up together.

    Args:
        tens: The answer to SPANS_BY_TEN.
    """
    begin_s = end_s = spans = 0
    for since_s, until_s, held in _pieces(tens):
        if spans and (spans + held > BATCH_SPANS or begin_s // DAY_S < since_s // DAY_S):
            yield _between(begin_s, end_s)
            spans = 0
        begin_s = begin_s if spans else since_s
        end_s, spans = until_s, spans + held
    if spans:
        yield _between(begin_s, end_s)


def _pieces(tens: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int, int]]:
    """Yield when hours begin and end, and their spans; of those with too many the same by ten minutes."""
    for hour_s, found in groupby(tens, key=lambda ten: ten["ten_s"] // HOUR_S * HOUR_S):
        hour = list(found)
        held = sum(ten["spans"] for ten in hour)
        if held > BATCH_SPANS:
            yield from ((ten["ten_s"], ten["ten_s"] + TEN_S, ten["spans"]) for ten in hour)
        else:
            yield hour_s, hour_s + HOUR_S, held


def _between(begin_s: int, end_s: int) -> str:
    begin, end = (f"toDateTime64({second}, 9, 'UTC')" for second in (begin_s, end_s))
    return f"Timestamp >= {begin} AND Timestamp < {end}"


def _gone_on(connection: Connection, sums: Sums) -> int:
    """Drop what may be half there; return from which second on spans are still to be added up."""
    if connection.far:
        # What a server that was killed has asked for goes on without it.
        connection.run(
            "KILL QUERY WHERE current_database = currentDatabase() AND startsWith(query, {into:String}) SYNC",
            {"into": f"INSERT INTO {sums.beside} "},
        )
    held = days(connection, sums.beside, sums.at)
    if not held:
        return 0
    define(connection, f"ALTER TABLE {sums.beside} DROP PARTITION {literal(held[-1]['day'])}")
    return int(held[-1]["day_s"])
