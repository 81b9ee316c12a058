"""Scores and feedback, as the conventions' event."""

import pytest

import mlobs
from mlobs import _guard
from mlobs.evaluate import scores as module


def scores(sink):
    assert mlobs.flush()
    return [(trace, about) for name, trace, about in sink.events() if name == "gen_ai.evaluation.result"]


def test_a_score_belongs_to_the_call_it_was_given_in(sink):
    """With who gave it and why, and the model that answered."""

    @mlobs.llm(model="m")
    def answer():
        mlobs.score("helpful", True, by="judge:v3", explanation="it says where", response_id="r-1")

    answer()
    [(trace, about)] = scores(sink)
    assert trace == sink.named("chat m")[0].trace_id
    assert about == {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.value": 1.0,
        "gen_ai.evaluation.score.label": "pass",
        "gen_ai.evaluation.explanation": "it says where",
        "gen_ai.response.id": "r-1",
        "gen_ai.request.model": "m",
        "mlobs.evaluation.by": "judge:v3",
    }


def test_feedback_comes_later_by_the_traces_id(sink):
    """A user's thumb arrives with another request."""
    mlobs.feedback(False, "wrong order", user="ana", trace_id="ab" * 16, span_id="cd" * 8)
    [(trace, about)] = scores(sink)
    assert trace == "ab" * 16
    assert about["gen_ai.evaluation.name"] == "feedback"
    assert (about["gen_ai.evaluation.score.value"], about["gen_ai.evaluation.score.label"]) == (0.0, "fail")
    assert (about["mlobs.evaluation.by"], about["gen_ai.evaluation.explanation"]) == (
        "user:ana",
        "wrong order",
    )


@pytest.mark.parametrize(
    "given",
    [
        {"value": float("nan")},
        {},
        {"value": "high"},
        {"value": [1]},
        {"value": 1, "trace_id": "no hex"},
        {"value": 1, "trace_id": "abc"},
        {"value": 1, "trace_id": "0" * 32},
        {"value": 1, "trace_id": 7},
        {"value": 1, "trace_id": "ab" * 16, "span_id": "cd"},
        {"value": 1, "span_id": "cd" * 8},
    ],
)
def test_a_score_that_is_none_is_noted_and_left_out(sink, given):
    """It must not raise into the program, nor make an average meaningless."""
    before = _guard.failures.get("recording a score", 0)
    mlobs.score("x", **given)
    assert scores(sink) == []
    assert _guard.failures["recording a score"] == before + 1


def test_a_label_alone_is_a_score(sink):
    """Not every judgement is a number."""
    mlobs.score("tone", label="rude")
    [(_, about)] = scores(sink)
    assert about == {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": "rude"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"value": "high"}, "score('x', 'high'): a number was expected; a word goes into label=."),
        ({"value": 1, "trace_id": "abc"}, "score('x', trace_id='abc'): 32 hex digits were expected"),
        ({}, "score('x') has neither a value nor a label; give it one of them."),
    ],
)
def test_what_is_wrong_with_a_score_is_said_in_one_sentence(sink, caplog, monkeypatch, given, sentence):
    monkeypatch.setattr(_guard, "failures", {})
    mlobs.score("x", **given)
    [record] = caplog.records
    assert record.getMessage().startswith(f"mlobs failed while recording a score: {sentence}")
    assert record.getMessage().endswith("The score was left out.")
    assert not record.exc_info


def test_a_score_after_the_call_belongs_to_the_session(sink, caplog, monkeypatch):
    """There is no current call any more, and somebody may be asked only then."""
    monkeypatch.setattr(module, "_astray", set())
    with mlobs.session("s-1", user="ana"):
        mlobs.agent(lambda: None)()
        mlobs.feedback(True)
    [(trace, about)] = scores(sink)
    assert trace == ""
    assert (about["session.id"], about["user.id"]) == ("s-1", "ana")
    assert caplog.records == []


def test_a_score_says_the_arms_and_the_prompt_it_was_given_under(sink):
    with mlobs.experiment("tone", "warm", prompt="reply@7"), mlobs.experiment("size", "small"):
        mlobs.agent(lambda: mlobs.score("x", 1))()
    mlobs.agent(lambda: mlobs.score("y", 1))()
    (_, about), (_, outside) = scores(sink)
    assert {name: value for name, value in about.items() if "prompt" in name or "experiment" in name} == {
        "mlobs.experiment.tone": "warm",
        "mlobs.experiment.size": "small",
        "gen_ai.prompt.name": "reply",
        "gen_ai.prompt.version": "7",
    }
    assert not [name for name in outside if "prompt" in name or "experiment" in name]


def test_a_score_inside_a_call_says_the_calls_session(sink):
    @mlobs.agent
    def answer():
        with mlobs.session("s-2"):
            pass
        mlobs.score("x", 1)

    answer()
    [(_, about)] = scores(sink)
    assert about["session.id"] == "s-2"
    assert "user.id" not in about


def test_a_score_of_another_call_is_not_of_this_session(sink):
    with mlobs.session("s-3", user="ana"):
        mlobs.score("x", 1, trace_id="ab" * 16)
    [(_, about)] = scores(sink)
    assert not {"session.id", "user.id"} & about.keys()


def test_a_score_of_nothing_is_told_of_once(sink, caplog, monkeypatch):
    """Where the answer is named by the provider's id, it is of something."""
    monkeypatch.setattr(module, "_astray", set())
    mlobs.score("x", 1, response_id="r-1")
    assert caplog.records == []
    mlobs.score("y", 1)
    mlobs.score("z", 1)
    [record] = caplog.records
    assert record.getMessage().startswith("mlobs.score('y') was called outside of any call and session")
    assert len(scores(sink)) == 3


def test_long_words_are_cut_and_others_become_text(sink):
    """A judge explains itself in megabytes, and programs say who judged with objects of their own."""

    class Judge:
        def __str__(self):
            return "judge:v3"

    mlobs.score("n" * 999, 1, by=Judge(), label=7, explanation="e" * 10_000_000, trace_id="ab" * 16)
    [(_, about)] = scores(sink)
    assert about["gen_ai.evaluation.name"] == f"{'n' * 255}…"
    assert (about["mlobs.evaluation.by"], about["gen_ai.evaluation.score.label"]) == ("judge:v3", "7")
    assert len(about["gen_ai.evaluation.explanation"]) == module.EXPLANATION_CHARACTERS_MAX
