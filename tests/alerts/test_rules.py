"""Rules as data: what is refused, and what the catalogue promises."""

import pytest
from pydantic import ValidationError

from mlobs import assets
from mlobs.alerts.indicators import Absence, BurnRate, Gauge, Increase, Ratio, Watchdog
from mlobs.alerts.measured import Beyond
from mlobs.alerts.rules import Rule
from mlobs.alerts.words import PROMETHEUS, fires_when, for_people, number, template
from mlobs.errors import SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.settings import AlertSettings, load

HEADINGS = ["## What it means", "## Who is hurt", "## What to look at first", "## What to do"]


def rule(**given):
    """Return a rule that is right but for what is given."""
    fields = {
        "name": "MlobsTest",
        "indicator": Gauge(metric=m.DRIFT_ALARM, by=(a.SERVICE_NAME,)),
        "above": 0,
        "severity": "warning",
        "component": "test",
        "summary": "Something in {service.name}.",
        "description": "It is {value}, over {limit}.",
    }
    return Rule(**{**fields, **given})


def burn_rate(**given):
    """Return a burn rate that is right but for what is given."""
    fields = {"objective_name": "x", "metric": m.TOOL_DURATION, "by": (), "objective": 0.9, "calls_min": 1}
    return BurnRate(**{**fields, "long_s": 600, "short_s": 60, **given})


def test_every_packaged_rule_has_a_runbook_with_four_headings(rules):
    """Someone will read it at three in the morning."""
    pages = assets.root() / "alerts" / "runbooks"
    assert {page.name for page in pages.iterdir()} == {f"{one.page}.md" for one in rules.values()}
    for one in rules.values():
        lines = (pages / f"{one.page}.md").read_text(encoding="utf-8").splitlines()
        assert lines[0] == f"# {one.page}"
        assert [line for line in lines if line.startswith("## ")] == HEADINGS


def test_summaries_have_no_numbers_and_descriptions_name_whom_it_is_about(rules):
    """A summary is what alerts are grouped and searched by; it must not change with the value."""
    for one in rules.values():
        assert "{value}" not in one.summary
        for attribute in one.indicator.by:
            assert f"{{{attribute.name}}}" in one.summary + one.description, (one.name, attribute.name)


def test_a_slot_that_is_not_a_label_is_named_with_those_there_are():
    """A typo would otherwise show in the alert itself, at night."""
    with pytest.raises(ValidationError, match=r"rule MlobsTest says \{servicename\}, which it does not know"):
        rule(summary="Something in {servicename}.")
    with pytest.raises(ValidationError, match=r"it knows \{service.name\}, \{value\}, \{limit\}"):
        rule(summary="Something in {servicename}.")


def test_a_limit_is_needed_exactly_where_there_is_something_to_compare():
    """A rule without a limit would fire always, or never."""
    with pytest.raises(ValidationError, match="has the indicator gauge, which needs a limit: set 'above'"):
        rule(above=None)
    with pytest.raises(ValidationError, match="has the indicator watchdog, which needs no limit: leave out"):
        rule(indicator=Watchdog(), summary="x", description="y")


def test_an_indicator_that_does_not_fit_its_metric_is_refused():
    """It would ask for series that nobody ever sends."""
    with pytest.raises(
        ValidationError, match=r"mlobs.drift.alarm is a gauge, this indicator needs a histogram"
    ):
        Ratio(metric=m.DRIFT_ALARM, by=(), window_s=60, calls_min=1)
    with pytest.raises(
        ValidationError, match=r"gen_ai.execute_tool.duration has no label gen_ai.agent.name; it has"
    ):
        Ratio(metric=m.TOOL_DURATION, by=(a.AGENT_NAME,), window_s=60, calls_min=1)
    with pytest.raises(ValidationError, match=r"has no label error.type"):
        Ratio(metric=m.TIME_TO_FIRST_CHUNK, by=(), window_s=60, calls_min=1)
    with pytest.raises(ValidationError, match=r"has no bucket that ends at 2; it has 0.01, 0.02, 0.04"):
        Ratio(metric=m.TOOL_DURATION, bad=Beyond(bound=2), by=(), window_s=60, calls_min=1)
    with pytest.raises(ValidationError, match=r"gen_ai.token.modality is on no span"):
        Increase(metric=m.INPUT_TOKENS, by=(a.TOKEN_MODALITY,), window_s=60)
    with pytest.raises(ValidationError, match=r"mlobs.sdk.dropped has no label user.id"):
        Increase(metric=m.SDK_DROPPED, by=(a.USER_ID,), window_s=60)
    with pytest.raises(ValidationError, match=r"short_s is 60, which is not shorter than long_s, 60"):
        burn_rate(long_s=60, short_s=60)
    with pytest.raises(ValidationError, match="is a counter, this indicator needs a histogram"):
        Absence(metrics=(m.COST,), window_s=60, memory_s=600, calls_min=1)
    for share in (0, 1.01):
        with pytest.raises(ValidationError, match="busy_share"):
            Absence(metrics=(m.TOOL_DURATION,), window_s=60, memory_s=600, calls_min=1, busy_share=share)


def test_an_unknown_field_is_refused():
    """`hold: 5m` instead of `hold_s: 300` must not be read as no hold."""
    with pytest.raises(ValidationError, match="hold"):
        rule(hold="5m")


def test_the_texts_name_the_labels_and_the_numbers():
    """The same sentence for Prometheus, as a template, and for people, filled in."""
    one = rule()
    assert template(one, one.summary, PROMETHEUS) == "Something in {{ $labels.service_name }}."
    assert template(one, one.description, PROMETHEUS) == "It is {{ $value | humanize }}, over 0."
    assert for_people(one, one.description, {"service_name": "shop"}, 1.0) == "It is 1, over 0."
    assert for_people(one, one.summary, {}, 1.0) == "Something in (no service.name)."


@pytest.mark.parametrize(
    ("evil", "shown"),
    [
        ("{value}", "{value}"),
        ("{0.__class__}", "{0.__class__}"),
        ("\\1", "\\1"),
        ("a\x1b[2Jb\nc", "a [2Jb c"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_a_label_is_put_in_as_it_is_and_never_read_as_a_template(evil, shown):
    """Label values come from whoever sends telemetry."""
    one = rule()
    assert for_people(one, one.summary, {"service_name": evil}, 1.0) == f"Something in {shown}."


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.057, "seconds", "57 ms"),
        (0.00025, "seconds", "250 µs"),
        (0.9999, "seconds", "1 s"),
        (2.418, "seconds", "2.42 s"),
        (45.25, "seconds", "45.2 s"),
        (59.96, "seconds", "1m"),
        (90.4, "seconds", "1m30s"),
        (0, "seconds", "0s"),
        (1_234_567, "number", "1,234,567"),
        (0.00001234, "number", "0.00001234"),
        (12.5, "number", "12.5"),
        (1e9, "ratio", "100,000,000,000%"),
        (float("inf"), "number", "∞"),
    ],
)
def test_a_value_is_told_as_exactly_as_it_matters_and_never_with_an_exponent(value, unit, said):
    assert number(value, unit) == said


def test_a_limit_below_a_second_is_told_beside_the_value(rules):
    """As Prometheus spells it in its texts, with a space in ours."""
    slow = rules["MlobsModelLatencyHigh"].model_copy(update={"above": 0.01})
    labels = {"service_name": "shop", "gen_ai_request_model": "m"}
    assert "took over 57 ms; more than 10 ms for" in for_people(slow, slow.description, labels, 0.057)
    told = template(slow, slow.description, PROMETHEUS)
    assert "took over {{ $value | humanizeDuration }}; more than 10ms for" in told


def test_every_condition_can_be_said_in_words(rules):
    """`mlobs alerts rules` is read by people who do not read PromQL."""
    said = {name: fires_when(one) for name, one in rules.items()}
    assert said["MlobsErrorRatioHigh"] == "over 5% of at least 20 calls in 5m failed"
    assert said["MlobsTelemetryAbsent"] == (
        "no call in 10m, after 20 or more per 10m, and some in 51 of 72 times 5m, over the 6h before, until "
        "1d after the last"
    )
    assert said["MlobsWatchdog"] == "always"
    assert said["MlobsAvailabilityBurn1h"] == (
        "calls that failed spend what an objective of 0.99 allows over 14.4 times as fast, in 1h and in 5m"
    )
    assert said["MlobsUserCostHigh"] == "mlobs.cost.usd grew by more than $20.00 in 1h"
    assert len(set(said.values())) > len(said) / 2


def test_a_bound_that_is_no_bucket_is_refused_with_those_there_are(monkeypatch):
    """Nobody could count the calls within it."""
    monkeypatch.setenv("MLOBS_ALERT_FIRST_CHUNK_S", "3")
    with pytest.raises(SettingError, match=r"MLOBS_ALERT_FIRST_CHUNK_S='?3'?.*one of 0.01, 0.02, .*81.92"):
        load(AlertSettings)
