"""What the server finds out about services, from a store filled by hand."""

import pytest

from mlobs.semconv import metrics as m
from tests.alerts.conftest import NOW_S

figures = pytest.importorskip("mlobs.server.figures").figures


def found(tables, metric, *, calls_min=20, budget_usd=0.0, now_s=NOW_S):
    """Return the values of a metric by service and label values."""
    points = figures(tables.store.named, now_s, calls_min=calls_min, budget_usd=budget_usd)
    return {(one.service, *one.labels.values()): one.value for one in points if one.metric == metric}


def answers(tables, count, reasons, tokens=5, **facts):
    more = {"gen_ai.response.finish_reasons": reasons, "gen_ai.usage.output_tokens": str(tokens)}
    tables.spans(count, model="m1", more=more, **facts)


def scores(tables, count, ago_s, value):
    at_ms = round((NOW_S - ago_s) * 1000)
    tables.writer.run(
        "INSERT INTO scores (Timestamp, ServiceName, Name, Value) SELECT "
        f"fromUnixTimestamp64Milli({at_ms}), 'shop', 'helpful', {value} FROM numbers({count})"
    )


def test_answers_are_counted_by_how_they_ended(tables):
    """Each answer once; calls that failed gave none."""
    answers(tables, 12, '["stop"]')
    answers(tables, 1, '["stop"]', tokens=0)
    answers(tables, 2, '["max_tokens"]')
    answers(tables, 3, '["refusal"]', tokens=0)
    answers(tables, 2, '["stop","content_filter"]')
    answers(tables, 30, '["length"]', error="timeout")
    answers(tables, 30, '["length"]', ago_s=16 * 60)
    assert found(tables, m.FINISH_RATIO) == {
        ("shop", "m1", "empty"): pytest.approx(0.05),
        ("shop", "m1", "length"): pytest.approx(0.1),
        ("shop", "m1", "refusal"): pytest.approx(0.15),
        ("shop", "m1", "content_filter"): pytest.approx(0.1),
    }


def test_a_few_answers_have_no_share(tables):
    """One empty answer of three wakes nobody."""
    answers(tables, 19, '["stop"]', tokens=0)
    assert found(tables, m.FINISH_RATIO) == {}


def test_an_answer_whose_tokens_are_not_told_is_not_empty(tables):
    """Many instrumentations do not count."""
    tables.spans(20, model="m1")
    assert found(tables, m.FINISH_RATIO)[("shop", "m1", "empty")] == 0


def test_a_guardrail_has_the_share_of_its_checks_that_block(tables):
    """By name; a guardrail without verdicts has none."""
    for verdict, count in (("pass", 15), ("block", 5)):
        more = {"mlobs.guardrail.verdict": verdict, "mlobs.name": "toxic"}
        tables.spans(count, kind="guardrail", operation="", more=more)
    tables.spans(50, kind="guardrail", operation="", more={"mlobs.name": "mute"})
    assert found(tables, m.GUARDRAIL_BLOCK_RATIO) == {("shop", "toxic"): 0.25}


def test_scores_that_fall_are_told_without_what_chance_could_have_done(tables):
    """A mean of 0.5 after 0.8, with a deviation of 0.4: three standard errors are 0.126."""
    for value, count in ((1.2, 500), (0.4, 500)):
        scores(tables, count, 2 * 86_400, value)
    scores(tables, 100, 60, 0.5)
    (drop,) = found(tables, m.EVALUATION_DROP).values()
    assert drop == pytest.approx((0.3 - 3 * 0.4002 * (1 / 100 + 1 / 1000) ** 0.5) / 0.8, abs=1e-3)


@pytest.mark.parametrize(
    ("usual", "lately", "value"), [(1000, 29, 0.0), (20, 100, 0.0), (1000, 100, 0.9)], ids=str
)
def test_scores_that_prove_nothing_are_not_below_usual(tables, usual, lately, value):
    """Too few, or better than before."""
    scores(tables, usual, 2 * 86_400, 0.8)
    scores(tables, lately, 60, value)
    assert found(tables, m.EVALUATION_DROP) == {("shop", "helpful"): 0}


def test_a_budget_is_spent_and_forecast_by_service(tables):
    """15 January, eight in the morning: 16 days and 16 hours are left."""
    tables.spans(10, more={"mlobs.cost.usd": "3"}, ago_s=60)
    tables.spans(10, more={"mlobs.cost.usd": "2"}, ago_s=5 * 86_400)
    tables.spans(10, more={"mlobs.cost.usd": "9"}, ago_s=20 * 86_400)  # last month
    tables.spans(10, more={"mlobs.cost.usd": "inf"}, ago_s=60)
    spent = found(tables, m.BUDGET_SPENT, budget_usd=100)
    assert spent == {("shop",): pytest.approx(0.5)}
    expected = found(tables, m.BUDGET_FORECAST, budget_usd=100)
    assert expected == {("shop",): pytest.approx((50 + 30 * (16 + 16 / 24)) / 100, rel=1e-3)}
    assert found(tables, m.BUDGET_SPENT) == {}
