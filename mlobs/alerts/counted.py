"""Which calls a rule counts, as conditions on their spans: for whoever makes a list of them.

Pure. A condition is a dictionary, as it is told to the pages:

    {"of": "error.type", "any_of": ["429"], "is_not": false}   the attribute has one of these values, or none;
                                                              of no values, it is there, or is not
    {"of": "Duration", "above": 2.56}                         the column's value is greater; null: it is there

What no condition can say is said in words: what else is in a list that has them all.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from mlobs.alerts.indicators import (
    Absence,
    BurnRate,
    Gauge,
    Growth,
    Increase,
    Indicator,
    PerCallGrowth,
    Quantile,
    Ratio,
    Silence,
)
from mlobs.alerts.measured import FROM_RUNS, Beyond, Failed, Labelled
from mlobs.alerts.rules import Rule
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute, Metric
from mlobs.semconv.spans import GUARDRAIL, PREDICT

DURATION = "Duration"
OF_PREDICTIONS = (*m.DRIFT, *m.FLEET)
# Labels of series that no span has.
NOT_OF_SPANS = (a.FEATURE, a.SCHEMA_FINDING, a.FINISH, a.EVALUATION_NAME)

Conditions = list[dict[str, Any]]


def counted(rule: Rule, labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the conditions on the spans that a rule counts for an alert; None if it counts no calls.

    Args:
        rule: Which.
        labels: The alert's, by Prometheus label name.

    Returns:
        `conditions`, and `also`: what else a list has that meets them, in words.
    """
    found = _of(rule.indicator)
    if found is None:
        return None
    conditions, also = found
    of = rule.indicator
    by = [_one(one, [labels.get(one.label, "")]) for one in of.by if one not in NOT_OF_SPANS]
    where = [
        _one(one.label, one.values, is_not=one.is_not)
        for one in getattr(of, "where", ())
        if one.label not in NOT_OF_SPANS
    ]
    return {"conditions": [*by, *conditions, *where], "also": also}


def _of(of: Indicator) -> tuple[Conditions, list[str]] | None:
    match of:
        case Ratio() | BurnRate() if of.metric in FROM_RUNS:
            return _calls([m.AGENT_DURATION]), ["runs that called fewer tools"]
        case Ratio() | BurnRate():
            return [*_calls([of.metric]), *_bad(of.metric, of.bad)], []
        case Quantile() | Growth() | PerCallGrowth():
            return _calls([of.metric]), []
        case Increase() if of.metric.operations:
            return _calls([of.metric]), []
        case Increase() if of.metric in OF_PREDICTIONS:
            return _predictions(), ["predictions without the finding"]
        case Absence() if m.PREDICT_DURATION in of.metrics and len(of.metrics) > 1:
            return [], ["traces without any of these calls"]
        case Absence():
            return _calls(of.metrics), []
        case Silence():
            return _calls([of.calls]), []
        case Gauge():
            return _of_gauge(of)
    return None


def _of_gauge(of: Gauge) -> tuple[Conditions, list[str]] | None:
    match of.metric:
        case m.BUDGET_SPENT | m.BUDGET_FORECAST:
            return _calls([m.COST]), []
        case m.FINISH_RATIO:
            answered = [_one(one, [""]) for one in (a.ERROR_TYPE, a.CALL_STATE)]
            return [*_calls([m.INFERENCE_DURATION]), *answered], ["answers that ended in other ways"]
        case m.GUARDRAIL_BLOCK_RATIO:
            return [_one(a.KIND, [GUARDRAIL.noun]), _one(a.GUARDRAIL_VERDICT, ["block"])], []
        case m.EVALUATION_DROP:
            return [], ["traces that nobody has scored"]
    return (_predictions(), []) if of.metric in OF_PREDICTIONS else None


def _predictions() -> Conditions:
    return [_one(a.KIND, [PREDICT.noun])]


def _calls(metrics: Iterable[Metric]) -> Conditions:
    """Return what spans are that some metrics are derived from."""
    found = list(metrics)
    operations = list(dict.fromkeys(one for metric in found for one in metric.operations))
    if operations == [PREDICT.noun]:  # the conventions know no such operation
        return _predictions()
    conditions = [_one(a.OPERATION_NAME, operations)]
    if len(found) == 1 and found[0].kind == "histogram" and found[0].measures:
        conditions.append({"of": found[0].measures, "above": None})  # Others are not in the histogram.
    return conditions


def _bad(metric: Metric, bad: Failed | Labelled | Beyond) -> Conditions:
    match bad:
        case Failed():
            excused = [_one(a.ERROR_TYPE, bad.excused, is_not=True)] if bad.excused else []
            return [_one(a.ERROR_TYPE, []), _one(a.CALL_STATE, [""]), *excused]
        case Beyond():
            return [{"of": metric.measures or DURATION, "above": bad.bound}]
    return [_one(bad.label, bad.values)]


def _one(label: Attribute, values: Iterable[str], *, is_not: bool = False) -> dict[str, Any]:
    return {"of": label.name, "any_of": list(values), "is_not": is_not}
