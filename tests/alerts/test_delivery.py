"""Messages on their way to a real HTTP server."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.breaker import FAILURES_MAX
from mlobs.alerts.delivery import Courier
from mlobs.alerts.outbox import Message, Outbox
from mlobs.alerts.signature import verify
from mlobs.alerts.sinks.answer import Answer, judge
from mlobs.alerts.sinks.building import webhook as webhook_sink
from tests.alerts.sink import webhook

SECRET = "s3cret"
START_S = 1_700_000_000.0


def message(status="firing", mark="f", sink="webhook", changed_s=START_S):
    body = b'{"status":"%s"}' % status.encode()
    return Message(fingerprint=mark, rule="R", status=status, changed_s=changed_s, body=body, sink=sink)


class Post:
    """An outbox, a courier and a clock that stands."""

    def __init__(self, folder, url, attempts_max=3, **others):
        self.now_s = START_S
        self.outbox = Outbox(folder / "alerts.sqlite")
        self.courier = Courier(
            self.outbox,
            {"webhook": webhook_sink(url, SECRET), **others},
            attempts_max=attempts_max,
            clock=lambda: self.now_s,
            jitter=lambda: 1.0,
        )

    def put(self, status="firing", **given):
        one = message(status, changed_s=self.now_s, **given)
        self.outbox.record(changed=[], over=[], messages=[one])

    def receipts(self):
        return [(one.state, one.attempts, one.answer) for one in self.outbox.recent()]

    def state(self, sink="webhook"):
        return next(one for one in self.courier.now() if one["sink"] == sink)


class Says:
    """A sink that answers what it is told."""

    kind, address, gap_s = "test", "test", 0.0

    def __init__(self, answer=None):
        self.answer = answer or Answer("delivered", "ok")
        self.sent = []

    def send(self, delivery_id, body, *, now_s):
        self.sent.append(delivery_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def sink():
    with webhook() as seen:
        yield seen


@pytest.fixture
def post(tmp_path, sink):
    made = Post(tmp_path, sink.url)
    yield made
    made.outbox.close()


def test_a_message_arrives_signed_once_with_its_id(post, sink):
    """The receiver can tell who sent it and whether it knows it already."""
    post.put()
    assert post.courier.deliver() == 1
    assert post.courier.deliver() == 0
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
    assert post.courier.deliver() == 0
    assert post.courier.deliver() == 0
    post.now_s += 2
    assert post.courier.deliver() == 1
    first, second = sink.arrived
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["x-mlobs-signature"] != second.headers["x-mlobs-signature"]


def test_retry_after_holds_for_all_messages_of_the_sink(post, sink):
    """The sink knows better than we do when it will be ready."""
    sink.answers = [(429, {"Retry-After": "120"})]
    post.put()
    post.put(mark="another")
    post.courier.deliver()
    post.now_s += 119
    assert post.courier.deliver() == 0
    assert len(sink.arrived) == 1
    post.now_s += 1
    assert post.courier.deliver() == 2


def test_a_refused_message_is_a_dead_letter_at_once(post, sink):
    """Sending a wrong message again makes it no better, and it would hold up the next."""
    sink.answers = [(404, {})]
    post.put("firing")
    post.put("resolved")
    post.courier.deliver()
    post.courier.deliver()
    assert sink.changes == ["firing", "resolved"]
    assert [state for state, *_ in post.receipts()] == ["delivered", "dead"]


def test_a_redirect_is_not_followed(post, sink):
    """It may point into a network that only we can reach."""
    sink.answers = [(302, {"Location": sink.url})]
    post.put()
    post.courier.deliver()
    assert len(sink.arrived) == 1
    assert post.receipts() == [
        ("dead", 1, "302: redirects are not followed; configure the address it points to")
    ]


def test_after_the_last_attempt_it_is_a_dead_letter(post, sink):
    """And stays in the file, with what the sink said."""
    sink.answers = [(500, {})] * 9
    post.put()
    for _ in range(9):
        post.courier.deliver()
        post.now_s += 1000
    assert post.receipts() == [("dead", 3, "500; given up after 3 attempts")]
    assert post.outbox.counts() == {"failed": 2, "dead": 1}


def test_a_message_that_cannot_be_made_holds_up_nobody(tmp_path, sink):
    """A mistake of ours is a dead letter, not a sink that stands still."""
    broken = Says(KeyError("title"))
    post = Post(tmp_path, sink.url, broken=broken)
    post.put(sink="broken")
    post.put()
    assert post.courier.deliver() == 1
    assert ("dead", 1, "it cannot be made: KeyError; see the log") in post.receipts()
    post.outbox.close()


def test_a_sink_that_fails_in_a_row_is_left_alone_and_costs_no_attempts(tmp_path, sink):
    """Then one message is tried, and if it arrives all go."""
    down = Says(Answer("failed", "503"))
    post = Post(tmp_path, sink.url, attempts_max=9, down=down)
    for n in range(50):
        post.put(mark=str(n), sink="down")
    post.put()
    post.courier.deliver()
    assert len(down.sent) == FAILURES_MAX
    assert post.state("down") == {
        "sink": "down", "type": "test", "address": "test", "state": "open", "failures": FAILURES_MAX,
        "again_in_s": 15, "waiting": 50, "dead": 0,
    }  # fmt: skip
    assert post.state()["state"] == "closed"
    post.now_s += 15
    assert post.state("down")["state"] == "probing"
    post.courier.deliver()
    assert len(down.sent) == FAILURES_MAX + 1
    open_ = [value for metric, labels, value in post.courier.samples() if metric.name.endswith("open")]
    assert sorted(open_) == [0.0, 1.0]
    down.answer = Answer("delivered", "ok")
    post.now_s += 1000
    while post.courier.deliver():
        post.now_s += 1
    assert post.state("down")["waiting"] == 0
    assert post.state("down")["state"] == "closed"
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
        post.courier.deliver()
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


def test_retry_after_may_be_a_date():
    """HTTP allows both."""
    assert judge(503, "Tue, 14 Nov 2023 22:14:00 GMT", START_S).retry_after_s == 40.0
    assert judge(503, "Tue, 14 Nov 2023 22:00:00 GMT", START_S).retry_after_s == 0.0
    assert judge(503, "99999999", 0.0).retry_after_s == 3600.0


@given(retry_after=st.none() | st.text(), status=st.integers(100, 599))
def test_nothing_a_sink_says_raises(retry_after, status):
    """It is a stranger."""
    answer = judge(status, retry_after, START_S)
    assert answer.outcome in {"delivered", "failed", "dead"}
    assert answer.retry_after_s is None or 0 <= answer.retry_after_s <= 3600


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
    outbox.record(changed=[], over=[], messages=messages)
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
            courier.deliver()
        arrived = [one.id for one in (*sink.arrived, *other.arrived)]
    assert set(arrived) == {one.id for one in messages}
    assert len(arrived) - len(set(arrived)) <= 2 * 6  # for each kill, one in flight per sink
    outbox.close()


def waiting(outbox):
    return sum(count for (_, state), count in outbox.held().items() if state == "waiting")


def wait_for(condition, within_s=20.0):
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
