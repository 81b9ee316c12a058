"""How the engine reads OTLP: column types of `otlp.proto` and the SQL that turns values into text.

The statements in `queries/load_*.sql` write `attributes(x)` and `text(x)`, where x is a column
of pairs or one value; `expand` puts the SQL in place. Scalars keep their text (`0`, `false` and
the empty string included), bytes become hexadecimal, arrays and maps become JSON.

Nested values become JSON in two steps: the engine writes the whole tuple, fields that are not
set included, and constant pieces of that text are replaced. Every piece has a quote in it that
cannot stand inside a JSON string, so no value can be mistaken for one. Spelling the cases out
in nested lambdas gives the same and costs a second of planning for each statement.
"""

import re
from collections.abc import Mapping

DEPTH = 2  # Arrays and maps inside each other; deeper ones show as MARK.
MARK = "…"
MESSAGES = {"traces": "Traces", "metrics": "Metrics", "logs": "Logs"}

# `k` is the number of the field that is set in `otlp.proto`, 0 for none.
_TEXT, _FLAG, _WHOLE, _REAL, _ITEMS, _PAIRS_KIND, _BYTES = range(1, 8)
_SCALARS = "k UInt8, t String, f Bool, w Int64, r Float64, b String"
_NUMBER = "number UInt8, real Float64, whole Int64"


def _value(level: int) -> str:
    if level == DEPTH:
        return f"Tuple({_SCALARS}, i_e UInt8, p_e UInt8, e UInt8)"
    inner = _value(level + 1)
    return f"Tuple({_SCALARS}, i_v Array({inner}), p_v Array(Tuple(n String, v {inner}, z UInt8)), e UInt8)"


_VALUE = _value(0)
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
_EXEMPLARS = (
    f"exemplars Array(Tuple(time UInt64, {_NUMBER}, span_id String, trace_id String, attributes {_PAIRS}))"
)
_POINT = f"start UInt64, time UInt64, {_EXEMPLARS}, attributes {_PAIRS}, flags UInt32"
_NUMBERS = f"points Array(Tuple({_POINT}, {_NUMBER}))"
_HISTOGRAMS = (
    f"points Array(Tuple({_POINT}, count UInt64, sum Float64, bucket_counts Array(UInt64), "
    "bounds Array(Float64), min Float64, max Float64))"
)
_METRIC = "name String, description String, unit String"


def _message(item: str) -> str:
    scope = f"Tuple(scope {_SCOPE}, items Array(Tuple({item})), schema_url String)"
    resource = f"resource Tuple(attributes {_PAIRS})"
    return f"resources Array(Tuple({resource}, scopes Array({scope}), schema_url String))"


# The columns each load statement reads. Reading fewer is cheaper, so each table has its own.
STRUCTURES: Mapping[str, str] = {
    "otel_traces": _message(_SPAN),
    "otel_logs": _message(_LOG),
    "otel_metrics_gauge": _message(f"{_METRIC}, gauge Tuple({_NUMBERS})"),
    "otel_metrics_sum": _message(f"{_METRIC}, sum Tuple({_NUMBERS}, temporality Int32, monotonic Bool)"),
    "otel_metrics_histogram": _message(f"{_METRIC}, histogram Tuple({_HISTOGRAMS}, temporality Int32)"),
}
_TIMES = "Tuple(points Array(Tuple(time UInt64)))"
POINTS = (
    "resources Array(Tuple(scopes Array(Tuple(items Array(Tuple("
    f"gauge {_TIMES}, sum {_TIMES}, histogram {_TIMES}))))))"
)
TABLES: Mapping[str, tuple[str, ...]] = {
    "traces": ("otel_traces",),
    "metrics": ("otel_metrics_gauge", "otel_metrics_sum", "otel_metrics_histogram"),
    "logs": ("otel_logs",),
}


def expand(statement: str) -> str:
    """Return `statement` with `attributes(x)`, `text(x)` and elements of tuples written out.

    The engine takes `a.b` for a subcolumn and lists every subcolumn of `a` to find it, which for
    these types is slower than reading a small segment. The function does not.

    >>> expand("SELECT s.status.code, '1.a.b'")
    "SELECT tupleElement(tupleElement(s, 'status'), 'code'), '1.a.b'"
    """
    written = re.sub(r"\battributes\(([\w.]+)\)", lambda found: _attributes(found[1]), statement)
    written = re.sub(r"\btext\(([\w.]+)\)", lambda found: _text(found[1]), written)
    return re.sub(r"'(?:[^'\\]|\\.)*'|--[^\n]*|\b[a-z]\w*(?:\.[a-z]\w*)+", _element, written)


def _element(found: re.Match[str]) -> str:
    if found[0][0] in "'-":
        return found[0]
    first, *names = found[0].split(".")
    for name in names:
        first = f"tupleElement({first}, '{name}')"
    return first


def _attributes(pairs: str) -> str:
    """Return SQL that turns a column of pairs into a map of text."""
    texts = f"arrayMap(v -> {_text('v')}, {pairs}.v)"
    return f"CAST(({pairs}.n, {texts}), 'Map(LowCardinality(String), String)')"


def _text(value: str) -> str:
    """Return SQL that turns one value into text."""
    return (
        f"multiIf({value}.k = {_TEXT}, {value}.t, {value}.k = {_WHOLE}, toString({value}.w), "
        f"{value}.k = {_REAL}, toString({value}.r), {value}.k = {_FLAG}, toString({value}.f), "
        f"{value}.k = {_BYTES}, lower(hex({value}.b)), {value}.k = 0, '', {_json(value)})"
    )


def _json(value: str) -> str:
    """Return SQL that writes an array or a map as JSON."""
    written = f"toJSONString({value})"
    for piece, replacement in _pieces():
        written = f"replaceAll({written}, '{piece}', '{replacement}')"
    return written


def _pieces() -> list[tuple[str, str]]:
    """Return what is replaced in the engine's JSON of a value, in this order.

    A value is written as k, t, f, w, r, b, i_v, p_v, e, all of them; the deepest as k, t, f, w,
    r, b, i_e, p_e, e.
    """
    fields = ['"t":""', '"f":false', '"w":0', '"r":0', '"b":""']
    deepest = ',"i_e":0,"p_e":0'
    end = ',"e":0}'

    def before(kind: int, count: int) -> str:
        return f'{{"k":{kind},' + "".join(f"{field}," for field in fields[:count])

    def after(count: int) -> str:
        return "".join(f",{field}" for field in fields[count:]) + end

    def unset(kind: int) -> str:
        return before(kind, 4) + fields[4]

    return [
        ("\\\\/", "/"),
        (unset(_ITEMS) + deepest + end, f'"{MARK}"'),
        (unset(_PAIRS_KIND) + deepest + end, f'"{MARK}"'),
        (deepest, ""),
        (',"i_v":[],"p_v":[]', ""),
        (before(_ITEMS, 5) + '"i_v":[', "["),
        ('],"p_v":[]' + end, "]"),
        (before(_PAIRS_KIND, 5) + '"i_v":[],"p_v":[', "{"),
        ("]" + end, "}"),
        (unset(_ITEMS) + end, "[]"),
        (unset(_PAIRS_KIND) + end, "{}"),
        (unset(0) + end, "null"),
        # Zeros whole, because what follows them is also what follows other kinds.
        (unset(_FLAG) + end, "false"),
        (unset(_WHOLE) + end, "0"),
        (unset(_REAL) + end, "0"),
        (unset(_BYTES) + end, '""'),
        # Longer ends first: each is the end of the one before it.
        (before(_TEXT, 0) + '"t":', ""),
        (after(1), ""),
        (before(_FLAG, 1) + '"f":', ""),
        (after(2), ""),
        (before(_WHOLE, 2) + '"w":', ""),
        (after(3), ""),
        (before(_REAL, 3) + '"r":', ""),
        (after(4), ""),
        (before(_BYTES, 4) + '"b":', ""),
        (end, ""),
        ('{"n":', ""),
        (',"v":', ":"),
        (',"z":0}', ""),
    ]
