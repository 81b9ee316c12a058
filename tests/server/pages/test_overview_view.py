"""What the overview says is wrong: a row for each cause."""

from mlobs.alerts.catalogue import catalogue
from mlobs.server.pages.overview.view import DRIFT_RULES, causes, untold
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
    assert untold([WATCH, segment], [alert("MlobsFleetDrift")]) == [segment]
    assert untold([WATCH], [alert("MlobsModelLatencyHigh")]) == [WATCH]
    assert untold([WATCH], []) == [WATCH]


def test_the_rules_that_tell_of_drift_are_there():
    assert {rule.name for rule in catalogue(Thresholds())} >= DRIFT_RULES
