"""Why an alert ended: asked of the server's own tables, and told to whoever was told of its beginning."""

import logging

import pytest

from mlobs.alerts import ends
from mlobs.alerts.alerting import Alerting
from mlobs.alerts.evaluator import Transition
from mlobs.alerts.sql import ALERTS_MAX
from mlobs.alerts.states import Alert, Finding
from mlobs.settings import AlertSettings, load
from tests.alerts.conftest import NOW_S
from tests.alerts.rounds import tick
from tests.alerts.sink import webhook

SERVER = "http://127.0.0.1:1"
CALLS = {"service_name": "shop", "gen_ai_request_model": "m"}
MONITOR = {"service_name": "shop", "mlobs_model_name": "churn", "mlobs_model_version": "7"}


def over(tables, rule, labels, *, was=0.5, since_s=None, now_s=NOW_S):
    """Return why an alert with these labels ended."""
    found = Finding(labels=labels, value=was, volume=50, since_s=since_s)
    alert = Alert(rule=rule.name, state="firing", active_s=0, seen_s=0, firing_s=0, finding=found)
    asked = ends.asked(rule, now_s=now_s)
    rows = tables.store.query(asked.sql, asked.params)
    return ends.ended(rule, [alert], rows, now_s=now_s)[alert.fingerprint]


def test_what_is_measured_now_is_told_against_the_limit(tables, rules):
    """The commonest end: it is better."""
    tables.spans(90, model="m")
    tables.spans(2, model="m", error="timeout")
    found = over(tables, rules["MlobsErrorRatioHigh"], CALLS)
    assert (found.reason, found.value_text) == ("within_limit", "2.174%")
    assert found.value == pytest.approx(2 / 92)
    assert (
        found.text
        == "It is 2.174% now, after 50%, and no longer more than 5%. The rule has not been broken for 5m."
    )


def test_too_few_calls_are_no_proof_that_it_is_better(tables, rules):
    """Every one of them failed; callers may just have given up."""
    tables.spans(3, model="m", error="timeout")
    found = over(tables, rules["MlobsErrorRatioHigh"], CALLS)
    assert (found.reason, found.value, found.value_text) == ("too_few", 1.0, "100%")
    assert found.text == (
        "3 calls ended in the last 5m, and fewer than 20 say too little. "
        "Whether the trouble is over is not known."
    )


def test_where_nothing_comes_any_more_nobody_knows(tables, rules):
    """Neither of calls nor of gauges."""
    found = over(tables, rules["MlobsErrorRatioHigh"], CALLS)
    assert (found.reason, found.value) == ("no_data", None)
    assert found.text.startswith("No calls ended in the last 5m, so there is nothing to measure. Whether")
    labels = {**MONITOR, "mlobs_feature": "age"}
    found = over(tables, rules["MlobsFeatureDrift"], labels)
    assert found.reason == "no_data"
    assert found.text.startswith("Nobody has sent mlobs.drift.alarm for 5m")
    found = over(tables, rules["MlobsTelemetryDropped"], {"service_name": "shop"})
    assert found.text.startswith("Nobody has sent mlobs.sdk.dropped for")


def test_others_calls_say_nothing_about_an_alert(tables, rules):
    """One question is asked of all labels, and each alert finds its own."""
    tables.spans(50, model="other")
    assert over(tables, rules["MlobsErrorRatioHigh"], CALLS).reason == "no_data"


def test_a_burn_rate_that_is_over_lately_is_told_with_what_is_still_spent(tables, rules):
    """The short window is whole, the long one is not yet."""
    rule = rules["MlobsAvailabilityBurn1h"]
    tables.spans(100, model="m", ago_s=1800, error="timeout")
    tables.spans(100, model="m", ago_s=1800)
    tables.spans(20, model="m", ago_s=60)
    labels = {one.label: CALLS[one.label] for one in rule.indicator.by}
    found = over(tables, rule, labels, was=60.0)
    assert found.reason == "within_limit"
    assert found.text.startswith("In the last 5m the budget is spent no longer as fast; over 1h it is still ")
    tables.clear()
    tables.spans(200, model="m", ago_s=1800, error="timeout")
    quiet = over(tables, rule, labels, was=60.0)
    said = found.text.replace(found.value_text, quiet.value_text)
    assert (quiet.reason, quiet.text) == ("within_limit", said), "also where no call was made lately"


def test_a_quantile_a_growth_and_a_sum_say_what_they_measure_now(tables, rules):
    """In their units."""
    tables.spans(50, model="m", duration_s=0.1, more={"user.id": "u1", "mlobs.cost.usd": "0.01"})
    tables.spans(50, model="m", duration_s=0.1, ago_s=9000, more={"mlobs.cost.usd": "0.01"})
    found = over(tables, rules["MlobsModelLatencyHigh"], CALLS, was=90.0)
    assert found.text.startswith("It is 100 ms now, after 1m30s, and no longer more than ")
    found = over(tables, rules["MlobsUserCostHigh"], {"service_name": "shop", "user_id": "u1"}, was=99.0)
    assert found.text.startswith("It is $0.50 now, after $99.00, and no longer more than $")
    found = over(tables, rules["MlobsCostBurn"], {"service_name": "shop"}, was=9.0)
    assert (found.reason, found.value_text) == ("within_limit", "1")


def test_a_condition_besides_the_limit_is_told_where_the_value_is_still_too_high(tables, rules):
    """Too little money is spent to speak of, however much it grew."""
    tables.spans(5, model="m", more={"mlobs.cost.usd": "0.01"})
    tables.spans(1, model="m", ago_s=7200, more={"mlobs.cost.usd": "0.001"})
    found = over(tables, rules["MlobsCostBurn"], {"service_name": "shop"}, was=90.0)
    assert found.reason == "otherwise"
    assert found.text.startswith("It is 50 now, after 90, but not all of this is true any more: mlobs.cost")


def test_a_service_that_calls_again_is_back_and_one_that_does_not_is_given_up(tables, rules):
    """Which is no good news."""
    rule, labels = rules["MlobsTelemetryAbsent"], {"service_name": "shop"}
    found = over(tables, rule, labels, since_s=NOW_S - 86_400)
    assert (found.reason, found.text) == (
        "given_up",
        "There were no calls for 1d, so nobody waits for it any longer.",
    )
    tables.spans(5, model="m")
    found = over(tables, rule, labels, since_s=NOW_S - 1800)
    assert (found.reason, found.text) == ("back", "Calls came again in the last 10m.")


def test_a_monitor_that_is_sent_again_is_back_and_one_whose_calls_stopped_is_not(tables, rules):
    """A service that was switched off is no proof that its monitor works."""
    rule = rules["MlobsDriftMonitorStale"]
    found = over(tables, rule, MONITOR, since_s=NOW_S - 1800)
    assert found.reason == "no_data"
    assert found.text.startswith("The calls that mlobs.drift.log_e is about have stopped, too, for 15m.")
    model = {"mlobs.model.name": "churn", "mlobs.model.version": "7"}
    tables.spans(5, operation="", kind="predict", more=model)
    found = over(tables, rule, MONITOR, since_s=NOW_S - 86_400)
    assert found.reason == "given_up"
    tables.point("otel_metrics_gauge", "mlobs.drift.log_e", 1, attributes=model)
    found = over(tables, rule, MONITOR, since_s=NOW_S - 1800)
    assert (found.reason, found.text) == ("back", "mlobs.drift.log_e is sent again in the last 15m.")


def test_every_rule_of_the_server_can_be_asked_and_has_words_for_it(tables, rules):
    """On an empty store each end is told as one of which nothing is known."""
    for rule in rules.values():
        if "server" in rule.engines:
            labels = {one.label: "x" for one in rule.indicator.by}
            found = over(tables, rule, labels, since_s=NOW_S - 3600)
            assert found.reason in {"no_data", "otherwise"}, rule.name
            assert found.text.endswith("."), rule.name


def test_of_an_answer_that_was_cut_nothing_is_made_up(rules):
    """The alert may be among what is left out."""
    rule = rules["MlobsErrorRatioHigh"]
    alert = Alert(
        rule=rule.name,
        state="firing",
        active_s=0,
        seen_s=0,
        finding=Finding(labels=CALLS, value=1.0),
    )
    row = {**CALLS, "value": 0.0, "volume": 9, "trace_ids": [], "since_s": None}
    rows = [{**row, "gen_ai_request_model": f"m{n}"} for n in range(ALERTS_MAX)]
    assert ends.ended(rule, [alert], rows, now_s=NOW_S)[alert.fingerprint] == ends.UNASKED


def alerting(folder, ask, url, clock, **settings):
    made = load(AlertSettings, hold_s=0, webhook_url=url, webhook_secret="s3cret", **settings)
    return Alerting(made, ask, folder, SERVER, lambda: clock[0])


@pytest.mark.slow
def test_the_reason_reaches_the_webhook_the_page_and_the_history(tables, tmp_path):
    """The whole way, from spans."""
    tables.spans(60, model="m", error="timeout")
    clock = [NOW_S]
    with webhook() as sink:
        house = alerting(tmp_path, tables.store.query, sink.url, clock)
        tick(house)
        (now,) = [one for one in house.snapshot()["firing"] if one["rule"] == "MlobsErrorRatioHigh"]
        before = house.close_up("mlobs", now["fingerprint"], 0, 0, with_values=False)["alert"]
        tables.spans(99, model="m", ago_s=-500)
        for later_s in (310, 310):
            clock[0] += later_s
            tick(house)
        firing, resolved = [one.json for one in sink.arrived if one.json["rule"] == "MlobsErrorRatioHigh"]
        assert before["top"] == firing["top"] is not None
        assert firing["end"] is None
        assert (resolved["end"]["reason"], resolved["end"]["value_text"]) == ("within_limit", "0%")
        shown = house.close_up("mlobs", resolved["fingerprint"], 0, 0, with_values=False)
        assert shown["alert"]["end"] == shown["episodes"][0]["end"] == resolved["end"]
        assert shown["episodes"][0]["top"] == firing["top"]
        past = [one for one in house.past()["episodes"] if one["rule"] == "MlobsErrorRatioHigh"]
        assert past[0]["end"] == resolved["end"]
        house.stop()


@pytest.mark.slow
def test_an_end_is_told_also_when_the_store_cannot_say_why(tables, tmp_path, caplog):
    """That it ended matters more."""
    tables.spans(60, model="m", error="timeout")
    clock, broken = [NOW_S], []

    def ask(sql, params):
        if broken and params.get("above", 0) < -1e300:
            raise OSError("the disk is on fire")
        return tables.store.query(sql, params)

    with webhook() as sink, caplog.at_level(logging.ERROR, "mlobs.alerts"):
        house = alerting(tmp_path, ask, sink.url, clock)
        tick(house)
        broken.append(True)
        for later_s in (310, 310):
            clock[0] += later_s
            tick(house)
        house.stop()
    ended = [one.json["end"] for one in sink.arrived if one.json["status"] == "resolved"]
    assert ended[0]["reason"] == "unknown"
    assert "Why alerts of MlobsErrorRatioHigh ended cannot be asked" in caplog.text


@pytest.mark.slow
def test_a_rule_that_is_gone_is_the_reason(tables, tmp_path):
    """Nobody measures any more."""
    tables.spans(60, model="m", error="timeout")
    own = tmp_path / "rules.yml"
    own.write_text("without: []\n")
    clock = [NOW_S]
    with webhook() as sink:
        house = alerting(tmp_path / "data", tables.store.query, sink.url, clock, rules=own)
        tick(house)
        own.write_text("without: [MlobsErrorRatioHigh]\n")
        tick(house)
        house.stop()
    (resolved,) = [one.json for one in sink.arrived if one.json["status"] == "resolved"]
    assert resolved["end"]["reason"] == "rule_gone"
    assert resolved["end"]["text"].startswith("The rule MlobsErrorRatioHigh is gone")


def test_a_change_that_is_no_end_has_no_reason():
    """It fires."""
    found = Finding(labels=CALLS, value=1.0)
    alert = Alert(rule="R", state="firing", active_s=0, seen_s=0, finding=found)
    assert Transition(alert, "firing", 0.0).ended is None
