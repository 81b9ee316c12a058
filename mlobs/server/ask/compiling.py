"""Makes SQL of a filter. Every value is a bound parameter; nothing of a filter's text is in the statement.

A condition is one of a span of `otel_traces`. Facts of a whole trace become `TraceId IN (SELECT ...)`,
bounded by TIMES, two parameters that whoever runs the statement gives. Nothing here is NULL for a span
without the fact, so that a minus sign finds what it should.

Text is looked for in two ways: content has an index of its words, and the rest, names and messages, is short.
Joined by OR the index would not be used, so the two are asked for one after the other.
"""

import re
from dataclasses import dataclass, field

from mlobs.semconv.dialects import NO_CONTENT
from mlobs.server.ask.amounts import amount
from mlobs.server.ask.keys import ATTRIBUTE_MAPS, CHOICES, Key, attribute, find, in_content, may_be_long
from mlobs.server.ask.lexing import unescaped
from mlobs.server.ask.syntax import And, Node, Not, Operator, Or, Some, Term, Text

Value = str | int | float
TIMES = (
    "Timestamp >= fromUnixTimestamp64Nano({wide_since_ns:Int64}, 'UTC') "
    "AND Timestamp <= fromUnixTimestamp64Nano({wide_until_ns:Int64}, 'UTC')"
)
EVERYTHING = ("1",)
WORDS_INDEXED_MAX = 8
# As the index's tokenizer has them: what is not ASCII belongs to words.
_WORD = re.compile(r"[^\x00-/:-@\[-`{-\x7f]+")
_PIECES = re.compile(r"\\(.)|(\*)|([^\\*]+)", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """A condition in SQL and the values of its parameters; it holds where one of `any_of` does."""

    any_of: tuple[str, ...]
    params: dict[str, Value] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """The condition as one expression."""
        return self.any_of[0] if len(self.any_of) == 1 else f"({' OR '.join(self.any_of)})"


def condition(node: Node | None) -> Condition:
    """Return the condition for a span; of an empty filter, one that always holds.

    >>> from mlobs.server.ask.parsing import parse
    >>> condition(parse("tool:x duration>5s")).sql
    '(ToolName = {p0:String} AND Duration > {p1:Float64})'
    """
    if node is None:
        return Condition(EVERYTHING)
    compiler = _Compiler()
    return Condition((compiler.span(node),), compiler.params)


def of_spans(node: Node | None) -> Condition:
    """Return the condition for a trace to be found by one of its spans.

    Where a filter is one fact of the trace and nothing else, the spans that have it find the trace, and no
    second look at the table is needed.
    """
    if isinstance(node, Some):
        return of_spans(node.part)
    if isinstance(node, Text) or (isinstance(node, Term) and _wide(node)):
        compiler = _Compiler()
        return Condition(compiler.own(node), compiler.params)
    return condition(node)


class _Compiler:
    """Numbers the parameters."""

    def __init__(self) -> None:
        self.params: dict[str, Value] = {}

    def span(self, node: Node) -> str:
        match node:
            case And():
                return f"({' AND '.join(map(self.span, node.parts))})"
            case Or():
                return f"({' OR '.join(map(self.span, node.parts))})"
            case Not():
                return f"NOT {self.span(node.part)}"
            case Some():
                return _anywhere(self.span(node.part))
            case Text():
                return _anywhere(*self.own(node))
            case Term():
                return _anywhere(*self.own(node)) if _wide(node) else self._term(node)

    def own(self, leaf: Term | Text) -> tuple[str, ...]:
        """Return the conditions of which one must hold for a span to have this itself."""
        return self._text(leaf.text) if isinstance(leaf, Text) else (self._term(leaf),)

    def _term(self, leaf: Term) -> str:
        key = find(leaf.key)
        if key is None:
            raise ValueError(f"The parser let {leaf.key!r} through, which is no key.")
        if key.kind == "choice":
            chosen = CHOICES[key.name][leaf.value.lower()]
            return f"NOT ({chosen})" if leaf.operator == "!=" else f"({chosen})"
        if not key.columns:
            return self._attribute(key, leaf)
        if key.kind == "text":
            value = leaf.value.lower() if key.name in {"trace", "span"} else leaf.value
            return self._any(key, value, leaf.operator)
        return self._compared(key.columns[0], key.kind, leaf)

    def _any(self, key: Key, value: str, operator: Operator) -> str:
        # Absent only if all columns are empty; anything else, if one of them has it.
        between = " AND " if value == "" else " OR "
        held = between.join(self._held(column, value) for column in key.columns)
        if operator == "!=":
            return f"NOT ({held})"
        return f"({held})" if len(key.columns) > 1 else held

    def _held(self, column: str, pattern: str) -> str:
        if pattern == "*":
            return f"{column} != ''"
        pieces = _PIECES.findall(pattern)
        if not any(star for _, star, _ in pieces):
            return f"{column} = {self._bind(unescaped(pattern), 'String')}"
        like = "".join(
            "%" if star else re.sub(r"([\\%_])", r"\\\1", one or plain) for one, star, plain in pieces
        )
        return f"{column} LIKE {self._bind(like, 'String')}"

    def _attribute(self, key: Key, term: Term) -> str:
        parameter = f"p{len(self.params)}"
        expression, named = attribute(key.name, parameter, long=False)
        self.params |= named
        if term.operator not in {":", "!="}:
            return self._compared(f"toFloat64OrNull({expression})", "number", term)
        prefix, _, name = key.name.partition(".")
        maps, bound = ATTRIBUTE_MAPS[prefix], f"{{{parameter}:String}}"
        if term.value == "*":
            held = f"({' OR '.join(f'mapContains({one}, {bound})' for one in maps)})"
        else:
            held = self._held(expression, term.value)
            # Rows that an earlier release stored keep names of prompts with the content.
            apart = may_be_long(term.value) or name in NO_CONTENT
            if len(maps) > 1 and not in_content(name) and apart:
                held = self._held_apart(held, maps[1], bound, term.value)
        return f"NOT ({held})" if term.operator == "!=" else held

    def _held_apart(self, held: str, content: str, bound: str, pattern: str) -> str:
        """Return what holds for texts that are kept with the content for their length too.

        Content is large, so it is read only of the spans that keep the attribute there.
        """
        if not pattern:
            return f"({held} AND NOT has({content}.keys, {bound}))"
        spans = (
            f"SELECT TraceId, SpanId FROM otel_traces WHERE {TIMES} AND has({content}.keys, {bound}) "
            f"AND {self._held(f'{content}[{bound}]', pattern)}"
        )
        return f"({held} OR (TraceId, SpanId) IN ({spans}))"

    def _compared(self, expression: str, kind: str, term: Term) -> str:
        if term.value == "*":
            negated = term.operator == "!="
            return f"{expression} IS {'NULL' if negated else 'NOT NULL'}"
        number = amount(term.value, kind)
        if number is None:
            raise ValueError(f"The parser let {term.value!r} through, which is no amount.")
        operator = "=" if term.operator == ":" else term.operator
        compared = f"{expression} {operator} {self._bind(number, 'Float64')}"
        # A column that is never NULL keeps its index.
        return compared if kind == "duration_ns" else f"ifNull({compared}, 0)"

    def _text(self, text: str) -> tuple[str, str]:
        position = "positionCaseInsensitive" if text.isascii() else "positionCaseInsensitiveUTF8"
        needle = self._bind(text, "String")
        held = f"{position}(v, {needle}) > 0"
        words = _WORD.findall(text)
        # An index that keeps words as they are written finds them in their usual spellings; one that
        # keeps them in small letters finds all.
        indexed = [
            f"hasAnyTokens(mapValues(Content), [{', '.join(spellings)}])"
            for spellings in (
                [self._bind(one, "String") for one in _spellings(word)] for word in words[:WORDS_INDEXED_MAX]
            )
        ]
        whole = [] if words == [text] else [f"arrayExists(v -> {held}, mapValues(Content))"]
        content = f"({' AND '.join(indexed + whole)})"
        rest = (
            f"({position}(SpanName, {needle}) > 0 OR {position}(StatusMessage, {needle}) > 0 "
            f"OR arrayExists(m -> arrayExists(v -> {held}, mapValues(m)), Events.Attributes))"
        )
        return content, rest

    def _bind(self, value: Value, kind: str) -> str:
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f"{{{name}:{kind}}}"


def in_trace(where: Condition) -> Condition:
    """Return the condition that a span is in a trace with a span for which another holds."""
    return Condition((_anywhere(*where.any_of),), where.params)


def _anywhere(*any_of: str) -> str:
    each = (f"SELECT TraceId FROM otel_traces WHERE {TIMES} AND {of_a_span}" for of_a_span in any_of)
    return f"TraceId IN ({' UNION ALL '.join(each)})"


def _spellings(word: str) -> list[str]:
    return list(dict.fromkeys((word, word.lower(), word.upper(), word.capitalize())))


def _wide(term: Term) -> bool:
    key = find(term.key)
    return key is not None and key.wide
