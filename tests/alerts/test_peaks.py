"""The worst that was measured of an alert: remembered over restarts, told at its end, and in the history."""

import json
from dataclasses import asdict

import pytest

from mlobs.alerts.message import peak
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.wording import message
from mlobs.alerts.sinks.told import told
from mlobs.alerts.states import Alert, Finding, advance, finding
from tests.alerts.conftest import NOW_S
from tests.alerts.houses import ALARM_ROW, House, Ratio, Rows
from tests.alerts.rounds import record
from tests.alerts.sink import webhook
from tests.alerts.sinks.messages import message as ours
from tests.alerts.webhooks import alert, encoded, grafana

PEAK = {"value": 0.75, "value_text": "75%", "at": "2026-11-26T03:00:00.000Z"}


def test_the_worst_since_the_trouble_began_is_told_shown_and_remembered(tmp_path):
    """Also what was measured before it fired, and before a restart; the value is the last one."""
    store = Ratio()
    with webhook() as sink:
        house = House(tmp_path, store, sink.url, hold_s=60)
        for value in (0.9, 0.3):  # It is worst while it waits for its hold.
            store.rows = [value]
            house.later(60)
        assert [(one.json["value_text"], one.json["peak"]["value_text"]) for one in sink.arrived] == [
            ("30%", "90%")
        ]
        for value in (0.95, 0.4):
            store.rows = [value]
            house.later(60)
        worst = {"value": 0.95, "value_text": "95%", "at": "2027-01-15T08:03:00.000Z"}
        assert house.alerting.snapshot()["firing"][0]["peak"] == worst
        assert house.alerting.past()["episodes"][0]["peak"] == worst
        house.restart()
        store.rows = [0.5]
        house.later(60)
        store.rows = []
        house.later(60)
        house.later(600)
        last = sink.arrived[-1].json
        assert (last["status"], last["value_text"], last["peak"]) == ("resolved", "50%", worst)
        assert told(sink.arrived[-1].body, "d").facts["worst"] == "95% at 2027-01-15T08:03:00.000Z"
        (episode,) = house.alerting.past()["episodes"]
        assert (episode["value_text"], episode["peak"]) == ("30%", worst), "when it began, and at its worst"
        house.alerting.stop()


def test_the_next_trouble_has_a_worst_of_its_own(tmp_path):
    store = Ratio([0.9])
    house = House(tmp_path, store, hold_s=0)
    house.later(0)
    store.rows = []
    house.later(60)
    house.later(600)
    store.rows = [0.3]
    house.later(60)
    assert [one["peak"]["value_text"] for one in house.alerting.past()["episodes"]] == ["30%", "90%"]
    house.alerting.stop()


def test_a_quantile_is_at_its_worst_what_people_are_told(rules):
    """Between two bounds it may be above every call that there was."""
    rule = rules["MlobsModelLatencyHigh"]
    known = None
    for value, largest in ((90.0, 61.0), (70.0, 70.0), (80.0, 62.0)):
        found = Finding(labels={}, value=value, largest=largest)
        known, _ = advance(known, found, rule, now_s=NOW_S, interval_s=15)
    assert known.peak == 70.0


def test_what_only_holds_or_not_has_no_worst(rules):
    rule = rules["MlobsTelemetryAbsent"]
    row = {"service_name": "shop", "value": 1, "volume": 1, "trace_ids": [], "since_s": None}
    known, _ = advance(None, finding(row, rule), rule, now_s=NOW_S, interval_s=15)
    assert known.peak == 1.0
    assert peak(known, rule) is None


def test_an_alert_that_an_older_release_wrote_down_has_the_worst_since(tmp_path):
    """It knew of none, and the file is read all the same."""
    store = Rows([ALARM_ROW])
    house = House(tmp_path, store)
    house.later(0)
    with house.alerting.telling.outbox.transaction() as db:
        ((text,),) = db.execute("SELECT alert FROM alerts").fetchall()
        older = {name: value for name, value in json.loads(text).items() if not name.startswith("peak")}
        db.execute("UPDATE alerts SET alert = ?", (json.dumps(older),))
        db.execute("UPDATE episodes SET shown = json_remove(shown, '$.peak')")
    house.restart()
    assert house.alerting.snapshot()["firing"][0]["peak"] is None
    house.later(60)
    assert house.alerting.past()["episodes"][0]["peak"]["value"] == 1.0
    house.alerting.stop()


def test_an_alert_keeps_its_worst_in_the_file(tmp_path):
    box = Outbox(tmp_path / "a.sqlite")
    one = Alert(rule="R", state="firing", active_s=1.0, seen_s=2.0, peak=0.5, peak_s=1.5)
    record(box, changed=[one])
    assert [asdict(found) for found in box.alerts()] == [asdict(one)]
    with box.transaction() as db:
        db.execute("UPDATE alerts SET alert = json_set(alert, '$.later', 1)")
    assert box.alerts() == [one], "what a newer release wrote besides is no matter"
    box.close()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (PEAK, PEAK),
        ({**PEAK, "value": "much", "more": 1}, {**PEAK, "value": None}),
        ({**PEAK, "at": "then"}, None),
        ({**PEAK, "at": "9999-12-31T23:59:59Z"}, {**PEAK, "at": "2106-02-07T06:28:16.000Z"}),
        ("75%", None),
        (None, None),
    ],
)
def test_what_another_mlobs_says_was_the_worst_is_passed_on(given, kept):
    (event,) = read(encoded({**ours(), "peak": given})).events
    assert message(event, url="", truncated=0, now_s=NOW_S)["peak"] == kept


def test_of_grafana_nobody_knows_which_direction_is_worse():
    (event,) = read(encoded(grafana(alert()))).events
    assert message(event, url="", truncated=0, now_s=NOW_S)["peak"] is None
