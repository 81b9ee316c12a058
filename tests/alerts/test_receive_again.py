"""An alert that fires again soon after its end was told, under its former beginning."""

import time

import pytest
import requests

from mlobs.alerts import outbox
from mlobs.alerts.receive import again, changes, ledger
from mlobs.alerts.receive import inbox as inboxes
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.inbox import FullError
from tests.alerts import desks
from tests.alerts.alertmanagers import TOKEN, alertmanager_of
from tests.alerts.desks import BEGAN_S, BOTH, NOW_S, WINDOW_S
from tests.alerts.receivers import receiver
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, at, encoded


class Desk(desks.Desk):
    """With one alert, which fires and ends."""

    def fires(self, *, starts_s=BEGAN_S, after_s=1.0):
        self.hears(alert(starts_s=starts_s), after_s=after_s)

    def ends(self, *, starts_s=BEGAN_S, after_s=1.0, ends_s=None):
        ends_s = self.now_s if ends_s is None else ends_s
        self.hears(alert(starts_s=starts_s, ends_s=ends_s), after_s=after_s)

    def later(self, seconds):
        self.now_s += seconds
        return self.inbox.tell_again()


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.stop()


def test_what_fires_again_and_stays_so_is_told_when_nothing_can_be_on_its_way_any_more(desk):
    """Alertmanager repeats it after hours only, and whoever was told of the end sleeps."""
    desk.fires()
    desk.ends()
    desk.fires(after_s=60)
    assert desk.later(WINDOW_S - 62) == 0
    assert desk.told() == BOTH
    assert desk.later(3) == 1
    assert desk.told() == [*BOTH, ("firing", "again")]
    assert [one["rule"] for one in ledger.firing(desk.outbox)] == ["one"]
    assert desk.later(WINDOW_S) == 0
    desk.fires()  # Its repeat is one.
    desk.ends()
    assert desk.told() == [*BOTH, ("firing", "again"), ("resolved", None)]


def test_a_firing_that_was_overtaken_by_its_end_is_told_to_nobody(desk):
    """Its first copy, and one of a replica that sends its end, too."""
    desk.ends()
    desk.fires()
    assert desk.later(WINDOW_S) == 0
    assert desk.told() == []
    desk.fires(starts_s=NOW_S, after_s=1)
    end_s = desk.now_s
    desk.ends(starts_s=NOW_S, ends_s=end_s)
    desk.fires(starts_s=NOW_S)
    desk.ends(starts_s=NOW_S, ends_s=end_s)
    assert desk.later(WINDOW_S) == 0
    assert desk.told() == BOTH


def test_a_copy_of_an_earlier_episode_is_not_told(desk):
    """It began long before the one that ended."""
    desk.fires(starts_s=BEGAN_S)
    desk.ends(starts_s=BEGAN_S)
    desk.fires(starts_s=NOW_S)
    desk.ends(starts_s=NOW_S)
    desk.fires(starts_s=BEGAN_S)
    assert desk.later(WINDOW_S) == 0
    assert desk.told() == BOTH * 2


def test_the_end_of_a_later_episode_that_was_heard_first_takes_it_back(desk):
    """The firing that comes after it was overtaken, and was told to nobody."""
    desk.fires()
    desk.ends()
    desk.ends(starts_s=NOW_S)
    desk.fires(starts_s=NOW_S)
    assert desk.later(WINDOW_S) == 0
    assert desk.told() == BOTH


def test_a_new_beginning_is_told_at_once_and_once(desk):
    """Prometheus gives what fires anew a new start."""
    desk.fires()
    desk.ends()
    desk.fires()
    desk.fires(starts_s=desk.now_s)
    assert desk.told() == [*BOTH, ("firing", None)]
    assert desk.later(WINDOW_S) == 0
    assert len(desk.told()) == 3


def test_the_time_goes_on_over_a_restart(desk):
    """A deploy in these five minutes must not cost the page."""
    desk.fires()
    desk.ends()
    desk.fires()
    desk.stop()
    desk.start()
    assert desk.later(WINDOW_S) == 1
    assert desk.told()[-1] == ("firing", "again")


def test_a_clock_that_is_set_back_by_hours_makes_it_due(desk):
    """Nobody knows for how long it has waited, and nobody waits for a day."""
    desk.fires()
    desk.ends()
    desk.fires()
    assert desk.later(-30) == 0
    assert desk.later(-86_400) == 1


def test_where_there_is_no_room_it_is_told_once_there_is(desk, monkeypatch):
    """Nobody would send it again."""
    desk.fires()
    desk.ends()
    desk.fires()
    monkeypatch.setattr(outbox, "WAITING_MAX", 2)
    with pytest.raises(FullError):
        desk.later(WINDOW_S)
    monkeypatch.undo()
    assert desk.later(1) == 1


def test_the_receiver_looks_by_itself_also_when_nothing_comes(desk, monkeypatch):
    """There is no further webhook for hours."""
    monkeypatch.setattr(inboxes, "LOOK_SECONDS", 0.05)
    desk.fires()
    desk.ends()
    desk.fires()
    desk.now_s += WINDOW_S
    # Another alert wakes the thread, which then looks every 50 ms.
    desk.inbox.take(read(encoded(alertmanager(alert("other")))), None).result(60)
    wait_for(lambda: ("firing", "again") in desk.told(), seconds=60)


def test_what_comes_while_the_clock_fails_is_refused_and_the_next_is_taken(desk, monkeypatch):
    """The thread that writes must not end of it: nobody would notice, and every webhook would wait."""
    clock, desk.inbox.clock = desk.inbox.clock, lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        desk.fires()
    desk.inbox.clock = clock
    desk.fires()
    assert desk.told() == [("firing", None)]


def test_a_webhook_whose_sender_has_left_does_not_end_the_thread(desk):
    """Its answer is cancelled, and what it said is written all the same."""
    waiting = desk.inbox.take(read(encoded(alertmanager(alert(starts_s=BEGAN_S)))), None)
    waiting.cancel()
    wait_for(desk.told, seconds=60)
    desk.ends()
    assert desk.told() == BOTH


@pytest.mark.slow
def test_alertmanager_that_was_cut_off_for_a_while_is_told_again(tmp_path, monkeypatch):
    """A real one: it lets an alert end that nobody sends, and then hears of it under its former start."""
    monkeypatch.setenv("TEST_SINK_SECRET", "s" * 32)
    for module in (again, changes):
        monkeypatch.setattr(module, "REORDERED_US_MAX", 20_000_000)
    monkeypatch.setattr(inboxes, "LOOK_SECONDS", 0.2)
    with (
        webhook() as sink,
        receiver(tmp_path, sink, secret="", token=TOKEN) as url,
        alertmanager_of(tmp_path, url) as api,
    ):
        began = at(time.time() - 60)

        def send(seconds):
            one = {
                "labels": {"alertname": "QueueFull"},
                "startsAt": began,
                "endsAt": at(time.time() + seconds),
            }
            requests.post(f"{api}/api/v2/alerts", json=[one], timeout=60).raise_for_status()

        send(5)
        wait_for(lambda: sink.changes == ["firing", "resolved"], seconds=120)
        send(3600)
        wait_for(lambda: len(sink.changes) == 3, seconds=180)
    first, _, last = [one.json for one in sink.arrived]
    assert (last["status"], last["started"]) == ("firing", first["started"])
    assert last.get("notice") == "again"
