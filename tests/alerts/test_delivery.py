"""Messages on their way to a real HTTP server."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlobs.alerts.breaker import FAILURES_MAX
from mlobs.alerts.delivery import Courier
from mlobs.alerts.message import iso
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.signature import verify
from mlobs.alerts.sinks.answer import Answer, judge
from mlobs.alerts.sinks.building import webhook as webhook_sink
from tests.alerts.couriers import SECRET, START_S, Post, Says, message
from tests.alerts.couriers import sink as sink
from tests.alerts.rounds import deliver, record
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for


@pytest.fixture
def post(tmp_path, sink):
    made = Post(tmp_path, sink.url)
    yield made
    made.outbox.close()


def test_a_message_arrives_signed_once_with_its_id(post, sink):
    """The receiver can tell who sent it and whether it knows it already."""
    post.put()
    assert post.deliver() == 1
    assert post.deliver() == 0
    (seen,) = sink.arrived
    assert seen.headers["content-type"] == "application/json"
    assert seen.id == post.outbox.recent()[0].id
    headers = {name: seen.headers[f"x-mlobs-{name}"] for name in ("timestamp", "signature")}
    verify(SECRET, **headers, body=seen.body, now_s=post.now_s)
    assert post.receipts() == [("delivered", 1, "204")]


def test_a_busy_sink_gets_the_same_message_again_later(post, sink):
    """Same id, new signature: the old one would be stale after five minutes."""
    sink.answers = [(503, {})]
    post.put()
    assert post.deliver() == 0
    assert post.deliver() == 0
    post.now_s += 2
    assert post.deliver() == 1
    first, second = sink.arrived
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["x-mlobs-signature"] != second.headers["x-mlobs-signature"]


def test_retry_after_holds_for_all_messages_of_the_sink(post, sink):
    """The sink knows better than we do when it will be ready."""
    sink.answers = [(429, {"Retry-After": "120"})]
    post.put()
    post.put(mark="another")
    post.deliver()
    post.now_s += 119
    assert post.deliver() == 0
    assert len(sink.arrived) == 1
    post.now_s += 1
    assert post.deliver() == 2


def test_a_refused_message_is_a_dead_letter_at_once(post, sink):
    """Sending a wrong message again makes it no better, and it would hold up the next."""
    sink.answers = [(404, {})]
    post.put("firing")
    post.put("resolved")
    post.deliver()
    post.deliver()
    assert sink.changes == ["firing", "resolved"]
    assert [state for state, *_ in post.receipts()] == ["delivered", "dead"]


def test_that_messages_die_is_said_in_the_log_once_until_one_arrives(post, sink, caplog):
    """Nobody looks at receipts unasked; and a thousand lines are none."""
    for answers in ([(404, {})] * 3 + [(204, {})], [(404, {})]):
        sink.answers = answers
        for _ in range(len(answers)):
            post.put()
            post.deliver()
            post.now_s += 1
        assert "mlobs alerts redrive --sink webhook" in caplog.text
    assert caplog.text.count("A message for the sink webhook (http://127.0.0.1:") == 2
    assert "hidden" not in caplog.text


def test_a_redirect_is_not_followed(post, sink):
    """It may point into a network that only we can reach."""
    sink.answers = [(302, {"Location": sink.url})]
    post.put()
    post.deliver()
    assert len(sink.arrived) == 1
    ((state, attempts, answer),) = post.receipts()
    assert (state, attempts) == ("dead", 1)
    assert answer.startswith(
        "302: redirects are not followed, and it points to itself, as what wants a login"
    )


def test_after_the_last_attempt_it_is_a_dead_letter(post, sink):
    """And stays in the file, with what the sink said."""
    sink.answers = [(500, {})] * 9
    post.put()
    for _ in range(9):
        post.deliver()
        post.now_s += 1000
    assert post.receipts() == [("dead", 3, "500; given up after 3 attempts")]
    assert post.outbox.counts_by_sink() == {("webhook", "failed"): 2, ("webhook", "dead"): 1}


@pytest.mark.parametrize(
    "trouble", [OSError(28, "No space left on device"), RuntimeError("can't start new thread"), MemoryError()]
)
def test_trouble_of_this_machine_is_never_the_messages_own(tmp_path, sink, trouble):
    """A machine that is in trouble is one that alerts."""
    sick = Says(trouble)
    post = Post(tmp_path, sink.url, sick=sick)
    post.put(sink="sick")
    post.deliver()
    ((state, attempts, answer),) = post.receipts()
    assert (state, attempts) == ("waiting", 1)
    assert answer == f"it cannot be sent from here: {type(trouble).__name__}; see the log"
    sick.answer = Answer("delivered", "ok")
    post.now_s += 10
    assert post.deliver() == 1
    post.outbox.close()


@pytest.mark.parametrize("asked", [None, "0", "1", "5"])
def test_a_sink_that_asks_for_a_short_pause_does_not_use_up_the_attempts_sooner(tmp_path, asked):
    """Else who says Retry-After: 1 while it is down for an hour loses everything."""
    busy = Says(judge(503, asked, START_S))
    post = Post(tmp_path, "http://127.0.0.1:1/", attempts_max=20, busy=busy)
    post.put(sink="busy")
    while post.state("busy")["waiting"]:
        post.deliver()
        post.now_s += 1 if post.now_s < START_S + 100 else 30
    assert post.now_s - START_S > 2 * 3600
    post.outbox.close()


def test_a_clock_that_is_set_back_leaves_no_sink_alone_for_longer(tmp_path, sink):
    """The pause after a message is measured on a clock that is never set."""
    slack = Says()
    slack.gap_s = 1.0
    post = Post(tmp_path, sink.url, slack=slack)
    steady_s = [0.0]
    post.courier._steady = lambda: steady_s[0]
    post.put(sink="slack")
    post.put(sink="slack", mark="another")
    assert post.deliver() == 1
    post.now_s -= 3600
    assert post.state("slack")["state"] == "closed"
    steady_s[0] = 1.0
    assert post.deliver() == 1
    post.outbox.close()


def test_a_sink_can_be_added_and_removed_while_messages_are_delivered(tmp_path, sink):
    """As the file of routes changes; what is known of the health of one that stays is kept."""
    stays, goes, comes = Says(Answer("failed", "503")), Says(), Says()
    post = Post(tmp_path, sink.url, stays=stays, goes=goes)
    for n in range(9):
        post.put(sink="stays", mark=str(n))
    post.courier.start()
    wait_for(lambda: post.state("stays")["state"] == "open")
    post.courier.use({"stays": stays, "comes": comes})
    post.put(sink="comes")
    wait_for(lambda: comes.sent)
    assert post.state("stays")["state"] == "open"
    post.put(sink="goes")
    assert post.state("goes")["state"] == "gone"
    post.courier.use({"goes": goes})
    wait_for(lambda: goes.sent)
    assert post.courier.stop()
    post.outbox.close()


def test_a_message_that_cannot_be_made_holds_up_nobody(tmp_path, sink):
    """A mistake of ours is a dead letter, not a sink that stands still."""
    broken = Says(KeyError("title"))
    post = Post(tmp_path, sink.url, broken=broken)
    post.put(sink="broken")
    post.put()
    assert post.deliver() == 1
    assert ("dead", 1, "it cannot be laid out: KeyError; see the log") in post.receipts()
    post.outbox.close()


def test_a_sink_that_fails_in_a_row_is_left_alone_and_costs_most_messages_no_attempts(tmp_path, sink):
    """Then one message is tried, and if it arrives all go."""
    down = Says(Answer("failed", "503"))
    post = Post(tmp_path, sink.url, attempts_max=9, down=down)
    for n in range(50):
        post.put(mark=str(n), sink="down")
    post.put()
    post.deliver()
    assert len(down.sent) == FAILURES_MAX
    assert post.state("down") == {
        "sink": "down", "type": "test", "address": "test", "state": "open", "failures": FAILURES_MAX,
        "again_in_s": 15, "next": "2023-11-14T22:13:35.000Z", "waiting": 50, "dead": 0,
    }  # fmt: skip
    assert post.state()["state"] == "closed"
    post.now_s += 15
    assert post.state("down")["state"] == "probing"
    post.deliver()
    assert len(down.sent) == FAILURES_MAX + 1
    attempts = sorted(one.attempts for one in post.outbox.recent(sink="down"))
    assert (sum(attempts), attempts[:40]) == (FAILURES_MAX + 1, [0] * 40)
    open_ = [value for metric, labels, value in post.courier.samples() if metric.name.endswith("open")]
    assert sorted(open_) == [0.0, 1.0]
    down.answer = Answer("delivered", "ok")
    post.now_s += 1000
    while post.deliver():
        post.now_s += 1
    assert post.state("down")["waiting"] == 0
    assert post.state("down")["state"] == "closed"
    post.outbox.close()


def test_a_sink_whose_attempts_fail_says_how_many_did_and_when_the_next_is(tmp_path, sink):
    """Long before there are so many that it is left alone."""
    down = Says(Answer("failed", "503"))
    post = Post(tmp_path, sink.url, attempts_max=9, down=down)
    post.put(sink="down")
    assert (post.state("down")["failures"], post.state("down")["next"]) == (0, None)
    for failed in range(1, FAILURES_MAX):
        post.deliver()
        (waits,) = post.outbox.recent()
        shown = post.state("down")
        assert (shown["state"], shown["failures"], shown["next"]) == ("closed", failed, iso(waits.next_s))
        post.now_s = waits.next_s
    down.answer = Answer("delivered", "ok")
    post.deliver()
    assert (post.state("down")["failures"], post.state("down")["next"]) == (0, None)
    post.outbox.close()


def test_a_sink_that_is_no_longer_configured_is_shown_with_what_waits_for_it(post):
    """Else messages would lie there unseen."""
    post.put(sink="old")
    assert post.state("old")["state"] == "gone"
    assert post.state("old")["waiting"] == 1


def test_a_sink_that_hangs_does_not_delay_the_others(tmp_path, sink):
    """Each has a thread of its own."""
    free = threading.Event()

    class Hangs(Says):
        def send(self, delivery_id, body, *, now_s):
            free.wait(30)
            return super().send(delivery_id, body, now_s=now_s)

    hanging = Hangs()
    post = Post(tmp_path, sink.url, hanging=hanging)
    post.put(sink="hanging")
    post.put()
    post.courier.start()
    wait_for(lambda: sink.arrived)
    assert post.state("hanging")["waiting"] == 1
    free.set()
    wait_for(lambda: post.state("hanging")["waiting"] == 0)
    assert post.courier.stop()
    post.outbox.close()


def test_a_full_disk_ends_no_thread(tmp_path, sink, monkeypatch, caplog):
    """It may pass, and is said once."""
    post = Post(tmp_path, sink.url)
    due, trouble = post.outbox.due, iter([OSError("disk full")] * 3)

    def failing(*given, **named):
        for error in trouble:
            raise error
        return due(*given, **named)

    monkeypatch.setattr(post.outbox, "due", failing)
    monkeypatch.setattr("mlobs.alerts.delivery.LOOK_SECONDS", 0.01)
    post.put()
    post.courier.start()
    wait_for(lambda: sink.arrived)
    assert post.courier.stop()
    assert caplog.text.count("Alerts cannot be delivered to webhook") == 1
    post.outbox.close()


def test_each_sink_hears_of_each_alert_in_order_though_some_attempts_fail(tmp_path, sink):
    """Per sink and per alert; another sink's trouble changes nothing."""
    sink.answers = [(503, {})] * 7
    other = Says()
    post = Post(tmp_path, sink.url, attempts_max=50, other=other)
    for step in range(6):
        for mark in ("a", "b", "c"):
            for name in ("webhook", "other"):
                post.put("firing" if step % 2 == 0 else "resolved", mark=mark, sink=name)
        post.now_s += 1
    for _ in range(200):
        post.deliver()
        post.now_s += 5
    arrived = [one.id for one in sink.arrived[7:]]
    wanted = {one.id: (one.fingerprint, one.made_s) for one in post.outbox.recent(1000, sink="webhook")}
    assert set(arrived) == set(wanted)
    for mark in ("a", "b", "c"):
        times = [wanted[one][1] for one in arrived if wanted[one][0] == mark]
        assert times == sorted(times)
        assert len(times) == 6
    assert len(other.sent) == 18
    post.outbox.close()


# Delivers what is in a folder's outbox on threads, until somebody kills it.
DELIVERING = """
import sys, time
from pathlib import Path
from mlobs.alerts.delivery import Courier
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.sinks.building import webhook

folder, *urls = sys.argv[1:]
sinks = {name: webhook(url, "s3cret") for name, url in zip(("webhook", "other"), urls)}
Courier(Outbox(Path(folder) / "alerts.sqlite"), sinks, attempts_max=20).start()
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_kill_9_in_the_middle_loses_nothing_and_what_comes_twice_has_the_same_id(tmp_path, sink):
    """At least once, whenever the process dies."""
    outbox = Outbox(tmp_path / "alerts.sqlite")
    marks = [str(n) for n in range(150)]
    messages = [message(mark=mark, sink=name) for mark in marks for name in ("webhook", "other")]
    record(outbox, *messages)
    with webhook() as other:
        for _ in range(6):
            seen = len(sink.arrived) + len(other.arrived)
            command = [sys.executable, "-c", DELIVERING, str(tmp_path), sink.url, other.url]
            with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd()) as process:
                wait_for(
                    lambda seen=seen: (
                        len(sink.arrived) + len(other.arrived) > seen + 40 or not waiting(outbox)
                    )
                )
                os.kill(process.pid, signal.SIGKILL)
        courier = Courier(
            outbox,
            {"webhook": webhook_sink(sink.url, SECRET), "other": webhook_sink(other.url, SECRET)},
            attempts_max=20,
        )
        while waiting(outbox):
            deliver(courier)
        arrived = [one.id for one in (*sink.arrived, *other.arrived)]
    assert set(arrived) == {one.id for one in messages}
    assert len(arrived) - len(set(arrived)) <= 2 * 6  # for each kill, one in flight per sink
    outbox.close()


def waiting(outbox):
    return sum(count for (_, state), count in outbox.held().items() if state == "waiting")
