"""The canonical columns of spans, as SQL made from the rows of `mlobs.semconv.dialects`.

Three steps, each an expression over the columns before it:

1. `Dialect`: one pass over the keys of SpanAttributes; '' is the current conventions.
2. `Facts`: a map with canonical keys. In the current conventions it is SpanAttributes itself, in
   a dialect the canonical attributes followed by what the dialect's say.
3. The columns: one look-up in `Facts` each.

Why a map in between and not an expression for each column and dialect: those made the statement
fifteen times slower, as the engine works all of them out for all spans, and 130 ms slower to plan.
`Facts` is an EPHEMERAL column: the load statement fills it, and it is not stored. As the column's
default it would be planned once for each column that reads it, 4 ms each.

A map may hold a key twice; a look-up finds the first.
"""

from collections.abc import Iterable, Mapping

from mlobs.semconv import attributes as a
from mlobs.semconv.dialects import DIALECTS
from mlobs.semconv.dialects.providers import PAIRS, PROVIDER_AND_FORMAT, PROVIDERS
from mlobs.semconv.dialects.rows import TENANT, Meaning
from mlobs.semconv.rows import Attribute
from mlobs.semconv.spans import SPANS
from mlobs.semconv.weights import WEIGHT, WEIGHT_TYPE, weight

DIALECT, FACTS = "Dialect", "Facts"
MAP = "Map(LowCardinality(String), String)"
TEXTS = (
    a.OPERATION_NAME, a.PROVIDER_NAME, a.REQUEST_MODEL, a.RESPONSE_MODEL, a.AGENT_NAME, a.TOOL_NAME,
    a.CONVERSATION_ID, a.SESSION_ID, a.USER_ID, TENANT, a.CALL_STATE, a.MODEL_NAME, a.MODEL_VERSION,
)  # fmt: skip
COUNTS = (a.OUTPUT_TOKENS, a.CACHE_READ_TOKENS, a.CACHE_WRITE_TOKENS, a.REASONING_TOKENS)
NUMBERS = (a.COST_USD, a.TIME_TO_FIRST_CHUNK)
READ = (*TEXTS, *COUNTS, *NUMBERS, a.INPUT_TOKENS, a.KIND, a.ERROR_TYPE)
_WORD, _ID = "LowCardinality(String)", "String CODEC(ZSTD(1))"
_IDS = (a.CONVERSATION_ID, a.SESSION_ID, a.USER_ID)
# Types and codecs by column.
TYPES: Mapping[str, str] = {
    DIALECT: _WORD,
    FACTS: MAP,
    **{row.column: _ID if row in _IDS else _WORD for row in (*TEXTS, a.KIND, a.ERROR_TYPE)},
    **{row.column: "Nullable(UInt64) CODEC(ZSTD(1))" for row in (*COUNTS, a.INPUT_TOKENS)},
    **{row.column: "Nullable(Float64) CODEC(ZSTD(1))" for row in NUMBERS},
    WEIGHT: WEIGHT_TYPE,
}
# Indexes over them, by name. Spans lie in the order of time and those of one user or session close
# together, so that most of a day is passed over.
INDEXES: Mapping[str, str] = {
    "session_id": f"{a.SESSION_ID.column} TYPE bloom_filter(0.01) GRANULARITY 1",
    "conversation_id": f"{a.CONVERSATION_ID.column} TYPE bloom_filter(0.01) GRANULARITY 1",
    "user_id": f"{a.USER_ID.column} TYPE bloom_filter(0.01) GRANULARITY 1",
}
# Places of what says the same, the first counts.
PLACE_DIGITS = 2
CORRECTED, CANONICAL, PAIRED, FIRST_SOURCE, FIRST_MEANING, LAST = 0, 10, 11, 12, 80, 99
NOUNS: Mapping[str, str] = {
    **{span.operation: span.noun for span in SPANS if span.operation},
    "generate_content": "llm",
    "text_completion": "llm",
    "create_agent": "agent",
    **dict.fromkeys(
        (
            "create_memory_store", "delete_memory_store", "create_memory", "update_memory", "upsert_memory",
            "delete_memory",
        ),
        "memory",
    ),
}  # fmt: skip
OTHER = "_OTHER"
UNCACHED = "+"  # After a count of input tokens that leaves out the cached ones.
REDACTED = "__REDACTED__"


def columns() -> dict[str, str]:
    """Return the expression of each canonical column by its name, in the order they need.

    `Dialect` reads SpanAttributes; `Facts` reads Dialect, SpanAttributes and SpanName; `Weight` reads
    TraceState and TraceId; the rest read Dialect, Facts, StatusCode, Events.Name, Events.Attributes,
    Timestamp and each other.
    """
    found = {DIALECT: dialect(), FACTS: facts()}
    for row in TEXTS:
        found[row.column] = _fact(row)
    # Some dialects have one name for the model that was asked for and the one that answered.
    found[a.RESPONSE_MODEL.column] = (
        f"if({DIALECT} != '' AND StatusCode = 'Error', '', {_fact(a.RESPONSE_MODEL)})"
    )
    found[a.KIND.column] = (
        f"if({_fact(a.KIND)} != '', {_fact(a.KIND)}, "
        f"transform({a.OPERATION_NAME.column}, [{_comma(NOUNS)}], [{_comma(NOUNS.values())}], ''))"
    )
    found[a.ERROR_TYPE.column] = _error_type()
    for row in COUNTS:
        found[row.column] = f"toUInt64OrNull({_fact(row)})"
    found[a.INPUT_TOKENS.column] = _input_tokens()
    found[a.COST_USD.column] = f"toFloat64OrNull({_fact(a.COST_USD)})"
    found[a.TIME_TO_FIRST_CHUNK.column] = _time_to_first_chunk()
    found[WEIGHT] = weight()
    return found


def dialect() -> str:
    """Return the name of the dialect a span is written in, '' for the current conventions."""
    markers = {
        marker: len(DIALECTS) - position
        for position, row in reversed(list(enumerate(DIALECTS)))
        for marker in row.markers
    }
    names = ["", *(row.name for row in reversed(DIALECTS))]
    weights = ", ".join(map(str, markers.values()))
    return (
        f"arrayElement([{_comma(names)}], 1 + arrayMax(arrayMap("
        f"k -> transform(k, [{_comma(markers)}], [{weights}], 0), mapKeys(SpanAttributes))))"
    )


def facts() -> str:
    """Return the map with canonical keys."""
    pairs = "arrayZip(mapKeys(SpanAttributes), mapValues(SpanAttributes))"
    found = [
        *(_plain(pairs, places) for places in _places(members=False)),
        _members(pairs),
        _meanings(pairs),
        _served(pairs),
    ]
    told = f"arrayMap(p -> (p.1, {_value()}), arrayFilter(p -> p.1 != '', arrayConcat({', '.join(found)})))"
    kept = f"arraySort(p -> p.1, arrayFilter(p -> p.2 NOT IN ('', 'null', {_text(REDACTED)}), {told}))"
    translated = f"CAST(arrayMap(p -> (substring(p.1, {PLACE_DIGITS + 1}), p.2), {kept}), {_text(MAP)})"
    return f"if({DIALECT} = '', SpanAttributes, {translated})"


def _places(*, members: bool) -> list[dict[str, str]]:
    """Return for each source its place among those of the same fact, and the fact: 21gen_ai.tool.name.

    A source of two facts is in two of the dictionaries.

    Args:
        members: Those that are members of JSON objects, or those that are attributes.
    """
    found: list[dict[str, str]] = [{}]
    for row in READ:
        sources = {
            source.name: source
            for one in DIALECTS
            for source in one.sources.get(row, ())
            if source.key != row.name
        }
        names = [(CANONICAL, row.name, False)] + [
            (place, name, bool(source.member))
            for place, (name, source) in enumerate(sources.items(), FIRST_SOURCE)
        ]
        for place, name, is_member in names:
            if is_member == members:
                if all(name in places for places in found):
                    found.append({})
                next(places for places in found if name not in places)[name] = _placed(place, row)
    return found


def _plain(pairs: str, places: Mapping[str, str]) -> str:
    """Return (place and fact, key, value) of the attributes that are sources."""
    return f"arrayMap(p -> ({_transform('toString(p.1)', places)}, toString(p.1), p.2), {pairs})"


def _members(pairs: str) -> str:
    """Return the same of the members of JSON objects that are sources."""
    [places] = _places(members=True)
    holders = dict.fromkeys(name.partition("/")[0] for name in places)
    inner = dict.fromkeys(name.rpartition("/")[0] for name in places if name.count("/") > 1)
    opened = _opened(f"arrayFilter(p -> p.1 IN ({_comma(holders)}), {pairs})")
    opened_twice = _opened(f"arrayFilter(p -> p.1 IN ({_comma(inner)}), {opened})")
    place = _transform("p.1", places)
    return f"arrayMap(p -> ({place}, p.1, p.2), arrayConcat({opened}, {opened_twice}))"


def _opened(pairs: str) -> str:
    """Return the members of JSON objects: (attribute/member, value)."""
    object_ = "CAST(JSONExtract(p.2, 'Map(String, String)'), 'Array(Tuple(String, String))')"
    return f"arrayFlatten(arrayMap(p -> arrayMap(m -> (concat(p.1, '/', m.1), m.2), {object_}), {pairs}))"


def _meanings(pairs: str) -> str:
    """Return the same of what values mean.

    All that follows from a value is one text, a line for each fact: planning a list for each fact
    took three times as long.
    """
    meanings = [meaning for one in DIALECTS for meaning in one.meanings]
    deciding = list(dict.fromkeys(meaning.key for meaning in meanings))
    lines = {
        f"{meaning.key}={meaning.value}": "\n".join(_lines(meaning, deciding.index(meaning.key)))
        for meaning in meanings
    }
    # Look-ups by a constant key would be made for all spans, outside of the lambda.
    holder = _transform("toString(p.1)", {one.key: one.name_key for one in meanings if one.name_key})
    name = f"if({holder} = '', SpanName, SpanAttributes[{holder}])"
    chosen = f"arrayFilter(p -> p.1 IN ({_comma(deciding)}), {pairs})"
    told = _transform(f"concat(p.1, '=', {_unquoted('p.2')})", lines)
    return (
        f"arrayFlatten(arrayMap(p -> arrayMap(t -> (splitByChar('=', t)[1], '', "
        f"if(endsWith(t, '='), {name}, splitByChar('=', t)[2])), splitByChar('\\n', {told})), {chosen}))"
    )


def _lines(meaning: Meaning, order: int) -> list[str]:
    """Return place, fact and value of what follows; without a value it is the span's name."""
    # Another value of the canonical attribute itself replaces it.
    lines = [
        f"{_placed(CORRECTED if meaning.key == row.name else FIRST_MEANING + order, row)}={value}"
        for row, value in meaning.facts.items()
    ]
    return [*lines, f"{_placed(LAST, meaning.named)}="] if meaning.named else lines


def _served(pairs: str) -> str:
    """Return the same of providers that two attributes together tell."""
    first, second = PROVIDER_AND_FORMAT
    held = _transform("toString(p.1)", {second: first})
    pair = f"concat(lower(SpanAttributes[{held}]), '/', lower(p.2))"
    told = _transform(pair, {"/".join(key): provider for key, provider in PAIRS.items()})
    place = _text(_placed(PAIRED, a.PROVIDER_NAME))
    return f"arrayMap(p -> ({place}, '', {told}), arrayFilter(p -> p.1 = {_text(second)}, {pairs}))"


def _value() -> str:
    """Return the value of (place and fact, key, value) in canonical units and words."""
    sources = sorted(
        {source for one in DIALECTS for row in one.sources.values() for source in row},
        key=lambda one: one.name,
    )
    milliseconds = _comma(source.name for source in sources if source.unit == "ms")
    uncached = _comma(source.name for source in sources if source.unit == "uncached")
    told = _unquoted("p.3")
    provider = f"lower({told})"
    for source in sources:
        if source.up_to:
            whole = _comma(word for word in (*PROVIDERS, *PROVIDERS.values()) if source.up_to in word)
            provider = (
                f"if(p.2 = {_text(source.name)} AND {provider} NOT IN ({whole}), "
                f"splitByChar({_text(source.up_to)}, {provider})[1], {provider})"
            )
    return (
        f"multiIf(p.2 IN ({milliseconds}), toString(toFloat64OrZero(p.3) / 1000), "
        f"p.2 IN ({uncached}), concat(p.3, {_text(UNCACHED)}), "
        f"endsWith(p.1, {_text(a.PROVIDER_NAME.name)}), {_transform(provider, PROVIDERS, provider)}, {told})"
    )


def _unquoted(value: str) -> str:
    """Return a text without the quotes of JSON; some dialects write all values as JSON."""
    return f"if(startsWith({value}, '\"') AND endsWith({value}, '\"'), JSONExtractString({value}), {value})"


def _error_type() -> str:
    """Return the error's type: what the span says, or its last exception, or that there was one."""
    key = _text(a.EXCEPTION_TYPE.name)
    types = f"arrayFilter(t -> t != '', arrayMap(of -> of[{key}], Events.Attributes))"
    told = _fact(a.ERROR_TYPE)
    return (
        f"multiIf({told} != '', {told}, StatusCode != 'Error', '', "
        f"notEmpty({types}), arrayElement({types}, -1), {_text(OTHER)})"
    )


def _input_tokens() -> str:
    """Return the input tokens with the cached ones, however they were counted.

    Where more were cached than there was input, they were counted beside it.
    """
    whole = f"toUInt64OrNull({_fact(a.INPUT_TOKENS)})"
    fresh = f"toUInt64OrNull(replaceOne({_fact(a.INPUT_TOKENS)}, {_text(UNCACHED)}, ''))"
    cached = f"ifNull({a.CACHE_READ_TOKENS.column}, 0) + ifNull({a.CACHE_WRITE_TOKENS.column}, 0)"
    return f"if({DIALECT} = '', {whole}, if({whole} >= {cached}, {whole}, {fresh} + {cached}))"


def _time_to_first_chunk() -> str:
    """Return the seconds to the first chunk; some dialects say when it came."""
    seconds = f"toFloat64OrNull({_fact(a.TIME_TO_FIRST_CHUNK)})"
    # Without the letter for UTC, which the engine does not read.
    moment = f"substring({_fact(a.TIME_TO_FIRST_CHUNK)}, 1, {len('2026-01-01T00:00:00.000000')})"
    since = f"dateDiff('microsecond', Timestamp, toDateTime64OrNull({moment}, 9, 'UTC')) / 1000000"
    # What is empty is no moment either; the engine reads it as the year 1970.
    return (
        f"if({DIALECT} = '' OR {moment} = '', {seconds}, ifNull({seconds}, if({since} < 0, NULL, {since})))"
    )


def _fact(row: Attribute) -> str:
    return f"{FACTS}[{_text(row.name)}]"


def _placed(place: int, row: Attribute) -> str:
    return f"{place:0{PLACE_DIGITS}}{row.name}"


def _transform(value: str, words: Mapping[str, str], otherwise: str = "''") -> str:
    return f"transform({value}, [{_comma(words)}], [{_comma(words.values())}], {otherwise})"


def _comma(texts: Iterable[str]) -> str:
    return ", ".join(map(_text, texts))


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
