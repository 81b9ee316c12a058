"""How the engine reads OTLP: the columns of `otlp.proto`, and the SQL that turns values into text.

A segment is read once, into a table in memory (`staging`); the statements in `queries/load_*.sql`
fill the tables from there. They are written with a few words of their own, which `expand` replaces:
`attributes(x)` and `text(x)` for a column of pairs and for one value, `moment(x)` for nanoseconds,
`points(kind, field, …)` with `point_columns()` and `point_values()` for what all metrics share,
`content(m)` for which entries of a map are content, `picked(m, chosen)` for those entries, `dialect()` and
`facts()` for what `canonical` makes of a span.

Scalars keep their text (`0`, `false` and the empty string included) and bytes become hexadecimal.
Arrays and maps are read as the bytes they are: the engine cannot follow a type that contains itself.
`values` turns each different one of a segment into JSON, and the statements look it up in the table
`odd`. Most segments hold a handful, such as `["stop"]`.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects import CONTENT_BEGINNINGS, CONTENT_KEYS, DIALECTS, NO_CONTENT
from mlobs.server.canonical import MAP, dialect, facts

MESSAGES = {"traces": "Traces", "metrics": "Metrics", "logs": "Logs"}

# `k` is the number of the field that is set in `otlp.proto`, 0 for none.
TEXT, FLAG, WHOLE, REAL, ITEMS, PAIRS, BYTES = range(1, 8)
NESTED = frozenset({ITEMS, PAIRS})
PRICED = 8  # Begins the key of a cost in `odd`, as the number of a field does that of a value.
# Attributes that say how many tokens a call used.
TOKEN_KEYS = tuple(
    dict.fromkeys(
        (
            *(row.name for row in (a.INPUT_TOKENS, a.OUTPUT_TOKENS)),
            *(
                source.key
                for one in DIALECTS
                for row in (a.INPUT_TOKENS, a.OUTPUT_TOKENS)
                for source in one.sources.get(row, ())
            ),
        )
    )
)
LONG = 1024  # Bytes; longer texts are kept with the content, whatever their key.
CONTENT = (
    a.SYSTEM_INSTRUCTIONS, a.INPUT_MESSAGES, a.OUTPUT_MESSAGES, a.TOOL_DEFINITIONS, a.TOOL_ARGUMENTS,
    a.TOOL_RESULT, a.INPUT, a.OUTPUT,
)  # fmt: skip

_VALUE = "Tuple(k UInt8, t String, f Bool, w Int64, r Float64, i String, p String, b String)"
_PAIRS = f"Array(Tuple(n String, v {_VALUE}))"
_SCOPE = f"Tuple(name String, version String, attributes {_PAIRS}, dropped UInt32)"
_SPAN = (
    "trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32, "
    f"start UInt64, end UInt64, attributes {_PAIRS}, "
    f"events Array(Tuple(time UInt64, name String, attributes {_PAIRS})), "
    f"links Array(Tuple(trace_id String, span_id String, trace_state String, attributes {_PAIRS})), "
    "status Tuple(message String, code Int32)"
)
_LOG = (
    f"time UInt64, severity_number Int32, severity_text String, body {_VALUE}, attributes {_PAIRS}, "
    "flags UInt32, trace_id String, span_id String, observed UInt64, event_name String"
)
_NUMBER = "number UInt8, real Float64, whole Int64"
_EXEMPLARS = (
    f"exemplars Array(Tuple(time UInt64, {_NUMBER}, span_id String, trace_id String, attributes {_PAIRS}))"
)
_POINT = f"start UInt64, time UInt64, {_EXEMPLARS}, attributes {_PAIRS}, flags UInt32"
_NUMBERS = f"points Array(Tuple({_POINT}, {_NUMBER}))"
_SPREAD = "count UInt64, sum Float64, min Float64, max Float64"
_BUCKETS = "Tuple(offset Int32, counts Array(UInt64))"
_METRIC = (
    f"name String, description String, unit String, gauge Tuple({_NUMBERS}), "
    f"sum Tuple({_NUMBERS}, temporality Int32, monotonic Bool), "
    f"histogram Tuple(points Array(Tuple({_POINT}, {_SPREAD}, bucket_counts Array(UInt64), "
    "bounds Array(Float64))), temporality Int32), "
    f"exponential Tuple(points Array(Tuple({_POINT}, {_SPREAD}, scale Int32, zero_count UInt64, "
    f"zero_threshold Float64, positive {_BUCKETS}, negative {_BUCKETS})), temporality Int32), "
    f"summary Tuple(points Array(Tuple({_POINT}, count UInt64, sum Float64, "
    "quantiles Array(Tuple(quantile Float64, value Float64)))))"
)


def _message(item: str) -> str:
    scope = f"Tuple(scope {_SCOPE}, items Array(Tuple({item})), schema_url String)"
    resource = f"resource Tuple(attributes {_PAIRS})"
    return f"resources Array(Tuple({resource}, scopes Array({scope}), schema_url String))"


# The columns of a segment.
STRUCTURES: Mapping[str, str] = {
    "traces": _message(_SPAN),
    "logs": _message(_LOG),
    "metrics": _message(_METRIC),
}
KINDS: Mapping[str, str] = {
    "otel_metrics_gauge": "gauge",
    "otel_metrics_sum": "sum",
    "otel_metrics_histogram": "histogram",
    "otel_metrics_exponential_histogram": "exponential",
    "otel_metrics_summary": "summary",
}
TABLES: Mapping[str, tuple[str, ...]] = {
    "traces": ("otel_traces",),
    "metrics": tuple(KINDS),
    "logs": ("otel_logs",),
}
_SHARED = ("resources.resource.attributes.v", "resources.scopes.scope.attributes.v")
_ITEM = "resources.scopes.items"
# Where values are, by signal.
VALUES: Mapping[str, tuple[str, ...]] = {
    "traces": (
        *_SHARED,
        f"{_ITEM}.attributes.v",
        f"{_ITEM}.events.attributes.v",
        f"{_ITEM}.links.attributes.v",
    ),
    "logs": (*_SHARED, f"{_ITEM}.attributes.v", f"{_ITEM}.body"),
    "metrics": (
        *_SHARED,
        *(f"{_ITEM}.{kind}.points.attributes.v" for kind in KINDS.values()),
        *(f"{_ITEM}.{kind}.points.exemplars.attributes.v" for kind in KINDS.values()),
    ),
}
_POINT_VALUES = {
    "ResourceAttributes": "resource_attributes",
    "ResourceSchemaUrl": "resource_schema",
    "ScopeName": "scope_name",
    "ScopeVersion": "scope_version",
    "ScopeAttributes": "scope_attributes",
    "ScopeDroppedAttrCount": "scope_dropped",
    "ScopeSchemaUrl": "scope_schema",
    "ServiceName": "resource_attributes['service.name']",
    "MetricName": "name",
    "MetricDescription": "description",
    "MetricUnit": "unit",
    "Attributes": "attributes(p.attributes)",
    "StartTimeUnix": "moment(p.start)",
    "TimeUnix": "moment(p.time)",
    "ClockKnown": "known(p.time)",
    "Flags": "p.flags",
    "Exemplars.FilteredAttributes": "arrayMap(e -> attributes(e.attributes), p.exemplars)",
    "Exemplars.TimeUnix": "arrayMap(e -> moment(e.time), p.exemplars)",
    "Exemplars.Value": f"arrayMap(e -> if(e.number = {6}, toFloat64(e.whole), e.real), p.exemplars)",
    "Exemplars.SpanId": "arrayMap(e -> lower(hex(e.span_id)), p.exemplars)",
    "Exemplars.TraceId": "arrayMap(e -> lower(hex(e.trace_id)), p.exemplars)",
}
DAYS_BACK, DAYS_AHEAD = 400, 1
_DAY_NS = 86_400 * 10**9


def odd(signal: str, text_bytes_max: int) -> str:
    """Return the query for the values of a staged segment that `values` has to turn into text.

    These are nested values, texts that are too long, and numbers whose text the lite engine gets
    wrong: it drops zeros of exponents with three digits. A row has `kind` and, in hexadecimal, `raw`.
    """
    found = ", ".join(f"arrayFlatten([{place}])" for place in VALUES[signal])
    real = f"v.k = {REAL} AND NOT {_plain('v')}"
    return expand(
        f"SELECT DISTINCT v.k AS kind, hex({_raw('v')}) AS raw FROM ("
        f"SELECT arrayJoin(arrayFilter(v -> v.k IN ({ITEMS}, {PAIRS}) OR length(v.t) > {text_bytes_max} "
        f"OR ({real}), arrayConcat({found}))) AS v FROM stage)"
    )


def foreign() -> str:
    """Return the query for what a staged segment has that costs more to load, each 0 or 1.

    `found` is whether there are spans of another dialect, `unpriced` whether some tell tokens and no cost.
    """
    markers = ", ".join(f"'{marker}'" for row in DIALECTS for marker in row.markers)
    names = f"arrayFlatten([{_ITEM}.attributes.n])"
    unpriced = f"{has_tokens('span')} AND NOT has(span, '{a.COST_USD.name}')"
    spans = f"arrayExists(scope -> arrayExists(span -> {unpriced}, scope), scopes)"
    return (
        f"SELECT max(arrayExists(name -> name IN ({markers}), {names})) AS found, "
        f"max(arrayExists(scopes -> {spans}, {_ITEM}.attributes.n)) AS unpriced FROM stage"
    )


def has_tokens(names: str) -> str:
    """Return whether an attribute that tells tokens, in any dialect, is among the names of a span's."""
    keys = ", ".join(f"'{key}'" for key in TOKEN_KEYS)
    return f"arrayExists(name -> name IN ({keys}), {names})"


def price_key() -> str:
    """Return what a span `s` is told apart by when its price is looked up."""
    return f"concat(char({PRICED}), s.trace_id, s.span_id, reinterpretAsString(s.start))"


def expand(
    statement: str,
    *,
    looked_up: AbstractSet[int] = NESTED,
    text_bytes_max: int = 0,
    translated: bool = True,
    priced: bool = False,
) -> str:
    """Return `statement` with our words replaced and elements of tuples written out.

    The engine takes `a.b` for a subcolumn and lists every subcolumn of `a` to find it, which for
    these types is slower than reading a small segment. tupleElement() does not.

    Args:
        statement: With words of ours in it.
        looked_up: The kinds of values of which some are in the table `odd`. Nested ones always are; that
            texts and numbers have to be tested costs a tenth of an INSERT.
        text_bytes_max: Longer texts are looked up.
        translated: Whether spans of other dialects are among the rows. Planning their translation costs
            as much as storing a thousand spans.
        priced: Whether costs of spans that tell none are in the table `odd`.

    >>> expand("SELECT s.status.code, '1.a.b'")
    "SELECT tupleElement(tupleElement(s, 'status'), 'code'), '1.a.b'"
    """
    written = re.sub(r"\bpoints\(([\w, ]+)\)", lambda found: _points(found[1]), statement)
    written = written.replace("point_columns()", ", ".join(_POINT_VALUES))
    written = written.replace("point_values()", ", ".join(_POINT_VALUES.values()))
    written = re.sub(r"\bknown\(([\w.]+)\)", lambda found: _known(found[1]), written)
    written = re.sub(r"\bmoment\(([\w.]+)\)", lambda found: _moment(found[1]), written)

    told = facts() if translated else "picked(SpanAttributes, NOT is_content)"
    if priced:
        # Not mapConcat: of maps with LowCardinality keys it lost those of the first.
        cost = f"(joinGet('odd', 'json', {price_key()}) AS untold)"
        keys = f"arrayConcat(mapKeys({told} AS told), if({cost} = '', [], ['{a.COST_USD.name}']))"
        told = f"CAST(({keys}, arrayConcat(mapValues(told), if(untold = '', [], [untold]))), '{MAP}')"
    written = written.replace("facts()", told)
    written = written.replace("dialect()", dialect())
    written = re.sub(r"\bcontent\((\w+)\)", lambda found: _content(found[1]), written)
    written = re.sub(r"\bpicked\((\w+), (NOT )?(\w+)\)", _picked, written)

    def text(value: str) -> str:
        return _text(value, looked_up, text_bytes_max)

    written = re.sub(
        r"\battributes\(([\w.]+)\)",
        lambda found: (
            f"CAST(({found[1]}.n, arrayMap(v -> {text('v')}, {found[1]}.v)), "
            "'Map(LowCardinality(String), String)')"
        ),
        written,
    )
    written = re.sub(r"\btext\(([\w.]+)\)", lambda found: text(found[1]), written)
    return re.sub(r"'(?:[^'\\]|\\.)*'|--[^\n]*|\b[a-z]\w*(?:\.[a-z]\w*)+", _element, written)


def _element(found: re.Match[str]) -> str:
    if found[0][0] in "'-" or found[0].startswith("resources."):
        return found[0]
    first, *names = found[0].split(".")
    for name in names:
        first = f"tupleElement({first}, '{name}')"
    return first


def _content(attributes: str) -> str:
    """Return which entries of a map are what models and tools read and wrote, or long."""
    keys = ", ".join(f"'{key}'" for key in dict.fromkeys((*(row.name for row in CONTENT), *CONTENT_KEYS)))
    others = ", ".join(f"'{key}'" for key in NO_CONTENT)
    begins = " OR ".join(f"startsWith(k, '{text}')" for text in CONTENT_BEGINNINGS)
    beginnings = f"({begins}) AND k NOT IN ({others})"
    columns = f"mapKeys({attributes}), mapValues({attributes})"
    return f"arrayMap((k, v) -> length(v) > {LONG} OR k IN ({keys}) OR {beginnings}, {columns})"


def _picked(found: re.Match[str]) -> str:
    """Return the entries of a map that a list of truths picks."""
    attributes, negated, chosen = found[1], found[2] or "", found[3]
    parts = (
        f"arrayFilter((one, is) -> {negated}is, {part}({attributes}), {chosen})"
        for part in ("mapKeys", "mapValues")
    )
    return f"CAST(({', '.join(parts)}), 'Map(LowCardinality(String), String)')"


def _moment(nanoseconds: str) -> str:
    return f"fromUnixTimestamp64Nano(toInt64(least({nanoseconds}, {2**63 - 1})), 'UTC')"


def _known(nanoseconds: str) -> str:
    """Return whether a clock is believable: near the time when the segment was written."""
    return (
        f"{nanoseconds} BETWEEN minus({{written:UInt64}}, {DAYS_BACK * _DAY_NS}) "
        f"AND plus({{written:UInt64}}, {DAYS_AHEAD * _DAY_NS})"
    )


def _points(words: str) -> str:
    """Return a subquery with a row for each point `p` of one kind, and fields of that kind."""
    kind, *fields = (word.strip() for word in words.split(","))
    more = "".join(f" m.{kind}.{field} AS {field}," for field in fields)
    return f"""(
    SELECT
        resource_attributes, resource_schema, scope_name, scope_version, scope_attributes, scope_dropped,
        scope_schema, m.name AS name, m.description AS description, m.unit AS unit,{more}
        arrayJoin(m.{kind}.points) AS p
    FROM (
        SELECT
            resource_attributes, resource_schema, attributes(scope.scope.attributes) AS scope_attributes,
            scope.scope.name AS scope_name, scope.scope.version AS scope_version,
            scope.scope.dropped AS scope_dropped, scope.schema_url AS scope_schema,
            arrayJoin(scope.items) AS m
        FROM (
            SELECT
                attributes(r.resource.attributes) AS resource_attributes, r.schema_url AS resource_schema,
                arrayJoin(r.scopes) AS scope
            FROM (SELECT arrayJoin(resources) AS r FROM stage)
        )
    )
)"""


def _raw(value: str) -> str:
    """Return SQL for what identifies a value that is looked up, without its kind."""
    return (
        f"multiIf({value}.k = {ITEMS}, {value}.i, {value}.k = {PAIRS}, {value}.p, "
        f"{value}.k = {TEXT}, {value}.t, reinterpretAsString({value}.r))"
    )


def _plain(value: str) -> str:
    return f"({value}.r = 0 OR abs({value}.r) BETWEEN 1e-99 AND 1e99)"


def _text(value: str, looked_up: AbstractSet[int], text_bytes_max: int) -> str:
    """Return SQL that turns one value into text."""
    short = f" AND length({value}.t) <= {text_bytes_max}" if TEXT in looked_up else ""
    plain = f" AND {_plain(value)}" if REAL in looked_up else ""
    return (
        f"multiIf({value}.k = {TEXT}{short}, {value}.t, {value}.k = {WHOLE}, toString({value}.w), "
        f"{value}.k = {REAL}{plain}, toString({value}.r), {value}.k = {FLAG}, toString({value}.f), "
        f"{value}.k = {BYTES}, lower(hex({value}.b)), {value}.k = 0, '', "
        f"joinGet('odd', 'json', concat(char({value}.k), {_raw(value)})))"
    )
