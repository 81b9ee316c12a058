"""What the server finds out about services, from a store filled by hand."""

import zlib

import numpy as np
import pytest

from mlobs.semconv import metrics as m
from mlobs.semconv.finishes import ENDINGS
from tests.alerts.conftest import NOW_S

module = pytest.importorskip("mlobs.server.figures")
figures, SCORES_CHANCE, SCORES_MIN = module.figures, module.SCORES_CHANCE, module.SCORES_MIN


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


def test_answers_are_enough_if_what_sampled_spans_stand_for_is(tables):
    """One of four was kept: 16 answers are fewer than 20, and 20 are not."""
    answers(tables, 4, '["stop"]', tracestate="ot=th:c")
    assert found(tables, m.FINISH_RATIO) == {}
    answers(tables, 1, '["max_tokens"]', tracestate="ot=th:c")
    assert found(tables, m.FINISH_RATIO)[("shop", "m1", "length")] == pytest.approx(0.2)


SPELLINGS = (
    ("gen_ai.response.finish_reasons", '["max_tokens"]', "length"),
    ("gen_ai.response.finish_reasons", "MAX_TOKENS", "length"),
    ("gen_ai.response.finish_reasons", '["FINISH_REASON_MAX_TOKENS"]', "length"),
    ("gen_ai.response.finish_reasons", "FinishReason.SAFETY", "content_filter"),
    ("gen_ai.response.finish_reason", "content_filtered", "content_filter"),
    ("gen_ai.response.stop_reason", "refusal", "refusal"),
    ("gen_ai.response.stop_reason", "model_context_window_exceeded", "length"),
    ("llm.finish_reason", "length", "length"),
    ("gen_ai.completion.0.finish_reason", "content_filter", "content_filter"),
    ("gen_ai.completion.1.finish_reason", "guardrail_intervened", "content_filter"),
    ("llm.response.finish_reason", "ERROR_TOXIC", "content_filter"),
    ("ai.response.finishReason", "content-filter", "content_filter"),
    ("langfuse.observation.metadata.finish_reason", "length", "length"),
    (
        "gen_ai.output.messages",
        '[{"role":"assistant","parts":[{"content":"a"}],"finish_reason": "length"}]',
        "length",
    ),
)


def test_an_ending_is_found_wherever_and_however_a_dialect_says_it(tables):
    """Providers' spellings, in the attributes of each dialect."""
    for place, (key, value, _) in enumerate(SPELLINGS):
        more = {key: value, "gen_ai.usage.output_tokens": "5"}
        tables.spans(20, service=f"shop {place}", model="m1", more=more)
    assert found(tables, m.FINISH_RATIO) == {
        (f"shop {place}", "m1", one): float(one == ending)
        for place, (_, _, ending) in enumerate(SPELLINGS)
        for one in ENDINGS
    }


def test_an_answer_that_ended_as_it_should_is_not_counted_against_its_model(tables):
    """Nor one that talks about safety, or quotes how another ended."""
    said = r'[{"parts":[{"content":"safety, \\"finish_reason\\":\\"length\\""}],"finish_reason":"stop"}]'
    well = ("stop", "end_turn", "STOP", "tool_calls", "tool_use", '["stop","tool_call"]')
    for place, value in enumerate(well):
        more = {"gen_ai.response.finish_reasons": value, "gen_ai.usage.output_tokens": "5"}
        tables.spans(20, service=f"shop {place}", model="m1", more={**more, "gen_ai.output.messages": said})
    assert found(tables, m.FINISH_RATIO) == {
        (f"shop {place}", "m1", one): 0.0 for place in range(len(well)) for one in ENDINGS
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


def bound(values, recent):
    """Return how far the mean of `recent` of the values may fall below that of all, in one of many looks."""
    mean, variance = values.mean(), values.var()
    part = (mean - values.min()) * SCORES_CHANCE / (3 * recent)
    return part + np.sqrt(part**2 + 2 * variance * SCORES_CHANCE / recent)


@pytest.mark.parametrize(
    ("ago_s", "number", "window_number"), [(60, 1000, 1000), (2 * 3600, 300, 300)], ids=["hour", "day"]
)
def test_scores_that_fall_are_told_without_what_chance_could_have_done(tables, ago_s, number, window_number):
    """In the last hour or in the last day, a mean of 0.5 after 0.8."""
    for value, count in ((1.2, 2000), (0.4, 2000)):
        scores(tables, count, 2 * 86_400, value)
    scores(tables, number, ago_s, 0.5)
    (drop,) = found(tables, m.EVALUATION_DROP).values()
    values = np.array([1.2] * 2000 + [0.4] * 2000 + [0.5] * window_number)
    chance = bound(values, number)
    assert drop == pytest.approx(((values.mean() - 0.5) - chance) * len(values) / 4000 / 0.8, rel=1e-6)
    assert drop > 0.05


@pytest.mark.parametrize(
    ("usual", "lately", "value"), [(1000, 29, 0.0), (20, 100, 0.0), (1000, 100, 0.9)], ids=str
)
def test_scores_that_prove_nothing_are_not_below_usual(tables, usual, lately, value):
    """Too few, or better than before."""
    scores(tables, usual, 2 * 86_400, 0.8)
    scores(tables, lately, 60, value)
    assert found(tables, m.EVALUATION_DROP) == {("shop", "helpful"): 0}


def test_usual_scores_that_were_all_the_same_prove_nothing_alone(tables):
    """One of thirty that is worse is no fall, even if none was before."""
    scores(tables, 40, 2 * 86_400, 1.0)
    scores(tables, 29, 60, 1.0)
    scores(tables, 1, 60, 0.0)
    assert found(tables, m.EVALUATION_DROP) == {("shop", "helpful"): 0}


DRAWN = {
    "normal": lambda rng, count: rng.normal(0.7, 0.2, count),
    "nine of ten pass": lambda rng, count: (rng.random(count) < 0.9) * 1.0,
    "nearly all pass": lambda rng, count: (rng.random(count) < 0.97) * 1.0,
    "one to five": lambda rng, count: rng.choice([1.0, 4.0, 5.0], count, p=[0.05, 0.35, 0.6]),
}
MINUTES = {"week": 7 * 24 * 60, "day": 24 * 60, "hour": 60}


def largest_drop(values, times):
    """Return the largest figure of a week of looks, once a minute: what the statement says, in numpy."""
    sums, squares = (np.concatenate([[0], np.cumsum(one)]) for one in (values, values**2))
    now = np.arange(1, MINUTES["week"] + 1)
    end, largest = np.searchsorted(times, now, "right"), 0.0
    for window in (MINUTES["hour"], MINUTES["day"]):
        middle = np.searchsorted(times, now - window, "right")
        begin = np.searchsorted(times, now - window - MINUTES["week"], "right")
        recent, usual, every = end - middle, middle - begin, end - begin
        enough = (recent >= SCORES_MIN) & (usual >= SCORES_MIN)
        begin, middle, stop = begin[enough], middle[enough], end[enough]
        recent, usual, every = recent[enough], usual[enough], every[enough]
        mean = (sums[stop] - sums[begin]) / every
        variance = np.maximum((squares[stop] - squares[begin]) / every - mean**2, 0)
        # The least of all ever drawn reaches at least as far: it makes the bound wider by a hair.
        part = (mean - values.min()) * SCORES_CHANCE / (3 * recent)
        chance = part + np.sqrt(part**2 + 2 * variance * SCORES_CHANCE / recent)
        lower = (mean - (sums[stop] - sums[middle]) / recent - chance) * every / usual
        largest = max(largest, float(lower.max(initial=0)))
    return largest


@pytest.mark.slow
@pytest.mark.parametrize("rate", [10, 60])
@pytest.mark.parametrize("name", DRAWN)
def test_scores_that_did_not_change_alarm_in_well_under_one_week_in_a_hundred(name, rate):
    """Not even for a minute, and above nothing instead of 5%.

    At a true rate of one week in 200, or more, 600 weeks without an alarm would come by chance in less
    than one simulation of twenty (0.995 ** 600 is 0.049).
    """
    rng = np.random.default_rng(zlib.crc32(f"{name} {rate}".encode()))
    weeks, alarms = 600, 0
    for _ in range(weeks):
        count = rng.poisson(rate * 24 * 15)
        times = np.sort(rng.uniform(-MINUTES["day"] - MINUTES["week"], MINUTES["week"], count))
        alarms += largest_drop(DRAWN[name](rng, count), times) > 0
    assert alarms == 0


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
