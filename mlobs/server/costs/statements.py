"""The statements of cost questions: sums of tokens, by what has one price.

What they cost is worked out elsewhere, exactly; here it only decides which rows come first.
"""

from collections.abc import Iterable

from mlobs.prices.buckets import BUCKETS
from mlobs.server.costs import agents
from mlobs.server.costs.calls import CLASS
from mlobs.server.costs.groupings import Groups
from mlobs.server.costs.sources import Source

CLASSES_MAX = 5_000
_TOKENS = ", ".join(f"sum(t_{name}) AS n_{name}" for name in BUCKETS)
_CLASS_ID = f"cityHash64({', '.join(CLASS)}) AS class"
_PRICES = "arrayJoin(JSONExtract({prices:String}, 'Array(Tuple(UInt64, Array(Float64)))')) AS row"
# A trace that a sampler kept stands for several: different ones are counted by how many each stands for.
# A trace is a success unless its root failed.
_TRACE = "map(weight, trace)"


def classes(source: Source) -> str:
    """Return the statement for the classes, the largest first, and for the sums of all calls."""
    in_all = ", ".join(f"sum(n_{name}) OVER () AS all_{name}" for name in BUCKETS)
    return f"""SELECT {", ".join(CLASS)}, {_CLASS_ID}, sum(c.calls) AS calls, sum(c.unused) AS unused,
    sumOrNullIf(told, isFinite(told)) AS told_usd, {_TOKENS}, sum(calls) OVER () AS all_calls,
    sum(unused) OVER () AS all_unused, {in_all}
FROM ({source.calls()}) AS c
GROUP BY {", ".join(CLASS)} ORDER BY calls DESC, class LIMIT {CLASSES_MAX}"""


def dearest(source: Source, groups: Groups, buckets: Iterable[str]) -> str:
    """Return the statement for the groups that cost most, as hashes, and for how many groups there are.

    Of very many groups this takes a tenth of the time that adding up all that is told of them does.

    Args:
        source: Where calls are read.
        groups: By what they are divided.
        buckets: Those that have tokens.
    """
    keys = [f"group_{number}" for number in range(len(groups.keys))]
    listed = ", ".join(keys)
    named = ", ".join(f"{key} AS {name}" for name, key in groups.named_keys(own=source.summed))
    used = {name: BUCKETS.index(name) + 1 for name in buckets}
    tokens = "".join(f", t_{name}" for name in used)
    each = "".join(f", tupleElement(row, 2)[{number}] AS p_{name}" for name, number in used.items())
    cost = " + ".join(f"t_{name} * p_{name}" for name in used) or "0"
    return f"""SELECT cityHash64({listed}) AS listed, count() OVER () AS groups
FROM (
    SELECT {named}, {_CLASS_ID}, c.calls AS number{tokens}
    FROM ({_of_groups(source, groups)}) AS c{_joins(source, groups)}
) AS g LEFT JOIN (
    SELECT tupleElement(row, 1) AS class{each} FROM (SELECT {_PRICES})
) AS r ON g.class = r.class
GROUP BY listed
ORDER BY sum({cost}) DESC, sum(number) DESC, {", ".join(f"any({key})" for key in keys)}
LIMIT {{limit:UInt32}}"""


def rows(source: Source, groups: Groups, *, traces: bool, listed: bool = False) -> str:
    """Return the statement for groups: the dearest first, each with the sums of its classes.

    Before them comes one row with `whole` for all calls: a statement of its own would see calls that came in
    between, and the rows would not add up to it. The parameter `prices` has a row for each class with a
    price, in dollars.

    Args:
        source: Where calls are read.
        groups: By what they are divided.
        traces: Whether traces are counted, which takes as long as the rest.
        listed: Whether only the groups of the parameter `listed` are wanted, that `dearest` found.
    """
    keys = [f"group_{number}" for number in range(len(groups.keys))]
    named = dict(groups.named_keys(own=source.summed))
    if listed:
        is_listed = f"cityHash64({', '.join(named.values())}) IN {{listed:Array(UInt64)}}"
        named = {name: f"if(listed, {key}, '')" for name, key in named.items()} | {"listed": is_listed}
    by = ", ".join(named)
    counts = [f"n_{name}" for name in BUCKETS]
    tokens = f"[{', '.join(counts)}]"
    sums = ", ".join(("calls", "unused", *counts))
    order = f"{keys[0]}, " if groups.by_time else ""
    states = f"""uniqExactState(trace) AS s_traces,
        uniqExactIfState(trace, trace IN ({source.failed})) AS s_failed"""
    counted = f"""{_stood_for("uniqExactMergeMap(map(weight, s_traces))")} AS traces,
    traces - {_stood_for("uniqExactIfMergeMap(map(weight, s_failed))")} AS successful_traces"""
    return f"""SELECT {", ".join(keys)}, grouping({keys[0]}) AS whole,
    sumForEachMap(map(class, [{sums}])) AS parts,
    {counted if traces else "0 AS traces, 0 AS successful_traces"},
    sum(arraySum(arrayMap((n, p) -> n * p, {tokens}, arrayResize(price, {len(BUCKETS)}, 0.)))) AS rank,
    count() OVER () - 1 AS groups
FROM (
    SELECT {", ".join(f"{key} AS {name}" for name, key in named.items())}, {_CLASS_ID}, weight,
        sum(c.calls) AS calls, sum(c.unused) AS unused,
        {f"{states}," if traces else ""} {_TOKENS}
    FROM ({_of_groups(source, groups)}) AS c{_joins(source, groups)}
    GROUP BY {by}, {", ".join(CLASS)}, weight
) AS g LEFT JOIN (
    SELECT tupleElement(row, 1) AS class, tupleElement(row, 2) AS price FROM (SELECT {_PRICES})
) AS r ON g.class = r.class
GROUP BY GROUPING SETS (({by}), ()){" HAVING whole OR listed" if listed else ""}
ORDER BY whole DESC, {order}rank DESC, sum(calls) DESC, {", ".join(keys)}
LIMIT {{limit:UInt32}} + 1"""


def traces(source: Source) -> str:
    """Return the statement for the traces that have calls, and how many calls another span repeats."""
    successes = f"uniqExactMapIf({_TRACE}, once AND trace NOT IN ({source.failed}))"
    return f"""SELECT {_stood_for(f"uniqExactMapIf({_TRACE}, once)")} AS traces,
    {_stood_for(successes)} AS successful_traces,
    sum(repeats) AS repeated_calls
FROM ({source.once()})"""


def silent(source: Source, groups: Groups) -> str:
    """Return the statement for how many calls do not say themselves whose they are."""
    none = " OR ".join(f"{name} = ''" for name in groups.own.values())
    return f"SELECT count() AS calls FROM ({_of_groups(source, groups)}) WHERE {none}"


def asking(source: Source) -> str:
    """Return the statement for how many calls there are whose agent has to be looked for."""
    return f"SELECT count() AS calls FROM ({source.asking()})"


def _of_groups(source: Source, groups: Groups) -> str:
    return source.calls(groups.extra, groups.summed or "")


def _joins(source: Source, groups: Groups) -> str:
    joined = "" if source.summed else groups.joins
    if groups.by_agent:
        joined += agents.joins(source.asking(), summed=source.agents, few=source.few)
    return joined


def _stood_for(traces: str) -> str:
    """Return how many a map from weights to numbers of traces makes."""
    return f"arraySum(arrayMap((w, n) -> w * n, mapKeys({traces}), mapValues({traces})))"
