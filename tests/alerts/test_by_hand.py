"""An alert from elsewhere whose end never came is ended by hand: told, remembered, told again if need be."""

import json
import time

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.alerts import history, outbox
from mlobs.alerts.receive import again, changes, ledger
from mlobs.alerts.receive import inbox as inboxes
from mlobs.alerts.receive.by_hand import ByHand
from mlobs.alerts.sinks.pagerduty import for_pagerduty
from mlobs.alerts.sinks.told import told
from mlobs.cli import main
from mlobs.errors import PayloadError
from tests.alerts import desks
from tests.alerts.alertmanagers import TOKEN, alertmanager_of
from tests.alerts.desks import BEGAN_S, BOTH, WINDOW_S
from tests.alerts.houses import ALARM_ROW, House, Rows
from tests.alerts.mounted import ADMIN, TOKENS, up
from tests.alerts.posted import JSON
from tests.alerts.receivers import receiver
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, at, encoded, grafana, signed
from tests.examples import examples

WHY = {"who": "ann", "why": "that Prometheus is gone"}
SAID = "Ended by hand by ann: that Prometheus is gone."


class Desk(desks.Desk):
    """With somebody who ends by hand, and who looks at what is due."""

    def start(self):
        super().start()
        self.by_hand = ByHand(self.outbox, lambda: self.now_s)

    def ends(self, after_s=1.0, **given):
        self.now_s += after_s
        mark = given.pop("fingerprint", None)
        mark = self.firing()[0]["fingerprint"] if mark is None else mark
        return self.by_hand.end({"fingerprint": mark, **WHY, **given})

    def looks(self, after_s=0.0):
        self.now_s += after_s
        self.inbox.tell_again()
        self.dispatcher.wake(self.now_s)
        return self.told()

    def firing(self):
        return ledger.firing(self.outbox)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.stop()


ONE = alert(starts_s=BEGAN_S)


def test_its_end_is_told_to_those_who_were_told_of_its_beginning_with_who_and_why(desk):
    desk.hears(ONE)
    assert desk.firing()[0]["heard"] == "2023-11-14T22:13:21.000Z"
    answer = desk.ends()
    assert desk.firing() == []
    assert desk.looks() == BOTH
    first, last = desk.bodies()
    assert last["end"] == answer["end"]
    assert last["end"]["reason"] == "by_hand"
    assert last["end"]["text"] == (
        f"{SAID} Its sender last spoke of it at 2023-11-14T22:13:21.000Z, and said no end."
    )
    assert (last["fingerprint"], last["started"]) == (first["fingerprint"], first["started"])
    assert (last["labels"], last["summary"]) == (first["labels"], first["summary"])
    assert set(first) == set(last)
    (episode,) = history.recent(desk.outbox, 10)
    assert episode["end"] == last["end"]
    assert episode["resolved"] == last["resolved"] == "2023-11-14T22:13:22.000Z"


def test_the_incident_at_pagerduty_ends_with_it(desk):
    """By the same key; and whoever reads chat sees who did it."""
    desk.hears(ONE)
    desk.ends()
    desk.looks()
    events = [
        for_pagerduty(told(json.dumps(body).encode(), "d"), routing_key="k" * 32) for body in desk.bodies()
    ]
    assert [one["event_action"] for one in events] == ["trigger", "resolve"]
    assert len({one["dedup_key"] for one in events}) == 1
    assert SAID in events[1]["payload"]["custom_details"]["description"]


def test_who_is_told_in_groups_is_told_of_the_end_too(tmp_path):
    desk = Desk(tmp_path, {"sinks": ["hook"], "group_by": ["alertname"], "group_wait_s": 10})
    desk.hears(ONE, alert(starts_s=BEGAN_S, shop="north"))
    assert desk.looks(after_s=11) == [("firing", None)]
    desk.ends()
    desk.looks()
    desk.looks(after_s=11)
    first, last = desk.bodies()
    assert (first["firing"], last["firing"], last["status"]) == (2, 1, "firing")
    assert [(one["status"], one["end"]["reason"]) for one in last["alerts"]] == [("resolved", "by_hand")]
    desk.stop()


def test_a_repeat_after_the_end_is_told_with_a_word_that_it_was_ended_by_hand(desk):
    """Its sender is not gone, and who ended it was wrong."""
    desk.hears(ONE)
    desk.ends()
    desk.looks()
    desk.hears(ONE, after_s=WINDOW_S + 1)
    assert desk.looks() == [*BOTH, ("firing", "by_hand")]
    assert "It was ended by hand" in told(json.dumps(desk.bodies()[-1]).encode(), "d").text
    desk.hears(ONE)
    assert len(desk.looks()) == 3, "its next repeat is one"
    desk.hears(alert(starts_s=BEGAN_S, ends_s=desk.now_s))
    assert desk.looks()[-1] == ("resolved", None)
    assert desk.bodies()[-1]["end"]["reason"] == "sender"


def test_a_repeat_that_may_have_been_on_its_way_waits_until_nothing_can_be(desk):
    """A copy of what was ended must not page anew while its sender may still say the end."""
    desk.hears(ONE)
    desk.ends()
    desk.hears(ONE, after_s=60)
    assert desk.looks() == BOTH
    assert desk.looks(after_s=WINDOW_S) == [*BOTH, ("firing", "by_hand")]


def test_what_its_sender_says_of_its_end_later_is_told_to_nobody(desk):
    desk.hears(ONE)
    desk.ends()
    desk.hears(ONE, after_s=30)
    desk.hears(alert(starts_s=BEGAN_S, ends_s=desk.now_s))
    assert desk.looks(after_s=WINDOW_S) == BOTH


def test_a_new_beginning_is_told_at_once_and_after_the_end(desk):
    """Also when nobody has looked at what is due since: an end must never overtake it."""
    desk.hears(ONE)
    desk.ends()
    desk.hears(alert(starts_s=desk.now_s))
    assert desk.told() == [*BOTH, ("firing", None)]
    assert desk.looks() == [*BOTH, ("firing", None)]
    assert len(desk.firing()) == 1


def test_an_alert_whose_senders_clock_is_behind_can_still_end(desk):
    """Its end was before the end by hand, by its sender's clock."""
    desk.hears(ONE)
    desk.ends()
    desk.looks()
    desk.hears(ONE, after_s=WINDOW_S + 1)
    desk.hears(alert(starts_s=BEGAN_S, ends_s=BEGAN_S + 60))
    assert desk.looks()[-1] == ("resolved", None)
    assert desk.firing() == []


def test_an_alert_without_words_that_an_older_release_wrote_down_can_be_ended(desk):
    desk.hears(ONE)
    mark = desk.firing()[0]["fingerprint"]
    with desk.outbox.transaction() as db:
        db.execute("UPDATE received_alerts SET shown = NULL")
    assert desk.ends(fingerprint=mark)["rule"] == "alert"
    assert desk.looks() == BOTH


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fingerprint": ""}, "fingerprint is missing"),
        ({"fingerprint": "12345"}, "too short to be meant"),
        ({"fingerprint": "not there"}, "No alert from elsewhere fires with the fingerprint 'not there'"),
        ({"source": "grafana"}, "No alert from elsewhere fires"),
        ({"who": " "}, "who is missing"),
        ({"why": ""}, "why is missing"),
        ({"why": "x" * 501}, "at most 500"),
        ({"reason": "x"}, "which no end has"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(desk, change, sentence):
    desk.hears(ONE)
    with pytest.raises(PayloadError, match=sentence):
        desk.ends(**change)
    assert len(desk.firing()) == 1


def test_the_beginning_of_a_fingerprint_is_enough_unless_it_fits_several(desk):
    desk.hears(ONE)
    desk.hears(ONE, form=grafana)
    with desk.outbox.transaction() as db:
        db.execute("UPDATE received_alerts SET fingerprint = 'abcdef' || source")
    with pytest.raises(PayloadError, match=r"fits 2 alerts \(alertmanager abcdefalertmanager, grafana"):
        desk.ends(fingerprint="abcdef")
    assert desk.ends(fingerprint="abcdef", source="grafana")["source"] == "grafana"
    assert desk.ends(fingerprint="abcdef")["source"] == "alertmanager"


def test_ended_twice_it_says_that_it_may_have_ended(desk):
    desk.hears(ONE)
    mark = desk.ends()["fingerprint"]
    with pytest.raises(PayloadError, match="it may have ended"):
        desk.ends(fingerprint=mark)


def test_what_the_servers_own_rule_finds_is_to_be_silenced_instead(tmp_path):
    house = House(tmp_path, Rows([ALARM_ROW]))
    house.later(0)
    mark = house.alerting.snapshot()["firing"][0]["fingerprint"]
    with pytest.raises(PayloadError, match="mlobs alerts silence alertname=MlobsFeatureDrift --for 2h"):
        house.alerting.by_hand.end({"fingerprint": mark[:8], **WHY})
    assert len(house.alerting.snapshot()["firing"]) == 1
    house.alerting.stop()


def test_where_there_is_no_room_the_end_is_counted_as_dropped(desk, monkeypatch):
    """And the alert is over all the same."""
    desk.hears(ONE)
    desk.ends()
    monkeypatch.setattr(outbox, "WAITING_MAX", 1)
    assert desk.looks() == [("firing", None)]
    assert desk.outbox.counts_by_sink()["hook", "dropped"] == 1


@pytest.mark.slow
def test_beside_a_receiver_of_its_own_the_command_line_ends_by_file(tmp_path, monkeypatch, capsys):
    """The receiver, a process that cannot be asked, tells the end."""
    monkeypatch.setenv("TEST_SINK_SECRET", "s" * 32)
    with webhook() as sink, receiver(tmp_path, sink) as url:
        for one in (ONE, alert("two")):
            body = encoded(alertmanager(one))
            assert requests.post(url, data=body, headers=signed(body), timeout=60).ok
        wait_for(lambda: len(sink.arrived) == 2, seconds=120)
        marks = [one.json["fingerprint"] for one in sink.arrived]
        file = ["--file", str(tmp_path / "data" / "alerts-received.sqlite")]
        given = [marks[0], "not there", marks[1]]
        assert main(["alerts", "end", *given, "--why", "gone", "--who", "ann", *file]) == 2
        out, err = capsys.readouterr()
        assert out.split() == marks, "one that cannot be ended is no reason to leave the others"
        assert "fires with the fingerprint 'not there'" in err
        wait_for(lambda: len(sink.arrived) == 4, seconds=120)
        assert main(["alerts", "end", marks[0], "--why", "gone", *file]) == 2
        assert "it may have ended" in capsys.readouterr().err
    assert sink.changes == ["firing", "firing", "resolved", "resolved"]
    assert [one.json["fingerprint"] for one in sink.arrived[2:]] == marks


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fires", "fires anew", "ends", "by hand", "looks"]),
            st.sampled_from([1.0, 40.0, WINDOW_S + 1]),
        ),
        max_size=14,
    )
)
def test_whatever_the_order_beginnings_and_ends_are_told_in_turn_and_the_last_is_true(
    tmp_path_factory, steps
):
    """A sink that was told of an end twice, or of a beginning twice, or last of the wrong one, misleads."""
    desk = Desk(tmp_path_factory.mktemp("turns"))
    starts_s = BEGAN_S
    try:
        for what, after_s in steps:
            desk.now_s += after_s
            if what == "fires anew":
                starts_s = desk.now_s
            if what.startswith("fires"):
                desk.hears(alert(starts_s=starts_s), after_s=0)
            elif what == "ends":
                desk.hears(alert(starts_s=starts_s, ends_s=desk.now_s), after_s=0)
            elif what == "by hand" and desk.firing():
                desk.ends(after_s=0)
            elif what == "looks":
                desk.looks()
        told = [status for status, _ in desk.looks(after_s=2 * WINDOW_S)]
        assert told == ["firing", "resolved"] * (len(told) // 2) + ["firing"] * (len(told) % 2)
        assert bool(desk.firing()) == (told[-1:] == ["firing"])
        heard = [what for what, _ in steps if what != "looks"]
        if heard and heard[-1].startswith("fires"):
            assert told[-1:] == ["firing"] or "ends" in heard, "who ended it by hand was wrong, and is told"
    finally:
        desk.stop()


@pytest.mark.slow
def test_a_real_alertmanager_that_is_taken_down_and_comes_back(tmp_path, monkeypatch):
    """What it said is ended by hand while it is gone; back, it has forgotten all and says it again."""
    monkeypatch.setenv("TEST_SINK_SECRET", "s" * 32)
    for module in (again, changes):
        monkeypatch.setattr(module, "REORDERED_US_MAX", 10_000_000)
    monkeypatch.setattr(inboxes, "LOOK_SECONDS", 0.2)
    file = ["--file", str(tmp_path / "data" / "alerts-received.sqlite")]
    one = {"labels": {"alertname": "QueueFull"}, "startsAt": at(time.time() - 60)}
    with webhook() as sink, receiver(tmp_path, sink, secret="", token=TOKEN) as url:
        for number in (1, 2):
            folder = tmp_path / str(number)
            folder.mkdir()
            with alertmanager_of(folder, url) as api:
                sent = [{**one, "endsAt": at(time.time() + 3600)}]
                requests.post(f"{api}/api/v2/alerts", json=sent, timeout=60).raise_for_status()
                wait_for(lambda count=2 * number - 1: len(sink.arrived) == count, seconds=180)
            mark = sink.arrived[-1].json["fingerprint"]
            assert main(["alerts", "end", mark, "--why", "it is gone", *file]) == 0
            wait_for(lambda count=2 * number: len(sink.arrived) == count, seconds=120)
    assert sink.changes == ["firing", "resolved"] * 2
    first, ended, second, _ = [one.json for one in sink.arrived]
    assert (first.get("notice"), second.get("notice")) == (None, "by_hand")
    assert first["started"] == second["started"]
    assert ended["end"]["reason"] == "by_hand"


@pytest.mark.slow
def test_by_page_api_and_command_line_and_by_admins_of_this_site_only(tmp_path, monkeypatch, capsys):
    """Three alerts, three ways to end one; a page of another site ends none."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKENS}admin {ADMIN}\n")
    tokens.chmod(0o600)
    admin, ingest = ({"Authorization": f"Bearer {one}"} for one in (ADMIN, "ingest-token-of-tests"))
    reader = {"Authorization": "Bearer read-token-of-the-tests"}
    with webhook() as sink, up(tmp_path, sink, MLOBS_TOKENS=str(tokens)) as receive:
        url = receive.removesuffix("/api/alerts/receive")
        body = encoded(alertmanager(alert("one"), alert("two"), alert("three")))
        assert requests.post(receive, data=body, headers={**JSON, **ingest}, timeout=60).ok
        found = requests.get(f"{url}/api/alerts", headers=reader, timeout=60).json()["firing"]
        marks = {one["rule"]: one["fingerprint"] for one in found}
        path, form = f"{url}/api/alerts/ended", f"{url}/alerts/ended"
        for headers, status in ((reader, 403), ({**admin, "Sec-Fetch-Site": "cross-site"}, 403), ({}, 401)):
            for where, given in ((path, "json"), (form, "data")):
                wanted = {given: {"fingerprint": marks["one"], **WHY}}
                answer = requests.post(where, headers=headers, timeout=60, allow_redirects=False, **wanted)
                assert answer.status_code == status, (where, headers)
        page = f"/alerts/alertmanager/{marks['one']}"
        shown = requests.get(f"{url}{page}", headers={**admin, "Accept": "text/html"}, timeout=60).text
        assert 'action="/alerts/ended"' in shown
        assert "Last heard of" in shown
        fields = {"source": "alertmanager", "fingerprint": marks["one"], "next": page, **WHY}
        answer = requests.post(form, data=fields, headers=admin, timeout=60, allow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, page)
        given = {"fingerprint": marks["two"], **WHY}
        assert requests.post(path, json=given, headers=admin, timeout=60).json()["rule"] == "two"
        again = requests.post(path, json=given, headers=admin, timeout=60)
        assert (again.status_code, "it may have ended" in again.json()["error"]) == (400, True)
        monkeypatch.setenv("MLOBS_TOKEN", ADMIN)
        assert main(["alerts", "list", "--server", url]) == 0
        assert marks["three"] in capsys.readouterr().out
        assert main(["alerts", "end", marks["three"][:6], "--why", "gone", "--server", url]) == 0
        wait_for(lambda: sink.changes.count("resolved") == 3, seconds=120)
        over = requests.get(f"{url}{page}", headers={**admin, "Accept": "text/html"}, timeout=60).text
        assert "Ended by hand by ann" in over
        assert 'action="/alerts/ended"' not in over
        past = requests.get(f"{url}/api/alerts/history", headers=reader, timeout=60).json()["episodes"]
        assert {one["end"]["reason"] for one in past} == {"by_hand"}
