"""What comes out of models: answers that are none, blocks, scores, truth that came later."""

from mlobs.dashboards.board import Board
from mlobs.dashboards.charts import text
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import TRACES, of_series, onward
from mlobs.dashboards.panels import Bounds, Json, Link, Query, alerting, lines, stat, timeseries
from mlobs.dashboards.queries import equals, latest, mean, one_of, per_second, share
from mlobs.dashboards.tables import Column, Key, table
from mlobs.dashboards.truth import accuracy, errors
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.events import FAIL, FEEDBACK, PASS
from mlobs.semconv.rows import Attribute
from mlobs.thresholds import Thresholds

SERVICE, MODEL = a.SERVICE_NAME, a.REQUEST_MODEL
BY_EVALUATION = (SERVICE, a.EVALUATION_NAME)
OF_USERS = equals(a.EVALUATION_NAME, FEEDBACK)
PASSED = share(
    per_second(m.EVALUATION_RESULTS, *BY_EVALUATION, matchers=[equals(a.EVALUATION_LABEL, PASS)]),
    per_second(m.EVALUATION_RESULTS, *BY_EVALUATION, matchers=[one_of(a.EVALUATION_LABEL, PASS, FAIL)]),
)
SINGLE_CALLS = Link("Traces of this model", of_series(TRACES, MODEL))
# How answers end that are none, in words.
ENDINGS: dict[str, tuple[str, str]] = {
    "refusal": ("Refused", "The model would not answer."),
    "length": ("Cut off", "The answer reached its limit of tokens."),
    "empty": ("Empty", "The answer had no words and no tool call."),
    "content_filter": ("Filtered", "The provider's filter stepped in."),
}
REFUSALS = frozenset({"refusal", "content_filter"})


def bounds(finish: str, limits: Thresholds) -> Bounds:
    """Return from which share on an ending is bad."""
    return alerting(limits.refusal_ratio_max if finish in REFUSALS else limits.unfinished_ratio_max)


def ended(finish: str, *by: Attribute) -> str:
    """Return the share of answers that ended in one way, of the model with the most."""
    return latest(m.FINISH_RATIO, *by, matchers=[equals(a.FINISH, finish)])


def ending(finish: str, limits: Thresholds) -> Json:
    """Return the number of one ending, of the model with the most."""
    title, meaning = ENDINGS[finish]
    return stat(
        title,
        [Query(ended(finish), "of answers")],
        unit="percentunit",
        meaning=f"{meaning} Share of the last 15 minutes, of the model with the most. Up is bad.",
        bounds=bounds(finish, limits),
        link=Link("Traces", onward(TRACES)),
    )


def endings(finish: str) -> Json:
    """Return one ending over time, by model."""
    title, meaning = ENDINGS[finish]
    return timeseries(
        f"{title}, by model",
        [lines(ended(finish, MODEL), MODEL)],
        unit="percentunit",
        meaning=f"{meaning} Share of each model's answers in the last 15 minutes, and since when.",
        soft=0.05,
        link=SINGLE_CALLS,
    )


def numbers(limits: Thresholds) -> Row:
    """Return the first screen."""
    return Row(
        "",
        [
            *(ending(finish, limits) for finish in ENDINGS),
            stat(
                "Blocked by guardrails",
                [Query(latest(m.GUARDRAIL_BLOCK_RATIO), "of checks")],
                unit="percentunit",
                meaning="Share of checks that blocked in the last 30 minutes, of the guardrail with the "
                "most. Up is an attack, a change of prompts, or a guardrail that has gone wrong.",
                bounds=alerting(limits.guardrail_ratio_max),
                link=Link("Traces", onward(TRACES)),
            ),
            stat(
                "Scores below usual",
                [Query(latest(m.EVALUATION_DROP), "below")],
                unit="percentunit",
                meaning="By at least this share the mean of some score in the last hour or day is below "
                "that of the seven days before.",
                nothing="too few scores yet",
                bounds=alerting(limits.score_drop_max),
                link=Link("Traces", onward(TRACES)),
            ),
        ],
        width=4,
        height=5,
    )


def comparison(limits: Thresholds) -> Row:
    """Return for whom answers are none."""
    return Row(
        "",
        [
            table(
                "Answers that are none",
                [Key(SERVICE, "Service", "models"), Key(MODEL, "Model", TRACES)],
                [
                    Column(title, ended(finish, SERVICE, MODEL), "percentunit", bounds(finish, limits))
                    for finish, (title, _) in ENDINGS.items()
                ],
                meaning="For whom answers are none, by how they ended, of the last 15 minutes.",
                sort="Refused",
            ),
        ],
        width=24,
        height=7,
    )


ENDED = Row("Since when", [endings(finish) for finish in ENDINGS], width=6)
JUDGED = Row(
    "Guardrails, scores and labels",
    [
        timeseries(
            "Guardrails that block",
            [lines(latest(m.GUARDRAIL_BLOCK_RATIO, SERVICE, a.NAME), SERVICE, a.NAME)],
            unit="percentunit",
            meaning="Share of each guardrail's checks in the last 30 minutes that blocked.",
            soft=0.05,
        ),
        timeseries(
            "Scores below usual by evaluation",
            [lines(latest(m.EVALUATION_DROP, SERVICE, a.EVALUATION_NAME), SERVICE, a.EVALUATION_NAME)],
            unit="percentunit",
            meaning="By at least this share the mean score of the last hour or day is below that of the "
            "seven days before; what chance could have done is taken off.",
            soft=0.05,
        ),
        accuracy("drift", "A fall with drift is what drift is looked at for."),
        errors("drift", "A rise with drift is what drift is looked at for."),
        text(
            "Scores, feedback and explanations",
            "Where single scores are.",
            'Scores by judges, rules and people hang on the call they judge: `mlobs.score("helpful", 0.8, '
            'by="judge:v3")`. The dashboard *mlobs: traces (ClickHouse)* has the trace with the lowest score '
            "of each evaluation and judge, and among the logs of a trace its scores with their explanations.",
        ),
    ],
)

SCORES = Row(
    "Scores",
    [
        timeseries(
            "Mean score by evaluation",
            [lines(mean(m.EVALUATION_SCORE, *BY_EVALUATION), *BY_EVALUATION)],
            unit="short",
            meaning="Of scores that are numbers; those below nought are left out. Compare an evaluation with "
            "itself: each has a scale of its own.",
        ),
        timeseries(
            "Passed by evaluation",
            [lines(PASSED, *BY_EVALUATION)],
            unit="percentunit",
            meaning="Share of scores that say pass, of those that say pass or fail.",
            highest=1,
        ),
        timeseries(
            "Scores a second by evaluation",
            [lines(per_second(m.EVALUATION_RESULTS, *BY_EVALUATION), *BY_EVALUATION)],
            unit="count:scores/s",
            meaning="How much is judged. Down to nothing: the judge does not run, and the other panels rest "
            "on what was before.",
        ),
        timeseries(
            "What users say",
            [lines(mean(m.EVALUATION_SCORE, SERVICE, matchers=[OF_USERS]), SERVICE)],
            unit="short",
            meaning="Mean of feedback: thumbs are 1 and 0, stars their number.",
        ),
    ],
    width=12,
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-quality",
        "mlobs: quality",
        "Are answers answers: refusals, empty and cut ones, guardrails, scores and labels.",
        [numbers(limits), comparison(limits), ENDED, JUDGED, SCORES],
        since="now-6h",
    )
