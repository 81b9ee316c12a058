"""The filter language: what is read is what was meant, and everything else is one sentence."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlobs.errors import QueryError
from mlobs.server.ask.compiling import condition, of_spans
from mlobs.server.ask.keys import KEYS
from mlobs.server.ask.lexing import CHARACTERS_MAX
from mlobs.server.ask.parsing import DEPTH_MAX, TERMS_MAX, parse
from mlobs.server.ask.syntax import And, Not, Or, Some, Term, Text, write
from tests.server.ask.hostile import FILTERS
from tests.server.ask.trees import TREES


@given(TREES)
def test_a_written_filter_is_read_as_the_same_tree(tree):
    """A filter can be kept, shown and sent on as text."""
    text = write(tree)
    if len(text) <= CHARACTERS_MAX:
        assert parse(text) == tree


@given(st.text(max_size=60) | st.text("ab:\"\\*(){}-<>=!. 5sORAND'", max_size=40))
@example('a"b')
@example("a\\")
def test_any_text_is_a_filter_or_gets_one_sentence(text):
    """Whatever is pasted, nothing else is raised, and what is read can be written."""
    try:
        tree = parse(text)
    except QueryError:
        return
    if tree is not None:
        assert parse(write(tree)) == tree
        condition(tree)


@pytest.mark.parametrize("text", FILTERS, ids=lambda text: repr(text[:30]))
def test_hostile_text_is_never_in_the_statement(text):
    """Values are bound; a statement has our own words only."""
    try:
        tree = parse(text)
    except QueryError:
        return
    for made in (condition(tree), of_spans(tree)):
        assert set(made.sql) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_(){}[]:,.'!=<>-+ "
        )
        assert "DROP" not in made.sql
        assert "UNION SELECT" not in made.sql


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("service:x", Term("service", ":", "x")),
        ("service=x", Term("service", ":", "x")),
        ("duration:>=5s", Term("duration", ">=", "5s")),
        ("a b", And((Text("a"), Text("b")))),
        ("a AND b", And((Text("a"), Text("b")))),
        ("a b OR c", Or((And((Text("a"), Text("b"))), Text("c")))),
        ("a (b OR c)", And((Text("a"), Or((Text("b"), Text("c")))))),
        ("-status:ok", Not(Term("status", ":", "ok"))),
        ("NOT status:ok", Not(Term("status", ":", "ok"))),
        ("{tool:a} -{b}", And((Some(Term("tool", ":", "a")), Not(Some(Text("b")))))),
        ('name:"chat gpt*"', Term("name", ":", "chat gpt*")),
        (r'name:"a \"b\" \*"', Term("name", ":", r'a "b" \*')),
        (r'"C:\\x \"y\""', Text('C:\\x "y"')),
        ("attr.http.route:/x", Term("attr.http.route", ":", "/x")),
        ('attr."my key":x', Term("attr.my key", ":", "x")),
        ("well-known", Text("well-known")),
        ("or", Text("or")),
        ("   ", None),
    ],
)
def test_what_stands_there_is_what_is_meant(text, tree):
    """The few rules there are."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "modle:gpt",
            "At character 1 of the filter, 'modle:gpt': there is no key 'modle'; did you mean model?",
        ),
        ("a servise:x", "At character 3 of the filter"),
        ("status:bad", "status is one of ok, error, unset, as in status:error."),
        ("duration>5", "'5' is not a duration with its unit, such as 250ms, 5s, 2m or 1h."),
        ("cost>much", "'much' is not an amount in US dollars, such as 0.1."),
        ("attr.n>x", "'x' is not a number."),
        ("model>3", "model is text; it is compared with ':' and '!=', and * stands for anything."),
        ('x "y', "At character 3 of the filter, '\"y': the quote is not closed."),
        ("(a", "this '(' is not closed by a ')'."),
        ("a)", "nothing that this ')' could close is open."),
        ("service:", "The filter ends too early: a value was expected after service"),
        ("{a {b}}", "cannot be nested"),
        ("x " * (TERMS_MAX + 1), f"at most {TERMS_MAX} are read"),
        ("-" * (DEPTH_MAX + 2) + "a", f"more than {DEPTH_MAX} brackets"),
        ("x" * (CHARACTERS_MAX + 1), f"at most {CHARACTERS_MAX:,} are read"),
        (":x", "a key was expected before ':'"),
        ('""', "an empty text is in everything"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, sentence):
    """Whoever typed it must see where."""
    with pytest.raises(QueryError) as refused:
        parse(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_key_explains_itself():
    """The list is shown where one is typed wrong."""
    assert all(key.meaning and key.columns for key in KEYS)
