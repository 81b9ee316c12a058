"""The rows of a tree, the digest of a run, who called whom: from spans as the question gives them."""

from typing import Any

import pytest

from mlobs.server.pages.trace import copies
from mlobs.server.pages.trace.columns import FAILED, FIRST, PARENT, columns, embedded, shown
from mlobs.server.pages.trace.digest import digest
from mlobs.server.pages.trace.fold import fold
from mlobs.server.pages.trace.graph import drawing, graph
from mlobs.testing.pattern import parse

MS = 10**6


def span(
    span_id: str, parent: str = "", name: str = "step", start: int = 0, took: int = 1, **given: Any
) -> dict:
    """Return a row of queries/page_spans.sql."""
    return {
        "span_id": span_id, "parent_span_id": parent, "name": name, "given_name": "", "noun": "step",
        "operation": "", "service": "app", "agent": "", "tool": "", "model": "", "start_ns": start * MS,
        "duration_ns": took * MS, "failed": 0, "error_type": "", "message": "", "state": "",
        "input_tokens": None, "output_tokens": None, "cost_usd": None, "session": "", "conversation": "",
        "user": "", **given,
    }  # fmt: skip


def run(*names: str, **given: Any) -> list[dict]:
    """Return a root with children of such names, one after the other."""
    children = [span(f"c{at}", "r", name, at + 1, **given) for at, name in enumerate(names)]
    return [span("r", name="root", took=len(names) + 1, noun="agent"), *children]


def test_what_repeats_lies_together_and_the_rest_in_order():
    folded = fold(run("a", *["b"] * 5, "c", "b"))
    told = [(line.depth, line.title, line.count) for line in folded.lines]
    assert told[:4] == [(0, "root", 0), (1, "a", 0), (1, "b", 5), (2, "b", 0)]
    assert told[-2:] == [(1, "c", 0), (1, "b", 0)]
    assert [line.title for line in shown(folded.lines)] == ["root", "a", "b", "c", "b"]


def test_three_are_not_yet_repetitions():
    assert [line.count for line in fold(run("b", "b", "b")).lines] == [0, 0, 0, 0]


def test_a_tree_of_any_depth_is_folded_without_recursion():
    spans = [span(str(at), str(at - 1) if at else "", start=at) for at in range(5_000)]
    assert fold(spans).lines[-1].depth == 4_999


def test_nothing_is_folded_of_no_spans():
    assert fold([]).lines == []
    assert columns(fold([]))["depth"] == []


def test_a_branch_costs_what_is_below_it():
    spans = [*run("a"), span("d", "c0", "chat", 2, cost_usd=0.5), span("e", "c0", "chat", 3, cost_usd=0.25)]
    facts = {line.title: line.facts for line in fold(spans).lines}
    assert (facts["root"], facts["a"]) == ("Σ $0.75", "Σ $0.75")


def test_the_first_failing_step_is_the_earliest_below_which_nothing_failed():
    spans = run("a", "b")
    spans[0]["failed"] = spans[1]["failed"] = spans[2]["failed"] = 1
    spans.append(span("x", "c0", "query", 1, failed=1, error_type="TimeoutError"))
    folded = fold(spans)
    [first] = [line.title for line in folded.lines if line.first]
    assert first == "query"
    assert digest(folded, [])[0].text == "First failing step: query: TimeoutError (4 spans failed)"
    flags = columns(folded)["flags"]
    assert [bool(flag & FIRST) for flag in flags].count(True) == 1
    assert flags[0] & FAILED
    assert flags[0] & PARENT


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["chat", "search"] * 6, "The same 2 steps 6 times in a row: chat → search"),
        (["search"] * 9, "The same step 9 times in a row: search"),
        (["a", "b", "c"] * 5, "The same 3 steps 5 times in a row: a → b → c"),
        (["a", "b", "c", "d", "e", "f", "g", "h"], None),
    ],
)
def test_loops_are_found_with_their_length(names, said):
    points = [point.text for point in digest(fold(run(*names, noun="tool")), [])]
    assert [text for text in points if text.startswith("The same")] == ([said] if said else [])


def test_the_step_that_takes_most_by_itself_is_told():
    spans = [
        span("r", name="invoke_agent support", noun="agent", took=350),
        span("w", "r", "plan", took=300),
        span("a", "w", "chat gpt", 10, 229),
        span("b", "w", "search", 20, 250),  # Beside the call, and after it.
    ]
    assert [(one.text, one.span_id) for one in digest(fold(spans), [])] == [
        ("search took 250 ms, 71 % of the run", "b")
    ]
    spans[3]["duration_ns"] = 20 * MS
    assert digest(fold(spans), [])[0].text == "chat gpt took 229 ms, 65 % of the run"
    spans[2]["duration_ns"] = 20 * MS
    assert digest(fold(spans), [])[0].text == "plan took 270 ms itself, 77 % of the run"


def test_calls_of_one_name_that_take_most_together_are_told():
    spans = [span("r", name="root", took=100), *(span(f"c{at}", "r", "chat", at * 10, 8) for at in range(6))]
    spans.append(span("d", "r", "search", 60, 15))
    spans += [span(f"w{at}", "r", f"wait {at}", 75 + at * 5, 5) for at in range(5)]
    assert digest(fold(spans), [])[0].text == "chat took 48.0 ms in 6 calls, 48 % of the run"


def test_nothing_is_slow_where_time_is_spread_or_there_is_one_step():
    assert digest(fold(run(*"abcdefgh")), []) == []
    assert digest(fold([span("r", took=100)]), []) == []


def test_what_branches_cost_is_told_where_there_are_several():
    def branch(at):
        return [
            span(f"a{at}", "r", f"agent {at}", noun="agent"),
            span(f"c{at}", f"a{at}", "chat", cost_usd=0.5),
        ]

    def costs(*branches):
        spans = [span("r", name="root"), *(one for at in branches for one in branch(at))]
        return [one.text for one in digest(fold(spans), []) if "cost" in one.text]

    assert costs(1) == []
    assert [text.split(",")[0] for text in costs(1, 2)] == ["agent 1 cost $0.50", "agent 2 cost $0.50"]


def test_retries_say_whether_they_helped():
    spans = run("pay", "pay", "pay", "ask", "ask")
    for at in (1, 2, 4, 5):
        spans[at]["failed"] = 1
    texts = [point.text for point in digest(fold(spans), [])]
    assert "pay failed 2 times in a row, then worked" in texts
    assert "ask failed 2 times in a row, and never worked" in texts


def test_agents_their_calls_and_hand_overs_are_drawn():
    spans = [
        span("r", noun="agent", agent="triage"),
        span("l", "r", noun="llm", model="gpt", start=1),
        span("a", "r", noun="agent", agent="<b>refunds", start=2),
        span("t", "a", noun="tool", tool="pay", start=3, failed=1),
        span("u", "a", noun="tool", tool="pay", start=4),
    ]
    found = graph(fold(spans), [{"giver": "triage", "taker": "<b>refunds"}])
    assert found.calls == {
        (("agent", "triage"), ("llm", "gpt")): 1,
        (("agent", "triage"), ("agent", "<b>refunds")): 1,
        (("agent", "<b>refunds"), ("tool", "pay")): 2,
    }
    pay = found.things["tool", "pay"]
    assert (pay.calls, pay.errors, pay.depth) == (2, 1, 2)
    assert found.handoffs == {(("agent", "triage"), ("agent", "<b>refunds")): 1}
    picture = drawing(found)
    assert "<b>" not in picture
    assert "&lt;b&gt;refunds" in picture


def test_hostile_names_do_not_leave_the_element_they_are_in():
    text = embedded(fold([span("r", name="</div><script>alert(1)</script>\u202e")]))
    assert "<" not in text
    assert "⟨U+202E⟩" in text


def test_a_test_case_expects_the_tree_that_was_seen():
    spans = [
        span("r", noun="agent", agent="support"),
        span("h", "r", noun="", name="POST"),
        span("l", "h", noun="llm", start=1),
        span("t", "r", noun="tool", tool="re fund>", start=2, failed=1),
        span("u", "r", noun="tool", tool="look", start=3),
        span("v", "r", noun="tool", tool="look", start=4),
    ]
    text = copies.pattern(fold(spans))
    assert text == "[agent:support > [llm, tool:re?fund?!, tool:look x2]]"
    parse(text)
    compile(copies.case("ab" * 16, fold(spans), '{"q": "it\'s"}'), "test", "exec")
