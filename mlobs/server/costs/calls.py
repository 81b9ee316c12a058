"""The model calls of a range, one row each, with their tokens in disjoint buckets, as SQL.

The buckets and how they are cut to fit their totals are those of `mlobs.usage`: a total is what is billed,
and of a detail only as much counts as is left of its total. A call that a sampler kept stands for several,
and has the tokens of all of them.
"""

from collections.abc import Sequence

from mlobs.prices.buckets import BUCKETS
from mlobs.prices.rows import STANDARD
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute
from mlobs.server.ask.compiling import TIMES, Condition
from mlobs.server.ask.statements import EMBEDDINGS, IN_RANGE, OF_CALLS
from mlobs.server.costs.pricing import Edges

COUNT_MAX = 10**15  # what one call can claim, as in the SDK
TIER_CHARACTERS_MAX = 256
TIERS = (a.SERVICE_TIER, a.OPENAI_RESPONSE_TIER, a.OPENAI_REQUEST_TIER)
_DETAILS = {
    "read": a.CACHE_READ_TOKENS,
    "write": a.CACHE_WRITE_TOKENS,
    "write_1h": a.CACHE_WRITE_1H_TOKENS,
    "audio": a.AUDIO_INPUT_TOKENS,
    "image": a.IMAGE_INPUT_TOKENS,
    "read_audio": a.AUDIO_CACHE_READ_TOKENS,
    "thought": a.REASONING_TOKENS,
    "spoken": a.AUDIO_OUTPUT_TOKENS,
    "drawn": a.IMAGE_OUTPUT_TOKENS,
}
# Those without a column are in the map of attributes.
RARE = tuple(row.name for row in (*TIERS, *_DETAILS.values()) if not row.column)
# Seven times cheaper than hasAny, which does not look into the dictionary of a LowCardinality column.
HAS_RARE = f"({' OR '.join(f'has(SpanAttributes.keys, {name!r})' for name in RARE)})"
# Where an attribute of a span is looked for: in the map itself that takes three times as long.
LOOKED_UP = "arrayElement(SpanAttributes.values, indexOf(SpanAttributes.keys, {}))"
# The map of attributes, empty where nothing is to be looked for: looking into that costs next to nothing.
RARE_MAP = f"if({HAS_RARE}, SpanAttributes, CAST(map(), 'Map(LowCardinality(String), String)'))"
CUT = {
    "inputs": f"least(ifNull(InputTokens, 0), {COUNT_MAX})",
    "outputs": f"least(ifNull(OutputTokens, 0), {COUNT_MAX})",
    "b_read": "least({read}, inputs)",
    "b_write": "toUInt64(least({write}, inputs - b_read))",
    "b_write_1h": "least({write_1h}, b_write)",
    "b_read_audio": "least({read_audio}, b_read)",
    "uncached": "toUInt64(inputs - b_read - b_write)",
    "b_audio": "toUInt64(least(greatest({audio}, b_read_audio) - b_read_audio, uncached))",
    "b_image": "toUInt64(least({image}, uncached - b_audio))",
    "b_thought": "least({thought}, outputs)",
    "b_spoken": "toUInt64(least({spoken}, outputs - b_thought))",
    "b_drawn": "toUInt64(least({drawn}, outputs - b_thought - b_spoken))",
}
OF_BUCKETS = {
    "input": "uncached - b_audio - b_image",
    "cached_read": "b_read - b_read_audio",
    "cached_write": "b_write - b_write_1h",
    "output": "outputs - b_thought - b_spoken - b_drawn",
    "reasoning": "b_thought",
    "cached_write_1h": "b_write_1h",
    "input_audio": "b_audio",
    "input_image": "b_image",
    "cached_audio": "b_read_audio",
    "output_audio": "b_spoken",
    "output_image": "b_drawn",
}
# What a class is made of, by column of `calls`.
CLASS = ("provider", "response_model", "request_model", "tier", "size", "period", "embeds")
# What there is of each call, in this order.
SELECTED = (
    "trace", "weight", "Timestamp", *CLASS, "calls", "unused", "told", *(f"t_{name}" for name in BUCKETS),
)  # fmt: skip
# Nothing here is NULL, or a call without one of them would be neither repeated nor not.
TOTALS = "ifNull(InputTokens, 0), ifNull(OutputTokens, 0)"
USED = "(ifNull(InputTokens, 0) > 0 OR ifNull(OutputTokens, 0) > 0)"
MODEL = "if(RequestModel != '', RequestModel, ResponseModel)"


def same(span: str) -> str:
    """Return a hash that a call and its child share if totals and model are the same."""
    return f"cityHash64(TraceId, {span}, {TOTALS}, {MODEL})"


def repeated_by(spans: str) -> str:
    """Return the condition on `same` that a child among some spans repeats the call."""
    return (
        f"same IN (SELECT {same('ParentSpanId')} FROM otel_traces "
        f"WHERE {TIMES} AND {OF_CALLS} AND {USED} AND {MODEL} != '' "
        f"AND ParentSpanId != '' AND TraceId != '' AND {spans})"
    )


SAME = f"{same('SpanId')} AS same"
REPEATED = repeated_by("1")


def calls(where: Condition, edges: Edges, extra: str = "", *, repeated: str, few: bool = False) -> str:
    """Return the statement for calls, with SELECTED and what is selected more; it takes those of a range.

    Args:
        where: For a span.
        edges: Where prices change.
        extra: More to select of otel_traces, with a comma before each.
        repeated: The condition on `same` that another span repeats a call, which is left out; "" if none is.
        few: Whether there are so few that planning the statement takes longer than reading them.
    """
    wanted = f"{IN_RANGE} AND {OF_CALLS} AND {where.sql}"
    if repeated:
        extra += f", {SAME}"
    if few:
        found = _branch(edges, extra, wanted, LOOKED_UP)
    else:
        found = (
            _branch(edges, extra, f"{wanted} AND NOT {HAS_RARE}", "")
            + " UNION ALL "
            + _branch(edges, extra, f"{wanted} AND {HAS_RARE}", "SpanAttributes[{}]")
        )
    return f"SELECT * EXCEPT (same) FROM ({found}) WHERE NOT ({repeated})" if repeated else found


def details(attributes: str) -> dict[str, str]:
    """Return the expressions of the counts that are parts of others, by their names in CUT.

    Args:
        attributes: Where what has no column is looked for, with braces for its name; "" if it is nowhere.
    """
    return {name: _count(row, attributes) for name, row in _DETAILS.items()}


def reached(edges: Sequence[str]) -> str:
    """Return how many of some edges, which are in order, a call has reached."""
    return f"toUInt16({' + '.join(f'({one})' for one in edges) or '0'})"


def tier(attributes: str) -> str:
    """Return the first service tier that is told; '' for the standard one, whatever it is called.

    Args:
        attributes: As of `details`.
    """
    told = [
        f"toString({row.column})" if row.column else attributes.format(repr(row.name))
        for row in TIERS
        if attributes or row.column
    ]
    if not told:
        return "''"
    first = told[-1]
    for one in reversed(told[:-1]):
        first = f"if({one} != '', {one}, {first})"
    names = ", ".join(map(repr, sorted(STANDARD)))
    cut = f"lower(substringUTF8({first}, 1, {TIER_CHARACTERS_MAX}))"
    return f"if({cut} IN ({names}), '', {cut})"


def _branch(edges: Edges, extra: str, wanted: str, attributes: str) -> str:
    told = details(attributes)
    # Names that are not selected are given before: each more SELECT around this is planned for long.
    cut = ", ".join(f"{text.format(**told)} AS {name}" for name, text in CUT.items())
    of_spans = {
        "trace": "sipHash64(TraceId)",
        "weight": "Weight",
        "Timestamp": "Timestamp",
        "provider": "Provider",
        "response_model": "ResponseModel",
        "request_model": "RequestModel",
        "tier": f"toLowCardinality({tier(attributes)})",
        "size": reached([f"inputs > {size}" for size in edges.sizes]),
        "period": reached(
            [f"Timestamp >= fromUnixTimestamp64Nano({start}, 'UTC')" for start in edges.starts()]
        ),
        "embeds": f"Operation = '{EMBEDDINGS}'",
        "calls": "toUInt64(Weight)",
        "unused": "if(InputTokens IS NULL AND OutputTokens IS NULL, toUInt64(Weight), 0)",
        "told": "CostUsd * Weight",
        **{f"t_{name}": f"toUInt64({OF_BUCKETS[name]}) * Weight" for name in BUCKETS},
    }
    selected = ", ".join(f"{of_spans[name]} AS {name}" for name in SELECTED)
    return f"WITH {cut}\nSELECT {selected}{extra}\nFROM otel_traces WHERE {wanted}"


def _count(row: Attribute, attributes: str) -> str:
    if row.column:
        return f"ifNull({row.column}, 0)"
    return f"toUInt64OrZero({attributes.format(repr(row.name))})" if attributes else "toUInt64(0)"
