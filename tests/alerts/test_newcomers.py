"""Sinks that come when alerts fire already: they are told once of what still fires."""

import time

import pytest

from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.inbox import Inbox
from mlobs.alerts.routing import newcomers
from mlobs.alerts.telling import Telling
from mlobs.settings import AlertSettings
from tests.alerts.houses import ALARM_ROW, House, Rows
from tests.alerts.remembered import Remembered
from tests.alerts.rounds import deliver
from tests.alerts.routed import Routed, message, moment, shown
from tests.alerts.sink import webhook
from tests.alerts.webhooks import alert, alertmanager, encoded

RULE = "MlobsFeatureDrift"
FILE = """\
sinks:
  old: {{type: webhook, url: "{old}", secret: {{file: "{secret}"}}}}
{more}
routes:
  - {{sinks: [{sinks}]}}
"""
NEW = '  new: {{type: webhook, url: "{new}", secret: {{file: "{secret}"}}}}'


@pytest.fixture
def sink():
    with webhook() as seen:
        yield seen


@pytest.fixture
def other():
    with webhook() as seen:
        yield seen


def heard(sink):
    return [(one.json["rule"], one.json["status"]) for one in sink.arrived]


def with_sink(folder, rows, sink, before):
    """Return the same house with a webhook, some seconds later."""
    before.alerting.stop()
    house = House(folder, rows, sink.url)
    house.now_s = before.now_s + 60
    return house


def test_a_sink_that_is_added_while_an_alert_fires_is_told_of_it_once_and_of_its_end(tmp_path, sink):
    rows = Rows([ALARM_ROW])
    before = House(tmp_path, rows)
    assert before.later(0) == [(RULE, "firing")]
    house = with_sink(tmp_path, rows, sink, before)
    assert house.later(0) == []
    house.later(60)
    house.restart()
    house.later(60)
    assert heard(sink) == [(RULE, "firing")]
    rows.rows = []
    house.later(60)
    house.later(3600)
    assert heard(sink) == [(RULE, "firing"), (RULE, "resolved")]
    assert sink.arrived[0].json["started"] == sink.arrived[1].json["started"]
    house.alerting.stop()


def test_what_ended_while_nobody_looked_is_not_told_to_a_new_sink(tmp_path, sink):
    before = House(tmp_path, Rows([ALARM_ROW]))
    before.later(0)
    house = with_sink(tmp_path, Rows(), sink, before)
    house.now_s += 86_400
    house.later(0)
    house.later(86_400)
    assert "firing" not in sink.changes
    house.alerting.stop()


def test_a_new_sink_waits_for_the_end_of_a_silence(tmp_path, sink):
    rows = Rows([ALARM_ROW])
    before = House(tmp_path, rows)
    before.later(0)
    before.alerting.silencing.silence(
        {"matchers": ["service_name=shop"], "for": "1h", "who": "ann", "why": "a deploy"}
    )
    house = with_sink(tmp_path, rows, sink, before)
    house.later(0)
    house.later(60)
    assert heard(sink) == []
    house.later(3600)
    assert heard(sink) == [(RULE, "firing")]
    house.alerting.stop()


def test_a_new_sink_of_a_route_is_told_and_the_older_one_not_again(tmp_path, sink, other):
    routes, secret = tmp_path / "routes.yaml", tmp_path / "secret"
    secret.write_text("s" * 32)
    routes.write_text(FILE.format(old=sink.url, secret=secret, more="", sinks="old"))
    rows = Rows([ALARM_ROW])
    house = House(tmp_path / "data", rows, routes=routes, allow="127.0.0.1")
    house.later(0)
    more = NEW.format(new=other.url, secret=secret)
    routes.write_text(FILE.format(old=sink.url, secret=secret, more=more, sinks="old, new"))
    house.alerting.telling.watch.ask()
    house.alerting.telling.look()
    house.later(60)
    house.later(60)
    assert (heard(sink), heard(other)) == ([(RULE, "firing")], [(RULE, "firing")])
    rows.rows = []
    house.later(60)
    house.later(3600)
    ends = [(RULE, "firing"), (RULE, "resolved")]
    assert (heard(sink), heard(other)) == (ends, ends)
    house.alerting.stop()


GROUPED = {"name": "r", "sinks": ["old", "new"], "group_by": ["rule"], "group_wait_s": 30}
QUIET = {"name": "r", "sinks": ["old", "new"], "quiet": {"from": "22:00", "to": "07:00", "time_zone": "UTC"}}
SPENT = {"name": "r", "sinks": ["old", "new"], "pages_per_week": 1, "demote_to": "chat"}


def welcomed(routed, *names, after_s=1.0):
    routed.now_s += after_s
    told = [message(name) for name in names]
    planned = routed.router.welcome(told, {f"mlobs:{name}" for name in names}, routed.state, routed.now_s)
    return [one for plan in planned for one in shown(plan)]


def test_a_new_sink_hears_of_a_group_as_one_message():
    routed = Routed({**GROUPED, "sinks": ["old"]})
    routed.tell("a")
    routed.tell("b")
    assert len(routed.wake(60)) == 1
    newcomers.expect(["new"], ["mlobs:a", "mlobs:b"], routed.state)
    routed.use(GROUPED)
    assert welcomed(routed, "a", "b") == [("new", "page", "firing")]
    assert welcomed(routed, "a", "b") == []
    routed.tell("a", "resolved")
    routed.tell("b", "resolved")
    assert sorted(one.sink for one in routed.wake(60)) == ["new", "old"]


def test_an_alert_that_waits_for_its_group_is_told_with_it_and_once():
    routed = Routed(GROUPED)
    routed.tell("a")
    newcomers.expect(["new"], ["mlobs:a"], routed.state)
    assert welcomed(routed, "a") == []
    assert sorted(one.sink for one in routed.wake(60)) == ["new", "old"]


def test_a_new_sink_is_told_after_quiet_hours():
    routed = Routed({**QUIET, "sinks": ["old"]})
    routed.now_s = moment("2026-11-26T23:30")
    routed.tell("a")
    newcomers.expect(["new"], ["mlobs:a"], routed.state)
    routed.use(QUIET)
    assert welcomed(routed, "a") == []
    assert welcomed(routed, "a", after_s=9 * 3600) == [("new", "page", "firing")]


def test_an_alert_that_a_spent_budget_demoted_is_not_told_to_a_new_sink_of_the_route():
    routed = Routed({**SPENT, "sinks": ["old"]})
    routed.tell("a")
    assert ("chat", "page", "firing") in routed.tell("b")
    newcomers.expect(["new"], ["mlobs:a", "mlobs:b"], routed.state)
    routed.use(SPENT)
    told = welcomed(routed, "a", "b")
    assert ("new", "page", "firing") not in told
    assert told.count(("chat", "page", "firing")) == 1  # Of the first one, for which no page is left.


def test_an_alert_that_ended_is_told_to_no_new_sink():
    routed = Routed({"name": "r", "sinks": ["old", "new"]})
    newcomers.expect(["new"], ["mlobs:a", "mlobs:gone"], routed.state)
    routed.tell("a", "resolved")
    assert welcomed(routed, "a", "b") == []
    assert not routed.state.kinds("late")


def test_sinks_that_an_older_release_told_are_not_new():
    state = Remembered()
    assert newcomers.came(["old", "new"], {"old"}, state) == {"new"}
    assert newcomers.came([], {"old"}, state) == set()
    assert newcomers.came(["old"], {"old"}, state) == {"old"}  # It was taken out meanwhile.


def test_a_new_sink_is_told_of_alerts_from_elsewhere(tmp_path, sink):
    file = tmp_path / "alerts.sqlite"
    before = Telling(AlertSettings(), file)
    take(before, alert("disk"), alert("over"))
    take(before, alert("over", ends_s=1_700_000_060))
    before.stop()
    settings = AlertSettings(webhook_url=sink.url, webhook_secret="s" * 32)
    for _ in range(2):
        telling = Telling(settings, file)
        telling.wake()
        deliver(telling.courier)
        telling.stop()
    assert heard(sink) == [("disk", "firing")]
    assert sink.arrived[0].json["title"] == "disk is broken"


def take(telling, *alerts):
    inbox = Inbox(telling.outbox, telling.dispatcher, time.time)
    inbox.start()
    inbox.take(read(encoded(alertmanager(*alerts))), None).result(30)
    inbox.stop()
