"""The processor that makes older and foreign names of spans into current ones, from the vocabulary.

The same rows as the server's columns come from (`mlobs.semconv.dialects`), as statements of the
collector's `transform` processor: what follows from a value of the dialect's and from its
attributes fills what the current conventions leave empty. Nothing is removed, so that a server
behind the collector finds what it would have found without it.

A moment in place of a duration is left to the server.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from mlobs.cli.collector.statements import literal
from mlobs.semconv import attributes as a
from mlobs.semconv.dialects import DIALECTS
from mlobs.semconv.dialects.providers import PAIRS, PROVIDER_AND_FORMAT, PROVIDERS
from mlobs.semconv.dialects.rows import Meaning, Source
from mlobs.semconv.rows import Attribute

# What cost is made of.
COUNTS = (
    a.INPUT_TOKENS,
    a.OUTPUT_TOKENS,
    a.CACHE_READ_TOKENS,
    a.CACHE_WRITE_TOKENS,
    a.REASONING_TOKENS,
)
NUMBERS = (a.COST_USD, a.TIME_TO_FIRST_CHUNK)
ERROR = "STATUS_CODE_ERROR"


def dialects_part() -> dict[str, Any]:
    """Return the part of a configuration that holds the processor."""
    return {
        "processors": {
            "transform/dialects": {
                # A text where a number should be is no reason to write a line for each span.
                "error_mode": "silent",
                "trace_statements": [
                    {
                        "context": "span",
                        "conditions": [f"{_of(marker)} != nil" for marker in _markers()],
                        "statements": list(dict.fromkeys(_statements())),
                    }
                ],
            }
        }
    }


def _markers() -> Iterable[str]:
    return dict.fromkeys(marker for one in DIALECTS for marker in one.markers)


def _statements() -> Iterator[str]:
    yield from _emptied()
    yield from _parsed()
    yield from _corrections()
    facts = dict.fromkeys(row for one in DIALECTS for row in one.sources if row is not a.INPUT_TOKENS)
    for row in facts:
        for source in _sources(row):
            yield from _filled(row, source)
    yield from _input_tokens()
    yield from _meanings()
    yield from _providers()


def _sources(row: Attribute) -> Iterable[Source]:
    """Return where a fact may be, in all dialects, the first that counts first."""
    found = (source for one in DIALECTS for source in one.sources.get(row, ()))
    return dict.fromkeys(source for source in found if source.key != row.name and source.unit != "moment")


def _emptied() -> Iterator[str]:
    """An empty text tells nothing, and would keep what another attribute tells from taking its place."""
    told = (row for one in DIALECTS for row in one.sources)
    follow = (row for meaning in _told() for row in meaning.facts)
    for row in dict.fromkeys((*told, *follow)):
        if row not in (*COUNTS, *NUMBERS):
            yield f'delete_key(span.attributes, {literal(row.name)}) where {_of(row.name)} == ""'


def _parsed() -> Iterator[str]:
    """Read each JSON text once: they may be long, and most members are looked for and absent."""
    found = (source for one in DIALECTS for sources in one.sources.values() for source in sources)
    for key in dict.fromkeys(source.key for source in found if source.member):
        yield f"set({_kept(key)}, ParseJSON({_of(key)})) where {_of(key)} != nil"


def _corrections() -> Iterator[str]:
    """Other words for the same attribute replace it."""
    for meaning in _told():
        for row, value in meaning.facts.items():
            if meaning.key == row.name:
                yield f"set({_of(row.name)}, {literal(value)}) where {_is(meaning)}"


def _filled(row: Attribute, source: Source) -> Iterator[str]:
    value, there = _read(source)
    if row in COUNTS:
        value = f"Int({value})"
    elif row in NUMBERS:
        value = f"Double({value})" + (" / 1000.0" if source.unit == "ms" else "")
    yield f"set({_of(row.name)}, {value}) where {_of(row.name)} == nil and {there}"
    if source.up_to:
        known = ", ".join(literal(word) for word in PROVIDERS if source.up_to in word)
        yield (
            f'replace_pattern({_of(row.name)}, "[{source.up_to}].*$", "") where {there} '
            f"and not ContainsValue([{known}], ToLowerCase({_of(row.name)}))"
        )


def _input_tokens() -> Iterator[str]:
    """Input tokens with the cached ones, however they were counted.

    Where more were cached than there was input, they were counted beside it.
    """
    whole = _of(a.INPUT_TOKENS.name)
    cached = [_of(row.name) for row in (a.CACHE_READ_TOKENS, a.CACHE_WRITE_TOKENS)]
    for source in _sources(a.INPUT_TOKENS):
        value, there = _read(source)
        if source.unit == "uncached":
            # Counted without the cached ones, so these are added once, largest case first.
            yield (
                f"set({whole}, Int({value}) + Int({cached[0]}) + Int({cached[1]})) where {whole} == nil "
                f"and {there} and {cached[0]} != nil and {cached[1]} != nil"
            )
            for part in cached:
                yield (
                    f"set({whole}, Int({value}) + Int({part})) where {whole} == nil "
                    f"and {there} and {part} != nil"
                )
        yield f"set({whole}, Int({value})) where {whole} == nil and {there}"
    read, written = cached
    yield (
        f"set({whole}, {whole} + {read} + {written}) where {read} != nil and {written} != nil "
        f"and {whole} < {read} + {written}"
    )
    for part, other in ((read, written), (written, read)):
        yield f"set({whole}, {whole} + {part}) where {part} != nil and {other} == nil and {whole} < {part}"


def _meanings() -> Iterator[str]:
    """What follows from values, for facts that no attribute told."""
    for meaning in _told():
        for row, value in meaning.facts.items():
            if meaning.key != row.name:
                fact = _of(row.name)
                yield f"set({fact}, {literal(value)}) where {fact} == nil and {_is(meaning)}"
    for meaning in _told():
        if meaning.named:
            fact = _of(meaning.named.name)
            if meaning.name_key:
                yield f"set({fact}, {_of(meaning.name_key)}) where {fact} == nil and {_is(meaning)}"
            else:
                yield f"set({fact}, span.name) where {fact} == nil and {_is(meaning)}"


def _providers() -> Iterator[str]:
    """The conventions' words for providers."""
    provider = _of(a.PROVIDER_NAME.name)
    first, second = map(_of, PROVIDER_AND_FORMAT)
    yield f"set({provider}, ToLowerCase({provider})) where {provider} != nil"
    for (served, format_), told in PAIRS.items():
        by = f"{first} == nil" if not served else f"ToLowerCase({first}) == {literal(served)}"
        yield (
            f"set({provider}, {literal(told)}) where {second} != nil and {by} "
            f"and ToLowerCase({second}) == {literal(format_)}"
        )
    for spelled, told in PROVIDERS.items():
        if told:
            yield f"set({provider}, {literal(told)}) where {provider} == {literal(spelled)}"
        else:
            key = literal(a.PROVIDER_NAME.name)
            yield f"delete_key(span.attributes, {key}) where {provider} == {literal(spelled)}"


def _told() -> Iterator[Meaning]:
    for one in DIALECTS:
        yield from one.meanings


def _is(meaning: Meaning) -> str:
    """Some dialects write every value as JSON, so that a text has quotes."""
    held = _of(meaning.key)
    if meaning.key.startswith("mlflow."):
        quoted = literal(f'"{meaning.value}"')
        return f"({held} == {literal(meaning.value)} or {held} == {quoted})"
    return f"{held} == {literal(meaning.value)}"


def _read(source: Source) -> tuple[str, str]:
    """Return a source's value, and the condition that it is there."""
    held = _of(source.key)
    if source.member:
        path = "".join(f"[{literal(name)}]" for name in source.member.split("/"))
        value = f"{_kept(source.key)}{path}"
        # Of the one attribute most members are absent; most spans do not have the attribute at all.
        return value, f"{_kept(source.key)} != nil and {value} != nil"
    if source.key.startswith("mlflow.") or source.key == "model":
        return f'Trim({held}, "\\"")', f"{held} != nil"
    return held, f'{held} != nil and {held} != ""'


def _of(name: str) -> str:
    return f"span.attributes[{literal(name)}]"


def _kept(key: str) -> str:
    """What was read of an attribute that is JSON; lives as long as the statements of one span."""
    return f"span.cache[{literal(key)}]"
