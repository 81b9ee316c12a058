"""A silence that fits nothing is most often a slip of the pen."""

import pytest

from mlobs.alerts.catalogue import catalogue
from mlobs.cli.alerts.fitting import doubt, fitting
from mlobs.settings import AlertSettings

RULES = catalogue(AlertSettings())
ALERT = {"rule": "Disk", "source": "alertmanager", "severity": "critical", "labels": {"team": "web"}}


def test_a_silence_fits_alerts_with_all_of_its_labels():
    assert fitting(['team="web"', 'alertname="Disk"'], [ALERT, {**ALERT, "labels": {}}]) == 1


@pytest.mark.parametrize(
    "matchers",
    [
        ['team="web"'],
        ['service_name="not-seen-yet"'],
        ['alertname=~"MlobsTool.*"', 'gen_ai_tool_name="refund"'],
        ['severity="warning"'],
    ],
)
def test_what_fires_or_a_rule_could_raise_is_in_no_doubt(matchers):
    assert doubt(matchers, [ALERT], RULES) == ""


@pytest.mark.parametrize(
    ("matchers", "named"),
    [
        (['servicename="shop"'], 'none has servicename="shop"'),
        (['alertname="MlobsToolFailureRate"'], 'none has alertname="MlobsToolFailureRate"'),
        (['severity="page"', 'service_name="shop"'], 'none has severity="page"'),
        (['alertname="MlobsToolFailureRatio"', 'severity="info"'], "none has all of these labels"),
    ],
)
def test_a_silence_that_fits_nothing_says_which_label_nobody_has(matchers, named):
    assert named in doubt(matchers, [ALERT], RULES)


def test_a_label_that_is_written_like_its_attribute_is_told_as_it_is_meant():
    said = doubt(["service.name=nobody", "severity=warning"], [ALERT], RULES)
    assert said.endswith('did you mean service_name="nobody" severity="warning"?')
