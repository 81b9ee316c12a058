"""What the overview says is wrong: a row for each cause."""

from mlobs.alerts.catalogue import catalogue
from mlobs.server.pages.overview.view import DRIFT_RULES, by_feature, causes, requests_and_predictions, untold
from mlobs.thresholds import Thresholds

LABELS = {
    "service_name": "shop",
    "mlobs_model_name": "churn",
    "mlobs_model_version": "3",
    "mlobs_feature": "age",
}
WATCH = {"service": "shop", "model": "churn", "version": "3", "feature": "age", "segment": ""}


def alert(rule, **labels):
    return {"rule": rule, "labels": {**LABELS, **labels}}


def test_drift_that_two_rules_tell_of_is_one_row():
    own, fleet = alert("MlobsFeatureDrift"), alert("MlobsFleetDrift")
    other, slow = alert("MlobsFleetDrift", mlobs_feature="income"), alert("MlobsModelLatencyHigh")
    assert causes([own, fleet, other, slow, slow]) == [own, other, slow, slow]


def test_drift_that_an_alert_tells_of_is_not_told_again():
    segment = {**WATCH, "segment": "DE"}
    income = {**WATCH, "feature": "income"}
    assert untold([WATCH, segment, income], [alert("MlobsFleetDrift")]) == [income]
    assert untold([WATCH, income], [alert("MlobsFeatureDrift", mlobs_segment="DE")]) == [income]
    assert untold([WATCH], [alert("MlobsModelLatencyHigh")]) == [WATCH]
    assert untold([WATCH], []) == [WATCH]


def test_a_feature_that_moved_in_several_segments_is_one_row():
    moved = [
        {**WATCH, "segment": name, "since": since} for name, since in (("FR", "3"), ("DE", "2"), ("", ""))
    ]
    income = {**WATCH, "feature": "income", "segment": "IT", "since": ""}
    age, other = by_feature([*moved, income])
    assert (age["feature"], age["segment"], age["segments"], age["since"]) == ("age", "", ["DE", "FR"], "2")
    assert (other["feature"], other["segment"], other["segments"]) == ("income", "IT", ["IT"])


def test_alerts_of_several_segments_are_one_row():
    segments = [alert("MlobsFeatureDrift", mlobs_segment=name) for name in ("DE", "FR")]
    assert causes(segments) == segments[:1]


def test_predictions_are_requests_only_where_nothing_else_is():
    asked, guess = {"is_root": 1, "noun": "agent"}, {"is_root": 1, "noun": "predict"}
    below = {"is_root": 0, "noun": "predict"}
    assert requests_and_predictions([asked, guess, below]) == ([asked], [guess])
    assert requests_and_predictions([guess, below]) == ([guess], [])


def test_the_rules_that_tell_of_drift_are_there():
    assert {rule.name for rule in catalogue(Thresholds())} >= DRIFT_RULES
