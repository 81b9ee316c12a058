"""Filters of every shape, for Hypothesis."""

from hypothesis import strategies as st

from mlobs.server.ask.asked import literal
from mlobs.server.ask.keys import CHOICES, KEYS
from mlobs.server.ask.syntax import And, Node, Not, Or, Some, Term, Text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PATTERNS = st.lists(TEXTS.map(literal), max_size=3).map("*".join)
NUMBERS = {
    "duration_ns": ["5s", "250ms", "1.5h"],
    "duration_s": ["2s", "1ms"],
    "tokens": ["1000", "10k"],
    "usd": ["0.1", "$5"],
}
KNOWN = {"kind": ["llm", "tool*", ""], "trace": ["4bf92f*", "", "F" * 32], "span": ["00f067aa0ba902b7"]}
ORDERED = st.sampled_from([":", "!=", ">", ">=", "<", "<="])
EQUAL = st.sampled_from([":", "!="])


def _terms(key) -> st.SearchStrategy[Term]:
    if key.kind == "choice":
        return st.builds(Term, st.just(key.name), EQUAL, st.sampled_from([*CHOICES[key.name]]))
    if key.name in KNOWN:
        return st.builds(Term, st.just(key.name), EQUAL, st.sampled_from(KNOWN[key.name]))
    if key.kind == "text":
        return st.builds(Term, st.just(key.name), EQUAL, PATTERNS)
    return st.builds(Term, st.just(key.name), ORDERED, st.sampled_from(NUMBERS[key.kind]))


ATTRIBUTES = st.one_of(
    st.builds(Term, TEXTS.filter(bool).map("attr.{}".format), EQUAL, PATTERNS),
    st.builds(Term, TEXTS.filter(bool).map("resource.{}".format), ORDERED, st.sampled_from(["1", "-2.5"])),
)
LEAVES = st.one_of(*map(_terms, KEYS), ATTRIBUTES, TEXTS.filter(bool).map(Text))


def _wider(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    parts = st.lists(nodes, min_size=2, max_size=3).map(tuple)
    return st.one_of(nodes.map(Not), parts.map(And), parts.map(Or))


INNER = st.recursive(LEAVES, _wider, max_leaves=6)
TREES = st.recursive(st.one_of(LEAVES, INNER.map(Some)), _wider, max_leaves=8)
