"""Where the calls of a question are read: `call_sums`, and the spans for what it does not have.

Read from the spans are what lies before the first whole ten minutes of a range and after the last, and the
traces in which calls that repeat each other did not come together. Everything is, where the question needs
what is not in the sums, where a clock of a call is not believed, or where too many traces are of that kind.
The answers are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlobs.prices.buckets import BUCKETS
from mlobs.server.ask.compiling import TIMES, Condition, Value
from mlobs.server.ask.ranges import AROUND_NS, NS, Range
from mlobs.server.ask.statements import EMBEDDINGS, FAILED, IN_RANGE, OF_CALLS
from mlobs.server.costs.agents import ABOVE, AT, IS_AGENT
from mlobs.server.costs.calls import REPEATED, SAME, SELECTED, calls, reached, repeated_by
from mlobs.server.costs.pricing import Edges
from mlobs.server.costs.summed import SIZES, TABLE, TEN_S, TOKENS, fits

APART_MAX = 20_000  # Traces of which the spans are read beside the sums.
_FAILED_ROOTS = f"SELECT sipHash64(TraceId) AS trace FROM otel_traces WHERE ParentSpanId = '' AND {FAILED}"
_SECONDS_MAX = 2**32 - 2 * TEN_S


def _between(begin: str, end: str, column: str = "Ten") -> str:
    return f"({column} >= {_ten(begin)} AND {column} < {_ten(end)})"


def _beside(begin: str, end: str, seconds: int = 0) -> str:
    more = f" + {seconds}" if seconds else ""
    less = f" - {seconds}" if seconds else ""
    return f"(Timestamp < {_ten(begin)}{more} OR Timestamp >= {_ten(end)}{less})"


def _ten(name: str) -> str:
    return f"toDateTime({{{name}:UInt32}}, 'UTC')"


# Whether calls are told apart that repeat others, and the traces in which that is to be seen in the spans.
SURVEY = f"""WITH parents AS (
    SELECT Trace, Parents FROM {TABLE} WHERE {_between("near_since_s", "near_until_s")} AND notEmpty(Parents)
)
SELECT sum(Repeated) AS repeated,
    (
        SELECT groupUniqArray({APART_MAX + 1})(Trace) FROM (
            SELECT Trace, arrayJoin(Spans) AS span FROM {TABLE}
            WHERE {_between("near_since_s", "near_until_s")} AND Trace IN (SELECT Trace FROM parents)
        ) WHERE cityHash64(Trace, span) IN (SELECT cityHash64(Trace, arrayJoin(Parents)) FROM parents)
    ) AS apart,
    (SELECT count() FROM otel_traces WHERE {TIMES} AND NOT ClockKnown AND {OF_CALLS}) AS unknown,
    (SELECT count() FROM otel_traces WHERE {TIMES} AND NOT ClockKnown AND {IS_AGENT}) AS unknown_agents
FROM {TABLE} WHERE {_between("near_since_s", "near_until_s")}"""

# For where SURVEY cannot tell, as `call_sums` and `agents` have not all there are.
UNKNOWN: Mapping[str, Any] = {"repeated": 1, "apart": (), "unknown": 1, "unknown_agents": 1}


@dataclass(frozen=True, slots=True)
class Source:
    """Where calls are read.

    Attributes:
        where: For a span.
        edges: Where prices change.
        params: Of the range and the condition.
        repeated: Whether there are calls that another span repeats.
        summed: Whether `call_sums` is read; else the spans are.
        apart: Whether there are traces of which the spans are read beside it.
        beside: Whether the range has more than whole tens of minutes.
        agents: Whether `agents` has all there are; else they are read from the spans.
        few: Whether there are few calls whose agent has to be looked for, as is known of the sums.
    """

    where: Condition
    edges: Edges
    params: Mapping[str, Value]
    repeated: bool
    summed: bool = False
    apart: bool = False
    beside: bool = True
    agents: bool = False
    few: bool = False

    @property
    def of_spans(self) -> "Source":
        """The same calls, all read from the spans."""
        return replace(self, summed=False)

    @property
    def failed(self) -> str:
        """The statement for the traces whose root failed."""
        if not self.summed:
            return f"{_FAILED_ROOTS} AND {TIMES}"
        whole = "whole_since_s", "whole_until_s"
        unknown = f"NOT ClockKnown AND {_between(*whole, 'Timestamp')}"
        return (
            f"SELECT Trace AS trace FROM {TABLE} WHERE RootFailed AND {_between(*whole)} "
            f"UNION ALL {_FAILED_ROOTS} AND {TIMES} AND {_beside(*whole)} "
            f"UNION ALL {_FAILED_ROOTS} AND {TIMES} AND {unknown}"
        )

    def calls(self, extra: str = "", summed: str = "") -> str:
        """Return the statement for the calls that count, or sums of some.

        Args:
            extra: More to select of spans, with a comma before each.
            summed: The same of `call_sums`, in the same order.
        """
        if not self.summed:
            repeated = REPEATED if self.repeated else ""
            return calls(self.where, self.edges, f", TraceId{extra}", repeated=repeated)
        of_sums = {
            "trace": "Trace",
            "weight": "Weight",
            "Timestamp": "toDateTime64(Ten, 9, 'UTC')",
            "provider": "Provider",
            "response_model": "ResponseModel",
            "request_model": "RequestModel",
            "tier": "Tier",
            "size": reached([f"Size >= {size}" for size in self.edges.sizes]),
            "period": reached([f"Ten >= toDateTime({start // NS}, 'UTC')" for start in self.edges.starts()]),
            "embeds": f"Operation = '{EMBEDDINGS}'",
            "calls": "Calls",
            "unused": "Unused",
            "told": "Told",
            **{f"t_{name}": TOKENS[name] for name in BUCKETS},
        }
        selected = ", ".join(f"{of_sums[name]} AS {name}" for name in SELECTED)
        sums = f"""SELECT {selected}{summed}
FROM {TABLE} WHERE {self._tens} AND Calls > 0 AND {self.where.sql}"""
        if not self._spans:
            return sums
        where = replace(self.where, any_of=(self._spans,))
        return f"{sums} UNION ALL {calls(where, self.edges, extra, repeated=self._repeats, few=True)}"

    def once(self) -> str:
        """Return the statement for the traces of calls, with whether they count and how many do not."""
        if not self.summed:
            return _once(self.where.sql, REPEATED if self.repeated else "")
        sums = f"""SELECT Trace AS trace, Weight AS weight, Calls > 0 AS once, Repeated AS repeats
FROM {TABLE} WHERE {self._tens} AND (Calls > 0 OR Repeated > 0) AND {self.where.sql}"""
        return f"{sums} UNION ALL {_once(self._spans, self._repeats)}" if self._spans else sums

    def asking(self) -> str:
        """Return the statement for the calls whose agent is to be looked for, and maybe more."""
        if not self.summed:
            return _asking(self.where.sql)
        sums = f"""SELECT Trace AS trace, Above AS above, Begun AS begun
FROM {TABLE} WHERE {self._tens} AND Begun != 0 AND {self.where.sql}"""
        return f"{sums} UNION ALL {_asking(self._spans)}" if self._spans else sums

    @property
    def _tens(self) -> str:
        apart = " AND Trace NOT IN {apart:Array(UInt64)}" if self.apart else ""
        return f"{_between('ten_since_s', 'ten_until_s')}{apart}"

    @property
    def _spans(self) -> str:
        """Which spans are read beside the sums."""
        parts = [_beside("ten_since_s", "ten_until_s")] if self.beside else []
        parts += ["sipHash64(TraceId) IN {apart:Array(UInt64)}"] if self.apart else []
        return f"({' OR '.join(parts)}) AND {self.where.sql}" if parts else ""

    @property
    def _repeats(self) -> str:
        """Whether another span repeats one of these: it is near the edge, or of the same trace."""
        if not self.repeated:
            return ""
        near = [_beside("ten_since_s", "ten_until_s", AROUND_NS // NS)]
        near += ["sipHash64(TraceId) IN {apart:Array(UInt64)}"] if self.apart else []
        return repeated_by(f"({' OR '.join(near)})")


def survey_params(within: Range) -> dict[str, Value]:
    """Return the parameters that say which tens of minutes lie in a range, around it, and near it."""
    around = within.params()
    wide_since, wide_until = int(around["wide_since_ns"]), int(around["wide_until_ns"])
    return {
        **around,
        "ten_since_s": _up(within.since_ns),
        "ten_until_s": _down(within.until_ns + 1),
        "whole_since_s": _up(wide_since),
        "whole_until_s": _down(wide_until + 1),
        "near_since_s": _down(wide_since),
        "near_until_s": _up(wide_until),
    }


def source(where: Condition, edges: Edges, within: Range, found: Mapping[str, Any]) -> Source:
    """Return where the calls of a question are read.

    Args:
        where: For a span.
        edges: Where prices change.
        within: The range.
        found: The answer to SURVEY, or UNKNOWN.
    """
    params = {**where.params, **survey_params(within)}
    begin, end = int(params["ten_since_s"]), int(params["ten_until_s"])
    apart = found["apart"]
    known = not found["unknown"] and len(apart) <= APART_MAX
    return Source(
        where,
        edges,
        {**params, "apart": f"[{','.join(map(str, apart))}]"} if apart and known else params,
        repeated=bool(found["repeated"] or apart or found["unknown"]),
        summed=known and begin < end and set(edges.sizes) <= set(SIZES) and fits(where.sql),
        apart=bool(apart),
        beside=(within.since_ns, within.until_ns + 1) != (begin * NS, end * NS),
        agents=not found["unknown_agents"],
    )


def _once(where: str, repeated: str) -> str:
    same, once = (f", {SAME}", f"NOT ({repeated})") if repeated else ("", "true")
    return f"""SELECT trace, weight, {once} AS once, if(once, 0, toUInt64(weight)) AS repeats FROM (
    SELECT sipHash64(TraceId) AS trace, Weight AS weight{same} FROM otel_traces
    WHERE {IN_RANGE} AND {OF_CALLS} AND {where}
)"""


def _asking(where: str) -> str:
    return f"""SELECT sipHash64(TraceId) AS trace, {ABOVE} AS above, {AT} AS begun FROM otel_traces
WHERE {IN_RANGE} AND {OF_CALLS} AND AgentName = '' AND {where}"""


def _up(at_ns: int) -> int:
    return min(-(-max(0, at_ns) // (TEN_S * NS)) * TEN_S, _SECONDS_MAX)


def _down(at_ns: int) -> int:
    return min(max(0, at_ns) // (TEN_S * NS) * TEN_S, _SECONDS_MAX)
