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

_KINDS = "kind Enum8('absent'=0, 'text'=1, 'flag'=2, 'whole'=3, 'real'=4, {nested}, 'raw'=7)"
_WHOLE, _CUT = "'items'=5, 'pairs'=6", "'cut_items'=5, 'cut_pairs'=6"
_SCALARS = "text String, flag Bool, whole Int64, real Float64, raw String"
_NUMBER = "number Enum8('absent'=0, 'real'={real}, 'whole'=6), real Float64, whole Int64"


def _value(level: int) -> str:
    if level == DEPTH:
        cut = "cut_items Tuple(end UInt8), cut_pairs Tuple(end UInt8)"
        return f"Tuple({_KINDS.format(nested=_CUT)}, {_SCALARS}, {cut}, end UInt8)"
    inner = _value(level + 1)
    items = f"items Tuple(values Array({inner}))"
    pairs = f"pairs Tuple(values Array(Tuple(key String, value {inner}, end UInt8)))"
    return f"Tuple({_KINDS.format(nested=_WHOLE)}, {_SCALARS}, {items}, {pairs}, end UInt8)"


_VALUE = _value(0)
_PAIRS = f"Array(Tuple(key String, value {_VALUE}))"
_SCOPE = f"Tuple(name String, version String, attributes {_PAIRS}, dropped UInt32)"
_SPAN = (
    "trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind UInt32, "
    f"start UInt64, end UInt64, attributes {_PAIRS}, "
    f"events Array(Tuple(time UInt64, name String, attributes {_PAIRS})), "
    f"links Array(Tuple(trace_id String, span_id String, trace_state String, attributes {_PAIRS})), "
    "status Tuple(message String, code UInt32)"
)
_LOG = (
    f"time UInt64, severity_number UInt32, severity_text String, body {_VALUE}, attributes {_PAIRS}, "
    "flags UInt32, trace_id String, span_id String, observed UInt64, event_name String"
)
_EXEMPLARS = (
    f"exemplars Array(Tuple(time UInt64, {_NUMBER.format(real=3)}, span_id String, trace_id String, "
    f"attributes {_PAIRS}))"
)
_POINT = f"start UInt64, time UInt64, {_EXEMPLARS}, attributes {_PAIRS}, flags UInt32"
_NUMBERS = f"points Array(Tuple({_POINT}, {_NUMBER.format(real=4)}))"
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
TABLES: Mapping[str, tuple[str, ...]] = {
    "traces": ("otel_traces",),
    "metrics": ("otel_metrics_gauge", "otel_metrics_sum", "otel_metrics_histogram"),
    "logs": ("otel_logs",),
}


def expand(statement: str) -> str:
    """Return `statement` with `attributes(x)` and `text(x)` written out.

    >>> expand("SELECT 1")
    'SELECT 1'
    """
    written = re.sub(r"\battributes\(([\w.]+)\)", lambda found: _attributes(found[1]), statement)
    return re.sub(r"\btext\(([\w.]+)\)", lambda found: _text(found[1]), written)


def _attributes(pairs: str) -> str:
    """Return SQL that turns a column of pairs into a map of text."""
    texts = f"arrayMap(v -> {_text('v')}, {pairs}.value)"
    return f"CAST(({pairs}.key, {texts}), 'Map(LowCardinality(String), String)')"


def _text(value: str) -> str:
    """Return SQL that turns one value into text."""
    return (
        f"multiIf({value}.kind = 'text', {value}.text, {value}.kind = 'whole', toString({value}.whole), "
        f"{value}.kind = 'real', toString({value}.real), {value}.kind = 'flag', toString({value}.flag), "
        f"{value}.kind = 'raw', lower(hex({value}.raw)), {value}.kind = 'absent', '', {_json(value)})"
    )


def _json(value: str) -> str:
    """Return SQL that writes an array or a map as JSON."""
    written = f"toJSONString({value})"
    for piece, replacement in _pieces():
        written = f"replaceAll({written}, '{piece}', '{replacement}')"
    return written


def _pieces() -> list[tuple[str, str]]:
    """Return what is replaced in the engine's JSON of a value, in this order.

    A value is written as kind, text, flag, whole, real, raw, items, pairs, end, all of them.
    """
    deepest = ',"cut_items":{"end":0},"cut_pairs":{"end":0}'
    none = ',"items":{"values":[]},"pairs":{"values":[]}'
    fields = ['"text":""', '"flag":false', '"whole":0', '"real":0', '"raw":""']
    end = ',"end":0}'

    def before(kind: str, count: int) -> str:
        return f'{{"kind":"{kind}",' + "".join(f"{field}," for field in fields[:count])

    def after(count: int) -> str:
        return "".join(f",{field}" for field in fields[count:]) + end

    def whole(kind: str) -> str:
        return before(kind, 4) + fields[4] + end

    return [
        ("\\\\/", "/"),
        (deepest, ""),
        (none, ""),
        (before("items", 5) + '"items":{"values":[', "["),
        (']},"pairs":{"values":[]}' + end, "]"),
        (before("pairs", 5) + '"items":{"values":[]},"pairs":{"values":[', "{"),
        ("]}" + end, "}"),
        (whole("items"), "[]"),
        (whole("pairs"), "{}"),
        (whole("cut_items"), f'"{MARK}"'),
        (whole("cut_pairs"), f'"{MARK}"'),
        (whole("absent"), "null"),
        # Zeros whole, because what follows them is also what follows other kinds.
        (whole("flag"), "false"),
        (whole("whole"), "0"),
        (whole("real"), "0"),
        (whole("raw"), '""'),
        # Longer ends first: each is the end of the one before it.
        (before("text", 0) + '"text":', ""),
        (after(1), ""),
        (before("flag", 1) + '"flag":', ""),
        (after(2), ""),
        (before("whole", 2) + '"whole":', ""),
        (after(3), ""),
        (before("real", 3) + '"real":', ""),
        (after(4), ""),
        (before("raw", 4) + '"raw":', ""),
        ('{"key":', ""),
        (',"value":', ":"),
        (end, ""),
    ]
