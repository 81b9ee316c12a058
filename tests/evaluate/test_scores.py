"""Scores and feedback, as the conventions' event."""

import pytest

import mlobs
from mlobs import _guard


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
    [{"value": float("nan")}, {}, {"value": "high"}, {"value": 1, "trace_id": "no hex"}],
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
