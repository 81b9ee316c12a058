"""The metrics of what judges, rules and people say of calls, derived from the events of scores."""

from mlobs.semconv import attributes as a
from mlobs.semconv.events import EVALUATION_RESULT
from mlobs.semconv.rows import Metric

# Most scores are shares; stars and points have few values.
SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 100.0)

EVALUATION_SCORE = Metric(
    "mlobs.evaluation.score",
    "histogram",
    "{score}",
    "Scores of calls, of those that are numbers from nought up.",
    (a.EVALUATION_NAME, a.REQUEST_MODEL),
    SCORES,
    event=EVALUATION_RESULT.name,
)
EVALUATION_RESULTS = Metric(
    "mlobs.evaluation.results",
    "counter",
    "{result}",
    "Scores of calls, by their word, where they have one.",
    (a.EVALUATION_NAME, a.EVALUATION_LABEL, a.REQUEST_MODEL),
    event=EVALUATION_RESULT.name,
)
