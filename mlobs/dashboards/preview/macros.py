"""The macros of Grafana's ClickHouse data source, written out as its plugin does.

Columns are taken as they stand: a dashboard's own text. Moments become numbers, never text.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from mlobs.dashboards.preview.spans import Span
from mlobs.errors import QueryError

CALL = re.compile(r"\$__([A-Za-z_]+)\b")
CONDITIONAL = "$__conditionalAll"
Macro = Callable[[Span, float, list[str]], str]


def expand(sql: str, span: Span, interval_s: float) -> str:
    """Return a statement without macros.

    Args:
        sql: Variables are filled in already.
        span: What `$__timeFilter` and the others keep to.
        interval_s: Seconds between two points of a graph, at least 1.

    Raises:
        QueryError: A macro has the wrong number of arguments, or no end.

    >>> expand("SELECT 1 WHERE $__timeFilter(t)", Span(10, 20), 5)
    'SELECT 1 WHERE t >= toDateTime(10) AND t <= toDateTime(20)'
    """
    parts: list[str] = []
    place = 0
    while found := CALL.search(sql, place):
        name = found.group(1)
        if name not in MACROS:
            parts.append(sql[place : found.end()])
            place = found.end()
            continue
        wanted, write = MACROS[name]
        arguments, end = (
            _arguments(sql, found.end(), name) if wanted else ([], _past_brackets(sql, found.end()))
        )
        if len(arguments) != wanted:
            raise QueryError(
                f"The macro $__{name} takes {wanted} argument{'s' if wanted > 1 else ''}, "
                f"{len(arguments)} came. Mend the panel's SQL."
            )
        parts += [sql[place : found.start()], write(span, max(interval_s, 1.0), arguments)]
        place = end
    return "".join([*parts, sql[place:]])


def conditional(sql: str, free: Collection[str]) -> str:
    """Return a statement whose `$__conditionalAll(condition, $variable)` are decided.

    A condition on a variable at All becomes `1=1`, which the data source does before it fills variables in,
    from the last to the first, and with no eye for quotes.

    Args:
        sql: Variables are not filled in yet.
        free: Names of the variables at All, or empty.

    Raises:
        QueryError: A call has no end, or not two arguments.
    """
    while (at := sql.rfind(CONDITIONAL)) >= 0:
        given, end = _arguments(sql, at + len(CONDITIONAL), "conditionalAll", quotes="")
        if len(given) != 2:
            raise QueryError(
                f"The macro $__conditionalAll takes a condition and a variable, {len(given)} arguments came. "
                f"Mend the panel's SQL."
            )
        name = given[1].strip("${}").partition(":")[0]
        sql = sql[:at] + ("1=1" if name in free else given[0]) + sql[end:]
    return sql


def _arguments(sql: str, at: int, name: str, quotes: str = "'\"`") -> tuple[list[str], int]:
    """Return the arguments of the call whose bracket opens at `at`, and where it ends."""
    if sql[at : at + 1] != "(":
        return [], at
    depth, quote, begin, found = 0, "", at + 1, []
    for place in range(at, len(sql)):
        character = sql[place]
        if quote:
            quote = "" if character == quote and sql[place - 1] != "\\" else quote
        elif character in quotes:
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            if depth == 0:
                found.append(sql[begin:place].strip())
                return [argument for argument in found if argument], place + 1
        elif character == "," and depth == 1:
            found.append(sql[begin:place].strip())
            begin = place + 1
    raise QueryError(f"The macro $__{name} has no closing bracket. Mend the panel's SQL.")


def _past_brackets(sql: str, at: int) -> int:
    return at + 2 if sql[at : at + 2] == "()" else at


def _seconds(moment: float) -> str:
    return f"toDateTime({int(moment)})"


def _milliseconds(moment: float) -> str:
    return f"fromUnixTimestamp64Milli({int(moment * 1000)})"


def _date(moment: float) -> str:
    return f"toDate('{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}')"


def _within(span: Span, column: str, write: Callable[[float], str]) -> str:
    return f"{column} >= {write(span.begin_s)} AND {column} <= {write(span.end_s)}"


def _both(span: Span, interval_s: float, given: list[str]) -> str:
    return f"({_within(span, given[0], _date)}) AND ({_within(span, given[1], _seconds)})"


def _interval(span: Span, interval_s: float, given: list[str]) -> str:
    return f"toStartOfInterval(toDateTime({given[0]}), INTERVAL {int(interval_s)} second)"


def _interval_ms(span: Span, interval_s: float, given: list[str]) -> str:
    return f"toStartOfInterval(toDateTime64({given[0]}, 3), INTERVAL {int(interval_s * 1000)} millisecond)"


# Each with how many arguments it takes.
MACROS: dict[str, tuple[int, Macro]] = {
    "timeFilter": (1, lambda span, _, given: _within(span, given[0], _seconds)),
    "timeFilter_ms": (1, lambda span, _, given: _within(span, given[0], _milliseconds)),
    "dateFilter": (1, lambda span, _, given: _within(span, given[0], _date)),
    "dateTimeFilter": (2, _both),
    "dt": (2, _both),
    "fromTime": (0, lambda span, _, __: _seconds(span.begin_s)),
    "toTime": (0, lambda span, _, __: _seconds(span.end_s)),
    "fromTime_ms": (0, lambda span, _, __: _milliseconds(span.begin_s)),
    "toTime_ms": (0, lambda span, _, __: _milliseconds(span.end_s)),
    "timeInterval": (1, _interval),
    "timeInterval_ms": (1, _interval_ms),
    "interval_s": (0, lambda _, interval_s, __: str(int(interval_s))),
}
