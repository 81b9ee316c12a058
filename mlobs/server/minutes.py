"""Spans added up by minute: the statements that fill `minutes`, and quantiles from its buckets.

Pages ask here what would take reading all spans of their range. A view adds what arrives; spans that were
there before are added once, when the table is new; spans that are deleted are taken off.
"""

from collections.abc import Mapping, Sequence

from mlobs.semconv.weights import WEIGHT
from mlobs.server.ask.statements import FAILED, OF_CALLS
from mlobs.server.derived import PARTS, TOKENS_MAX, UNITS_MAX

TABLE, VIEW, FILLING = "minutes", "minutes_view", "minutes_2"
TEN, TEN_VIEW = "ten_minutes", "ten_minutes_view"
TEN_S = 600
BUCKETS_EACH_DOUBLING = 8
_MODEL = (
    "multiIf(ResponseModel != '', toString(ResponseModel), RequestModel != '', toString(RequestModel), "
    "toString(ModelName))"
)
COUNTED = f"{OF_CALLS} AND (InputTokens IS NOT NULL OR OutputTokens IS NOT NULL)"
PRICED = f"{OF_CALLS} AND ifNull(isFinite(CostUsd) AND CostUsd >= 0, 0)"
# Also of calls without a price, which may say anything: the engine works it out before it leaves them out.
_COST = f"toInt64(round(greatest(least(assumeNotNull(CostUsd), {UNITS_MAX}), 0) * {PARTS}))"
# All calls that one stands for cost no more than one may, or a few of them would be more than a sum can hold.
_NANOS = f"least({_COST}, toInt64(intDiv({UNITS_MAX * PARTS}, {WEIGHT})))"
KEYS = ("Minute", "ServiceName", "Kind", "Model", "AgentName", "IsRoot")
MAPS = ("Durations", "FirstChunks")
SUMS = (
    "Spans", "Errors", "Calls", "CountedCalls", "InputTokens", "OutputTokens", "CacheReadTokens",
    "PricedCalls", "CostNanos", *MAPS,
)  # fmt: skip
COLUMNS = (*KEYS, *SUMS)


def selected(where: str = "1", *, times: int = 1) -> str:
    """Return the question that adds spans up by minute.

    Args:
        where: Which spans.
        times: 1, or -1 for what is to be taken off.
    """
    one = f"toInt64({times})"
    sums = {
        "Spans": f"sum({WEIGHT})",
        "Errors": f"sumIf({WEIGHT}, {FAILED})",
        "Calls": f"sumIf({WEIGHT}, {OF_CALLS})",
        "CountedCalls": f"sumIf({WEIGHT}, {COUNTED})",
        **{name: _tokens(name) for name in ("InputTokens", "OutputTokens", "CacheReadTokens")},
        "PricedCalls": f"sumIf({WEIGHT}, {PRICED})",
        "CostNanos": f"sumIf({_NANOS} * {WEIGHT}, {PRICED})",
    }
    # The names of columns are given outside, else a sum would be taken for what it adds up.
    inner = ", ".join(f"{one} * toInt64({expression}) AS sum_{name}" for name, expression in sums.items())
    bucket = f"toUInt16(floor(log2(greatest(Duration, 1)) * {BUCKETS_EACH_DOUBLING}))"
    known = "ifNull(isFinite(TimeToFirstChunk) AND TimeToFirstChunk >= 0, 0)"
    chunk = (
        f"toUInt16(floor(log2(greatest(least(assumeNotNull(TimeToFirstChunk), {UNITS_MAX}) * {PARTS}, 1)) "
        f"* {BUCKETS_EACH_DOUBLING}))"
    )
    return f"""SELECT {", ".join(KEYS)}, {", ".join(f"sum_{name} AS {name}" for name in sums)},
    durations AS Durations, chunks AS FirstChunks
FROM (
    SELECT toStartOfMinute(toDateTime(Timestamp, 'UTC')) AS Minute, ServiceName, Kind, {_MODEL} AS Model,
        AgentName, ParentSpanId = '' AS IsRoot,
        {inner},
        sumMap(map({bucket}, {one} * {WEIGHT})) AS durations,
        sumMapIf(map({chunk}, {one} * {WEIGHT}), {known}) AS chunks
    FROM otel_traces
    WHERE ClockKnown AND ({where})
    GROUP BY {", ".join(KEYS)}
)"""


def minutes_view() -> str:
    """Return the statement that creates the view from spans to minutes."""
    return f"CREATE MATERIALIZED VIEW {VIEW} TO {TABLE} AS\n{selected()}"


def ten_minutes_view() -> str:
    """Return the statement that creates the view from minutes to tens of them."""
    return f"CREATE MATERIALIZED VIEW {TEN_VIEW} TO {TEN} AS\n{in_tens(TABLE)}"


def in_tens(table: str, where: str = "") -> str:
    """Return the question that adds up the minutes of a table by tens.

    Args:
        table: The table.
        where: Which minutes; "" for all.
    """
    some = f" WHERE {where}" if where else ""
    sums = (f"{'sumMap' if name in MAPS else 'sum'}({name}) AS sum_{name}" for name in SUMS)
    keys = ", ".join(KEYS[1:])
    return f"""SELECT Ten AS Minute, {keys}, {", ".join(f"sum_{name} AS {name}" for name in SUMS)}
FROM (
    SELECT toStartOfTenMinutes(Minute) AS Ten, {keys}, {", ".join(sums)}
    FROM {table}{some} GROUP BY Ten, {keys}
)"""


def table_for(step_s: int) -> str:
    """Return which table has what a question by steps of that length needs, in the fewest rows."""
    return TEN if step_s % TEN_S == 0 else TABLE


def taken_off(where: str) -> str:
    """Return the statement that takes spans off the minutes that count them."""
    return _changed(where, -1)


def put_back(where: str) -> str:
    """Return the statement that adds spans again to the minutes that they were taken off."""
    return _changed(where, 1)


def quantiles(buckets: Mapping[str, int], levels: Sequence[float]) -> list[float] | None:
    """Return the values, in nanoseconds, below which those shares of what was counted lie.

    None where nothing was counted. Within a bucket values are taken to lie evenly.

    >>> [round(value) for value in quantiles({"80": 50, "88": 50}, (0.5, 0.95)) or ()]
    [1117, 2215]
    """
    counted = sorted((int(bucket), number) for bucket, number in buckets.items() if number > 0)
    whole = sum(number for _, number in counted)
    if not whole:
        return None
    found = []
    for level in levels:
        left = level * whole
        place = 0
        while left > counted[place][1] and place < len(counted) - 1:
            left -= counted[place][1]
            place += 1
        bucket, number = counted[place]
        low, high = (2 ** (edge / BUCKETS_EACH_DOUBLING) for edge in (bucket, bucket + 1))
        found.append(low + (high - low) * min(1.0, left / number))
    return found


def added(maps: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return buckets with what all of some have in them."""
    found: dict[str, int] = {}
    for one in maps:
        for bucket, number in one.items():
            found[bucket] = found.get(bucket, 0) + number
    return found


def _tokens(name: str) -> str:
    counted = f"toInt64(least(assumeNotNull({name}), {TOKENS_MAX})) * {WEIGHT}"
    return f"sumIf({counted}, {OF_CALLS} AND {name} IS NOT NULL)"


def _changed(where: str, times: int) -> str:
    counted = f"toStartOfMinute(toDateTime(Timestamp, 'UTC')) IN (SELECT Minute FROM {TABLE})"
    return f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) {selected(f'({where}) AND {counted}', times=times)}"
