"""Alerting as a whole: from the tables to a real webhook, over restarts and failures."""

import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlobs.alerts.alerting import Alerting
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.inbox import Inbox
from mlobs.alerts.signature import verify
from mlobs.errors import SettingError
from mlobs.settings import AlertSettings, load
from tests.alerts.conftest import NOW_S
from tests.alerts.houses import ALARM_ROW, SERVER, TRACE, House, Rows
from tests.alerts.rounds import tick
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, encoded, grafana

FEATURE = {
    "mlobs.model.name": "churn",
    "mlobs.model.version": "7",
    "mlobs.feature": "age",
    "mlobs.profile.ref": "p1",
}


@pytest.fixture
def sink():
    with webhook() as seen:
        yield seen


def test_a_drift_alarm_in_the_tables_arrives_at_the_webhook(tmp_path, tables, sink):
    """The whole way, with the server's own tables and a real HTTP sink."""
    tables.point(
        "otel_metrics_gauge", "mlobs.drift.alarm", 1, attributes=FEATURE, exemplars=["b" * 32, TRACE]
    )
    tables.point("otel_metrics_gauge", "mlobs.drift.change_start_timestamp", NOW_S - 90, attributes=FEATURE)
    house = House(tmp_path, tables.store.query, sink.url)
    assert house.later(0) == [("MlobsFeatureDrift", "firing")]
    assert house.later(15) == []
    (seen,) = sink.arrived
    headers = {name: seen.headers[f"x-mlobs-{name}"] for name in ("timestamp", "signature")}
    verify("s3cret", **headers, body=seen.body, now_s=NOW_S)
    body = seen.json
    assert body.pop("description").startswith(
        "The values of age that shop gives to the model churn, version 7,"
    )
    mark = body.pop("fingerprint")
    assert len(mark) == 16
    assert body == {
        "version": "mlobs/1",
        "source": "mlobs",
        "status": "firing",
        "rule": "MlobsFeatureDrift",
        "severity": "warning",
        "component": "drift",
        "title": "age of the model churn no longer looks like its training data.",
        "summary": "age of the model churn no longer looks like its training data.",
        "labels": {
            "service_name": "shop",
            "mlobs_model_name": "churn",
            "mlobs_model_version": "7",
            "mlobs_feature": "age",
        },
        "value": 1.0,
        "value_text": "1",
        "peak": {"value": 1.0, "value_text": "1", "at": "2027-01-15T08:00:00.000Z"},
        "since": "2027-01-15T07:58:30.000Z",
        "started": "2027-01-15T08:00:00.000Z",
        "resolved": None,
        "end": None,
        "links": {
            "alert": f"{SERVER}/alerts/mlobs/{mark}",
            "drift": f"{SERVER}/drift/feature?service=shop&model=churn&version=7&feature=age",
        },
        "top": {"dimension": "mlobs.feature", "value": "age", "share": 1.0},
        "runbook_url": "http://127.0.0.1:4318/runbooks/MlobsFeatureDrift.md",
        "trace_url": f"{SERVER}/traces/{TRACE}",
        "trace_ids": [TRACE, "b" * 32],
        "server_url": SERVER,
    }
    house.alerting.stop()


@pytest.mark.slow
def test_a_quantile_is_told_as_no_more_than_the_longest_call_took(tmp_path, tables, sink):
    """Between two bounds of the buckets it would be above every call: 156 ms, of calls of 100 ms."""
    house = House(tmp_path, tables.store.query, sink.url, model_s_max=0.05)
    tables.spans(30, model="m1", duration_s=0.1)
    house.later(0)
    tables.spans(30, model="m1", duration_s=0.1, ago_s=-540)
    assert house.later(600) == [("MlobsModelLatencyHigh", "firing")]
    (seen,) = sink.arrived
    assert (seen.json["value"], seen.json["value_text"]) == (0.1, "100 ms")
    assert "one in twenty took over 100 ms; more than 50 ms for 10m alerts" in seen.json["description"]
    (shown,) = house.alerting.snapshot()["firing"]
    assert (shown["value"], shown["value_text"]) == (0.1, "100 ms")
    about = house.alerting.close_up("mlobs", shown["fingerprint"], 0, 0, with_values=False)
    assert (about["rule"]["value"], about["rule"]["limit_text"]) == ("100 ms", "50 ms")
    assert about["episodes"][0]["value_text"] == "100 ms"
    house.alerting.stop()


@pytest.mark.slow
def test_failed_calls_fire_after_the_hold_and_end_after_the_window(tmp_path, tables, sink):
    """The error rate, from spans, with the failed trace in the message."""
    tables.spans(30, model="m1", ago_s=20)
    tables.spans(30, model="m1", ago_s=10, error="openai.APITimeoutError", trace=TRACE)
    house = House(tmp_path, tables.store.query, sink.url, hold_s=30)
    changes = [change for wait_s in (0, 15, 14, 1, 330, 299, 1) for _, change in house.later(wait_s)]
    assert changes == ["firing", "resolved"] == sink.changes
    firing, resolved = (one.json for one in sink.arrived)
    assert firing["trace_url"] == resolved["trace_url"] == f"{SERVER}/traces/{TRACE}"
    assert firing["fingerprint"] == resolved["fingerprint"]
    assert firing["resolved"] is None
    assert resolved["resolved"] > resolved["started"] == firing["started"]
    house.alerting.stop()


def test_a_restart_tells_nobody_again_and_keeps_the_end(tmp_path, sink):
    """Servers are restarted while alerts fire, and alerts end while servers are down."""
    store = Rows([ALARM_ROW])
    house = House(tmp_path, store, sink.url)
    house.later(0)
    house.restart()
    assert house.later(15) == []
    house.restart()
    store.rows = []
    assert house.later(15) == []
    assert house.later(900) == [("MlobsFeatureDrift", "resolved")]
    house.restart()
    house.later(15)
    assert sink.changes == ["firing", "resolved"]
    house.alerting.stop()


def test_what_a_dead_sink_missed_arrives_in_order_when_it_is_back(tmp_path, sink):
    """Firing, resolved, firing: three changes, three messages, each once."""
    sink.answers = [(503, {})] * 3
    store = Rows([ALARM_ROW])
    house = House(tmp_path, store, sink.url)
    house.later(0)
    store.rows = []
    house.later(1)
    house.later(900)
    store.rows = [ALARM_ROW]
    house.later(1)
    assert {one.id for one in sink.arrived} == {sink.arrived[0].id}
    for _ in range(4):
        house.restart()
        house.later(1000)
    taken = [one.json["status"] for one in sink.arrived[3:]]
    assert taken == ["firing", "resolved", "firing"]
    assert len({one.id for one in sink.arrived}) == 3
    house.alerting.stop()


def test_a_rule_that_cannot_be_asked_keeps_its_alerts_and_says_so(tmp_path, sink, caplog):
    """A store that is down for a minute must not look like everything is well, nor flood the log."""
    store = Rows([ALARM_ROW])
    house = House(tmp_path, store, sink.url)
    house.later(0)
    store.error = OSError("the disk is on fire")
    with caplog.at_level(logging.ERROR, "mlobs.alerts"):
        for _ in range(100):
            assert house.later(15) == []
    assert len(caplog.records) == len(house.alerting.snapshot()["rules"])
    shown = next(rule for rule in house.alerting.snapshot()["rules"] if rule["rule"] == "MlobsFeatureDrift")
    assert (shown["state"], shown["error"], shown["failures"]) == ("error", "the disk is on fire", 100)
    assert len(house.alerting.snapshot()["firing"]) == 1
    store.error = None
    assert house.later(15) == []
    assert {rule["state"] for rule in house.alerting.snapshot()["rules"]} == {"ok"}
    assert sink.changes == ["firing"]
    house.alerting.stop()


def test_the_snapshot_and_the_metrics_say_what_fires_and_what_was_delivered(tmp_path, sink):
    """Receipts: what the sink answered, and when."""
    sink.answers = [(500, {})]
    house = House(tmp_path, Rows([ALARM_ROW]), sink.url)
    house.later(0)
    (waiting,) = house.alerting.snapshot()["deliveries"]
    assert (waiting["state"], waiting["attempts"], waiting["answer"]) == ("waiting", 1, "500")
    assert waiting["next"] > waiting["made"]
    house.later(5)
    snapshot = house.alerting.snapshot()
    (receipt,) = snapshot["deliveries"]
    assert (receipt["state"], receipt["attempts"], receipt["answer"]) == ("delivered", 2, "204")
    assert "hidden" not in repr(snapshot)
    (alert,) = snapshot["firing"]
    assert (alert["rule"], alert["trace_ids"]) == ("MlobsFeatureDrift", [TRACE])
    house.restart()
    samples = {(metric.name, *labels.values()): value for metric, labels, value in house.alerting.samples()}
    assert samples["mlobs.alert.firing", "MlobsFeatureDrift"] == 1
    assert samples["mlobs.alert.firing", "MlobsErrorRatioHigh"] == 0
    assert samples["mlobs.alert.deliveries", "webhook", "delivered"] == 1
    assert samples["mlobs.alert.deliveries", "webhook", "failed"] == 1
    assert (
        samples["mlobs.alert.deliveries", "webhook", "dead"]
        == samples["mlobs.alert.rule.failures", "MlobsFeatureDrift"]
        == 0
    )
    house.alerting.stop()


def test_without_a_webhook_alerts_are_shown_and_nothing_is_queued(tmp_path):
    """A webhook that is configured later must not be flooded with the past."""
    house = House(tmp_path, Rows([ALARM_ROW]))
    assert house.later(0) == [("MlobsFeatureDrift", "firing")]
    snapshot = house.alerting.snapshot()
    assert len(snapshot["firing"]) == 1
    assert (snapshot["webhook"], snapshot["deliveries"]) == (None, [])
    house.alerting.stop()


def test_alerts_from_elsewhere_are_shown_beside_our_own_until_they_end(tmp_path, sink):
    """One place to look at, whoever found it."""
    house = House(tmp_path, Rows([ALARM_ROW]), sink.url)
    house.later(0)
    telling = house.alerting.telling
    inbox = Inbox(telling.outbox, telling.dispatcher, lambda: NOW_S)
    inbox.start()
    trace = {**alert("Elsewhere", shop="north"), "annotations": {"summary": "The queue is full"}}
    inbox.take(read(encoded(alertmanager(trace))), None).result(30)
    inbox.take(read(encoded(grafana(alert("InGrafana")))), None).result(30)
    own, *others = house.alerting.snapshot()["firing"]
    assert (own["source"], own["rule"]) == ("mlobs", "MlobsFeatureDrift")
    assert {one["source"] for one in others} == {"alertmanager", "grafana"}
    assert all(set(own) <= set(one) for one in others), "whoever reads one can read the others"
    (one,) = [one for one in others if one["source"] == "alertmanager"]
    assert (one["rule"], one["state"], one["summary"]) == ("Elsewhere", "firing", "The queue is full")
    assert one["labels"]["shop"] == "north"
    assert one["server_url"] == "http://alertmanager.example"
    ended = alert("Elsewhere", shop="north", ends_s=NOW_S)
    inbox.take(read(encoded(alertmanager(ended))), None).result(30)
    assert [one["source"] for one in house.alerting.snapshot()["firing"]] == ["mlobs", "grafana"]
    inbox.stop()
    house.alerting.stop()


def test_a_webhook_without_a_secret_is_refused_at_start(tmp_path):
    """Deliveries are always signed; the sentence has the command that makes a secret."""
    settings = load(AlertSettings, webhook_url="http://127.0.0.1:1/")
    with pytest.raises(SettingError, match=r"MLOBS_ALERT_WEBHOOK_SECRET is not; .*openssl rand -hex 32"):
        Alerting(settings, Rows(), tmp_path, SERVER)


def test_on_its_own_threads_it_survives_whatever_happens(tmp_path, sink, caplog):
    """Nobody looks at these threads; if one died, there would be silence."""
    store = Rows([ALARM_ROW])
    settings = load(AlertSettings, webhook_url=sink.url, webhook_secret="k", interval_s=0.02)
    clocks = iter([ZeroDivisionError(), *[None] * 10**6])

    def clock():
        trouble = next(clocks)
        if trouble:
            raise trouble
        return time.time()

    alerting = Alerting(settings, store, tmp_path, SERVER, clock=clock)
    alerting.start()
    wait_for(lambda: sink.changes == ["firing"], seconds=10)
    alerting.stop()
    assert "Alerts cannot be evaluated" in caplog.text


# Starts alerting on a folder and kills itself with SIGKILL at the moment it is told: when a
# message is in the outbox and before it is sent, or when it was sent and before that is known.
CRASHING = """
import os, signal, sys
from pathlib import Path
from mlobs.alerts import outbox
from mlobs.alerts.alerting import Alerting
from mlobs.alerts.sinks.webhook import Webhook
from mlobs.settings import AlertSettings, load
from tests.alerts.rounds import tick
from tests.alerts.houses import ALARM_ROW, Rows

folder, url, moment = sys.argv[1:]
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
if moment == "before":
    Webhook.send = die
else:
    outbox.Outbox.settle = die
settings = load(AlertSettings, webhook_url=url, webhook_secret="s3cret")
tick(Alerting(settings, Rows([ALARM_ROW]), Path(folder), "http://127.0.0.1:4318"))
"""


@pytest.mark.parametrize(
    ("moment", "arrivals"), [("before", 1), pytest.param("after", 2, marks=pytest.mark.slow)]
)
def test_a_message_outlives_kill_9(tmp_path, sink, moment, arrivals):
    """Killed before it was sent: it arrives once. Killed after: twice, under one id, and never not."""
    command = [sys.executable, "-c", CRASHING, str(tmp_path), sink.url, moment]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(sink.arrived) == arrivals - 1
    settings = load(AlertSettings, webhook_url=sink.url, webhook_secret="s3cret")
    for _ in range(3):
        alerting = Alerting(settings, Rows([ALARM_ROW]), tmp_path, SERVER)
        assert tick(alerting) == []
        alerting.stop()
    assert len(sink.arrived) == arrivals
    assert len({(one.id, one.body) for one in sink.arrived}) == 1
