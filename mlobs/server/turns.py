"""Traces added up by minute, and by the session and user that their spans say: fills and reads `turns`.

Pages of sessions and users ask here what would take reading all spans of their range. A view adds what
arrives; spans that were there before are added once, when the table is new; rows of traces that are deleted
are deleted.

Whole minutes of a range are read from `turns`; the pieces of minutes at its ends, and spans whose clock is
not believed, from the spans. So what comes out is what adding up all spans would.
"""

from collections.abc import Sequence

from mlobs.server.ask.ranges import NS, Range
from mlobs.server.ask.statements import FAILED, IN_RANGE, LAST_RANKS, OF_CALLS, SESSION
from mlobs.server.ends import AT, end_ns
from mlobs.server.engine import Value

TABLE, VIEW, FILLING = "turns", "turns_view", "turns_2"
MINUTE_S = 60
SECONDS_MAX = 2**32 - 2 * MINUTE_S  # Of a moment that the engine can tell as a minute.
KEYS = ("Minute", "UserId", "Session", "TraceId")
END = end_ns()
PRICE = "(CostUsd >= 0 AND isFinite(CostUsd))"  # Else one that is none would hide those of its minute.
_SESSION = f"toString({SESSION})"
# What there is of each column: for spans that are added up, and for one span.
SUMS = {
    "FirstNs": (f"min({AT})", AT),
    "EndNs": (f"max({END})", END),
    "Longest": ("max(Duration)", "Duration"),
    "Dearest": (f"maxOrNullIf(CostUsd, {PRICE})", f"if({PRICE}, CostUsd, NULL)"),
    "Spans": ("count()", "toUInt64(1)"),
    "Errors": (f"countIf({FAILED})", f"toUInt64({FAILED})"),
    "Services": ("groupUniqArray(5)(toString(ServiceName))", "[toString(ServiceName)]"),
    "Agents": (
        "groupUniqArrayIf(5)(toString(AgentName), AgentName != '')",
        "arrayFilter(name -> name != '', [toString(AgentName)])",
    ),
    **{
        name: (f"sumOrNullIf({name}, {counted})", f"if({counted}, {name}, NULL)")
        for name, counted in (
            ("InputTokens", OF_CALLS),
            ("OutputTokens", OF_CALLS),
            ("CostUsd", f"({OF_CALLS} AND isFinite(CostUsd))"),
        )
    },
}
COLUMNS = (*KEYS, *SUMS)
RANKS = {"slowest": "Longest", "dearest": "Dearest"}


def selected(where: str = "1") -> str:
    """Return the question that adds up spans by trace and minute.

    Args:
        where: Which spans.
    """
    # The names of columns are given outside, else a sum would be taken for what it adds up.
    inner = ", ".join(f"{added} AS sum_{name}" for name, (added, _) in SUMS.items())
    outer = ", ".join(f"sum_{name} AS {name}" for name in SUMS)
    return f"""SELECT Minute, UserId, Said AS Session, TraceId, {outer}
FROM (
    SELECT toStartOfMinute(toDateTime(Timestamp, 'UTC')) AS Minute, UserId, {_SESSION} AS Said, TraceId,
        {inner}
    FROM otel_traces
    WHERE ClockKnown AND TraceId != '' AND ({where})
    GROUP BY Minute, UserId, Said, TraceId
)"""


def turns_view() -> str:
    """Return the statement that creates the view from spans to turns."""
    return f"CREATE MATERIALIZED VIEW {VIEW} TO {TABLE} AS\n{selected()}"


def rows(column: str, wanted: str, columns: Sequence[str]) -> str:
    """Return a table, as text, with the rows of a range: of whole minutes, and one for each span beside them.

    Args:
        column: Of KEYS; "" for every row.
        wanted: The array of the values that it may have, a constant.
        columns: Of COLUMNS, those that are needed.
    """
    begin, end = (f"toDateTime({{whole_{name}_s:UInt32}}, 'UTC')" for name in ("since", "until"))
    plain = ", ".join(_plain(name) for name in columns)
    of_turns = f" AND {column} IN ({wanted})" if column else ""
    of_spans = f" AND {_plain(column).partition(' AS ')[0]} IN ({wanted})" if column else ""
    spans = f"FROM otel_traces WHERE TraceId != ''{of_spans}"
    return f"""(
    SELECT {", ".join(columns)} FROM {TABLE}
    WHERE Minute >= {begin} AND Minute < {end}{of_turns}
    UNION ALL
    SELECT {plain} {spans} AND {IN_RANGE} AND (Timestamp < {begin} OR Timestamp >= {end})
    UNION ALL
    SELECT {plain} {spans} AND NOT ClockKnown AND Timestamp >= {begin} AND Timestamp < {end}
)"""


def best(sort: str, *, after: bool) -> str:
    """Return the statement for the traces with the best-ranked spans; see `ask.statements.found`.

    Args:
        sort: A key of RANKS.
        after: Whether the parameters `rank` and `id` are the last row of the page before.
    """
    rank = RANKS[sort]
    told = f"{rank} >= 0 AND isFinite({rank})"
    ranked = f"{rows('', '', ('TraceId', rank, 'FirstNs', 'EndNs'))} WHERE {told}"
    rest = ""
    if after:
        order, last = f"({rank}, TraceId)", f"({LAST_RANKS[sort]}, {{id:String}})"
        shown = f"SELECT TraceId FROM {rows('', '', ('TraceId', rank))} WHERE {told} AND {order} >= {last}"
        rest = f" AND {order} < {last} AND TraceId NOT IN ({shown})"
    return f"""SELECT
    id, max(rank) AS best, min(first) AS first_ns, max(last) AS last_ns, sum(count()) OVER () AS seen
FROM (
    SELECT TraceId AS id, {rank} AS rank, FirstNs AS first, EndNs AS last FROM {ranked}{rest}
    ORDER BY rank DESC, id DESC LIMIT {{spans_max:UInt64}}
)
GROUP BY id ORDER BY best DESC, id DESC LIMIT {{limit:UInt32}}"""


def whole(within: Range, *, known: bool) -> dict[str, Value]:
    """Return the parameters that say which minutes of a range are read from `turns`.

    Args:
        within: The range.
        known: Whether all spans there are were added up; else none of its minutes is read there.
    """
    since_s = min(-(-max(0, within.since_ns) // (MINUTE_S * NS)) * MINUTE_S, SECONDS_MAX)
    until_s = min((within.until_ns + 1) // (MINUTE_S * NS) * MINUTE_S, SECONDS_MAX)
    return {"whole_since_s": since_s, "whole_until_s": max(since_s, until_s) if known else since_s}


def _plain(name: str) -> str:
    if name == "Session":
        return f"{_SESSION} AS Session"
    return f"{SUMS[name][1]} AS {name}" if name in SUMS else name
