"""The statements of cost questions: sums of tokens, by what has one price.

What they cost is worked out elsewhere, exactly; here it only decides which rows come first.
"""

from mlobs.prices.buckets import BUCKETS
from mlobs.server.ask.compiling import TIMES, Condition
from mlobs.server.ask.statements import FAILED, IN_RANGE, OF_CALLS
from mlobs.server.costs.calls import CLASS, REPEATED, SAME, calls
from mlobs.server.costs.groupings import Groups
from mlobs.server.costs.pricing import Edges

CLASSES_MAX = 5_000
_TOKENS = ", ".join(f"sum(t_{name}) AS n_{name}" for name in BUCKETS)
_CLASS_ID = f"cityHash64({', '.join(CLASS)}) AS class"
# A trace that a sampler kept stands for several: different ones are counted by how many each stands for.
# A trace is a success unless its root failed.
_FAILED = f"SELECT sipHash64(TraceId) FROM otel_traces WHERE {TIMES} AND ParentSpanId = '' AND {FAILED}"
_TRACE = "map(c.weight, sipHash64(c.TraceId))"
_TRACES = f"""uniqExactMapState({_TRACE}) AS s_traces,
        uniqExactMapIfState({_TRACE}, sipHash64(c.TraceId) NOT IN ({_FAILED})) AS s_successes"""


def classes(where: Condition, edges: Edges, *, repeated: bool) -> str:
    """Return the statement for the classes, the largest first, and for the sums of all calls."""
    in_all = ", ".join(f"sum(n_{name}) OVER () AS all_{name}" for name in BUCKETS)
    return f"""SELECT {", ".join(CLASS)}, {_CLASS_ID}, sum(weight) AS calls, sumIf(weight, unused) AS unused,
    sum(told) AS told_usd, {_TOKENS}, sum(calls) OVER () AS all_calls,
    sum(unused) OVER () AS all_unused, {in_all}
FROM ({calls(where, edges, repeated=repeated)})
GROUP BY {", ".join(CLASS)} ORDER BY calls DESC, class LIMIT {CLASSES_MAX}"""


def rows(where: Condition, edges: Edges, groups: Groups, *, repeated: bool) -> str:
    """Return the statement for groups: the dearest first, each with the sums of its classes.

    Before them comes one row with `whole` for all calls: a statement of its own would see calls that came in
    between, and the rows would not add up to it. The parameter `prices` has a row for each class with a
    price, in dollars.
    """
    keys = [f"group_{number}" for number in range(len(groups.keys))]
    listed = ", ".join(keys)
    named = ", ".join(f"{key} AS {name}" for key, name in zip(groups.keys, keys, strict=True))
    counts = ", ".join(f"n_{name}" for name in BUCKETS)
    order = f"{keys[0]}, " if groups.by_time else ""
    of_class = ", ".join(CLASS)
    return f"""SELECT {listed}, whole, groupArray((class, calls, unused, counts)) AS parts,
    {_stood_for("uniqExactMapMerge(s_traces)")} AS traces,
    {_stood_for("uniqExactMapIfMerge(s_successes)")} AS successful_traces,
    sum(arraySum(arrayMap((n, p) -> n * p, counts, arrayResize(price, {len(BUCKETS)}, 0.)))) AS rank,
    count() OVER () - 1 AS groups
FROM (
    SELECT {named}, grouping({keys[0]}) AS whole, {_CLASS_ID}, sum(weight) AS calls,
        sumIf(weight, unused) AS unused, {_TRACES}, {_TOKENS}, [{counts}] AS counts
    FROM ({calls(where, edges, groups.extra, repeated=repeated)}) AS c{groups.joins}
    GROUP BY GROUPING SETS (({listed}, {of_class}), ({of_class}))
) AS g LEFT JOIN (
    SELECT tupleElement(row, 1) AS class, tupleElement(row, 2) AS price FROM (
        SELECT arrayJoin(JSONExtract({{prices:String}}, 'Array(Tuple(UInt64, Array(Float64)))')) AS row
    )
) AS r ON g.class = r.class
GROUP BY {listed}, whole
ORDER BY whole DESC, {order}rank DESC, sum(calls) DESC, {listed}
LIMIT {{limit:UInt32}} + 1"""


def traces(where: Condition, *, repeated: bool) -> str:
    """Return the statement for the traces that have calls, and how many calls another span repeats."""
    same, once = (f", {SAME}", f"NOT {REPEATED}") if repeated else ("", "true")
    successes = f"uniqExactMapIf(map(Weight, trace), once AND trace NOT IN ({_FAILED}))"
    return f"""SELECT {_stood_for("uniqExactMapIf(map(Weight, trace), once)")} AS traces,
    {_stood_for(successes)} AS successful_traces,
    sumIf(Weight, NOT once) AS repeated_calls
FROM (
    SELECT trace, Weight, {once} AS once FROM (
        SELECT sipHash64(TraceId) AS trace, Weight{same} FROM otel_traces
        WHERE {IN_RANGE} AND {OF_CALLS} AND {where.sql}
    )
)"""


def _stood_for(traces: str) -> str:
    """Return how many a map from weights to numbers of traces makes."""
    return f"arraySum(arrayMap((w, n) -> w * n, mapKeys({traces}), mapValues({traces})))"
